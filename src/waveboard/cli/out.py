"""`-o FILE` and `-o DIR`: where a command writes. What is there stays as it is, unless it is an earlier one of the same kind.

Such an earlier one is no loss: plans, evidence and prompts are in the store, a board and schemas are made again from what they were made of.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from waveboard.world.files import free, write_named

PLAN, EVIDENCE, PROMPT = b"waveboard.plan/1", b"waveboard.evidence/1", b"waveboard.prompt/1"
BOARD, SCHEMA = b"\nrendered: ", b'"properties": {'


def new_file(what: str, over: bytes = b"") -> Callable[[Any], Any]:
    """The option `-o FILE`, refused before any work is done when the file is there already. what: the help, a sentence. over: what is in
    every file of the kind that may be written over."""

    def placed(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
        if value is not None and not ctx.resilient_parsing:
            free(Path(value), over=over)
        return value

    told = "Only an earlier one is written over." if over else "An existing file is refused."
    return click.option("-o", "out", type=click.Path(dir_okay=False), callback=placed, help=f"{what} {told}")


def write_files(directory: str, files: Mapping[str, bytes], over: bytes = b"") -> None:
    """Files by name into a directory that may be there: all of them, or none where one is there that may not be written over.

    Raises: UsageError.
    """
    for name, raw in files.items():
        free(Path(directory) / name, raw, over)
    for name, raw in files.items():
        write_named(Path(directory) / name, raw, over)
