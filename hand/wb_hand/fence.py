"""The highest fence this host has seen: whoever comes with a lower one is late."""

from __future__ import annotations

import re

from .files import text_of, write_atomic
from .place import STATE
from .refused import Refused


def highest_fence() -> int:
    raw = text_of(f"{STATE}/fence")
    if raw and not re.fullmatch(r"[0-9]{1,18}", raw):
        raise Refused("state-damaged", "trust the fence", f"{STATE}/fence holds no number")
    return int(raw or "0")


def raise_fence(fence: int, cannot: str) -> None:
    """Refuse a lower fence than any seen; remember a higher one on disk before anything else happens."""
    highest = highest_fence()
    if fence < highest:
        because = f"fence {fence} is lower than {highest}, which this host has already seen"
        raise Refused("fence-lower", cannot, because, "another worker took over; take the lease again")
    if fence > highest:
        write_atomic(f"{STATE}/fence", str(fence).encode())
