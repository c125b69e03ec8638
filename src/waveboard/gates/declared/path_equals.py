"""path_equals: the value is exactly this one: a word, number, boolean, null, list or mapping.

`[]` asks for an empty list. With `any_order` the order of a list does not count. `true` is not `1`, and `"5"` is not `5`.
"""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import FLAG, ON_RECORDS, Asked, Kind
from waveboard.gates.reading import same, shown
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value that is another one."""
    wanted = asked.params["value"]

    def wrong(value: object) -> str:
        return "" if same(_sorted(asked, value), _sorted(asked, wanted)) else f"it is {shown(value)}"

    yield from asked.each("not-equal", f"be {shown(wanted)}", wrong)


def _sorted(asked: Asked, value: object) -> object:
    return sorted(value, key=shown) if asked.params.get("any_order") and isinstance(value, list) else value


KIND = Kind(
    "path_equals",
    __doc__,
    {**ON_RECORDS, "value": Param("value", required=True), "any_order": FLAG},
    {"not-equal": "a value is not the one asked for, or is not there"},
    run,
)
