"""`waveboard waivers`: findings that somebody answers for, and until when. They are written in the workspace, never here."""

import click

from waveboard.cli import show
from waveboard.cli.register_verbs import JSON, alone
from waveboard.cli.site import opened


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def waivers(ctx: click.Context, as_json: bool) -> int | None:
    """Waivers: where each stands and what it covers."""
    return alone(ctx, status, as_json=as_json)


@waivers.command()
@JSON
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> int:
    """Every waiver: live, expired or resting on a condition, and how many findings of the latest runs it covers."""
    from waveboard.app.waiving import standings

    rows = [one.row() for one in standings(opened(ctx.obj))]
    if as_json:
        show.document({"schema": "waveboard.waivers-status/1", "waivers": rows})
        return 0
    head = ("WAIVER", "STATE", "OWNER", "COVERS", "FINDINGS", "ENDS", "REASON")
    cells = [
        (str(r["id"]), str(r["state"]), str(r["owner"]), str(r["covers"]), str(_many(r)), str(r["ends"]), str(r["reason"]))
        for r in rows
    ]
    show.table(head, cells)
    click.echo(f"{len(rows)} waiver{'s' * (len(rows) != 1)}, {sum(r['state'] == 'expired' for r in rows)} expired")
    return 0


def _many(row: dict[str, object]) -> int:
    found = row["covered"]
    return len(found) if isinstance(found, list) else 0
