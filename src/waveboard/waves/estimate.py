"""How much a move copies and how long it keeps its services down, for the plan a person reads. Estimates; the wave's limit is held by them.

Downtime is the second pass plus the proof that both trees are equal: everything is read twice and hashed. What nobody measured is at
most what its filesystem holds, since a copy never leaves it (`rsync -x`); where that is not known either, it is unknown, never nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from waveboard.model.change import Step
from waveboard.model.errors import HostError, RefusedError
from waveboard.model.facts import HostFacts, Mounts, Unavailable, Usage
from waveboard.model.units import show_size

READ_BYTES_S = 150 * 10**6  # both sides, hashed, on a modest virtual disk
FIXED_S = 20  # stop, switch and start of the services


def move_seconds(size_bytes: int) -> int:
    """Seconds of downtime for moving so many bytes."""
    return FIXED_S + round(2 * size_bytes / READ_BYTES_S)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is moved. told: as Step.amount."""

    size_bytes: int
    told: str = "measured"

    def times(self, count: int) -> "Amount":
        """So many copies of it."""
        return Amount(self.size_bytes * count, self.told)

    def __add__(self, other: "Amount") -> "Amount":
        worse = max(self.told, other.told, key=("measured", "at-most", "unknown").index)
        return Amount(self.size_bytes + other.size_bytes, worse)


def measured_or(size_bytes: int | None, facts: HostFacts, path: str) -> Amount:
    """What was measured, else what the filesystem that holds `path` holds in all, else unknown."""
    return Amount(size_bytes) if size_bytes is not None else _held(facts, path)


def _held(facts: HostFacts, path: str) -> Amount:
    mounts, usage = facts.get(Mounts), facts.get(Usage)
    if isinstance(mounts, Unavailable) or isinstance(usage, Unavailable):
        return Amount(0, "unknown")
    covering = (m.target for m in mounts.table if m.target == "/" or path == m.target or path.startswith(m.target + "/"))
    found = usage.filesystems.get(max(covering, key=len, default=""))
    return Amount(found.used_bytes, "at-most") if found else Amount(0, "unknown")


def _moves(steps: Sequence[Step]) -> list[Step]:
    """The steps that copy something, or may."""
    return [step for step in steps if step.copy_bytes or step.amount != "measured"]


def _counted(steps: Sequence[Step]) -> str:
    moves = _moves(steps)
    return f"{sum(step.amount == 'measured' for step in moves)} of {len(moves)} sizes"


def in_all(steps: Sequence[Step]) -> str:
    """Downtime and bytes of a whole plan in one phrase that claims no more than is known."""
    down, copied = sum(step.downtime_s for step in steps), show_size(sum(step.copy_bytes for step in steps))
    told = {step.amount for step in steps}
    if "unknown" in told:
        return f"unknown downtime; copies unknown ({_counted(steps)} measured)"
    if "at-most" in told:
        return f"at most {down} s of downtime; copies at most {copied} ({_counted(steps)} measured)"
    return f"about {down} s of downtime; copies about {copied}"


def hold_to(limit_s: int | None, steps: Sequence[Step], wave: str) -> None:
    """Raises: RefusedError when the steps need more downtime than the wave allows, HostError when nobody can say that they do not."""
    if limit_s is None:
        return
    cannot, unknown = f"plan {wave}", [step.id for step in steps if step.amount == "unknown"]
    down = sum(step.downtime_s for step in steps)
    least = sum(step.downtime_s if step.amount == "measured" else min(step.downtime_s, FIXED_S) for step in steps)
    if least > limit_s:
        how = "about" if least == down and not unknown else "at least"
        because = f"the steps need {how} {least} s of downtime; the wave allows {limit_s} s"
        raise RefusedError(cannot, because, "widen window.max_downtime_s")
    way = "let the audit measure it (the reader, docs/evidence.md) and plan again, or change window.max_downtime_s"
    if unknown:
        because = f"nobody knows how long {', '.join(unknown)} keeps its services down: {_counted(steps)} are measured"
        raise HostError(cannot, f"{because}, and the wave allows {limit_s} s", way)
    if down > limit_s:
        because = (
            f"the steps may need up to {down} s of downtime; the wave allows {limit_s} s, and {_counted(steps)} are measured"
        )
        raise HostError(cannot, because, way)
