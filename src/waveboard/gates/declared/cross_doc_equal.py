"""cross_doc_equal: the value at `path` of `doc` is the value at `other_path` of `other`. Told at the first of the two."""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ALIAS, ON_RECORDS, PATH, Asked, Kind, tree
from waveboard.gates.reading import Missing, hits, same, shown


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value that differs, and a value that is on neither side."""
    sight = asked.only(str(asked.params["other"]))
    document = tree(sight)
    other = next(iter(hits(document.value, str(asked.params["other_path"]))), None)
    there = f"{document.place(other.loc)} `{asked.params['other_path']}`" if other else sight.address
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif other is None or isinstance(other.value, Missing):
            yield asked.found("differs", hit, f"there is nothing to compare it with at {there}")
        elif isinstance(hit.value, Missing):
            yield asked.found("differs", hit, f"{hit.value.why}; it should be {shown(other.value)} as at {there}")
        elif not same(hit.value, other.value):
            yield asked.found("differs", hit, f"it is {shown(hit.value)}; at {there} it is {shown(other.value)}")


KIND = Kind(
    "cross_doc_equal",
    __doc__,
    {**ON_RECORDS, "other": ALIAS, "other_path": PATH},
    {"differs": "two documents tell one thing differently, or one does not tell it"},
    run,
)
