"""`waveboard wave`: the workspace's waves as they are written."""

import click

from waveboard.cli import show
from waveboard.cli.dispatch import dispatch, recall, report
from waveboard.cli.site import opened
from waveboard.register.board_json import wave_row


@click.group()
def wave() -> None:
    """List and show the waves of the workspace."""


@wave.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> int:
    """Every wave: goal, policy, links, and where its newest plan stands."""
    from waveboard.app.standing import plans

    site = opened(ctx.obj)
    states = {str(row["wave"]): str(row["state"]) for row in reversed(plans(site))}
    for opening in site.store.board():
        states[opening.wave] = f"open, {states[opening.wave]}" if opening.plan and opening.wave in states else "open"
    waves = site.contract.waves.values()
    if as_json:
        show.document(
            {"schema": "waveboard.waves/1", "waves": [{**wave_row(w), "state": states.get(w.id, "not planned")} for w in waves]}
        )
        return 0
    rows = [(w.id, w.goal, w.policy, ", ".join(w.mutate_hosts) or "none", states.get(w.id, "not planned")) for w in waves]
    show.table(("WAVE", "GOAL", "MUTATION", "HOSTS", "STATE"), rows)
    return 0


@wave.command("open")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def open_(ctx: click.Context, name: str, as_json: bool) -> int:
    """Open a wave that changes no host: entry conditions on a fresh audit, goalposts pinned. `apply` opens the others."""
    from waveboard.app.opening import begin

    opening = begin(opened(ctx.obj), name)
    if as_json:
        show.document({"schema": "waveboard.wave-open/1", "wave": opening.wave, "by": opening.by, "pins": dict(opening.pins)})
        return 0
    click.echo(f"{opening.wave} is open; until it is closed nothing changes {', '.join(opening.hosts) or 'any host'}")
    for name_ in ("contract", "gates", "runbook"):
        click.echo(f"  {name_:<9} {opening.pins.get(name_)}")
    show.next_step(f"waveboard wave close {opening.wave}")
    return 0


@wave.command("close")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def close(ctx: click.Context, name: str, as_json: bool) -> int:
    """Judge a wave's exit conditions on a fresh audit and write its closeout receipt. Exit 3: not all of them hold."""
    from waveboard.app import closing

    done = closing.close_wave(opened(ctx.obj), name)
    if as_json:
        show.document(done.document)
    else:
        click.echo(done.text, nl=False)
    return 0 if done.holds else 3


@wave.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def show_(ctx: click.Context, name: str, as_json: bool) -> int:
    """One wave in full."""
    from waveboard.app.planning import wave_named

    found = wave_named(opened(ctx.obj), name)
    if as_json:
        show.document({"schema": "waveboard.wave/1", **wave_row(found)})
        return 0
    for key, value in wave_row(found).items():
        if isinstance(value, list):
            click.echo(f"{key}:" + ("" if value else " none"))
            for line in value:
                click.echo(f"  {line}")
        else:
            click.echo(f"{key}: {value}")
    return 0


wave.add_command(dispatch)
wave.add_command(recall)
wave.add_command(report)
