"""One entry or exit condition of a wave, as a value: a comparison of facts or a named predicate. Evaluates nothing.

Comparison: `mint-data.root.used_pct < guard.root_usage_warn_pct` (a subset of CEL: two operands, one operator).
Predicate: `pack_complete: mint`, or with several arguments as JSON: `report_stable: {"pack":"mint","runs":3}`.
"""

import json
import re
from dataclasses import dataclass

OPERATORS = ("<=", ">=", "==", "!=", "<", ">")
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+"
_NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?"
_COMPARISON = re.compile(rf"\s*({_NAME}|{_NUMBER})\s*(<=|>=|==|!=|<|>)\s*({_NAME}|{_NUMBER})\s*")
_PREDICATE = re.compile(r"([a-z][a-z0-9_]*):[ ]+(\S.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Operand:
    """A dotted fact name or a number. at: 0-based offset in the condition's text."""

    value: str | float
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Predicate:
    """A named question with its argument as JSON-ready value."""

    name: str
    argument: object


Condition = Comparison | Predicate


def spell(name: str, argument: object) -> str:
    """The one spelling of a predicate; parse_condition reads it back."""
    plain = (
        isinstance(argument, str)
        and argument
        and argument[0] not in '{["-0123456789'
        and argument not in ("true", "false", "null")
    )
    return f"{name}: {argument if plain else json.dumps(argument, sort_keys=True, separators=(',', ':'))}"


def parse_condition(text: str) -> Condition:
    """Raises: ValueError when the text is neither; whether its names mean anything is the caller's question."""
    if match := _COMPARISON.fullmatch(text):
        left, operator, right = match.groups()
        return Comparison(_operand(left, match.start(1)), operator, _operand(right, match.start(3)))
    if match := _PREDICATE.fullmatch(text):
        name, argument = match.groups()
        return Predicate(name, _argument(argument))
    raise ValueError("neither `fact < fact` nor `name: argument`")


def _operand(text: str, at: int) -> Operand:
    return Operand(float(text) if re.fullmatch(_NUMBER, text) else text, at)


def _argument(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
