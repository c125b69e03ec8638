"""`LOOP-….scope.md` as the operator writes it: front matter, then markdown for people. Its keys are as many as its authors.

A file without front matter is a loop all the same: its name is its id, and what it does not say is not known.
"""

import re

from waveboard.contracts.formats.shape import Doc, Free
from waveboard.contracts.formats.waves import Condition
from waveboard.contracts.nodes import Document, Lines
from waveboard.contracts.text import REGISTER, decode, read
from waveboard.model.contract import Complaint, Place

_FENCE = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_NAME = re.compile(r"(?:.*/)?([^/]+?)(?:\.scope)?\.md")
_ID = re.compile(r"[A-Z]+(?:-[A-Za-z0-9]+)+")
_LOOP = re.compile(r"LOOP(?:-[A-Za-z0-9_.]+)+")


class Loop(Free):
    """The front matter. Any other key is for people."""

    loop_id: str | None = None
    id: str | None = None
    status: str | None = None
    owner: str | None = None
    severity: str | None = None
    priority: str | None = None
    scope: str | None = None
    objective: str | None = None
    title: str | None = None
    created: str | None = None
    parent_loop: str | None = None
    gaps: Doc = None
    criterion: Condition | None = None


def name_of(path: str) -> str:
    """`loops/LOOP-X-20260226.scope.md` -> `LOOP-X-20260226`."""
    match = _NAME.fullmatch(path)
    return match[1] if match else path


def says_loop(path: str, front: Loop | None) -> bool:
    """Whether a markdown file is a loop: by its front matter, or by a name such as the operator gives (`LOOP-….md`, `….scope.md`)."""
    called = front is not None and (front.loop_id is not None or _LOOP.fullmatch(front.id or "") is not None)
    return called or path.endswith(".scope.md") or _LOOP.fullmatch(name_of(path)) is not None


def ids_in(value: object) -> tuple[str, ...]:
    """Ids in a list or a sentence: the operator writes both."""
    if isinstance(value, str):
        return tuple(dict.fromkeys(_ID.findall(value)))
    return tuple(dict.fromkeys(i for one in value for i in ids_in(one))) if isinstance(value, list) else ()


def front(path: str, raw: bytes) -> tuple[Document | None, str, tuple[Complaint, ...]]:
    """The front matter with its places in the file, the text below it, and everything wrong with either.

    A document of None without an error: the file has no front matter.
    """
    text, complaints = decode(path, raw, REGISTER)
    if complaints:
        return None, "", tuple(complaints)
    fences = list(_FENCE.finditer(text))
    if not fences or text[: fences[0].start()].strip():
        said = "this loop has no front matter: who owns it and whether it is open is not known"
        return (
            None,
            text,
            (Complaint("warning", Place(path), "", "no-front-matter", said, "begin it with `---`, loop_id, status and owner"),),
        )
    if len(fences) < 2:
        place = Lines(path, text).place(fences[0].start())
        return None, "", (Complaint("error", place, "", "syntax", "the front matter has no end", "close it with a line `---`"),)
    head, body = text[: fences[1].start()], text[fences[1].end() :].lstrip("\r\n")
    document, wrong = read(path, head.encode(), REGISTER)
    return document, body, wrong
