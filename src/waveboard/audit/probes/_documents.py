"""The JSON lines of the docker section: one document a line, from the reader or from the socket itself. Source: docs/evidence.md.

A stream without its `end` document was cut, and nothing in it is relied on. A probe says which members of a body it reads, and of
what type, in a shape; a body that does not fit its shape costs that probe its noun and no other.
"""

import json
import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any, TypeVar

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from waveboard.audit.probe import refused
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence
from waveboard.model.facts import Unavailable

T = TypeVar("T")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NULL = Raw(b"null")


class Document(Struct):
    """One line. Its body is looked at when a probe asks for it."""

    doc: str
    ok: Any = None
    body: Raw = _NULL
    error: Any = "no reason given"


class Shape(Struct, rename="pascal"):
    """What a probe reads of an object in an answer of the Engine, whose members are spelled `LikeThis`. Others are passed over."""


class Documents:
    """Documents by name. `failures`: the reason of the first of each name that did not succeed."""

    def __init__(self, lines: Iterable[Document]) -> None:
        self._bodies: dict[str, list[Raw]] = {}
        self.failures: dict[str, str] = {}
        for line in lines:
            if line.ok is True:
                self._bodies.setdefault(line.doc, []).append(line.body)
            else:
                self.failures.setdefault(line.doc, str(line.error)[:200])

    def __contains__(self, name: str) -> bool:
        return name in self._bodies

    def one(self, name: str, shape: type[T]) -> T | Unavailable:
        """The first document of that name. Raises: EvidenceError when it does not fit."""
        if bodies := self._bodies.get(name):
            return _fitted(name, bodies[0], _decoder(shape))
        return Unavailable(f"{name}: {self.failures.get(name, 'not collected')}")

    def each(self, name: str, shape: type[T]) -> list[T]:
        """All documents of that name; empty when there are none. Raises: EvidenceError when one does not fit."""
        return [_fitted(name, body, _decoder(shape)) for body in self._bodies.get(name, ())]

    def listed(self, name: str, item: type[T]) -> list[T]:
        """The items of all documents of that name, which are lists. Raises: EvidenceError when one does not fit."""
        return [one for body in self._bodies.get(name, ()) for one in _fitted(name, body, _list_decoder(item)) or ()]

    def text(self, name: str) -> str | None:
        """The text that the first document of that name is; None when there is none, or it is no text."""
        try:
            body = self.one(name, str)
        except EvidenceError:
            return None
        return None if isinstance(body, Unavailable) else body


def documents(evidence: Evidence | None) -> Documents | Unavailable:
    """What the docker section holds. Raises: EvidenceError when a line is no document."""
    if evidence is None:
        return Unavailable("docker: not collected")
    if (why := refused(evidence)) is not None:
        return why
    raw = evidence.stdout
    if (known := _known.get(id(raw))) is None or known[0] is not raw:
        if len(_known) >= _KEPT:
            _known.clear()
        known = _known[id(raw)] = (raw, _documents(raw))
    return known[1]


_KEPT = 4
_known: dict[
    int, tuple[bytes, Documents]
] = {}  # several probes read one section; by identity, as to hash it takes as long as to read it


def _documents(raw: bytes) -> Documents:
    try:
        lines = _LINE.decode_lines(raw if raw.isascii() else raw.decode())  # bytes that nobody reads must be UTF-8 too
    except (DecodeError, UnicodeDecodeError, RecursionError):
        lines = []
    if len(lines) != len(BytesIO(raw).readlines()):  # a fifth of the time of bytes.count, as lines are long
        lines = _one_by_one(raw)
    if not lines or lines[-1].doc != "end":
        raise EvidenceError("read the docker documents", "docker: the answers were cut")
    return Documents(lines)


def _one_by_one(raw: bytes) -> list[Document]:
    """As the standard library reads each line, which takes names on a disk that are not UTF-8. Raises: EvidenceError naming one."""
    found: list[Document] = []
    for line in raw.splitlines():
        try:
            told = json.dumps(json.loads(line), ensure_ascii=False)
            found.append(_LINE.decode(_SURROGATE.sub(lambda half: f"\\\\u{ord(half[0]):x}", told)))
        except (ValueError, DecodeError, RecursionError) as error:
            because = f"docker: line {len(found) + 1} is no document: {str(error)[:80]}"
            raise EvidenceError("read the docker documents", because) from None
    return found


def _fitted(name: str, body: Raw, decoder: Decoder[T]) -> T:
    try:
        return decoder.decode(body)
    except (DecodeError, RecursionError) as error:
        raise EvidenceError("read the docker documents", f"docker: {name} does not fit: {error}") from None


def _decoder(shape: type[T]) -> Decoder[T]:
    if shape not in _decoders:
        _decoders[shape] = Decoder(shape)
    return _decoders[shape]


def _list_decoder(item: type[T]) -> Decoder[list[T] | None]:
    if item not in _list_decoders:
        _list_decoders[item] = Decoder(list[item] | None)  # type: ignore[valid-type]
    return _list_decoders[item]


_decoders: dict[type, Decoder[Any]] = {}  # one for every shape that a probe names
_list_decoders: dict[type, Decoder[Any]] = {}
_LINE = _decoder(Document)


def whole(value: object) -> int | None:
    """A non-negative whole number; None for anything else (Go prints -1 where it does not know)."""
    return value if type(value) is int and value >= 0 else None
