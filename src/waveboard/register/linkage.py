"""Findings and STOR entries, linked both ways through the findings map. Judges nothing: whether a hole is a finding is D239's.

A finding knows its entries, gaps and loops after `link`; `both_ways` shows the same from the entries' side.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from waveboard.model.contract import FindingsMap, LinkRule, StorFinding
from waveboard.model.finding import Finding, GateReport, PackReport, Verdict


@dataclass(frozen=True, slots=True)
class Entry:
    """One STOR entry as this run sees it. observed: None when a gate linked to it could not see everything and saw nothing; why: what it
    could not see, "" when it saw everything."""

    stor: StorFinding
    observed: bool | None
    findings: tuple[Finding, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Linkage:
    """Entries in the map's order, and the findings that belong to none."""

    entries: tuple[Entry, ...]
    unlinked: tuple[Finding, ...]

    @property
    def complete(self) -> bool:
        """True when every entry has a gap and a loop, and every finding an entry."""
        return not self.unlinked and all(entry.stor.gaps and entry.stor.loops for entry in self.entries)


def link(report: PackReport, findings: FindingsMap) -> PackReport:
    """The same report, each finding with the STOR ids, gaps and loops of its entries."""
    reports = tuple(
        replace(one, findings=tuple(_linked(finding, findings) for finding in one.findings)) for one in report.reports
    )
    return replace(report, reports=reports)


def both_ways(report: PackReport, findings: FindingsMap) -> Linkage:
    """The map from its own side: what of each entry this run saw, and what nobody owns."""
    by_entry: dict[str, list[Finding]] = {entry.id: [] for entry in findings.findings}
    unlinked = []
    for finding in report.findings:
        entries = findings.entries_of(finding)
        if not entries:
            unlinked.append(finding)
        for entry in entries:
            by_entry[entry.id].append(finding)
    reports = {one.gate: one for one in report.reports}
    told = tuple(_entry(entry, by_entry[entry.id], findings, reports) for entry in findings.findings)
    return Linkage(told, tuple(unlinked))


def over(reports: Iterable[PackReport], findings: FindingsMap) -> dict[str, Entry]:
    """Every entry as several packs saw it: seen by one is seen, and it is absent only where one could see everything."""
    found: dict[str, Entry] = {}
    for report in reports:
        for entry in both_ways(report, findings).entries:
            other = found.get(entry.stor.id)
            if other is None or entry.observed or (other.observed is None and entry.observed is False):
                found[entry.stor.id] = entry
    return found


def _entry(entry: StorFinding, seen: list[Finding], findings: FindingsMap, reports: Mapping[str, GateReport]) -> Entry:
    links = [rule for rule in findings.links if rule.stor == entry.id]
    why = next((because for rule in links if (because := blind(reports.get(rule.gate), rule))), "")
    why = why if links else "no gate observes it"
    return Entry(entry, True if seen else None if why else False, tuple(seen), why)


def _linked(finding: Finding, findings: FindingsMap) -> Finding:
    entries = findings.entries_of(finding)
    return replace(
        finding,
        stor=tuple(entry.id for entry in entries),
        gaps=tuple(dict.fromkeys(gap for entry in entries for gap in entry.gaps)),
        loops=tuple(dict.fromkeys(loop for entry in entries for loop in entry.loops)),
    )


def blind(gate: GateReport | None, link: LinkRule) -> str:
    """Why this report of the link's gate cannot tell that nothing the link covers is there, "" when it can."""
    if gate is None or gate.verdict in (Verdict.ERROR, Verdict.NOT_APPLICABLE) or not gate.canary:
        return f"{link.gate} gave no verdict"
    if gate.reasons or gate.verdict is Verdict.UNKNOWN or set(link.hosts) - set(gate.hosts):
        because = gate.reasons[0] if gate.reasons else f"it judged only {', '.join(gate.hosts) or 'no host'}"
        return f"{link.gate} could not see everything: {because}"
    return ""
