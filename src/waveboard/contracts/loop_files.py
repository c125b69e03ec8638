"""One markdown file -> the loop it is, or why it is none. Knows no other file."""

from collections.abc import Callable

from waveboard.contracts.estate import LoopFile
from waveboard.contracts.formats.loops import Loop, front, says_loop
from waveboard.contracts.typed import Read, fit
from waveboard.model.contract import Complaint, Place

_FIX = "begin it with `---` and a loop_id, or name it LOOP-NAME-YYYYMMDD.scope.md; else leave it out"


def loop_file(
    path: str, raw: bytes, stray: Callable[[Place, str, str, str, str], Complaint]
) -> tuple[LoopFile | None, tuple[Complaint, ...]]:
    """None for a file that cannot be used (an error says why), and for one that does not say it is a loop (told as `stray` tells it).

    A file without front matter that is named like a loop is one: the operator has such.
    """
    document, body, wrong = front(path, raw)
    value, unfit = fit(document, Loop) if document else (None, ())
    found = (*wrong, *unfit)
    if any(c.level == "error" for c in found):
        return None, found
    if not says_loop(path, value):
        said = "this markdown file does not say that it is a loop, so it counts as none"
        return None, (stray(Place(path), "", "not-a-loop", said, _FIX),)
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    return LoopFile(path, Read(document, value) if document and value else None, body, text), found
