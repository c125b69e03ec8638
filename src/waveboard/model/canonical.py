"""Canonical JSON (RFC 8785) of the integer-only values this house signs and digests.

It has no floats on purpose (18 and 18.0 would digest differently elsewhere), nor keys beyond U+D7FF (where UTF-16 order, which
RFC 8785 asks for, leaves code point order). It repairs nothing: bytes that are not already canonical are refused.
"""

import json
from collections.abc import Mapping, Sequence

LARGEST = 2**53 - 1  # RFC 8785 numbers are IEEE doubles; larger counts travel as text
DEPTH = 32
LIMIT = 16 * 2**20  # bytes


def _integer(text: str) -> int:
    value = int(text)
    if not -LARGEST <= value <= LARGEST:
        raise ValueError(f"{text[:40]} is beyond 2^53-1")
    return value


def _no_float(text: str) -> object:
    raise ValueError(f"{text[:40]} is not an integer")


_write = json.JSONEncoder(  # what it is given was read from JSON or went through _checked: it is a tree, and not deep
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
).encode
_read = json.JSONDecoder(parse_int=_integer, parse_float=_no_float, parse_constant=_no_float).raw_decode


def encode(value: object, depth: int = DEPTH) -> bytes:
    """The one spelling of a JSON-ready value, not nested deeper than that. Raises: ValueError for floats, huge ints, lone surrogates, other types."""
    try:
        return _write(_checked(value, depth)).encode()
    except UnicodeEncodeError:
        raise ValueError("text with a lone surrogate has no UTF-8 form") from None


def decode(raw: bytes, limit: int = LIMIT, depth: int = DEPTH) -> object:
    """The value whose canonical form is exactly `raw`. Raises: ValueError for every other spelling, doubled keys, floats."""
    if len(raw) > limit:
        raise ValueError(f"{len(raw)} bytes, more than {limit}")
    try:
        value, _ = _read(raw.decode("utf-8"))  # what stands behind it is told by the comparison below
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at byte {error.pos}: {error.msg}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # What came from JSON has JSON's types; only keys outside ASCII and great depth are left to check.
    plain = raw.isascii() and raw.count(b"{") + raw.count(b"[") <= depth
    if (_write(value).encode() if plain else encode(value, depth)) != raw:  # a doubled key is lost on the way, and so refused
        raise ValueError("not in canonical form (RFC 8785)")
    return value


def _checked(value: object, depth: int) -> object:
    """The same value in JSON's own types. Raises: ValueError for what has no canonical form."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            raise ValueError(f"{value} is beyond 2^53-1")
        return value
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) and (key.isascii() or max(key) < "\ud800") for key in value):
            raise ValueError("a key that is not text below U+D800")
        return {key: _checked(item, depth - 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_checked(item, depth - 1) for item in value]
    raise ValueError(f"no canonical form for {type(value).__name__}")
