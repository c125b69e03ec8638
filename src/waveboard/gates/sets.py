"""Sets of words taken out of documents, each word with where it stands. Compares nothing.

A source is `{values: […]}`, or `{doc, path, where, take, optional}`: the values at a path (a list counts by its items), or with
`take: key` the keys of the records; or `{doc, extract}`: the first group of a pattern wherever it matches in a text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from waveboard.gates.gate import Doubt
from waveboard.gates.kind import Asked, prose
from waveboard.gates.reading import Hit, Missing
from waveboard.model.document import Sight


@dataclass(frozen=True, slots=True)
class Member:
    """One word. sight: None for a literal."""

    word: object
    hit: Hit
    sight: Sight | None


def members(asked: Asked, name: str) -> Iterator[Member | Doubt]:
    """Every word of the source. A value that is not there is a Member of a Missing. Raises: Blind."""
    source = asked.params[name]
    assert isinstance(source, Mapping)
    if "values" in source:
        for value in source["values"]:
            yield Member(value, Hit((), str(value), value), None)
        return
    sight = asked.only(str(source["doc"]))
    if "extract" in source:
        for match in re.finditer(str(source["extract"]), prose(sight), re.MULTILINE):
            word = match[1] if match.re.groups else match[0]
            yield Member(word, Hit((), word, word), sight)
        return
    for hit in asked.select(sight, str(source["path"]), source.get("where")):
        if isinstance(hit, Doubt):
            yield hit
        elif source.get("take") == "key":
            yield Member(Missing("there are no records") if isinstance(hit.value, Missing) else hit.key, hit, sight)
        elif isinstance(hit.value, Missing) and source.get("optional"):
            continue
        elif isinstance(hit.value, list):
            for index, item in enumerate(hit.value):
                yield Member(item, Hit((*hit.loc, index), f"{hit.label}[{item}]", item, hit.record, hit.key), sight)
        else:
            yield Member(hit.value, hit, sight)
