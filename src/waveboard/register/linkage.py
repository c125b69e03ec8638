"""Findings and STOR entries, linked both ways through the findings map. Judges nothing: whether a hole is a finding is D239's.

A finding knows its entries, gaps and loops after `link`; `both_ways` shows the same from the entries' side.
"""

from collections.abc import Iterable, Mapping, Sequence
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


def both_ways(reports: Iterable[PackReport], findings: FindingsMap) -> Linkage:
    """The map from its own side: what of each entry these packs saw together, and what nobody owns.

    Seen by one is seen. What one could not see is not absent because another saw nothing elsewhere: only where a link names its hosts
    does one report that saw all of them answer for the rest.
    """
    by_entry: dict[str, dict[str, Finding]] = {entry.id: {} for entry in findings.findings}
    unlinked: dict[str, Finding] = {}
    judged: dict[str, list[GateReport]] = {}
    for one in (one for report in reports for one in report.reports):
        judged.setdefault(one.gate, []).append(one)
        for finding in one.findings:
            entries = findings.entries_of(finding)
            for owned in [by_entry[entry.id] for entry in entries] or [unlinked]:
                owned.setdefault(finding.fingerprint, finding)
    told = tuple(_entry(entry, tuple(by_entry[entry.id].values()), findings, judged) for entry in findings.findings)
    return Linkage(told, tuple(unlinked.values()))


def over(reports: Iterable[PackReport], findings: FindingsMap) -> dict[str, Entry]:
    """Every entry by its id, as several packs saw it together."""
    return {entry.stor.id: entry for entry in both_ways(reports, findings).entries}


def _entry(
    entry: StorFinding, seen: tuple[Finding, ...], findings: FindingsMap, judged: Mapping[str, Sequence[GateReport]]
) -> Entry:
    links = [rule for rule in findings.links if rule.stor == entry.id]
    why = next((because for rule in links if (because := _unseen(judged.get(rule.gate, ()), rule))), "")
    why = why if links else "no gate observes it"
    return Entry(entry, True if seen else None if why else False, seen, why)


def _unseen(reports: Sequence[GateReport], link: LinkRule) -> str:
    """`blind` over every report of the link's gate. A report that had nothing to ask its hosts says nothing of it."""
    asked = [one for one in reports if one.verdict is not Verdict.NOT_APPLICABLE or one.reasons]
    asked.sort(key=lambda one: not one.reasons)  # a reason says more than the hosts of a pack
    because = [blind(one, link) for one in asked] or [blind(None, link)]
    if link.hosts and "" in because:
        return ""
    return next((why for why in because if why), "")


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
