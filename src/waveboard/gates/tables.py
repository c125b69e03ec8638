"""A text that assigns values by key (a shell map, an ini file) read as a document: key -> field -> value. Runs no shell.

The pattern's groups are `key`, `value` and, where a key has several fields, `field`.
"""

import re

from waveboard.model.document import Loc, Tree
from waveboard.model.facts import Unavailable


def read(address: str, text: str, pattern: str) -> Tree | Unavailable:
    """The document, or why there is none: nothing matches, or one key and field is assigned twice."""
    found: dict[str, object] = {}
    places: dict[Loc, int] = {}
    for match in re.finditer(pattern, text, re.MULTILINE):
        groups = match.groupdict()
        key, field, value = groups["key"], groups.get("field"), groups["value"]
        loc: Loc = (key,) if field is None else (key, field)
        if loc in places:
            line = _line(text, match.start())
            return Unavailable(f"{address}:{line}:1 assigns {'.'.join(map(str, loc))} again (first at line {places[loc]})")
        places[loc] = _line(text, match.start())
        places.setdefault((key,), places[loc])
        if field is None:
            found[key] = value
        else:
            fields = found.setdefault(key, {})
            assert isinstance(fields, dict)
            fields[field] = value
    if not found:
        return Unavailable("nothing in it matches the pattern it is read by")

    def place(loc: Loc) -> str:
        return f"{address}:{places.get(loc[:2], places.get(loc[:1], 1))}:1"

    return Tree(found, place)


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
