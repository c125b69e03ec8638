"""`waveboard loops`: the pieces of work that own the gaps, as they stand, and every way to change them."""

import click

from waveboard.cli import show
from waveboard.cli.register_verbs import HOURS, JSON, REASON, alone, claimed, in_full, released, reparented, said
from waveboard.cli.site import opened


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def loops(ctx: click.Context, as_json: bool) -> int | None:
    """Loops: status, show, file, claim, release, reparent, close."""
    return alone(ctx, status, as_json=as_json)


@loops.command()
@click.option("--all", "every", is_flag=True, help="Closed loops too.")
@JSON
@click.pass_context
def status(ctx: click.Context, every: bool, as_json: bool) -> int:
    """How many loops there are by status, severity and owner, and every open one."""
    from waveboard.app import register_rows as rows
    from waveboard.app.registers import claims, current

    site = opened(ctx.obj)
    view, held = current(site), claims(site)
    shown = rows.loop_rows(view, (s for s in view.loops.values() if every or not s.closed), held)
    running = [row for row in shown if row["open"]]
    totals, severities, owners = rows.loop_totals(view), rows.by(running, "severity"), rows.by(running, "owner")
    ctx.obj["result"] = f"open loops: {totals['open']}"
    if as_json:
        show.document(
            {"schema": "waveboard.loops/1", "totals": totals, "by_severity": severities, "by_owner": owners, "loops": shown}
        )
        return 0
    click.echo("=== LOOP SUMMARY ===")
    for title, counts in (("By Status", totals), ("By Severity (open)", severities), ("By Owner (open)", owners)):
        click.echo(f"\n{title}:")
        for key, count in counts.items():
            click.echo(f"  {show.safe(key.capitalize() if title == 'By Status' else key)}: {count}")
    click.echo()
    table = [(str(r["id"]), _state(r), str(r["severity"]), str(len(_gaps(r))), str(r["objective"])) for r in shown]
    show.table(("LOOP", "STATUS", "SEVERITY", "OPEN GAPS", "OBJECTIVE"), table)
    return 0


@loops.command("show")
@click.argument("name", metavar="LOOP")
@JSON
@click.pass_context
def show_(ctx: click.Context, name: str, as_json: bool) -> int:
    """One loop in full, with the gaps it owns."""
    from waveboard.app import register_rows as rows
    from waveboard.app.registers import claims, current, loop_named

    site = opened(ctx.obj)
    view = current(site)
    (row,) = rows.loop_rows(view, [loop_named(view, name, f"show {name}")], claims(site))
    if as_json:
        show.document({"schema": "waveboard.loop/1", **row})
        return 0
    in_full(row)
    return 0


@loops.command("file")
@click.argument("name", metavar="LOOP")
@click.option("--owner", required=True)
@click.option("--objective", required=True, help="What is to be reached, in a sentence.")
@click.option("--scope", default="")
@click.option("--severity", default="", type=click.Choice(["", "critical", "high", "medium", "low"]))
@click.option("--parent", "parent_loop", default="", help="The loop that owns it.")
@click.pass_context
def file_(ctx: click.Context, /, name: str, **told: str) -> int:
    """Register a loop, named like LOOP-WHAT-IT-IS-20260226."""
    from waveboard.app.filing import file_loop

    return said(file_loop(opened(ctx.obj), name, told), "filed")


@loops.command()
@click.argument("name", metavar="LOOP")
@HOURS
@click.pass_context
def claim(ctx: click.Context, name: str, hours: int) -> int:
    """Work on LOOP: nobody else may change it until the claim ends or is released."""
    return claimed(ctx, "loop", name, hours)


@loops.command()
@click.argument("name", metavar="LOOP")
@click.pass_context
def release(ctx: click.Context, name: str) -> int:
    """Give LOOP back before its claim ends."""
    return released(ctx, "loop", name)


@loops.command()
@click.argument("name", metavar="LOOP")
@click.option("--to", required=True, help="The loop above it; `none` for none.")
@REASON
@click.pass_context
def reparent(ctx: click.Context, name: str, to: str, reason: str) -> int:
    """Put LOOP below another loop. A circle is refused."""
    return reparented(ctx, "loop", name, to, reason)


@loops.command()
@click.argument("name", metavar="LOOP")
@click.option("--run", "run_key", default="", help="The verify run that proves it; the newest that can when absent.")
@REASON
@click.pass_context
def close(ctx: click.Context, name: str, run_key: str, reason: str) -> int:
    """Close LOOP once its gaps and loops are settled and no finding linked to it is seen."""
    from waveboard.app.settling import close_loop

    return said(close_loop(opened(ctx.obj), name, run_key, reason), "closed")


@loops.command("import")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--dry-run", is_flag=True, help="Tell what the files hold, and take nothing in.")
@JSON
@click.pass_context
def import_(ctx: click.Context, paths: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Take in loop files (or a directory of *.scope.md) as they are. What is known here is not changed."""
    from waveboard.cli.bringing import bring_in

    return bring_in(ctx, "loops.import", paths, dry_run, as_json)


@loops.command()
@click.option(
    "-o",
    "out",
    default=None,
    type=click.Path(file_okay=False),
    help="Write one scope file a loop here; existing ones are refused.",
)
@click.pass_context
def export(ctx: click.Context, out: str | None) -> int:
    """Write the loops as they stand: one table, or with -o the operator's own scope files."""
    from waveboard.app import exporting
    from waveboard.app.registers import current
    from waveboard.cli.out import write_files

    view = current(opened(ctx.obj))
    if out is None:
        click.echo(exporting.loops_markdown(view), nl=False)
        return 0
    files = {f"{name}.scope.md": exporting.loop_markdown(state).encode() for name, state in view.loops.items()}
    write_files(out, files)
    for name in files:
        click.echo(f"{out}/{name}")
    return 0


def _gaps(row: dict[str, object]) -> list[object]:
    found = row["open_gaps"]
    return found if isinstance(found, list) else []


def _state(row: dict[str, object]) -> str:
    return f"{row['status']}, held by {row['held_by']} until {row['held_until']}" if row["held_by"] else str(row["status"])
