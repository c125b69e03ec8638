"""The grammar of requests and arguments: checks that say yes or no to one value, and the one that names what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .refused import Json, Refused

MAX_REQUEST = 4 << 20
Check = Callable[[Any], bool]
HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
STEP = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
FORBIDDEN = "/bin /boot /dev /etc /lib /lib32 /lib64 /proc /root /run /sbin /sys /tmp /usr /var/lib/waveboard".split()


def word(pattern: str | re.Pattern[str], longest: int = 512) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and len(value) <= longest and compiled.fullmatch(value) is not None


def integer(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def one_of(*values: Any) -> Check:
    return lambda value: any(value is one or (type(value) is type(one) and value == one) for one in values)


def list_of(check: Check, longest: int = 2000) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= longest and all(check(one) for one in value)


def shape(keys: Mapping[str, Check]) -> Check:
    return lambda value: isinstance(value, dict) and set(value) == set(keys) and all(keys[key](value[key]) for key in keys)


def content(longest: int = 1 << 19) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= longest and "\0" not in value


def is_path(value: Any) -> bool:
    """Absolute, normalised, of tame characters, and outside what the hand never touches."""
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9._@+:-]+)+", value) or len(value) > 512:
        return False
    if any(part in (".", "..") for part in value.split("/")):
        return False
    return not any(value == bad or value.startswith(bad + "/") for bad in FORBIDDEN)


truth = one_of(True, False)


def demand_keys(value: Json, keys: Mapping[str, Check], what: str) -> None:
    """Raises: Refused(bad-request) naming the first key that is missing, unknown or not of the agreed form."""
    for key in [*keys, *value]:
        if key not in value:
            raise Refused("bad-request", f"accept {what}", f"{key!r} is missing")
        if key not in keys:
            raise Refused("bad-request", f"accept {what}", f"{key[:60]!r} is not a key of it")
        if not keys[key](value[key]):
            raise Refused("bad-request", f"accept {what}", f"{key!r} is not of the agreed form (docs/hand.md)")
