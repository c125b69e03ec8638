"""count_range: so many records fit `where`. The path ends at the records, for example `services[*]`."""

from collections.abc import Iterator

from waveboard.gates.declared.number_range import outside
from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import Hit, Missing
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """One deviation when the number is outside. A record of which it cannot be said leaves the number unknown."""
    count, unsure = 0, False
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            unsure = True
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("wrong-count", hit, hit.value.why)
            return
        else:
            count += 1
    broken = outside(count, asked.params)
    if broken and not unsure:
        path = str(asked.params["path"])
        yield asked.found("wrong-count", Hit((), path, None), f"{count} records fit; it should be {broken}")


KIND = Kind(
    "count_range",
    __doc__,
    {**ON_RECORDS, "at_least": Param("integer"), "at_most": Param("integer")},
    {"wrong-count": "too few or too many records fit"},
    run,
    one_of=("at_least", "at_most"),
)
