"""forall_not: no record fits `where`. Each that does is a finding of its own; `@key` is a record's name, `@value` a plain item."""

from collections.abc import Iterator
from dataclasses import replace

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, WHERE, Asked, Kind
from waveboard.gates.reading import Missing


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each record that fits, and records that are not there at all."""
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("no-records", hit, hit.value.why)
        else:
            yield asked.found("forbidden", hit, "no record may be like this one")


KIND = Kind(
    "forall_not",
    __doc__,
    {**ON_RECORDS, "where": replace(WHERE, required=True)},
    {"forbidden": "a record fits what none may fit", "no-records": "there are no such records to look at"},
    run,
)
