"""What `gaps` and `loops` share at the door: reading other registers' files, and writing files that are not there yet."""

from pathlib import Path

import click

from waveboard.cli import show
from waveboard.cli.site import opened
from waveboard.world.files import write_named


def bring_in(ctx: click.Context, capability: str, paths: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Import, and say what the files hold, what is odd about them and what dangles."""
    from waveboard.app.importing import take_in
    from waveboard.wiring import brought_from

    site = opened(ctx.obj)
    files, brought = brought_from(paths)
    told = take_in(site, capability, brought, files, dry_run)
    if as_json:
        odd = [{"place": str(c.place), "code": c.code, "message": c.message} for c in told.odd]
        show.document(
            {
                "schema": "waveboard.import/1",
                "found": dict(told.found),
                "statuses": dict(told.statuses),
                "known": list(told.known),
                "differing": list(told.differing),
                "imported": [c.subject for c in told.recorded.changes] if told.recorded else [],
                "dangling": list(told.dangling),
                "odd": odd,
            }
        )
        return 0
    click.echo("found: " + ", ".join(f"{count} {noun}" for noun, count in told.found.items() if count))
    click.echo("gaps by status: " + (", ".join(f"{count} {word}" for word, count in sorted(told.statuses.items())) or "none"))
    click.echo(f"known here: {len(told.known)}, of another status here: {', '.join(told.differing) or 'none'}")
    for complaint in told.odd:
        click.echo(f"  {complaint.place}: [{complaint.code}] {show.safe(complaint.message)}")
    click.echo(f"dangling references: {len(told.dangling)}")
    for line in told.dangling:
        click.echo(f"  {show.safe(line)}")
    click.echo(
        f"imported: {len(told.recorded.changes)}\n{told.recorded.run_key}"
        if told.recorded
        else "nothing was taken in (--dry-run)"
    )
    return 0


def written(text: str, out: str | None) -> int:
    """To stdout, or whole into a file that does not exist yet."""
    if out is None:
        click.echo(text, nl=False)
        return 0
    write_named(Path(out), text.encode())
    click.echo(out)
    return 0
