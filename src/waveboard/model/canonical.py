"""Canonical JSON (RFC 8785) of the integer-only values this house signs and digests.

It has no floats on purpose (18 and 18.0 would digest differently elsewhere), nor keys beyond U+D7FF (where UTF-16 order, which
RFC 8785 asks for, leaves code point order). It repairs nothing: bytes that are not already canonical are refused.
"""

import json
from collections.abc import Mapping, Sequence

LARGEST = 2**53 - 1  # RFC 8785 numbers are IEEE doubles; larger counts travel as text
DEPTH = 32


def encode(value: object) -> bytes:
    """The one spelling of a JSON-ready value. Raises: ValueError for floats, huge ints, lone surrogates, other types."""
    try:
        return json.dumps(_ordered(value, DEPTH), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("text with a lone surrogate has no UTF-8 form") from None


def decode(raw: bytes, limit: int = 16 * 2**20) -> object:
    """The value whose canonical form is exactly `raw`. Raises: ValueError for every other spelling, duplicate keys, floats."""
    if len(raw) > limit:
        raise ValueError(f"{len(raw)} bytes, more than {limit}")
    try:
        value: object = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float
        )
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at byte {error.pos}: {error.msg}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if encode(value) != raw:
        raise ValueError("not in canonical form (RFC 8785)")
    return value


def _ordered(value: object, depth: int) -> object:
    """The same value with keys in UTF-16 code unit order, every type checked."""
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
        return {key: _ordered(value[key], depth - 1) for key in sorted(value)}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_ordered(item, depth - 1) for item in value]
    raise ValueError(f"no canonical form for {type(value).__name__}")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_float(text: str) -> object:
    raise ValueError(f"{text[:40]} is not an integer")
