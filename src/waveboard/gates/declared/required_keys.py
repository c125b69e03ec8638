"""required_keys: every named key is there; with `non_blank`, each also holds something.

`keys` lists them, or `keys_from` names a list in the same document, so that a contract can say itself what it requires. A key may
be a path below `path`.
"""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import FLAG, ON_RECORDS, Asked, Kind, tree
from waveboard.gates.reading import Hit, Missing, blank, hits, one
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each missing or blank key."""
    assert asked.sight is not None
    keys: tuple[str, ...] = asked.words("keys")
    if "keys_from" in asked.params:
        listed = one(tree(asked.sight).value, str(asked.params["keys_from"]))
        if not isinstance(listed, list) or not listed:
            said = f"`{asked.params['keys_from']}` names no keys, so nothing says what is required"
            yield asked.found("key-missing", Hit((), str(asked.params["keys_from"]), listed), said)
            return
        keys = tuple(f'"{key}"' for key in listed)
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("key-missing", hit, hit.value.why)
        else:
            yield from _keys(asked, hit, keys)


def _keys(asked: Asked, hit: Hit, keys: tuple[str, ...]) -> Iterator[Deviation]:
    for key in keys:
        for inner in hits(hit.value, key):
            where = Hit((*hit.loc, *inner.loc), f"{hit.label}.{inner.label}" if hit.label else inner.label, inner.value)
            if isinstance(inner.value, Missing):
                yield asked.found("key-missing", where, inner.value.why)
            elif asked.params.get("non_blank") and blank(inner.value):
                yield asked.found("key-blank", where, "it is blank")


KIND = Kind(
    "required_keys",
    __doc__,
    {**ON_RECORDS, "keys": Param("paths"), "keys_from": Param("path"), "non_blank": FLAG},
    {"key-missing": "a required key is not there", "key-blank": "a required key holds nothing"},
    run,
    one_of=("keys", "keys_from"),
)
