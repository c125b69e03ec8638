"""A change as values: steps, plans, approvals, the journal and the runner's next action. Nothing here performs anything."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256

_RETIRE = "-RETIRE"
LONGEST_NAME = 32  # of a plan's name, for every hand (docs/hand.md)
_CUT = re.compile(r"-[0-9a-f]{12}(?:-RETIRE)?$")  # how a name ends that did not fit


class Reversibility(Enum):
    """Shown before approval. restorable: undo loses at most `loss_window_s` seconds of writes, or refuses."""

    EXACT = "exact"
    RESTORABLE = "restorable"
    COMPENSABLE = "compensable"
    NONE = "none"


def signers_needed(quorum: int, four_eyes: bool, final: bool) -> int:
    """How many distinct people must sign: the quorum, and with four_eyes two where a step cannot be undone.

    A lone operator (four_eyes false) signs alone, and every receipt says so.
    """
    return max(quorum, 2 if four_eyes and final else 1)


@dataclass(frozen=True, slots=True)
class Step:
    """One typed verb on one host with everything a person needs to judge it.

    verb and args are what the hand executes (docs/hand.md); commands / undo_commands are the same shown as a person would
    type it; copy_bytes, downtime_s are estimates from facts, and amount says of what worth: `measured`, `at-most` (what is moved was
    not measured, what its filesystem holds was) or `unknown` (of what is moved nothing is in them); stops lists units and containers that will be stopped;
    deletes lists exactly what the step may remove and never brings back by itself: paths and `volume:NAME` of what was set aside
    (`retire`), `image:ID`, `build-cache:ID`.
    """

    id: str
    verb: str
    host: str
    title: str
    args: Mapping[str, object]
    reversibility: Reversibility
    commands: tuple[str, ...]
    undo_commands: tuple[str, ...]
    copy_bytes: int = 0
    downtime_s: int = 0
    loss_window_s: int = 0
    stops: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    limit_s: int = 3600
    attempts: int = 3
    amount: str = "measured"


@dataclass(frozen=True, slots=True)
class HostPin:
    """What the host was when the plan was made; the hand and admit compare it."""

    host: str
    machine_id: str
    host_key: str
    evidence: str  # bundle digest the plan was made from
    facts: str  # digest of the facts the plan depends on


@dataclass(frozen=True, slots=True)
class Slot:
    """One time in which a plan's steps may begin: from not_before until just before not_after."""

    not_before: datetime
    not_after: datetime

    def holds(self, at: datetime) -> bool:
        """True inside it."""
        return self.not_before <= at < self.not_after


@dataclass(frozen=True, slots=True)
class Plan:
    """Immutable and complete. Its digest is sha256 over its canonical JSON (`waveboard.plan/1`).

    slots: the change windows it runs in, in order; overrun: finish | pause | rollback, when one closes on it. not_before and
    not_after bound all of it: with finish, not_after lies past the last slot by what the wave may take to finish.
    leavings_of: the wave whose leavings a retire plan removes, where its own name had to be cut and no longer tells; else "".
    """

    instance: str
    wave: str
    kind: str  # wave | retire | provision
    created_at: datetime
    proposer: str
    contract: str
    gates: str
    hosts: tuple[HostPin, ...]
    read_only_hosts: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    steps: tuple[Step, ...]
    quorum: int
    four_eyes: bool
    title: str = ""
    slots: tuple[Slot, ...] = ()
    overrun: str = "rollback"
    leavings_of: str = ""

    @property
    def serves(self) -> str:
        """The wave it belongs to: a retire plan removes the leavings of the wave it is named after."""
        return self.leavings_of or (retired(self.wave) if self.kind == "retire" else self.wave)


def fitting(name: str, ending: str = "") -> str:
    """The name with its ending, in at most 32 characters. What does not fit is cut and ends in a digest of the whole, so that two names
    stay two; a name that fits and looks like one that was cut is cut as well."""
    whole = name + ending
    if len(whole) <= LONGEST_NAME and not (len(whole) == LONGEST_NAME and _CUT.search(whole)):
        return whole
    told = f"-{sha256(whole.encode()).hexdigest()[:12]}{ending}"
    return name[: LONGEST_NAME - len(told)] + told


def bootstrap_name(host: str) -> str:
    """What the plan that sets a host up is called."""
    return fitting(f"BOOT-{host}")


def provision_name(host: str) -> str:
    """What the plan that makes a VM is called."""
    return fitting(f"PROV-{host}")


def retire_name(wave: str) -> str:
    """What the retire plan of a wave is called."""
    return fitting(wave, _RETIRE)


def retired(name: str) -> str:
    """The wave a retire plan is named after, unless its name was cut (Plan.serves); any other name as it is."""
    return name.removesuffix(_RETIRE)


APPROVAL_HOURS_MAX = 168  # how long a person's word may lie about before it is used


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's signature over a plan digest. message: the exact signed bytes (waveboard.approval/1 canonical JSON)."""

    principal: str
    plan: str
    message: bytes
    signature: str  # armored SSHSIG
    nonce: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """What lets one worker apply one approved plan for a time. fence grows with every lease of the instance."""

    plan: str
    owner: str
    fence: int
    expires_at: datetime


class StepState(Enum):
    """Where a step stands, as the journal tells it."""

    TODO = "todo"
    APPLYING = "applying"  # intent durable, outcome not known
    APPLIED = "applied"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"


@dataclass(frozen=True, slots=True)
class Event:
    """One journal line. kind: opened | intent | applied | failed | undo-intent | undone | undo-failed | probed | halted | done |
    rolled-back | undo-asked. step "" for wave events. detail: machine facts, JSON-ready."""

    seq: int
    plan: str
    kind: str
    step: str
    attempt: int
    at: datetime
    fence: int
    detail: Mapping[str, object]


class ActionKind(Enum):
    """What the runner does next."""

    APPLY = "apply"
    PROBE = "probe"
    UNDO = "undo"
    PROBE_UNDO = "probe-undo"
    FINISH = "finish"
    ROLLED_BACK = "rolled-back"
    HALT = "halt"
    PAUSE = "pause"  # the window is closed: nothing begins until the next one
    TURN_BACK = "turn-back"  # the window is closed: from here every step is taken back


@dataclass(frozen=True, slots=True)
class Action:
    """decide's answer: one kind, for one step where it concerns one."""

    kind: ActionKind
    step: str = ""
    attempt: int = 1
    why: str = ""
