"""What `gaps`, `loops`, `findings` and `waivers` say and do alike: a bare noun, claiming, giving back, one row in full, what was recorded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from waveboard.cli import show
from waveboard.cli.site import opened
from waveboard.model.errors import UsageError

if TYPE_CHECKING:
    from waveboard.app.registers import Recorded

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
REASON = click.option("--reason", default="", help="Why; kept with the change.")
HOURS = click.option("--hours", type=click.IntRange(1, 168), default=8, show_default=True, help="How long the claim lives.")


def alone(ctx: click.Context, verb: click.Command, **given: object) -> int | None:
    """The noun without a verb answers as `verb` would. An option before another verb is refused, or it would be lost without a word."""
    if ctx.invoked_subcommand is None:
        code: int | None = ctx.invoke(verb, **given)
        return code
    if any(given.values()):
        words = f"{ctx.command_path} {ctx.invoked_subcommand}"
        raise UsageError(
            f"run {words}", "an option before the verb is not the verb's", f"{words} --help, and its options after it"
        )
    return None


def claimed(ctx: click.Context, noun: str, name: str, hours: int) -> int:
    """Claim it for this caller, and say until when."""
    from waveboard.app.registers import take
    from waveboard.model.units import instant_text

    held = take(opened(ctx.obj), noun, name, hours)
    click.echo(f"{held.subject} is {held.owner}'s until {instant_text(held.expires_at)}")
    return 0


def released(ctx: click.Context, noun: str, name: str) -> int:
    """Give this caller's claim back."""
    from waveboard.app.registers import release

    release(opened(ctx.obj), noun, name)
    click.echo(f"{name} is free")
    return 0


def reparented(ctx: click.Context, noun: str, name: str, to: str, reason: str) -> int:
    """to: a loop, or `none`."""
    from waveboard.app.filing import reparent

    return said(reparent(opened(ctx.obj), noun, name, "" if to == "none" else to, reason), "reparented")


def said(recorded: "Recorded", what: str) -> int:
    """A line for every change, then the run key to name it by."""
    for one in recorded.changes:
        click.echo(f"{one.subject}: {what}")
    click.echo(recorded.run_key)
    return 0


def in_full(row: Mapping[str, object]) -> None:
    """Every field that says something, one a line."""
    for key, value in row.items():
        if value not in ("", []):
            told = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            first, *more = [show.safe(line) for line in told.split("\n")]
            click.echo("\n".join([f"{key:<12} {first}", *(f"{'':<12} {line}".rstrip() for line in more)]))
