"""What the verbs that move services agree on."""

from __future__ import annotations

from .documents import dumped
from .grammar import one_of
from .refused import Json, Refused

ENGINE = one_of("postgres", "redis", "s3", "other")
WRITERS = one_of("stopped", "live")


def demand_same(before: Json | None, after: Json | None, writers: str, what: str) -> None:
    """Raises: Refused(not-equal) when a service holds something else than before. live: only its identity must be the same."""
    if before is None or after is None:
        return
    if writers == "stopped" and before["digest"] != after["digest"]:
        raise Refused("not-equal", f"verify {what}", f"it held {dumped(before)}, now {dumped(after)}")
    if before.get("system_identifier") != after.get("system_identifier"):
        raise Refused("not-equal", f"verify {what}", "it is another database cluster")


def demand_kept(before: Json | None, after: Json | None, writers: str, what: str) -> None:
    """As `demand_same`; and with live writers at least: what held keys does not come back empty."""
    demand_same(before, after, writers, what)
    if before and after and before["keys"] + before["keys_with_expiry"] and not after["keys"] + after["keys_with_expiry"]:
        raise Refused("not-equal", f"verify {what}", f"it held {dumped(before)} and came back empty")
