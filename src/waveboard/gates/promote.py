"""report -> enforce, computed from kept runs: how many in a row were clean, and what broke the row. Decides nothing about approval.

A run counts when it is a report run of this pack under today's policy, whole (nothing unknown, in error or in doubt), saw every
host of the pack, and found nothing but what a waiver covers that has not ended by now. It must rest on other evidence than the
next counted one and be at least the contract's minimum interval older. A run that does not count ends the row; one that is
merely too close, or of the same evidence, is passed over.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from waveboard.model.contract import Pack
from waveboard.model.finding import Mode, PackReport
from waveboard.model.units import instant_text, parse_instant


@dataclass(frozen=True, slots=True)
class Run:
    """One kept run of a pack."""

    run_key: str
    report: PackReport

    @property
    def at(self) -> datetime:
        """When the hosts were seen, not when somebody judged."""
        return parse_instant(self.report.at)


@dataclass(frozen=True, slots=True)
class Stability:
    """counted: run keys, newest first, at most `wanted`. why: what ended the row before it was long enough, "" when it is."""

    counted: tuple[str, ...]
    wanted: int
    why: str

    @property
    def holds(self) -> bool:
        """True when the row is long enough."""
        return len(self.counted) >= self.wanted

    @property
    def text(self) -> str:
        """`2 of 3 stable report runs; CAP-…: D236 is unknown: …`."""
        return f"{len(self.counted)} of {self.wanted} stable report runs" + (f"; {self.why}" if self.why else "")


def stability(
    runs: Iterable[Run], pack: Pack, policy: str, wanted: int, interval_s: int, ended: Collection[str] = ()
) -> Stability:
    """runs: of this pack, of hosts that were really read, newest first. policy: the digest of today's judging files. ended: waivers that
    have ended by now, whatever they covered then."""
    counted: list[Run] = []
    close = ""
    for run in runs:
        if len(counted) == wanted:
            break
        if because := unfit(run.report, pack, policy, ended):
            return Stability(tuple(r.run_key for r in counted), wanted, f"{run.run_key}: {because}")
        if counted and run.report.evidence == counted[-1].report.evidence:
            close = close or f"{run.run_key} judged the same evidence as {counted[-1].run_key}"
        elif counted and counted[-1].at - run.at < timedelta(seconds=interval_s):
            gap = int((counted[-1].at - run.at).total_seconds())
            close = close or f"{run.run_key} is {gap} s before {counted[-1].run_key}, the contract asks for {interval_s} s"
        else:
            counted.append(run)
    short = len(counted) < wanted
    return Stability(tuple(r.run_key for r in counted), wanted, (close or "there are no earlier runs") if short else "")


def unfit(report: PackReport, pack: Pack, policy: str, ended: Collection[str] = ()) -> str:
    """Why this run is no stable report run; "" when it is."""
    if report.policy != policy:
        return f"the policy has changed since {instant_text(parse_instant(report.at))}"
    if tuple(r.gate for r in report.reports) != pack.gates or report.later:
        return "it asked other gates than the pack has now, or some are not built"
    enforced = [r.gate for r in report.reports if r.mode is not Mode.REPORT]
    if enforced:
        return f"{enforced[0]} was not in report mode"
    unseen = [host for host in pack.hosts if host not in dict(report.evidence)]
    if unseen:
        return f"{unseen[0]} was not seen"
    if not report.complete:
        doubt = next((f"{r.gate} is {r.verdict.value}: {'; '.join(r.reasons[:1])}" for r in report.reports if r.reasons), "")
        return doubt or "it is not complete"
    unexpected = [f for f in report.findings if not f.waiver or f.waiver in ended]
    if unexpected:
        first = unexpected[0]
        return f"{len(unexpected)} unexpected finding{'s' if len(unexpected) > 1 else ''}, first {first.gate} {first.host} {first.code}"
    return ""
