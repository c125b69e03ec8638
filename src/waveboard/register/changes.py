"""What changed since an earlier run, by fingerprint: new, known, vanished, and out of sight. Closes nothing.

A finding vanishes only when its gate, in this run, looked at its host and could see everything there. Otherwise it is out of
sight: not seeing a thing is not the thing being gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from waveboard.model.finding import Finding, GateReport, PackReport, Verdict

_FLEET = "*"  # the host of findings that belong to the contracts, as gates write it


@dataclass(frozen=True, slots=True)
class Changes:
    """known holds this run's finding, vanished and unseen the earlier one's."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    vanished: tuple[Finding, ...]
    unseen: tuple[Finding, ...]


def since(earlier: Iterable[Finding], report: PackReport) -> Changes:
    """Compare a run with the findings of an earlier one."""
    before = {finding.fingerprint: finding for finding in earlier}
    now = {finding.fingerprint: finding for finding in report.findings}
    gates = {one.gate: one for one in report.reports}
    gone = [finding for mark, finding in before.items() if mark not in now]
    return Changes(
        new=tuple(finding for mark, finding in now.items() if mark not in before),
        known=tuple(finding for mark, finding in now.items() if mark in before),
        vanished=tuple(finding for finding in gone if _looked(gates.get(finding.gate), finding.host)),
        unseen=tuple(finding for finding in gone if not _looked(gates.get(finding.gate), finding.host)),
    )


def _looked(gate: GateReport | None, host: str) -> bool:
    """Whether the gate judged that host in this run without a doubt about it."""
    if gate is None or gate.verdict is Verdict.ERROR or not gate.canary:
        return False
    doubted = any(reason.startswith((f"{host}: ", f"{_FLEET}: ")) for reason in gate.reasons)
    return not doubted and (host == _FLEET or host in gate.hosts)
