"""`waveboard board`: where everything stands, on the terminal or as the operator's own document; and a board read into a draft."""

import time
from pathlib import Path

import click

from waveboard.cli import show
from waveboard.cli.out import BOARD, new_file
from waveboard.cli.site import opened
from waveboard.model.board import Board
from waveboard.model.errors import UsageError
from waveboard.model.units import instant_text


@click.group()
def board() -> None:
    """Show, render or import the wave board."""


@board.command("show")
@click.option("--watch", type=click.IntRange(1, 3600), metavar="SECONDS", help="Show again every so many seconds until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def show_(ctx: click.Context, watch: int | None, as_json: bool) -> int:
    """Where everything stands now."""
    from waveboard.app.board import board as gather
    from waveboard.register.board_json import board_row

    if watch and as_json:
        raise UsageError("show the board", "--watch is for people and --json prints one document", "leave one of them out")
    site = opened(ctx.obj)
    if as_json:
        show.document({"schema": "waveboard.board/1", **board_row(gather(site))})
        return 0
    while True:
        if watch:
            click.clear()
        _print(gather(site))
        if not watch:
            return 0
        time.sleep(watch)


@board.command()
@click.option("--format", "form", type=click.Choice(("markdown",)), default="markdown", show_default=True)
@new_file("Write the document to this file.", BOARD)
@click.pass_context
def render(ctx: click.Context, form: str, out: str | None) -> int:
    """The board as a document: current truth, causes, wave map, gates, procedure, prompts, closeout."""
    from waveboard.app.board import board as gather
    from waveboard.register.board_markdown import render as written
    from waveboard.world.files import write_named

    text = written(gather(opened(ctx.obj)))
    if out:
        write_named(Path(out), text.encode(), BOARD)
        show.progress(f"written to {out}")
    else:
        click.echo(text, nl=False)
    return 0


@board.command("import")
@click.argument("file", type=click.Path())
@click.option("-o", "out", required=True, type=click.Path(), help="A new directory for the draft workspace.")
@click.pass_context
def import_(ctx: click.Context, file: str, out: str) -> int:
    """Read a markdown board into a draft workspace. Exit 2: some of its sentences became no condition."""
    from waveboard.contracts.board import draft
    from waveboard.gates import shelf
    from waveboard.world.files import read_named, write_tree

    made = draft(file, read_named(file, "board"), shelf.gates())
    write_tree(Path(out), {name: text.encode() for name, text in made.files.items()})
    click.echo(f"{len(made.waves)} waves, {len(made.gaps)} gaps, {len(made.loops)} loops written to {out}")
    for note in made.notes:
        click.echo(show.safe(f"  {note.place}: {note.message}"))
    show.next_step(f"waveboard --workspace {out} contracts check")
    return 2 if made.notes else 0


def _print(found: Board) -> None:
    seq, digest = found.chain
    click.echo(show.safe(f"{found.name}  {instant_text(found.at)}  {seq} receipts  {digest[:23] or 'no receipt yet'}"))
    click.echo(f"open loops {len(found.open_loops)}  open gaps {len(found.open_gaps)}\n")
    rows = [
        (
            row.spec.id,
            row.spec.goal,
            row.spec.policy,
            ", ".join(row.spec.mutate_hosts) or "none",
            row.worker or "nobody",
            row.state,
        )
        for row in found.waves
    ]
    show.table(("WAVE", "GOAL", "MUTATION", "HOSTS", "WITH", "STATE"), rows)
    click.echo("")
    told = [(t.result, t.run_key) for t in (*found.verified, *found.said)]
    show.table(("NEWEST RUNS", "RUN KEY"), told or [("nothing was judged yet", "waveboard verify PACK")])
    for row in found.waves:
        for failing in row.closing.failing if row.closing else ():
            click.echo(show.safe(f"{row.spec.id} exit: {failing}"))
