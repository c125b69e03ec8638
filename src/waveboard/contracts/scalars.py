"""What a plain YAML scalar means: the 1.2 core schema, and nothing that looks like something else.

Dates, times, `on`, `NO` and `1:30` stay the strings they were written as. Source: YAML 1.2.2 section 10.3.2.
"""

import re

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))")
_LONGEST = 64

Plain = str | int | float | bool | None


class NotANumber(ValueError):
    """Written like a number, and none that can be judged: infinite, not a number, or absurdly long."""


def resolve(text: str) -> Plain:
    """The value of an unquoted scalar. Raises: NotANumber."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _SPECIAL.fullmatch(text):
        raise NotANumber(f"{text} is not a number anything can be compared with")
    for pattern, radix in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            _short(text)
            return int(text.removeprefix("0o"), radix)
    if _FLOAT.fullmatch(text):
        _short(text)
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number  # `12e34567`: a commit, or no number anything can hold
    return text


def _short(text: str) -> None:
    if len(text) > _LONGEST:
        raise NotANumber(f"a number of {len(text)} digits")
