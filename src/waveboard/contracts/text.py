"""Bytes -> a tree of YAML nodes that know their places. Strict: what could mean two things is refused, with both places.

Refused: duplicate keys, aliases, anchors, tags, merge keys, keys that are no scalars, several documents, hidden characters,
infinite numbers, and anything larger, deeper or with more nodes than its Limits. Knows no schema. The tree is built from
libyaml's events without recursion, so no nesting can exhaust the stack. Never raises for any bytes.
"""

import re
from dataclasses import dataclass
from typing import cast

import yaml
from yaml.error import Mark

from waveboard.contracts.nodes import Document, Lines, Node, Scalar, Series, Span, Table, show
from waveboard.contracts.scalars import NotANumber, resolve
from waveboard.model.contract import Complaint, Place

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_JOINERS = re.compile("[\u200c\u200d]")  # some scripts and emoji need them; a name that holds one looks like another name


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is looked at. depth: nested collections."""

    size_bytes: int
    depth: int
    nodes: int


CONTRACT = Limits(2**20, 20, 50_000)
REGISTER = Limits(4 * 2**20, 20, 400_000)  # files that list an estate; the operator's gap register has 1,463 entries in 1.1 MB


def hidden(text: str) -> str:
    """`U+001B`: the first character in it that no file may hold; "" when it could stand in one."""
    found = _HIDDEN.search(text)
    return f"U+{ord(found.group()):04X}" if found else ""


def decode(file: str, raw: bytes, limits: Limits) -> tuple[str, list[Complaint]]:
    """UTF-8 text without its byte order mark; "" when the bytes are not usable as text."""
    if len(raw) > limits.size_bytes:
        said = f"the file has {len(raw)} bytes; at most {limits.size_bytes} are read"
        return "", [_error(Place(file), "too-large", said, "split the file, or name fewer files")]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        before = raw[: problem.start].decode("utf-8", "replace")
        said = f"byte {raw[problem.start]:#04x} is not UTF-8"
        return "", [_error(Lines(file, before).place(len(before)), "not-utf8", said, "save the file as UTF-8")]
    text = text.removeprefix("\ufeff")
    if found := _HIDDEN.search(text):
        return "", [_hidden(Lines(file, text).place(found.start()), found.group())]
    return text, []


def read(file: str, raw: bytes, limits: Limits = CONTRACT) -> tuple[Document | None, tuple[Complaint, ...]]:
    """The document, or None when nothing of it can be used; and everything that is wrong with its text (all errors)."""
    text, complaints = decode(file, raw, limits)
    if complaints:
        return None, tuple(complaints)
    builder = _Builder(file, limits)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if not builder.take(event):
                break
    except yaml.MarkedYAMLError as problem:
        builder.broken = True
        complaints.append(_syntax(file, text, problem))
    except (yaml.YAMLError, ValueError, OverflowError) as problem:
        builder.broken = True
        complaints.append(_error(Place(file), "syntax", f"this is not YAML: {problem}", "write it as YAML 1.2"))
    found = [*builder.complaints, *complaints]
    hollow = builder.root is None or (isinstance(builder.root, Scalar) and builder.root.value is None)
    if hollow and not found:
        found.append(
            _error(Place(file), "empty", "the file holds no YAML document", "write it, or take it out of waveboard.yaml")
        )
    if builder.root is None or hollow or builder.broken:
        return None, tuple(found)
    return Document(file, text, builder.root), tuple(found)


def _mark(mark: object) -> Mark:
    """libyaml gives every event both marks; the stubs do not know it."""
    return cast("Mark", mark)


def _syntax(file: str, text: str, problem: yaml.MarkedYAMLError) -> Complaint:
    mark = problem.problem_mark or problem.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    said = " ".join(part for part in (problem.context, problem.problem) if part)
    if mark and text[mark.index : mark.index + 1] == "\t":
        return _error(place, "tab", "a tab character indents this line", "indent with spaces")
    return _error(place, "syntax", f"this is not YAML: {said}", "quote the text, or repair the indentation")


def _error(place: Place, code: str, message: str, fix: str, path: str = "") -> Complaint:
    return Complaint("error", place, path, code, message, fix)


def _hidden(place: Place, character: str, path: str = "") -> Complaint:
    said = f"the invisible or control character U+{ord(character):04X} can hide what a text means"
    return _error(place, "hidden-character", said, "remove it", path)


@dataclass(slots=True)
class _Open:
    """A collection still being read. steps: the way to it; key: the mapping key that waits for its value."""

    node: Table | Series
    steps: tuple[str | int, ...]
    key: str | None = None

    def next(self) -> tuple[str | int, ...]:
        """The way to what is read next; to the collection itself while a mapping waits for a key."""
        if isinstance(self.node, Series):
            return (*self.steps, len(self.node.items))
        return self.steps if self.key is None else (*self.steps, self.key)


class _Builder:
    """Turns events into nodes. `broken`: the tree must not be used at all."""

    def __init__(self, file: str, limits: Limits) -> None:
        self.file, self.limits = file, limits
        self.root: Node | None = None
        self.broken = False
        self.complaints: list[Complaint] = []
        self._stack: list[_Open] = []
        self._count = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """False when reading on would only cost time."""
        if isinstance(event, yaml.DocumentStartEvent):
            return self._document(event)
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            closed = self._stack.pop().node
            closed.span = Span(closed.span.line, closed.span.col, closed.span.start, _mark(event.end_mark).index)
            return True
        if isinstance(event, yaml.NodeEvent):
            return self._node(event)
        return True

    def _document(self, event: yaml.DocumentStartEvent) -> bool:
        self._documents += 1
        if event.tags:
            self._say(event, "tag", "a %TAG directive changes what values mean", "remove the directive")
        if self._documents == 1:
            return True
        self.broken = True
        self._say(
            event, "multi-document", "a second YAML document begins here", "keep one document in a file: split it at the `---`"
        )
        return False

    def _node(self, event: yaml.NodeEvent) -> bool:
        self._count += 1
        if self._count > self.limits.nodes:
            return self._stop(event, "too-large", f"the file holds more than {self.limits.nodes} values", "split the file")
        mark = _mark(event.start_mark)
        span = Span(mark.line + 1, mark.column + 1, mark.index, _mark(event.end_mark).index)
        if isinstance(event, yaml.AliasEvent):
            self.broken = True
            self._say(event, "alias", f"`*{event.anchor}` repeats what stands elsewhere", "write the value out")
            self._attach(Scalar(None, span))
            return True
        if event.anchor:
            self._say(event, "anchor", f"`&{event.anchor}` names a value for repetition", "remove the anchor")
        if isinstance(event, yaml.ScalarEvent):
            self._attach(self._scalar(event, span))
            return True
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._tag(event, event.tag)
            return self._begin(event, span)
        return True

    def _begin(self, event: yaml.NodeEvent, span: Span) -> bool:
        if len(self._stack) >= self.limits.depth:
            return self._stop(event, "too-deep", f"values are nested more than {self.limits.depth} deep", "flatten the file")
        holder = self._stack[-1] if self._stack else None
        if holder and isinstance(holder.node, Table) and holder.key is None:
            return self._stop(event, "complex-key", "a key must be a plain word", "write the key as text")
        node: Table | Series = Table(span) if isinstance(event, yaml.MappingStartEvent) else Series(span)
        steps = holder.next() if holder else ()
        self._attach(node)
        self._stack.append(_Open(node, steps))
        return True

    def _scalar(self, event: yaml.ScalarEvent, span: Span) -> Scalar:
        self._tag(event, event.tag)
        if found := _HIDDEN.search(event.value):
            self.complaints.append(_hidden(Place(self.file, span.line, span.col), found.group(), self._path()))
        if event.style is not None and event.style != "":
            return Scalar(event.value, span, block=event.style in "|>")
        if self._keys_next():
            return Scalar(event.value, span)
        try:
            value = resolve(event.value)
            odd = isinstance(value, int | float) and not isinstance(value, bool) and str(value) != event.value
            return Scalar(value, span, raw=event.value if odd else None)
        except NotANumber as problem:
            self.broken = True
            self._say(event, "not-a-number", str(problem), "write a finite number, or quote the text")
            return Scalar(None, span)

    def _keys_next(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node, Table) and self._stack[-1].key is None

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if isinstance(top.node, Series):
            top.node.items.append(node)
        elif top.key is None:
            top.key = self._key(top.node, node)
        else:
            top.node.entries.setdefault(top.key, node)
            top.key = None

    def _key(self, table: Table, node: Node) -> str:
        place = Place(self.file, node.span.line, node.span.col)
        key = str(node.value) if isinstance(node, Scalar) else ""
        if key == "<<":
            self.broken = True
            said = "`<<` merges values from elsewhere"
            self.complaints.append(_error(place, "merge-key", said, "write the keys out", self._path(key)))
        if hidden := _JOINERS.search(key):
            self.complaints.append(_hidden(place, hidden.group(), self._path(key)))
        if (first := table.keys.get(key)) is not None:
            said = f"the key `{key}` stands here and at {self.file}:{first.line}:{first.col}"
            self.complaints.append(_error(place, "duplicate-key", said, "keep one of the two", self._path(key)))
        table.keys.setdefault(key, node.span)
        return key

    def _tag(self, event: yaml.NodeEvent, tag: str | None) -> None:
        if tag is not None and not (isinstance(event, yaml.ScalarEvent) and tag == "!"):
            self.broken = True
            self._say(event, "tag", f"the tag `{tag}` changes what the value means", "remove the tag")

    def _stop(self, event: yaml.Event, code: str, message: str, fix: str) -> bool:
        self.broken = True
        self._say(event, code, message, fix)
        return False

    def _say(self, event: yaml.Event, code: str, message: str, fix: str) -> None:
        mark = _mark(event.start_mark)
        self.complaints.append(_error(Place(self.file, mark.line + 1, mark.column + 1), code, message, fix, self._path()))

    def _path(self, *last: str) -> str:
        """Where the value being read will stand; last: the key being read."""
        return show((*self._stack[-1].next(), *last)) if self._stack else ""
