"""json_shape: `path` is a list, and each of its items is a mapping with these `fields`, each of its type.

The types are those of type_is. `non_blank` asks that no field is blank as well. An empty list fits.
"""

from collections.abc import Iterator, Mapping

from waveboard.gates.declared.type_is import TYPES, is_type
from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import FLAG, ON_RECORDS, Asked, Kind
from waveboard.gates.reading import Hit, Missing, blank, hits, kind_of
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each item and field that is otherwise."""
    fields = asked.params["fields"]
    assert isinstance(fields, Mapping)
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif not isinstance(hit.value, list):
            why = hit.value.why if isinstance(hit.value, Missing) else f"it is {kind_of(hit.value)}, not a list"
            yield asked.found("wrong-shape", hit, why)
        else:
            for item in hits(hit.value, "[*]"):
                yield from _item(asked, Hit((*hit.loc, *item.loc), hit.label + item.label, item.value), fields)


def _item(asked: Asked, item: Hit, fields: Mapping[str, object]) -> Iterator[Deviation]:
    if not isinstance(item.value, dict):
        yield asked.found("wrong-shape", item, f"it is {kind_of(item.value)}, not a mapping")
        return
    for name, word in fields.items():
        if name not in item.value:
            yield asked.found("wrong-shape", Hit(item.loc, f"{item.label}.{name}", None), "the key is missing")
            continue
        value, where = item.value[name], Hit((*item.loc, name), f"{item.label}.{name}", None)
        if not is_type(value, str(word)):
            yield asked.found("wrong-shape", where, f"it is {kind_of(value)}; it should be of type {word}")
        elif asked.params.get("non_blank") and blank(value):
            yield asked.found("wrong-shape", where, "it is blank")


KIND = Kind(
    "json_shape",
    __doc__,
    {**ON_RECORDS, "fields": Param("shape", required=True, words=tuple(TYPES)), "non_blank": FLAG},
    {"wrong-shape": "a list, an item or a field is missing or of another type"},
    run,
)
