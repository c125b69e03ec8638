"""The word of a person on a halted plan: which unresolved step is done, which undone. It verifies no signature and believes nothing."""

from collections.abc import Mapping
from datetime import datetime

from waveboard.model import canonical
from waveboard.model.change import Plan
from waveboard.model.errors import ApprovalNeeded
from waveboard.model.units import instant_text
from waveboard.receipts.approval import PRINCIPAL

SCHEMA = "waveboard.settlement/1"


def build(
    plan: Plan,
    plan_digest: str,
    principal: str,
    nonce: str,
    line: int,
    said: Mapping[str, str],
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """The exact bytes to sign. line: the journal's `halted`; said: step -> done | undone. Raises: ApprovalNeeded for no person's name."""
    if not PRINCIPAL.fullmatch(principal):
        raise ApprovalNeeded("settle the plan", f"{principal!r} is not a person's principal", "a person must sign")
    return canonical.encode(
        {
            "schema": SCHEMA,
            "instance": plan.instance,
            "plan": plan_digest,
            "wave": plan.wave,
            "principal": principal,
            "nonce": nonce,
            "line": line,
            "steps": dict(said),
            "not_before": instant_text(not_before),
            "not_after": instant_text(not_after),
        }
    )
