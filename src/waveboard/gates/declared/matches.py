"""matches: the whole text fits the pattern (a Python regular expression)."""

import re
from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import shown
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value that does not fit."""
    pattern = str(asked.params["pattern"])

    def wrong(value: object) -> str:
        return "" if isinstance(value, str) and re.fullmatch(pattern, value) else f"it is {shown(value)}"

    yield from asked.each("no-match", f"fit `{pattern}`", wrong)


KIND = Kind(
    "matches",
    __doc__,
    {**ON_RECORDS, "pattern": Param("pattern", required=True)},
    {"no-match": "a text does not fit its pattern, or is not there"},
    run,
)
