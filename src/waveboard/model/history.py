"""What the store and the engine remember of earlier work: audits, runs, plans, held hosts, drives. Judges nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from waveboard.model.change import Action


@dataclass(frozen=True, slots=True)
class BundleRecord:
    """One kept evidence bundle. failure: "" when the bundle is complete."""

    digest: str
    host: str
    collected_at: datetime
    failure: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One audit of many hosts. bundles: host -> bundle digest."""

    run_key: str
    at: datetime
    contract: str
    bundles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CapRun:
    """One finished capability run. exit: the documented exit code; report: object digest of its output, "" when it kept none."""

    run_key: str
    capability: str
    at: datetime
    exit: int
    report: str = ""


@dataclass(frozen=True, slots=True)
class PackRun:
    """One pack run as promotion counts it. report: object digest of the whole report; counts: verdict name -> gates."""

    run_key: str
    pack: str
    at: datetime
    contract: str
    complete: bool
    report: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """One kept plan; its bytes are the object of the same digest."""

    digest: str
    wave: str
    kind: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Who may change a host now, and until when."""

    host: str
    plan: str
    owner: str
    fence: int
    since: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended. state: ended (action is FINISH, ROLLED_BACK or HALT) | cancelled. turns: actions performed."""

    run: str
    state: str
    action: Action | None
    turns: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One drive of a plan, as the engine remembers it. state: pending | ended | suspended | cancelled | error."""

    handle: str
    state: str
    started_at: datetime
    turns: int


@dataclass(frozen=True, slots=True)
class DispatchRecord:
    """One wave in one worker's hands. order: digest of the object that holds the whole Dispatch; ended_at None: not recalled."""

    task: str
    wave: str
    worker: str
    issued_at: datetime
    expires_at: datetime
    order: str
    ended_at: datetime | None = None

    def live(self, at: datetime) -> bool:
        """True while the worker may apply."""
        return self.ended_at is None and at < self.expires_at
