"""text_contains: the text holds `all` of these words, or one of `any`. A word present proves no sense: say what it stands for."""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import FLAG, TEXT, Asked, Kind, prose
from waveboard.gates.words import folded
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each word of `all` that is missing, and one deviation when none of `any` is there."""
    assert asked.sight is not None
    text = folded(asked, prose(asked.sight))
    for word in asked.words("all"):
        if folded(asked, word) not in text:
            yield asked.noted("text-missing", word, f"it should contain `{word}`")
    some = asked.words("any")
    if some and not any(folded(asked, word) in text for word in some):
        yield asked.noted("text-missing", " | ".join(some), f"it should contain one of: {', '.join(some)}")


KIND = Kind(
    "text_contains",
    __doc__,
    {"doc": TEXT, "all": Param("texts"), "any": Param("texts"), "ignore_case": FLAG},
    {"text-missing": "a text lacks words it must hold"},
    run,
    one_of=("all", "any"),
)
