"""Conditions over facts, in three values: true, false and unknown. Knows no fact names and reads no facts: a lookup brings them.

The syntax is a subset of CEL: `&& || ! < <= > >= == != in`, dotted names, `a["b"]`, literals, lists, parentheses, no calls. One
departure: a name may hold hyphens, because host names do and nothing is subtracted here.

- Unknown is never false and never true: `&&` and `||` are Kleene's, `!` of unknown is unknown.
- Operands of different kinds do not compare; that is unknown with its reason, not false. A boolean is not a number.
- A chain such as `a < b < c` is refused where it is written, as CEL refuses it at check time.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from waveboard.model.facts import Unavailable

MAX_CHARS, MAX_DEPTH = 2000, 32
Literal = bool | int | float | str | None
Value = Literal | tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Operand:
    """What a name stands for, and what proved it: a bundle digest, a contract's file:line:col, a receipt."""

    value: Value | Unavailable
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """holds: None is unknown, and then reasons say why. operands: every name that was asked for, in order, with its proof."""

    holds: bool | None
    operands: tuple[tuple[str, Operand], ...]
    reasons: tuple[str, ...]


class ConditionError(ValueError):
    """The text is not a condition. col: 1-based."""

    def __init__(self, col: int, because: str) -> None:
        super().__init__(f"col {col}: {because}")
        self.col, self.because = col, because


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name. col: 1-based, for complaints about names that mean nothing."""

    dotted: str
    col: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal or a list of literals."""

    value: Value


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator over its operands."""

    operator: str
    operands: tuple["Node", ...]


Node = Name | Constant | Apply
Lookup = Callable[[str], Operand]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![A-Za-z0-9_])
      | (?P<string>"(?:[^"\\\n]|\\["'\\nt])*"|'(?:[^'\\\n]|\\["'\\nt])*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*)
      | (?P<sign>&&|\|\||<=|>=|==|!=|[<>!()\[\],.])
    )""",
    re.VERBOSE,
)
_SEGMENT = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*")
_WORDS: dict[str, Literal] = {"true": True, "false": False, "null": None}
_RELATIONS = ("<", "<=", ">", ">=", "==", "!=", "in")
_ESCAPES = {"n": "\n", "t": "\t"}


def parse(text: str) -> Node:
    """Raises: ConditionError with the column where the text stops being a condition."""
    if len(text) > MAX_CHARS:
        raise ConditionError(MAX_CHARS, f"a condition is at most {MAX_CHARS} characters")
    reader = _Reader(text)
    node = reader.either(0)
    if reader.kind:
        raise ConditionError(reader.col, f"unexpected {reader.text!r}")
    return node


def names(node: Node) -> Iterator[Name]:
    """Every name in the condition, so that a misspelt one can be refused when the contract is read."""
    if isinstance(node, Name):
        yield node
    elif isinstance(node, Apply):
        for operand in node.operands:
            yield from names(operand)


def answer(node: Node, lookup: Lookup) -> Answer:
    """Evaluate with every operand's proof. Both sides of `&&` and `||` are asked, so the proofs do not depend on their order."""
    asked: dict[str, Operand] = {}
    reasons: list[str] = []
    value = _evaluate(node, lookup, asked, reasons)
    if isinstance(value, Unavailable) or not isinstance(value, bool):
        if not isinstance(value, Unavailable):
            reasons.append("the condition is not a yes or a no")
        return Answer(None, tuple(asked.items()), tuple(dict.fromkeys(reasons)))
    return Answer(value, tuple(asked.items()), ())


def _evaluate(node: Node, lookup: Lookup, asked: dict[str, Operand], reasons: list[str]) -> Value | Unavailable:
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Name):
        operand = asked.get(node.dotted) or lookup(node.dotted)
        asked[node.dotted] = operand
        if isinstance(operand.value, Unavailable):
            reasons.append(f"{node.dotted}: {operand.value.reason}")
        return operand.value
    values = [_evaluate(operand, lookup, asked, reasons) for operand in node.operands]
    if node.operator in ("&&", "||", "!"):
        return _logic(node.operator, values, reasons)
    if any(isinstance(value, Unavailable) for value in values):
        return Unavailable("an operand is unknown")
    left, right = values
    return _relation(node.operator, left, right, reasons)


def _logic(operator: str, values: list[Value | Unavailable], reasons: list[str]) -> bool | Unavailable:
    for value in values:
        if not isinstance(value, bool | Unavailable):
            reasons.append(f"{operator} needs a yes or a no, not {value!r}")
    truths = [value if isinstance(value, bool) else None for value in values]
    if operator == "!":
        return Unavailable("unknown") if truths[0] is None else not truths[0]
    decisive = operator == "||"
    if decisive in truths:
        return decisive
    return Unavailable("unknown") if None in truths else not decisive


def _relation(operator: str, left: object, right: object, reasons: list[str]) -> bool | Unavailable:
    if operator == "in":
        if isinstance(right, tuple):
            return any(_kind(left) == _kind(one) and left == one for one in right)
        reasons.append(f"`in` needs a list, not {right!r}")
        return Unavailable("no list")
    if operator in ("==", "!=") and (left is None or right is None):
        return (left is right) is (operator == "==")
    kind = _kind(left)
    ordered = operator not in ("==", "!=")
    if kind != _kind(right) or (ordered and kind not in ("number", "text")):
        reasons.append(f"{left!r} {operator} {right!r} does not compare")
        return Unavailable("does not compare")
    if not ordered:
        return (left == right) is (operator == "==")
    less, equal = bool(left < right), left == right  # type: ignore[operator]  # both numbers, or both texts
    return {"<": less, "<=": less or equal, ">": not less and not equal, ">=": not less}[operator]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else type(value).__name__


class _Reader:
    """One token ahead over the text; `kind` is "" at the end."""

    __slots__ = ("at", "col", "kind", "source", "text")

    def __init__(self, source: str) -> None:
        self.source, self.at, self.col, self.kind, self.text = source, 0, 1, "", ""
        self.advance()

    def advance(self) -> str:
        """Move to the next token and return the text of the one left behind."""
        left = self.text
        match = _TOKEN.match(self.source, self.at)
        if match and match.lastgroup:
            self.kind, self.text = match.lastgroup, match[match.lastgroup]
            self.col, self.at = match.start(match.lastgroup) + 1, match.end()
            return left
        rest = self.source[self.at :].lstrip()
        self.col = len(self.source) - len(rest) + 1
        if rest:
            raise ConditionError(self.col, f"unexpected {rest[0]!r}")
        self.kind = self.text = ""
        return left

    def take(self, sign: str) -> bool:
        """Consume the sign when it is next."""
        found = self.kind == "sign" and self.text == sign
        if found:
            self.advance()
        return found

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise ConditionError(self.col, f"expected {sign!r}, found {self.text or 'the end'!r}")

    def either(self, depth: int) -> Node:
        node = self.both(depth)
        while self.take("||"):
            node = Apply("||", (node, self.both(depth)))
        return node

    def both(self, depth: int) -> Node:
        node = self.relation(depth)
        while self.take("&&"):
            node = Apply("&&", (node, self.relation(depth)))
        return node

    def relation(self, depth: int) -> Node:
        node = self.single(depth)
        if self.text in _RELATIONS and self.kind in ("sign", "name"):
            operator = self.advance()
            node = Apply(operator, (node, self.single(depth)))
            if self.text in _RELATIONS and self.kind in ("sign", "name"):
                raise ConditionError(self.col, "a comparison has two sides; join several with &&")
        return node

    def single(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ConditionError(self.col, f"nested deeper than {MAX_DEPTH}")
        if self.take("!"):
            return Apply("!", (self.single(depth + 1),))
        if self.take("("):
            node = self.either(depth + 1)
            self.expect(")")
            return node
        if self.take("["):
            return Constant(tuple(self.items()))
        if self.kind == "name" and self.text not in _WORDS and self.text != "in":
            return self.name()
        return Constant(self.literal())

    def items(self) -> Iterator[Literal]:
        if self.take("]"):
            return
        yield self.literal()
        while self.take(","):
            yield self.literal()
        self.expect("]")

    def literal(self) -> Literal:
        kind, text, col = self.kind, self.text, self.col
        if kind == "number":
            self.advance()
            return float(text) if any(c in text for c in ".eE") else int(text)
        if kind == "string":
            self.advance()
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1])
        if kind == "name" and text in _WORDS:
            self.advance()
            return _WORDS[text]
        raise ConditionError(col, f"expected a value, found {text or 'the end'!r}")

    def name(self) -> Name:
        col, parts = self.col, [self.advance()]
        while self.kind == "sign" and self.text in (".", "["):
            if self.text == ".":
                parts.append(self.segment())
                continue
            self.advance()
            key = self.literal()
            if not isinstance(key, str):
                raise ConditionError(self.col, "an index is a text in quotes")
            parts.append(key)
            self.expect("]")
        return Name(".".join(parts), col)

    def segment(self) -> str:
        """What follows a dot: letters, digits and hyphens, digits first allowed. Read from the source, past the token."""
        match = _SEGMENT.match(self.source, self.at)
        if not match:
            raise ConditionError(self.at + 1, "a name goes on after its dot")
        self.at = match.end()
        self.advance()
        return match[0]
