"""Change one scalar of a YAML file and not one byte beside it: comments, quotes, order and line ends stay. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from waveboard.contracts.nodes import Document, Loc, Scalar, show
from waveboard.contracts.text import read
from waveboard.model.errors import ContractError

_QUOTES = ("'", '"')


@dataclass(frozen=True, slots=True)
class Edit:
    """at: byte offset in the file as it was; old, new: the scalar's text without its quotes; field: `packs.mint.mode`."""

    at: int
    old: str
    new: str
    field: str


def edits(file: str, raw: bytes, wanted: Sequence[tuple[Loc, str, str]]) -> tuple[Edit, ...]:
    """Where each (path, old, new) stands, by offset. Raises: ContractError when a scalar is not there or says something else."""
    document = _document(file, raw)
    mark = len(raw) - len(document.text.encode())  # a byte order mark is no part of the text
    found = []
    for path, old, new in wanted:
        node = document.node(path)
        if not isinstance(node, Scalar) or node.block:
            raise _cannot(file, path, "no plain scalar stands there")
        written = document.text[node.span.start : node.span.end]
        quoted = written[:1] in _QUOTES
        if written[1:-1] != old if quoted else written != old:
            raise _cannot(file, path, f"it says {written}, not {old}")
        at = mark + len(document.text[: node.span.start + quoted].encode())
        found.append(Edit(at, old, new, show(path)))
    return tuple(sorted(found, key=lambda edit: edit.at))


def applied(file: str, raw: bytes, made: Sequence[Edit]) -> bytes:
    """The file with the edits made; everything else is the same, byte for byte. Raises: ContractError."""
    after = raw
    for edit in sorted(made, key=lambda one: one.at, reverse=True):
        end = edit.at + len(edit.old.encode())
        if raw[edit.at : end] != edit.old.encode():
            raise ContractError(f"edit {file}", f"byte {edit.at} is not where `{edit.old}` stands", "plan it again")
        after = after[: edit.at] + edit.new.encode() + after[end:]
    _document(file, after)
    return after


def sum_of(raw: bytes) -> str:
    """`sha256:…` of a file's bytes, as Contract.files has it."""
    return f"sha256:{sha256(raw).hexdigest()}"


def _document(file: str, raw: bytes) -> Document:
    document, complaints = read(file, raw)
    if document is None or complaints:
        raise ContractError(f"edit {file}", complaints[0].message if complaints else "it is empty", "waveboard contracts check")
    return document


def _cannot(file: str, path: Loc, because: str) -> ContractError:
    return ContractError(f"edit {file} at {show(path)}", because, "look at the file; plan the promotion again")
