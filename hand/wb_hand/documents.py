"""JSON as the hand reads and writes it: strict in, canonical out."""

from __future__ import annotations

import json
from typing import Any

from .refused import Json, Refused


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key appears twice")
    return made


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def parse_json(raw: bytes | str, what: str) -> Json:
    """One JSON object; duplicate keys, NaN and deep nesting are refused."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if _depth(value) > 24:
            raise ValueError("it is nested too deeply")
    except (ValueError, RecursionError) as why:
        raise Refused("bad-request", f"read {what}", f"it is not strict JSON ({why})") from None
    if not isinstance(value, dict):
        raise Refused("bad-request", f"read {what}", "it is not a JSON object")
    return value


def _depth(value: Any, level: int = 0) -> int:
    if level > 30:
        return level
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_depth(one, level + 1) for one in inner), default=level)


def dumped(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
