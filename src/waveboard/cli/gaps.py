"""`waveboard gaps`: the gap register as it stands, and every way to change it. Closing asks for evidence, never for a word."""

from pathlib import Path

import click

from waveboard.cli import show
from waveboard.cli.out import new_file
from waveboard.cli.register_verbs import HOURS, JSON, REASON, alone, claimed, in_full, released, reparented, said
from waveboard.cli.site import opened


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def gaps(ctx: click.Context, as_json: bool) -> int | None:
    """Gaps: status, show, file, claim, release, reparent, fix, accept, close."""
    return alone(ctx, status, as_json=as_json)


@gaps.command()
@click.option("--all", "every", is_flag=True, help="Settled and accepted gaps too.")
@JSON
@click.pass_context
def status(ctx: click.Context, every: bool, as_json: bool) -> int:
    """How many gaps there are, and every open one with the loop it belongs to."""
    from waveboard.app import register_rows as rows
    from waveboard.app.registers import claims, current

    site = opened(ctx.obj)
    view, held = current(site), claims(site)
    shown = rows.gap_rows(view, (s for s in view.gaps.values() if every or s.open), held)
    totals = rows.totals(view)
    ctx.obj["result"] = f"open gaps: {totals['open']}"
    if as_json:
        void = [{"seq": seq, "why": why} for seq, why in view.void]
        show.document({"schema": "waveboard.gaps/1", "totals": totals, "gaps": shown, "void": void})
        return 0
    click.echo("=== GAP SUMMARY ===")
    click.echo("  ".join(f"{key.capitalize()}: {count}" for key, count in totals.items()))
    click.echo()
    head = ("GAP", "SEVERITY", "STATUS", "LOOP", "WHAT") if every else ("OPEN GAP", "SEVERITY", "STATUS", "LOOP", "WHAT")
    show.table(head, [(str(r["id"]), str(r["severity"]), _state(r), str(r["belongs"]), _first(r["description"])) for r in shown])
    return 0


@gaps.command("show")
@click.argument("name", metavar="GAP")
@JSON
@click.pass_context
def show_(ctx: click.Context, name: str, as_json: bool) -> int:
    """One gap in full, with everything that happened to it."""
    from waveboard.app import register_rows as rows
    from waveboard.app.registers import claims, current, gap_named
    from waveboard.model.units import instant_text

    site = opened(ctx.obj)
    view = current(site)
    (row,) = rows.gap_rows(view, [gap_named(view, name, f"show {name}")], claims(site))
    story = [c for c in site.store.changes() if c.subject == name]
    if as_json:
        told = [{"seq": c.seq, "at": instant_text(c.at), "actor": c.actor, "kind": c.kind, "reason": c.reason, "run_key": c.run_key}
                for c in story]  # fmt: skip
        show.document({"schema": "waveboard.gap/1", **row, "changes": told})
        return 0
    in_full(row)
    for c in story:
        click.echo(f"{instant_text(c.at)}  {c.kind:<10} {show.safe(c.actor)}  {show.safe(c.reason)}  {c.run_key}".rstrip())
    return 0


@gaps.command("file")
@click.option("--id", "name", default="", help="Its id; the next free number when absent.")
@click.option("--description", required=True, help="What is wrong, in a sentence.")
@click.option("--severity", required=True, type=click.Choice(["critical", "high", "medium", "low"]))
@click.option(
    "--type", "sort", required=True, help="stale-ssot, missing-entry, agent-behavior, unclear-doc, duplicate-truth, runtime-bug …"
)
@click.option("--loop", default="", help="The loop that owns it.")
@click.option("--criterion", default="", help="The condition whose truth closes it, such as `host.root.used_pct < 60`.")
@click.option("--producer", default="", help="What would bring it back, such as infra.vm.provision.")
@click.option("--finding", default="", help="The fingerprint of the finding it is filed for.")
@click.pass_context
def file_(ctx: click.Context, /, name: str, sort: str, **told: str) -> int:
    """Register a gap."""
    from waveboard.app.filing import NewGap, file_gap

    return said(file_gap(opened(ctx.obj), NewGap(id=name, type=sort, **told)), "filed")


@gaps.command()
@click.argument("name", metavar="GAP")
@HOURS
@click.pass_context
def claim(ctx: click.Context, name: str, hours: int) -> int:
    """Work on GAP: nobody else may change it until the claim ends or is released."""
    return claimed(ctx, "gap", name, hours)


@gaps.command()
@click.argument("name", metavar="GAP")
@click.pass_context
def release(ctx: click.Context, name: str) -> int:
    """Give GAP back before its claim ends."""
    return released(ctx, "gap", name)


@gaps.command()
@click.argument("name", metavar="GAP")
@click.option("--to", required=True, help="The loop that owns it from now on; `none` for no loop.")
@REASON
@click.pass_context
def reparent(ctx: click.Context, name: str, to: str, reason: str) -> int:
    """Give GAP to another loop."""
    return reparented(ctx, "gap", name, to, reason)


@gaps.command()
@click.argument("name", metavar="GAP")
@click.option("--in", "fixed_in", required=True, help="What fixed it: a commit, a run key, a wave.")
@REASON
@click.pass_context
def fix(ctx: click.Context, name: str, fixed_in: str, reason: str) -> int:
    """Say that GAP is fixed. It stays open until `close` finds the evidence."""
    from waveboard.app.filing import say_fixed

    return said(say_fixed(opened(ctx.obj), name, fixed_in, reason), "said to be fixed; open until its evidence is there")


@gaps.command()
@click.argument("name", metavar="GAP")
@click.option("--reason", required=True)
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--until", required=True, help="When the acceptance ends: a day, or an instant with its time zone.")
@click.pass_context
def accept(ctx: click.Context, name: str, reason: str, owner: str, until: str) -> int:
    """Live with GAP for a while. People only; it is open again when the acceptance ends."""
    from waveboard.app.filing import accept as live_with
    from waveboard.contracts.formats.waivers import ends
    from waveboard.model.errors import UsageError

    try:
        end = ends(until)
    except (ValueError, OverflowError):
        raise UsageError(f"accept {name}", f"`{until}` is no end", "write a day like 2026-03-31") from None
    return said(live_with(opened(ctx.obj), name, reason, owner, end), "accepted")


@gaps.command()
@click.argument("name", metavar="GAP")
@click.option("--run", "run_key", default="", help="The verify run that proves it; the newest that can when absent.")
@REASON
@click.pass_context
def close(ctx: click.Context, name: str, run_key: str, reason: str) -> int:
    """Close GAP on the evidence its criterion names. Exit 3, saying what is missing, when it is not there."""
    from waveboard.app.settling import close_gap

    recorded, found = close_gap(opened(ctx.obj), name, run_key, reason)
    for seen in found.saw:
        click.echo(f"  {show.safe(seen)}")
    return said(recorded, "closed")


@gaps.command("import")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--dry-run", is_flag=True, help="Tell what the files hold, and take nothing in.")
@JSON
@click.pass_context
def import_(ctx: click.Context, paths: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Take in another register's files as they are: gaps, loop files, gate registry, topology, capabilities.

    What is known here is not changed. Every reference that leads nowhere is told.
    """
    from waveboard.cli.bringing import bring_in

    return bring_in(ctx, "gaps.import", paths, dry_run, as_json)


@gaps.command()
@click.option("--format", "form", type=click.Choice(["yaml", "markdown"]), default="yaml", show_default=True)
@new_file("Write here.")
@click.pass_context
def export(ctx: click.Context, form: str, out: str | None) -> int:
    """Write the gaps as they stand, in the operator's own format."""
    from waveboard.app import exporting
    from waveboard.app.registers import current
    from waveboard.cli.bringing import written
    from waveboard.wiring import gap_files

    view = current(opened(ctx.obj))
    if form == "markdown":
        return written(exporting.gaps_markdown(view), out)
    files = gap_files(Path(str(ctx.obj["workspace"])))
    return written(exporting.gaps_yaml(view, view.at, files), out)


def _state(row: dict[str, object]) -> str:
    parts = [str(row["status"])]
    parts += ["fix said, not proven"] if row["fix_said"] and row["open"] else []
    parts += [f"until {row['until']}"] if row["until"] and not row["open"] else []
    parts += [f"held by {row['held_by']} until {row['held_until']}"] if row["held_by"] else []
    return ", ".join(parts)


def _first(text: object) -> str:
    line = str(text).strip().split("\n")[0]
    return line if len(line) <= 90 else f"{line[:89]}…"
