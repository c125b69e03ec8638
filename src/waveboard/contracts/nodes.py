"""A YAML file as a tree that knows where every value and key stands. Holds text and places; means nothing by itself."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from waveboard.contracts.scalars import Plain
from waveboard.model.contract import Place


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands: 1-based line and column, and its character offsets in the text."""

    line: int
    col: int
    start: int
    end: int


@dataclass(slots=True)
class Scalar:
    """A leaf. block: written as a literal or folded block. raw: as it was written, where its value would be written otherwise."""

    value: Plain
    span: Span
    block: bool = False
    raw: str | None = None


@dataclass(slots=True)
class Series:
    """A sequence of nodes."""

    span: Span
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """A mapping: key text -> node, and key text -> the key's own place."""

    span: Span
    entries: dict[str, "Node"] = field(default_factory=dict)
    keys: dict[str, Span] = field(default_factory=dict)


Node = Scalar | Series | Table
Loc = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file, read. root is a null scalar where nothing usable was found."""

    file: str
    text: str
    root: Node

    def node(self, loc: Loc) -> Node | None:
        """The node at that path, or None."""
        found: Node | None = self.root
        for step in loc:
            found = _child(found, step)
        return found

    def place(self, loc: Loc = ()) -> Place:
        """Where the value at `loc` begins; unknown steps (union tags) are skipped, so the nearest known node answers."""
        return self._at(_nearest(self.root, loc).span)

    def key_place(self, loc: Loc) -> Place:
        """Where the key that ends `loc` stands."""
        holder = _nearest(self.root, loc[:-1])
        span = holder.keys.get(str(loc[-1])) if isinstance(holder, Table) else None
        return self._at(span) if span else self.place(loc)

    def scalars(self) -> Iterator[tuple[Loc, Scalar]]:
        """Every leaf with its path, in file order."""
        stack: list[tuple[tuple[str | int, ...], Node]] = [((), self.root)]
        while stack:
            loc, node = stack.pop()
            if isinstance(node, Scalar):
                yield loc, node
            elif isinstance(node, Table):
                stack.extend(((*loc, key), child) for key, child in reversed(node.entries.items()))
            else:
                stack.extend(((*loc, at), child) for at, child in reversed(list(enumerate(node.items))))

    def _at(self, span: Span) -> Place:
        return Place(self.file, span.line, span.col)


def _child(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, Table):
        return node.entries.get(str(step))
    if isinstance(node, Series) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def _nearest(root: Node, loc: Loc) -> Node:
    found = root
    for step in loc:
        found = _child(found, step) or found
    return found


class Lines:
    """Turns character offsets of one text into places. Line breaks are LF, CRLF and a lone CR, as libyaml counts them."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._starts = [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", text))]

    def place(self, offset: int) -> Place:
        """The place of that character."""
        line = bisect_right(self._starts, offset)
        return Place(self._file, line, offset - self._starts[line - 1] + 1)


def plain(node: Node) -> object:
    """The node as dicts with text keys, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Series):
        return [plain(item) for item in node.items]
    return {key: plain(child) for key, child in node.entries.items()}


def as_written(node: Node) -> object:
    """The same, a number that would be spelled otherwise as the text it was: `0123456` and `505e20` may be commits."""
    if isinstance(node, Scalar):
        return node.value if node.raw is None else node.raw
    if isinstance(node, Series):
        return [as_written(item) for item in node.items]
    return {key: as_written(child) for key, child in node.entries.items()}


def show(loc: Loc) -> str:
    """`targets[3].host`: how a path is written in a complaint."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
