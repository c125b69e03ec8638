"""The closeout: the seven items of the specification's section 7, each resting on digests that earlier receipts recorded.

It decides nothing about the wave; it refuses to say what no machine evidence carries.
"""

import re
from collections.abc import Collection, Mapping

from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import Closeout, CloseoutItem

ITEMS: Mapping[str, tuple[str, ...]] = {  # item -> the keys of each of its entries
    "evidence": ("run_key", "result"),
    "files_changed": ("host", "path", "before", "after"),
    "runtime_actions": ("host", "step", "action", "result"),
    "linkage": ("id", "kind", "impact"),
    "verify": ("pack", "run_key", "result"),
    "blockers": ("what", "owner", "until"),
    "attestation": ("principal", "statement"),
}
NEVER_EMPTY = ("evidence", "verify", "attestation")  # the other four may truly have nothing to tell
OUTCOMES = ("done", "rolled-back", "halted")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def body(closeout: Closeout) -> dict[str, object]:
    """The receipt's body. Raises: ReceiptError when an item is missing, empty or rests on nothing."""
    value: dict[str, object] = {
        "wave": closeout.wave,
        "plan": closeout.plan,
        "outcome": closeout.outcome,
        "items": {
            name: {"entries": [dict(entry) for entry in item.entries], "evidence": list(item.evidence)}
            for name, item in closeout.items.items()
        },
    }
    read(value)
    return value


def read(value: Mapping[str, object]) -> Closeout:
    """The inverse of body. Raises: ReceiptError naming the item."""
    if set(value) != {"wave", "plan", "outcome", "items"} or not isinstance(value["items"], dict):
        raise _bad("it is not a closeout")
    wave, plan, outcome, items = value["wave"], value["plan"], value["outcome"], value["items"]
    if not isinstance(wave, str) or not wave or not isinstance(plan, str) or not (plan == "" or _DIGEST.fullmatch(plan)):
        raise _bad("it names no wave, or its plan is not a digest")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise _bad(f"its outcome is none of {', '.join(OUTCOMES)}")
    if set(items) != set(ITEMS):
        raise _bad(f"it has not the seven items {', '.join(ITEMS)}")
    return Closeout(wave, plan, outcome, {name: _item(name, items[name]) for name in ITEMS})


def blockers(closeout: Closeout) -> tuple[str, ...]:
    """What still stood in the way, in words; empty when nothing did."""
    return tuple(entry["what"] for entry in closeout.items["blockers"].entries)


def unbound(closeout: Closeout, digests: Collection[str], run_keys: Collection[str]) -> tuple[str, ...]:
    """What it claims that no earlier receipt recorded. digests (hex) and run_keys: everything the chain before it names."""
    claims = [("plan", closeout.plan)] if closeout.plan else []
    claims += [(name, digest) for name, item in closeout.items.items() for digest in item.evidence]
    found = [
        f"{name}: no earlier receipt names {digest[:23]}…"
        for name, digest in claims
        if digest.removeprefix("sha256:") not in digests
    ]
    for name, item in closeout.items.items():
        found += [
            f"{name}: no earlier receipt has the run key {entry['run_key']}"
            for entry in item.entries
            if "run_key" in entry and entry["run_key"] not in run_keys
        ]
    return tuple(found)


def _item(name: str, value: object) -> CloseoutItem:
    if not isinstance(value, dict) or set(value) != {"entries", "evidence"}:
        raise _bad(f"{name} is not a list of entries with evidence")
    entries, evidence = value["entries"], value["evidence"]
    if not isinstance(entries, list) or not isinstance(evidence, list) or (not entries and name in NEVER_EMPTY):
        raise _bad(f"{name} says nothing")
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != set(ITEMS[name]) or not all(isinstance(x, str) for x in entry.values()):
            raise _bad(f"an entry of {name} has not the keys {', '.join(ITEMS[name])}")
    if not evidence or not all(isinstance(digest, str) and _DIGEST.fullmatch(digest) for digest in evidence):
        raise _bad(f"{name} rests on no evidence digest")
    return CloseoutItem(tuple(entries), tuple(evidence))


def _bad(because: str) -> ReceiptError:
    return ReceiptError("accept a closeout", because)
