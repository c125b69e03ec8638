"""`waveboard session`: the first command of a terminal. Says where things stand; starts nothing."""

import click

from waveboard.cli import show
from waveboard.cli.site import opened


@click.group()
def session() -> None:
    """Begin at a control terminal."""


@session.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def start(ctx: click.Context, as_json: bool) -> int:
    """Where things stand, in ten lines, and what to do next."""
    from waveboard.app.session import start as stand

    told = stand(opened(ctx.obj))
    ctx.obj["result"] = f"next: {told.next}"
    if as_json:
        show.document({"schema": "waveboard.session/1", **dict(told.lines), "next": told.next, "why": told.why})
        return 0
    for label, text in told.lines:
        click.echo(f"{label + ':':<11}{show.safe(text)}")
    return 0
