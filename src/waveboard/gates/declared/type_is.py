"""type_is: the value is a text, number, integer, boolean, list or mapping."""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import kind_of
from waveboard.model.declared import Param

TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "list": list,
    "mapping": dict,
}


def is_type(value: object, word: str) -> bool:
    """Whether the value is of that type; a boolean is no number."""
    return isinstance(value, TYPES[word]) and (word == "boolean" or not isinstance(value, bool))


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value of another type."""
    word = str(asked.params["type"])
    yield from asked.each("wrong-type", f"be of type {word}", lambda v: "" if is_type(v, word) else f"it is {kind_of(v)}")


KIND = Kind(
    "type_is",
    __doc__,
    {**ON_RECORDS, "type": Param("word", required=True, words=tuple(TYPES))},
    {"wrong-type": "a value is of another type, or is not there"},
    run,
)
