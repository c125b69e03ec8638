"""number_range: the number is `above`, `at_least`, `at_most` or `below` these; at least one of them is given."""

from collections.abc import Callable, Iterator, Mapping
from operator import ge, gt, le, lt

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import Missing, kind_of
from waveboard.model.declared import Param

BOUNDS: Mapping[str, Callable[[float, float], bool]] = {"above": gt, "at_least": ge, "at_most": le, "below": lt}


def outside(number: float, params: Mapping[str, object]) -> str:
    """The bounds that the number breaks, in words; "" when it keeps them all."""
    given = {name: limit for name in BOUNDS if isinstance(limit := params.get(name), int | float)}
    return " and ".join(f"{name.replace('_', ' ')} {limit:g}" for name, limit in given.items() if not BOUNDS[name](number, limit))


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each number outside its range, and each value that is none."""
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("out-of-range", hit, f"{hit.value.why}; it should be a number")
        elif isinstance(hit.value, bool) or not isinstance(hit.value, int | float):
            yield asked.found("out-of-range", hit, f"it is {kind_of(hit.value)}; it should be a number")
        elif broken := outside(hit.value, asked.params):
            yield asked.found("out-of-range", hit, f"it is {hit.value:g}; it should be {broken}")


KIND = Kind(
    "number_range",
    __doc__,
    {**ON_RECORDS, **{name: Param("number") for name in BOUNDS}},
    {"out-of-range": "a number is outside its range, is no number, or is not there"},
    run,
    one_of=tuple(BOUNDS),
)
