"""Time on this host, and the windows in which a plan may begin anything."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from .grammar import content
from .refused import Json, Refused


def now_text() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: UP017 (3.9)


def instant(value: Any, what: str) -> float:
    """Seconds since the epoch from RFC 3339 with a zone."""
    try:
        parsed = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        if parsed.tzinfo is None:
            raise ValueError
    except ValueError:
        raise Refused("bad-request", f"read {what}", "it is not an RFC 3339 instant with a time zone") from None
    return parsed.timestamp()


def in_window(holder: Json, what: str) -> None:
    now = time.time()
    begins, ends = (instant(holder[key], f"{key} of {what}") for key in ("not_before", "not_after"))
    if not begins <= now < ends:
        because = f"this host's clock says {now_text()}, {what} allows {holder['not_before']} to {holder['not_after']}"
        raise Refused("outside-window", "start", because, "wait for the window, or make and sign a new plan")


def in_slot(plan: Json, fresh: bool) -> None:
    """Nothing begins outside the plan's own change windows; with overrun `finish`, what is under way may, until the plan's end."""
    now = time.time()
    spans = [[instant(slot[key], f"{key} of a slot") for key in ("not_before", "not_after")] for slot in plan["slots"]]
    if not any(begins <= now < ends for begins, ends in spans) and (fresh or plan["overrun"] != "finish"):
        because = f"this host's clock says {now_text()}, and none of the plan's {len(spans)} change windows is open"
        raise Refused("outside-window", "start", because, "wait for the next one, or make and sign a new plan")


def slot_form(one: Any) -> bool:
    return isinstance(one, dict) and set(one) == {"not_before", "not_after"} and all(content(40)(value) for value in one.values())
