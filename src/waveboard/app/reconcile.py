"""Findings of a judgement against the register, by fingerprint: new, returned, vanished, and out of sight.

A finding of a gap that was settled opens that gap again. A finding that vanished closes nothing; it is news.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from waveboard.app.judged import newest, newest_runs, report_of
from waveboard.app.receipting import new_key
from waveboard.app.registers import Recorded, change, record
from waveboard.app.site import Site
from waveboard.model.errors import UsageError
from waveboard.model.finding import Finding, PackReport, Severity
from waveboard.model.history import PackRun
from waveboard.model.register import Change
from waveboard.register import changes
from waveboard.register.view import SETTLED, View


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One reconciliation. returned: seen before, then vanished, and here again; loose: findings that belong to no gap; older: gates left
    out, because a newer run of another pack asked them of the same hosts."""

    run: PackRun
    recorded: Recorded
    new: tuple[Finding, ...]
    returned: tuple[Finding, ...]
    vanished: tuple[Finding, ...]
    unseen: tuple[Finding, ...]
    reopened: tuple[str, ...]
    loose: tuple[Finding, ...]
    older: tuple[str, ...] = ()


def reconcile(site: Site, pack: str) -> Reconciled:
    """pack "": that of the newest run. Raises: UsageError when nothing was judged, RefusedError."""
    names = (pack,) if pack else tuple(site.contract.packs)
    run = newest(newest_runs(site, names))
    if run is None:
        raise UsageError(
            "reconcile the findings", f"{pack} was not judged yet" if pack else "no pack was judged yet", "waveboard verify PACK"
        )
    told_by_newer = _told_by_newer(site, run)
    whole = report_of(site, run)
    report = replace(whole, reports=tuple(one for one in whole.reports if one.gate not in told_by_newer))
    older = tuple(one.gate for one in whole.reports if one.gate in told_by_newer)
    key = new_key(site, "findings.reconcile")
    told: list[Reconciled] = []

    def draft(view: View) -> list[Change]:
        asked = {one.gate for one in report.reports}
        earlier = [_finding(view, mark) for mark, state in view.findings.items() if state.present and state.gate in asked]
        since = changes.since(earlier, report)
        back = tuple(f for f in since.new if f.fingerprint in view.findings)
        fresh = tuple(f for f in since.new if f.fingerprint not in view.findings)
        reopened = tuple(_false_closes(view, report))
        loose = tuple(f for f in report.findings if not f.gaps)
        told[:] = [Reconciled(run, Recorded(key, (), view), fresh, back, since.vanished, since.unseen, reopened, loose, older)]
        evidence = (run.run_key, run.report, *dict(report.evidence).values())
        found = [replace(change(site, key, "finding", f.fingerprint, "seen"), detail=_detail(f)) for f in since.new]
        found += [change(site, key, "finding", f.fingerprint, "vanished") for f in since.vanished]
        found += [change(site, key, "gap", gap, "reopened", f"its finding is seen in {run.run_key}") for gap in reopened]
        return [replace(one, evidence=tuple(dict.fromkeys(evidence))) for one in found]

    recorded = record(site, key, "reconcile the findings", draft)
    return replace(told[0], recorded=recorded)


def _told_by_newer(site: Site, run: PackRun) -> frozenset[str]:
    """Gates of which this run is old news: what they saw since is in a newer run of a pack that shares a host with its own."""
    packs = site.contract.packs
    hosts = set(packs[run.pack].hosts) if run.pack in packs else set()
    newer = [packs[one.pack] for one in newest_runs(site) if one.at > run.at]
    return frozenset(gate for pack in newer if hosts & set(pack.hosts) for gate in pack.gates)


def _false_closes(view: View, report: PackReport) -> Iterator[str]:
    """Gaps that were settled and whose findings are there; one that a waiver covers was answered for."""
    seen = dict.fromkeys(gap for f in report.findings if not f.waiver for gap in f.gaps)
    return (gap for gap in seen if gap in view.gaps and view.gaps[gap].status in SETTLED)


def _finding(view: View, mark: str) -> Finding:
    state = view.findings[mark]
    severity = Severity(state.severity) if state.severity in {s.value for s in Severity} else Severity.HIGH
    return Finding(state.gate, state.host, state.code, state.subject, severity, state.message, gaps=state.gaps)


def _detail(found: Finding) -> dict[str, object]:
    return {
        "gate": found.gate,
        "host": found.host,
        "code": found.code,
        "subject": found.subject,
        "severity": found.severity.value,
        "message": found.message,
        "gaps": list(found.gaps),
    }
