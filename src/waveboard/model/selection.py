"""Paths inside a document: `services[*].owner`, `a."b.c"[0]`, `zones[id=core].owning_domains`. Selects nothing by itself.

`[*]` is every item of a list or every value of a mapping; `[field=word]` the items whose field is that word; `[3]` one item; a
key with other characters than letters, digits, `_`, `-` and `@` stands in double quotes. The empty path is the whole document.
"""

import re
from dataclasses import dataclass

_STEP = re.compile(
    r"""(?P<dot>\.)?(?:(?P<bare>[A-Za-z0-9_@-]+)|"(?P<quoted>[^"]+)")
    |\[(?P<index>\d{1,6})\]|\[(?P<each>\*)\]|\[(?P<field>[A-Za-z0-9_@-]+)=(?:"(?P<word>[^"]*)"|(?P<plain>[^\]"]+))\]""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Each:
    """Every item of a list, every value of a mapping."""


@dataclass(frozen=True, slots=True)
class Named:
    """The items whose field is that word."""

    field: str
    word: str


Step = str | int | Each | Named


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path. Raises: ValueError saying where it stops making sense."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        key = (match["bare"] or match["quoted"]) if match else None
        if match is None or (key is not None and bool(match["dot"]) != bool(steps)):
            raise ValueError(f"character {at + 1} of the path `{text}` makes no sense")
        if key is not None:
            steps.append(key)
        elif match["index"]:
            steps.append(int(match["index"]))
        elif match["each"]:
            steps.append(Each())
        else:
            steps.append(Named(match["field"], match["word"] if match["plain"] is None else match["plain"]))
        at = match.end()
    return tuple(steps)
