"""matches: the whole text fits the pattern (a Python regular expression)."""

import re
from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import Missing, shown
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value that does not fit."""
    pattern = str(asked.params["pattern"])
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("no-match", hit, f"{hit.value.why}; it should fit `{pattern}`")
        elif not isinstance(hit.value, str) or not re.fullmatch(pattern, hit.value):
            yield asked.found("no-match", hit, f"it is {shown(hit.value)}; it should fit `{pattern}`")


KIND = Kind(
    "matches",
    __doc__,
    {**ON_RECORDS, "pattern": Param("pattern", required=True)},
    {"no-match": "a text does not fit its pattern, or is not there"},
    run,
)
