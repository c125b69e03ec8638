"""Rules written as sentences: nothing reads them, so nothing enforces them. Told where the formats are known to hold them."""

import re
from collections.abc import Iterator
from typing import Any

from waveboard.contracts.check import Check, warning
from waveboard.contracts.estate import Estate
from waveboard.contracts.nodes import Scalar, Series, show
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint

_CODE = "prose-rule"
_DEMANDS = re.compile(r"\b(?:must|must not|shall|never|required to|only after|only if|do not|don't)\b", re.IGNORECASE)


def run(estate: Estate) -> Iterator[Complaint]:
    for guard in estate.guard:
        for key in ("prerequisites", "rollback_trigger"):
            yield from _sentences(
                guard, ("promotion_to_enforce", key), "promotion is computed from receipts, not from this sentence"
            )
    for read in estate.placement:
        for host, storage in (read.value.vm_storage or {}).items():
            why = "only a name such as `pool/dataset` or `server:/export` can be compared"
            yield from _sentences(read, ("vm_storage", host, "data_source"), why)
            if isinstance(storage.notes, str) and _DEMANDS.search(storage.notes):
                yield from _sentences(read, ("vm_storage", host, "notes"), "a demand in a note binds nobody")


def _sentences(read: Read[Any], loc: tuple[str | int, ...], why: str) -> Iterator[Complaint]:
    node = read.document.node(loc)
    places = [(*loc, at) for at in range(len(node.items))] if isinstance(node, Series) else [loc]
    for at in places:
        leaf = read.document.node(at)
        if isinstance(leaf, Scalar) and isinstance(leaf.value, str) and " " in leaf.value.strip():
            words = leaf.value.strip()
            quoted = words if len(words) <= 60 else f"{words[:57]}…"
            said = f"nothing reads this rule (`{quoted}`): {why}"
            fix = "turn it into a key that is read (docs/contracts.md), or into a loop that somebody owns"
            yield warning(read.at(*at), show(at), _CODE, said, fix)


CHECK = Check((_CODE,), run)
