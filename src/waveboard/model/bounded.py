"""Work under a limit of time, and what takes its place when it was cut or lost. Measures nothing and stops nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of pure work. limit_s: None, no limit. Its result must be picklable."""

    name: str
    work: Callable[[], object]
    limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Stands for the result of work that was stopped at its limit."""

    limit_s: float


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands for the result of work that broke."""

    reason: str


Runner = Callable[[Sequence[Job]], Mapping[str, object]]  # name -> result, Cut or Lost, for every job


def inline(jobs: Sequence[Job]) -> Mapping[str, object]:
    """Every job in turn, right here, without its limit: for callers that need none."""
    return {job.name: job.work() for job in jobs}
