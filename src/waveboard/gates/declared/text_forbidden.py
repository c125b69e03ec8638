"""text_forbidden: the text holds none of these words."""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import FLAG, TEXT, Asked, Kind, prose
from waveboard.gates.words import folded, line_of
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each forbidden word that is there, at its first line."""
    assert asked.sight is not None
    text = folded(asked, prose(asked.sight))
    for word in asked.words("words"):
        if folded(asked, word) in text:
            yield asked.noted("text-forbidden", word, f"it may not contain `{word}`", line_of(text, folded(asked, word)))


KIND = Kind(
    "text_forbidden",
    __doc__,
    {"doc": TEXT, "words": Param("texts", required=True), "ignore_case": FLAG},
    {"text-forbidden": "a text holds words it may not hold"},
    run,
)
