"""Where every gap, loop and finding stands now. Values only; `fold` makes them."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from waveboard.model.register import Gap, Loop

SETTLED = ("fixed", "closed")  # the operator's words for done; only evidence brings a gap here
QUIET = (*SETTLED, "accepted")
OPEN_LOOP = ("active", "open", "planned", "draft")


@dataclass(frozen=True, slots=True)
class GapState:
    """status: open | accepted | closed, or the word its file gives it. fix: what somebody says fixed it; it proves nothing.

    until, owner: when its acceptance ends, and who answers for it. evidence: what its latest settling rests on. seqs: the changes that touched it.
    """

    gap: Gap
    status: str
    parent_loop: str
    fix: str = ""
    why: str = ""
    until: datetime | None = None
    owner: str = ""
    evidence: tuple[str, ...] = ()
    seqs: tuple[int, ...] = ()

    @property
    def open(self) -> bool:
        """A word nobody knows is never taken for done."""
        return self.status not in QUIET


@dataclass(frozen=True, slots=True)
class LoopState:
    """status: closed, or the word its file gives it."""

    loop: Loop
    status: str
    parent_loop: str
    evidence: tuple[str, ...] = ()
    seqs: tuple[int, ...] = ()

    @property
    def open(self) -> bool:
        """Whether somebody works on it, or will. A loop of an unknown status is neither open nor closed."""
        return self.status in OPEN_LOOP

    @property
    def closed(self) -> bool:
        """Whether it is history."""
        return self.status == "closed"


@dataclass(frozen=True, slots=True)
class FindingState:
    """A finding as the register last heard of it. present: False once a run that looked did not see it."""

    fingerprint: str
    gate: str
    host: str
    code: str
    subject: str
    severity: str
    message: str
    gaps: tuple[str, ...]
    present: bool
    run_key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class View:
    """head: seq of the newest change; void: changes that the rules do not let count, with the reason; drift: gaps that come back
    by themselves until their producer is mended."""

    gaps: Mapping[str, GapState]
    loops: Mapping[str, LoopState]
    findings: Mapping[str, FindingState]
    drift: AbstractSet[str]
    head: int
    at: datetime
    void: tuple[tuple[int, str], ...] = ()

    def loop(self, name: str) -> LoopState | None:
        """By its id, or by the name of its file."""
        found = self.loops.get(name)
        return found or next((state for state in self.loops.values() if state.loop.also == name), None)
