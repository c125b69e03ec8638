"""`waveboard vm` and `waveboard parity`: a VM from its contracts, whether it is so, and whether every rule has its enforcers."""

from pathlib import Path

import click

from waveboard.cli import show
from waveboard.cli.change import written
from waveboard.cli.out import PLAN, new_file
from waveboard.cli.site import opened
from waveboard.world.files import write_named


@click.group()
def vm() -> None:
    """A VM from its contracts: made, set up, judged."""


@vm.command()
@click.argument("host")
@new_file("Write the plan to this file, for approve and apply.", PLAN)
@click.option("--disposable", is_flag=True, help="Undo may remove the data disk too, whatever it holds by then.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan's exact bytes.")
@click.pass_context
def provision(ctx: click.Context, host: str, out: str | None, disposable: bool, as_json: bool) -> int:
    """Plan what is missing of HOST on its hypervisor. Exit 0: it is whole; 2: steps planned; 3: refused."""
    from waveboard.app.provision import plan
    from waveboard.making import makers

    site = opened(ctx.obj)
    return written(plan(site, host, makers(site, Path(str(ctx.obj["workspace"]))), disposable), out, as_json)


@vm.command("bootstrap")
@click.argument("host")
@new_file("Write the plan to this file.", PLAN)
@click.option("--json", "as_json", is_flag=True, help="Print the plan's exact bytes.")
@click.pass_context
def bootstrap(ctx: click.Context, host: str, out: str | None, as_json: bool) -> int:
    """Plan what makes HOST as its contracts ask. Dry: approve and apply carry it out. Exit 0: nothing to do; 2: changes planned."""
    from waveboard.app import machine, read

    site = opened(ctx.obj)
    machine.machine(site, host)
    return written(machine.bootstrap_plan(site, host, read.audit(site, (host,))), out, as_json)


@vm.command("ready")
@click.argument("host")
@click.option("--wait", is_flag=True, help="Ask again until it is ready.")
@click.option(
    "--timeout", type=click.IntRange(1, 86400), default=600, show_default=True, help="Seconds that --wait waits at most."
)
@click.option(
    "--evidence", "given", multiple=True, type=click.Path(exists=True), help="Judge this bundle; read no host, certify nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print waveboard.vm-ready/1.")
@click.pass_context
def ready(ctx: click.Context, host: str, wait: bool, timeout: int, given: tuple[str, ...], as_json: bool) -> int:
    """Is HOST as its contracts ask, by every storage rule? Exit 0: ready; 2: it is not; 5: something could not be seen."""
    from waveboard.app import machine, read
    from waveboard.app.provision import asking
    from waveboard.cli.verify import _files
    from waveboard.making import makers
    from waveboard.model.document import Recorded
    from waveboard.vms.rule import State
    from waveboard.wiring import read_bundle_file

    site = opened(ctx.obj)
    machine.machine(site, host)
    if given:
        found = read.one_each((read_bundle_file(str(path)) for path in _files(given)), (host,))
        judged = machine.ready(site, host, read.replayed(site, found, Recorded()), fresh=False)
    else:
        look = asking(site, makers(site, Path(str(ctx.obj["workspace"]))))
        judged = machine.ready(site, host, read.audit(site, (host,)), look)
        until = site.clock.now().timestamp() + timeout
        while wait and not judged.ready and site.clock.now().timestamp() < until:
            site.say(f"{host} is not ready: {', '.join(a.id for a in judged.readiness.answers if a.state is not State.HOLDS)}")
            site.clock.sleep(5.0)
            judged = machine.ready(site, host, read.audit(site, (host,)), look)
    if as_json:
        click.echo(machine.as_json(judged))
    else:
        rows = [(a.state.value, a.id, a.title, "; ".join(a.reasons)) for a in judged.readiness.answers]
        show.table(("STATE", "RULE", "SAYS", "WHY"), rows)
        word = (
            "ready" if judged.ready else "not ready" if not judged.readiness.ready else "not ready: nothing certifies its birth"
        )
        click.echo(f"{host}: {word}" + (f"\nbirth certificate {judged.birth}" if judged.birth else ""))
    return 0 if judged.ready else 5 if judged.readiness.doubtful else 2


@vm.command("kit")
@click.argument("host")
@click.option("--remove", "away", is_flag=True, help="Print the script that takes the kit away again.")
@click.pass_context
def kit(ctx: click.Context, host: str, away: bool) -> int:
    """Print the script that lets waveboard read and change HOST. Read it, run it as root there: waveboard runs none of it."""
    from waveboard.making import kit as given
    from waveboard.vms import kit_script

    site = opened(ctx.obj)
    found = given(site, Path(str(ctx.obj["workspace"])), None, site.target(host))
    click.echo(kit_script.remove(host, found) if away else kit_script.install(host, found), nl=False)
    return 0


@vm.command()
@click.argument("host")
@click.option(
    "-o", "out", type=click.Path(file_okay=False), default=".", help="The directory for plans to sign; here when absent."
)
@click.option("--keep", is_flag=True, help="Leave the probe; the command that takes it away is told.")
@click.option(
    "--timeout", type=click.IntRange(1, 86400), default=900, show_default=True, help="Seconds the probe may take to become ready."
)
@click.option("--json", "as_json", is_flag=True, help="Print waveboard.vm-prove/1.")
@click.pass_context
def prove(ctx: click.Context, host: str, out: str, keep: bool, timeout: int, as_json: bool) -> int:
    """Prove what makes HOST: its probe is made, set up, judged by every rule and taken away. Goes as far as people signed; run it again.

    Exit 0: the proof holds; 2: it does not; 4: a plan waits for its signature.
    """
    from waveboard.app import read
    from waveboard.app.proving import Proving, Waiting
    from waveboard.making import makers
    from waveboard.waves import show as shown
    from waveboard.wiring import workspace_signers

    site = opened(ctx.obj)
    directory = str(ctx.obj["workspace"])
    signers = workspace_signers(directory, site.contract)
    made = makers(site, Path(directory))
    found = Proving(site, host, made, lambda hosts: read.audit(site, hosts), signers, keep, timeout).go_on()
    told: dict[str, object] = {"schema": "waveboard.vm-prove/1", "host": host}
    if isinstance(found, Waiting):
        file = Path(out) / f"{found.known.plan.wave}.plan"
        write_named(file, found.known.raw, PLAN)
        if as_json:
            show.document({**told, "state": "waiting", "plan": found.known.digest, "file": str(file), "because": found.because})
        else:
            click.echo(shown.text(found.known.plan, found.known.digest), nl=False)
            click.echo(f"{host}: {file} waits for a signature: {found.because}")
        show.next_step(f"waveboard approve {file} --key ~/.ssh/id_ed25519 --as NAME, then waveboard vm prove {host}")
        return 4
    if as_json:
        state = "proven" if found.holds else "refuted"
        show.document(
            {**told, "state": state, "receipt": found.receipt, "reasons": list(found.reasons), "kept": found.kept or None}
        )
    else:
        for reason in found.reasons:
            click.echo(show.safe(reason))
        click.echo(f"{host}: what makes it is {'proven' if found.holds else 'not proven'}: receipt {found.receipt}")
    if found.kept:
        show.next_step(f"{found.kept} takes the probe away")
    return 0 if found.holds else 2


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print waveboard.parity/1.")
def parity(as_json: bool) -> int:
    """Who enforces each storage rule at each stage. Exit 0: every rule at every stage, or a reason why not; 2: a hole."""
    from waveboard.vms.parity import parity as compare
    from waveboard.vms.rule import Stage
    from waveboard.wiring import shelves

    told = compare(shelves())
    if as_json:
        cells = [{"rule": c.rule, "stage": c.stage.value, "enforced": c.enforced, "by": c.by, "hole": c.hole} for c in told.cells]
        rules = [{"id": key, "title": title} for key, title in told.titles]
        show.document(
            {"schema": "waveboard.parity/1", "whole": not told.holes, "rules": rules, "cells": cells, "holes": list(told.holes)}
        )
        return 2 if told.holes else 0
    marks = {(c.rule, c.stage): "HOLE" if c.hole else "yes" if c.enforced else "-" for c in told.cells}
    rows = [(key, *(marks[key, stage] for stage in Stage), title) for key, title in told.titles]
    show.table(("RULE", *(stage.value.upper() for stage in Stage), "SAYS"), rows)
    for hole in told.holes:
        click.echo(f"hole: {hole}")
    click.echo(
        f"{len(told.titles)} rules, {len(told.holes)} holes; - is a stage at which a rule says why nobody enforces it (--json)"
    )
    return 2 if told.holes else 0
