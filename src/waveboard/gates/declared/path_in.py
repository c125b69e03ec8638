"""path_in: the value is one of these."""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import same, shown
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value outside the list."""
    given = asked.params["values"]
    wanted = given if isinstance(given, list) else []

    def wrong(value: object) -> str:
        return "" if any(same(value, one) for one in wanted) else f"it is {shown(value)}"

    yield from asked.each("not-in", f"be one of {shown(wanted)}", wrong)


KIND = Kind(
    "path_in",
    __doc__,
    {**ON_RECORDS, "values": Param("values", required=True)},
    {"not-in": "a value is none of those asked for, or is not there"},
    run,
)
