"""Gaps, loops and waivers as the operator's files hold them, and the events that change them. Folds nothing, judges nothing.

Words of status, severity and type stay as they were written: the operator's files know more of them than any list here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from waveboard.model.place import Place

GAP_STATUSES = ("open", "fixed", "closed", "accepted")
LOOP_STATUSES = ("planned", "active", "draft", "open", "deferred", "closed")
SEVERITIES = ("critical", "high", "medium", "low")
UNOWNED = "to be named"  # the owner of a proposed waiver: it covers nothing until a name stands there


@dataclass(frozen=True, slots=True)
class Gap:
    """One registered deviation. Text that the register does not give is "".

    criterion: a condition in the spelling of model/condition.py whose truth closes it; producer: what makes the deviation come
    back (a capability); written: the whole entry as read, for the way back to YAML.
    """

    id: str
    status: str = ""
    severity: str = ""
    type: str = ""
    description: str = ""
    discovered_by: str = ""
    discovered_at: str = ""
    owner: str = ""
    parent_loop: str = ""
    fixed_in: str = ""
    criterion: str = ""
    producer: str = ""
    accepted_until: datetime | None = None
    accepted_reason: str = ""
    accepted_by: str = ""
    written: Mapping[str, object] = field(default_factory=dict)
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """One piece of work that owns gaps. also: the name of its file where that differs from its id; gaps: those its own file lists;
    body: the markdown below the front matter."""

    id: str
    status: str = ""
    owner: str = ""
    severity: str = ""
    scope: str = ""
    objective: str = ""
    created: str = ""
    parent_loop: str = ""
    gaps: tuple[str, ...] = ()
    also: str = ""
    written: Mapping[str, object] = field(default_factory=dict)
    body: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """Findings that somebody answers for. It covers by fingerprint, or by gate, host, code and subject (globs; "": any).

    until: the instant it ends by itself; during: the condition that keeps it alive; ends_when: the condition that ends it.
    """

    id: str
    reason: str
    owner: str
    fingerprint: str = ""
    gate: str = ""
    host: str = ""
    code: str = ""
    subject: str = ""
    until: datetime | None = None
    during: str = ""
    ends_when: str = ""
    place: Place | None = None

    @property
    def proposed(self) -> bool:
        """Nobody answers for it yet."""
        return self.owner.strip().casefold() == UNOWNED


@dataclass(frozen=True, slots=True)
class RegisteredGate:
    """A row of the operator's gate registry."""

    id: str
    name: str
    severity: str
    ring: str
    retired: bool
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which domains ask a gate, as the operator's topology says."""

    gate: str
    primary: str
    secondary: tuple[str, ...]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class RegisteredCapability:
    """A row of the operator's capability registry."""

    name: str
    safety: str
    approval: str
    domain: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Registers:
    """What the workspace's register files say, in their order."""

    gaps: tuple[Gap, ...] = ()
    loops: tuple[Loop, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    gates: tuple[RegisteredGate, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    capabilities: tuple[RegisteredCapability, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One event of the register, append-only. noun: gap | loop | finding; kind: what happened (register/fold.py has the list).

    seq: its number in the one register of this store; evidence: object digests and run keys it rests on; detail: JSON-ready.
    """

    seq: int
    noun: str
    subject: str
    kind: str
    at: datetime
    actor: str
    run_key: str
    reason: str = ""
    evidence: tuple[str, ...] = ()
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on a gap or loop now: a lease with an owner, which ends by itself."""

    subject: str
    owner: str
    since: datetime
    expires_at: datetime
