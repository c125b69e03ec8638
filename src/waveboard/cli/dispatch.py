"""`waveboard wave dispatch | recall | report`: work in other hands, and what became of it."""

import sys
from pathlib import Path

import click

from waveboard.cli import show
from waveboard.cli.out import PROMPT, new_file
from waveboard.cli.site import opened
from waveboard.model.claim import Comparison, Mutation, Support
from waveboard.model.errors import UsageError
from waveboard.model.units import instant_text

_LARGEST = 2**20


@click.command()
@click.argument("name", metavar="WAVE")
@click.option("--to", "worker", required=True, help="The worker, as its WAVEBOARD_ACTOR says (an agent's begins with `agent:`).")
@click.option("--hours", type=click.IntRange(1, 168), default=8, show_default=True, help="How long the worker may apply.")
@new_file("Write the prompt to this file.", PROMPT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def dispatch(ctx: click.Context, name: str, worker: str, hours: int, out: str | None, as_json: bool) -> int:
    """Give WAVE to one worker: read its hosts as the baseline, print the worker's prompt."""
    from waveboard.app import dispatch as work
    from waveboard.waves import order
    from waveboard.world.files import write_named

    given = work.dispatch(opened(ctx.obj), name, worker, hours)
    if out:
        write_named(Path(out), given.text.encode(), PROMPT)
    if as_json:
        show.document({"run_key": given.run_key, **order.to_json(given.made), "text": given.text})
        return 0
    click.echo(given.text, nl=False)
    show.progress(f"{given.made.task} for {worker} until {instant_text(given.made.expires_at)}")
    show.progress(f"run key {given.run_key}")
    return 0


@click.command()
@click.argument("name", metavar="WAVE")
@click.pass_context
def recall(ctx: click.Context, name: str) -> int:
    """Take WAVE back from its worker, who may then apply nothing more of it."""
    from waveboard.app.dispatch import recall as take_back

    held = take_back(opened(ctx.obj), name)
    click.echo(f"{held.task} is no longer {held.worker}'s")
    return 0


@click.command()
@click.argument("name", metavar="WAVE")
@click.argument("file", required=False, type=click.Path())
@click.option("--template", is_flag=True, help="Print a report to fill in; read nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def report(ctx: click.Context, name: str, file: str | None, template: bool, as_json: bool) -> int:
    """Judge a worker's report on WAVE. Exit 0: every word holds; 2: it does not; 5: something could not be seen."""
    from waveboard.app import report as judging
    from waveboard.contracts.report import read

    site = opened(ctx.obj)
    if template:
        show.document(judging.template(site, name))
        return 0
    if file is None:
        raise UsageError(f"judge a report on {name}", "there is no report", "give its file, or - for standard input")
    raw = _report_bytes(file)
    told = judging.report(site, name, read(file, raw), raw)
    found = told.comparison
    if as_json:
        click.echo(judging.as_json(told))
    else:
        _print(found)
        click.echo(told.run_key)
    return 0 if found.holds else 5 if found.unseen else 2


def _report_bytes(file: str) -> bytes:
    from waveboard.world.files import read_named

    if file != "-":
        return read_named(file, "report")
    raw = sys.stdin.buffer.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise UsageError("read the report", f"it is longer than {_LARGEST} bytes", "hand in less pasted output")
    return raw


def _print(found: Comparison) -> None:
    marks = {Support.SUPPORTED: "supported   ", Support.UNSUPPORTED: "UNSUPPORTED ", Support.CONTRADICTED: "CONTRADICTED"}
    for judged in found.sentences:
        click.echo(show.safe(f"{marks[judged.support]}  {judged.sentence}   ({judged.why})"))
    _list("declared and not observed", found.unfound)
    _list("observed and not declared", [_told(m) for m in found.undeclared])
    _list("on hosts the wave may not change", [_told(m) for m in found.outside])
    _list("could not be compared", found.unseen)
    agreed = sum(1 for m in found.observed if m.name in found.declared)
    click.echo(f"{len(found.observed)} mutations observed, {len(found.declared)} declared, {agreed} agree")
    click.echo("every word holds" if found.holds else "the report does not hold")


def _list(title: str, lines: "list[str] | tuple[str, ...]") -> None:
    if lines:
        click.echo(f"\n{title}:")
        for line in lines:
            click.echo(show.safe(f"  {line}"))


def _told(mutation: Mutation) -> str:
    return f"{mutation.name}   {mutation.before or 'absent'} -> {mutation.after or 'absent'}"
