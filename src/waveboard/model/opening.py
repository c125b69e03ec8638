"""The waves that are open: who opened which, when, over which hosts, and what was pinned at that moment. Keeps nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from waveboard.model.units import instant_text

MUTATING = "controlled-runtime"


@dataclass(frozen=True, slots=True)
class Opening:
    """One wave as it was opened. plan: the digest that `apply` opened it with, "" for a wave opened by itself.

    pins: what its end is judged against: contract, gates and runbook digests, file sums, preflight evidence.
    leavings: a retire plan only gives back what the wave left; its opening ends with the plan and leaves the wave as it was.
    """

    wave: str
    policy: str
    mutate: tuple[str, ...]
    read_only: tuple[str, ...]
    excludes: tuple[str, ...]
    by: str
    at: datetime
    plan: str = ""
    pins: Mapping[str, object] = field(default_factory=dict)
    leavings: bool = False

    def against(self, other: "Opening") -> str:
        """Why this one may not be opened while `other` is; "" when it may. Names the rule, who holds what, and since when."""
        held = f"{other.wave} is open since {instant_text(other.at)} (by {other.by})"
        if self.wave == other.wave:
            return "" if self.plan and other.plan else f"{held}: a wave is open once"
        if other.wave in self.excludes or self.wave in other.excludes:
            excluding = (
                f"{self.wave} excludes {other.wave}" if other.wave in self.excludes else f"{other.wave} excludes {self.wave}"
            )
            return f"{held}, and {excluding}: they never overlap"
        for still, moving in ((other, self), (self, other)):
            hosts = moving.mutate if not still.hosts else tuple(h for h in moving.mutate if h in still.hosts)
            if still.policy != MUTATING and moving.policy == MUTATING and hosts:
                rule = f"the mutation policy of {still.wave} is `{still.policy}`: no runtime mutation of {', '.join(hosts)} is possible while it is open"
                return f"{held}, and {rule}"
        return ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host in its scope."""
        return (*self.mutate, *self.read_only)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the board's own journal. kind: opened | closed; outcome: of a closed one, how it ended."""

    kind: str
    opening: Opening
    outcome: str = ""


def standing(lines: Iterable[Line], ended: Callable[[str], str]) -> tuple[Opening, ...]:
    """The waves open now, oldest first: opened, not closed, and their plan not rolled back; for leavings, their plan not over.

    ended: a plan's digest -> the kind of its newest wave line, "" when it has none.
    """
    found: list[Opening] = []
    for line in lines:
        if line.kind == "opened":
            found.append(line.opening)
        else:
            found = [one for one in found if one.wave != line.opening.wave]
    return tuple(one for one in found if not (one.plan and _over(one, ended(one.plan))))


def _over(one: Opening, end: str) -> bool:
    return end == "rolled-back" or (one.leavings and end == "done")


def receipt_name(wave: str) -> str:
    """What the closeout receipt of a wave is called: W8B -> WAVE8B_ORCHESTRATION_RECEIPT."""
    number = wave[1:] if wave[:1] in "Ww" and wave[1:2].isdigit() else f"_{wave}"
    return f"WAVE{number}_ORCHESTRATION_RECEIPT"
