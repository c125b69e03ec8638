"""text_implies: where the text holds one of `if_any`, it also holds one of `then_any`, in the same paragraph or the same file.

`within: paragraph` is the stricter one: a disclaimer somewhere else in a long file disclaims nothing.
"""

import re
from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import FLAG, TEXT, Asked, Kind, prose
from waveboard.gates.words import folded, line_of
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each word of `if_any` that stands without one of `then_any`."""
    assert asked.sight is not None
    text = folded(asked, prose(asked.sight))
    parts = re.split(r"\n[ \t]*\n", text) if asked.params["within"] == "paragraph" else [text]
    told: set[str] = set()
    for part in parts:
        if any(folded(asked, word) in part for word in asked.words("then_any")):
            continue
        for word in asked.words("if_any"):
            if folded(asked, word) in part and word not in told:
                told.add(word)
                said = f"`{word}` stands here without one of: {', '.join(asked.words('then_any'))}"
                yield asked.noted("text-unqualified", word, said, line_of(text, part) + line_of(part, folded(asked, word)) - 1)


KIND = Kind(
    "text_implies",
    __doc__,
    {
        "doc": TEXT,
        "if_any": Param("texts", required=True),
        "then_any": Param("texts", required=True),
        "within": Param("word", required=True, words=("file", "paragraph")),
        "ignore_case": FLAG,
    },
    {"text-unqualified": "words stand without those that must go with them"},
    run,
)
