"""`operational.gaps.yaml` as the operator writes it: one list of everything found wrong, open or not.

`criterion` and `producer` are waveboard's own additions: what proves a gap closed, and what would bring it back; so are `accepted_until`,
`accepted_reason` and `accepted_by` beside a status `accepted`: until when, why, and who answers for it.
"""

from waveboard.contracts.formats.shape import Doc, Id, Operator, OperatorFile
from waveboard.contracts.formats.waves import Condition


class Gap(Operator):
    """One gap."""

    id: Id
    status: str | None = None
    severity: str | None = None
    type: str | None = None
    title: Doc = None
    description: str | None = None
    discovered_by: str | None = None
    discovered_at: str | None = None
    created_at: Doc = None
    owner: str | None = None
    parent_loop: str | None = None
    fixed_in: Doc = None
    fixed_by: Doc = None
    fixed_at: Doc = None
    closed_at: Doc = None
    accepted_at: Doc = None
    doc: Doc = None
    notes: Doc = None
    resolution: Doc = None
    classification: Doc = None
    regression_lock_id: Doc = None
    blocker_class: Doc = None
    blocked_case: Doc = None
    blocked_by: Doc = None
    evidence_run_keys: Doc = None
    next_action: Doc = None
    eta: Doc = None
    deferred_at: Doc = None
    deferred_by: Doc = None
    deferred_until: Doc = None
    deferred_reason: Doc = None
    criterion: Condition | None = None
    producer: str | None = None
    accepted_until: Doc = None
    accepted_reason: Doc = None
    accepted_by: Doc = None


class Gaps(OperatorFile):
    """The whole file."""

    schema_version: Doc = None
    gaps: list[Gap]
