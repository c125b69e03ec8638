"""How the door prints: JSON documents as they are, tables for people, progress on stderr."""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import click

_STARTED = time.monotonic()


def document(value: Mapping[str, object]) -> None:
    """One stable JSON document on stdout; plain ASCII where the terminal is not UTF-8."""
    plain = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") != "utf8"
    click.echo(json.dumps(value, indent=2, ensure_ascii=plain))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Left-aligned columns; nothing is cut, so ids can be copied."""
    lines = [[safe(" ".join(cell.split()) if "\n" in cell else cell) for cell in row] for row in rows]
    widths = [max(len(head[i]), *(len(row[i]) for row in lines)) if lines else len(head[i]) for i in range(len(head))]
    click.echo("  ".join(click.style(h.ljust(w), bold=True) for h, w in zip(head, widths, strict=True)).rstrip())
    for row in lines:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def safe(text: str) -> str:
    """Host-derived text made harmless for a terminal: control, bidi and zero-width characters become \\u escapes."""
    return "".join(c if c.isprintable() and not "\u202a" <= c <= "\u2069" and c != "\u200b" else f"\\u{ord(c):04x}" for c in text)


def told(text: str) -> None:
    """One line on stderr. That nobody reads it stops no work."""
    with suppress(OSError):
        click.echo(text, err=True)


def progress(text: str) -> None:
    """The same, with seconds since the command began."""
    told(f"[{time.monotonic() - _STARTED:6.1f}s] {safe(text)}")


def next_step(text: str) -> None:
    """The copyable next command, for people only (stdout is a terminal or not JSON)."""
    if sys.stderr.isatty() or sys.stdout.isatty():
        told(f"next: {text}")
