"""path_in: the value is one of these."""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import Missing, same, shown
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value outside the list."""
    given = asked.params["values"]
    wanted = given if isinstance(given, list) else []
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("not-in", hit, f"{hit.value.why}; it should be one of {shown(wanted)}")
        elif not any(same(hit.value, one) for one in wanted):
            yield asked.found("not-in", hit, f"it is {shown(hit.value)}; it should be one of {shown(wanted)}")


KIND = Kind(
    "path_in",
    __doc__,
    {**ON_RECORDS, "values": Param("values", required=True)},
    {"not-in": "a value is none of those asked for, or is not there"},
    run,
)
