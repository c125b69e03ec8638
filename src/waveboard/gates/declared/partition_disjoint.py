"""partition_disjoint: every item of the lists at `path` stands in one list only, and none is blank.

With `covers` the lists together hold exactly these words.
"""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import Hit, Missing, blank, kind_of, shown
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each item that stands twice, is blank, is none of those covered; and each of those that stands nowhere."""
    owner: dict[str, str] = {}
    covers = asked.words("covers")
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("not-a-list", hit, hit.value.why)
        elif not isinstance(hit.value, list):
            yield asked.found("not-a-list", hit, f"it is {kind_of(hit.value)}, not a list")
        else:
            for index, item in enumerate(hit.value):
                yield from _item(asked, Hit((*hit.loc, index), f"{hit.label}[{item}]", item), hit.label, owner, covers)
    for word in covers:
        if shown(word) not in owner:
            yield asked.found("uncovered", Hit((), f"{asked.params['path']}[{word}]", word), f"{shown(word)} stands in no list")


def _item(asked: Asked, hit: Hit, label: str, owner: dict[str, str], covers: tuple[str, ...]) -> Iterator[Deviation]:
    if blank(hit.value):
        yield asked.found("blank-member", hit, "an item of the list is blank")
        return
    word = shown(hit.value)
    if word in owner:
        yield asked.found("overlap", hit, f"{word} also stands in {owner[word]}")
    elif covers and hit.value not in covers:
        yield asked.found("uncovered", hit, f"{word} is none of those there are")
    owner.setdefault(word, label)


KIND = Kind(
    "partition_disjoint",
    __doc__,
    {**ON_RECORDS, "covers": Param("texts")},
    {
        "overlap": "an item stands in two lists",
        "blank-member": "an item is blank",
        "uncovered": "an item stands in no list, or is none of those there are",
        "not-a-list": "a list is not there",
    },
    run,
)
