"""plan, approve, apply, undo, settle, retire, close, status: the verbs that change a host, and those around them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from waveboard.app.plans import Known, find, from_bytes
from waveboard.app.site import Site
from waveboard.cli import show
from waveboard.cli.out import PLAN, new_file
from waveboard.cli.site import opened
from waveboard.model.change import APPROVAL_HOURS_MAX, ActionKind
from waveboard.model.errors import UsageError
from waveboard.model.units import instant_text
from waveboard.world.files import read_named, write_named

if TYPE_CHECKING:
    from waveboard.app.read import Reading


def _plan_of(site: Site, named: str) -> Known:
    """A plan by file, digest or wave id; an existing file wins."""
    return from_bytes(read_named(named, "plan")) if Path(named).is_file() else find(site, named)


def written(known: Known, out: str | None, as_json: bool) -> int:
    from waveboard.waves import show as shown

    if out:
        write_named(Path(out), known.raw, PLAN)
    if as_json:
        click.echo(known.raw.decode())
    else:
        click.echo(shown.text(known.plan, known.digest), nl=False)
    if out:
        show.next_step(f"waveboard approve {out} --key ~/.ssh/id_ed25519 --as NAME")
    return 2 if known.plan.steps else 0


@click.command()
@click.argument("wave")
@new_file("Write the plan to this file.", PLAN)
@click.option("--json", "as_json", is_flag=True, help="Print the plan's exact bytes.")
@click.pass_context
def plan(ctx: click.Context, wave: str, out: str | None, as_json: bool) -> int:
    """Plan WAVE from a fresh audit. Exit 0: nothing to change; 2: changes planned."""
    from waveboard.app import planning, read

    site = opened(ctx.obj)
    spec = planning.wave_named(site, wave)
    planning.plannable(spec)
    reading = read.audit(site, spec.mutate_hosts)
    return written(planning.plan(site, spec, reading), out, as_json)


@click.command()
@click.argument("pack")
@new_file("Write the promotion's plan to this file, for approve and apply.", PLAN)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def promote(ctx: click.Context, pack: str, out: str | None, as_json: bool) -> int:
    """May PACK go from report to enforce? Says promote or hold, and why. Exit 3: hold; with -o, 2: a plan to sign was written."""
    from waveboard.app import promotion

    site = opened(ctx.obj)
    if out:
        return written(promotion.plan(site, pack), out, as_json)
    advice = promotion.advise(site, pack)
    if as_json:
        show.document(advice.document())
    else:
        click.echo(advice.text(), nl=False)
        show.next_step(f"waveboard promote {pack} -o FILE" if advice.holds else f"waveboard verify {pack}")
    return 0 if advice.holds else 3


@click.command()
@click.argument("plan")
@click.option("--key", required=True, type=click.Path(), help="SSH private key, or the public key of one your agent holds.")
@click.option("--as", "principal", required=True, help="Your name as allowed_signers has it.")
@click.option(
    "--hours",
    type=click.IntRange(1, APPROVAL_HOURS_MAX),
    default=24,
    show_default=True,
    help="How long the approval counts, within the window.",
)
@click.pass_context
def approve(ctx: click.Context, plan: str, key: str, principal: str, hours: int) -> int:
    """Sign PLAN's digest. Read the plan first: what you sign is exactly those bytes."""
    from waveboard.app.approve import approve as sign_plan
    from waveboard.wiring import ssh_signer, workspace_signers

    site = opened(ctx.obj)
    known = _plan_of(site, plan)
    made = sign_plan(site, known, principal, workspace_signers(ctx.obj["workspace"], site.contract), ssh_signer(key), hours)
    click.echo(f"{made.principal} approves {known.plan.wave} {known.digest}")
    click.echo(
        f"valid {instant_text(made.not_before)} to {instant_text(made.not_after)}, once, for {', '.join(h.host for h in known.plan.hosts)}"
    )
    show.next_step(f"waveboard apply {plan}")
    return 0


@click.command()
@click.argument("plan")
@click.pass_context
def apply(ctx: click.Context, plan: str) -> int:
    """Carry out an approved PLAN, or go on with it after a crash. Exit 6: rolled back; 7: halted."""
    from waveboard.app import apply as order
    from waveboard.app import read
    from waveboard.app.entry import hosts_needed
    from waveboard.wiring import workspace_signers

    site = opened(ctx.obj)
    known = _plan_of(site, plan)
    fresh = not site.store.events(known.digest) and known.plan.kind != "promotion"
    reading: Reading | None
    if fresh and known.plan.kind == "provision":
        reading = _looked(site, known, ctx.obj["workspace"])
    else:
        reading = read.audit(site, hosts_needed(site.contract, known.plan, "entry")) if fresh else None
    order.apply(site, known, workspace_signers(ctx.obj["workspace"], site.contract), reading)
    click.echo(f"{known.plan.wave}: every step is applied and proven")
    if known.plan.kind in ("wave", "provision"):
        show.next_step(f"waveboard close {plan}")
    return 0


def _looked(site: Site, known: Known, workspace: str) -> "Reading":
    """A hypervisor is looked at, not audited."""
    from waveboard.app.provision import looked
    from waveboard.making import makers

    return looked(site, known, makers(site, Path(workspace)))


@click.command()
@click.argument("plan")
@click.pass_context
def undo(ctx: click.Context, plan: str) -> int:
    """Take PLAN (a file, a digest or a wave id) back, newest step first."""
    from waveboard.app import apply as order

    site = opened(ctx.obj)
    known = _plan_of(site, plan)
    order.undo(site, known)
    click.echo(f"{known.plan.wave}: every step is taken back")
    return 0


@click.command()
@click.argument("plan")
@click.option("--done", multiple=True, metavar="STEP", help="You looked: this step is done on its host.")
@click.option("--undone", multiple=True, metavar="STEP", help="You looked: nothing of this step is left on its host.")
@click.option("--key", required=True, type=click.Path(), help="SSH private key, or the public key of one your agent holds.")
@click.option("--as", "principal", required=True, help="Your name as allowed_signers has it.")
@click.pass_context
def settle(ctx: click.Context, plan: str, done: tuple[str, ...], undone: tuple[str, ...], key: str, principal: str) -> int:
    """Lead a halted PLAN out: sign how its unresolved steps stand. All done: it is finished; else the rest is taken back."""
    from waveboard.app.settle import settle as settle_plan
    from waveboard.wiring import ssh_signer, workspace_signers

    if twice := sorted(set(done) & set(undone)):
        raise UsageError(f"settle {plan}", f"{', '.join(twice)} cannot be both done and undone", "say one of them")
    site = opened(ctx.obj)
    known = _plan_of(site, plan)
    said = {**dict.fromkeys(done, "done"), **dict.fromkeys(undone, "undone")}
    end = settle_plan(site, known, principal, workspace_signers(ctx.obj["workspace"], site.contract), ssh_signer(key), said)
    told = "finished: every step is done" if end.kind is ActionKind.FINISH else "rolled back: every other step is taken back"
    click.echo(f"{known.plan.wave} is settled by {principal} and {told}")
    return 0


@click.command()
@click.argument("plan")
@new_file("Write the plan to this file.", PLAN)
@click.option("--json", "as_json", is_flag=True, help="Print the plan's exact bytes.")
@click.pass_context
def retire(ctx: click.Context, plan: str, out: str | None, as_json: bool) -> int:
    """Plan the removal of exactly what PLAN, done or taken back, set aside; it needs its own approvals."""
    from waveboard.app import planning, read

    site = opened(ctx.obj)
    known = _plan_of(site, plan)
    reading = read.audit(site, [pin.host for pin in known.plan.hosts])
    return written(planning.retire(site, known, reading), out, as_json)


@click.command()
@click.argument("plan")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def close(ctx: click.Context, plan: str, as_json: bool) -> int:
    """Judge what PLAN was for on a fresh look (its wave's exit conditions; its VM ready, or whole) and write the closeout receipt.
    Exit 3: not all of it holds."""
    from waveboard.app import closing
    from waveboard.making import makers

    site = opened(ctx.obj)
    known = _plan_of(site, plan)
    done = closing.close(site, known, makers(site, Path(ctx.obj["workspace"])))
    if as_json:
        show.document(done.document)
    else:
        click.echo(done.text, nl=False)
    return 0 if done.holds else 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> int:
    """Every plan with its steps, approvals and lease."""
    from waveboard.app import standing

    site = opened(ctx.obj)
    rows = standing.plans(site)
    if as_json:
        show.document({"schema": "waveboard.status/1", "plans": rows})
        return 0
    if not rows:
        click.echo("no plan was ever made here")
    for row in rows:
        click.echo(
            f"{row['wave']}  {row['state']}  {row['digest']}  approvals: {row['approvals'] or 'none'}  held by: {row['held'] or 'nobody'}"
        )
        steps = row["steps"]
        assert isinstance(steps, dict)
        for step, state in steps.items():
            click.echo(f"  {step:<14} {state}")
    return 0
