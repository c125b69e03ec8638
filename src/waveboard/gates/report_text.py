"""A pack report for a person at a terminal: plain lines, no colour. A gate with findings never stands there as a pass."""

from collections.abc import Iterator

from waveboard.gates import outcome
from waveboard.gates.escape import plain
from waveboard.model.finding import Finding, GateReport, PackReport


def render(report: PackReport) -> str:
    """The whole report; ends with a newline."""
    lines: list[str] = []
    for one in report.reports:
        lines += _gate(one)
    if report.later:
        lines.append(f"not built yet  {', '.join(plain(gate) for gate in report.later)}")
    lines += ["", f"{plain(report.pack)}: {outcome.summary(report)}", outcome.findings_line(report), _standing(report)]
    return "\n".join(lines) + "\n"


def _gate(one: GateReport) -> Iterator[str]:
    title = f"{plain(one.gate)} {plain(one.title)}".rstrip()
    hosts = f"  {', '.join(plain(host) for host in one.hosts)}" if one.hosts else ""
    yield f"{one.verdict.value.upper():14} {title}  ({one.mode.value}){hosts}"
    for finding in one.findings:
        yield from _finding(finding)
    for reason in one.reasons:
        yield f"    not seen  {plain(reason)}"
    for reason in one.skipped:
        yield f"    not asked  {plain(reason)}"


def _finding(finding: Finding) -> Iterator[str]:
    waived = f"  waived by {plain(finding.waiver)}" if finding.waiver else ""
    where = f"{plain(finding.host)}  {plain(finding.code)}  {plain(finding.subject)}"
    yield f"    {finding.severity.value:8}  {where}{waived}  [{finding.fingerprint}]"
    yield f"              {plain(finding.message)}"
    if finding.fix:
        yield f"              fix: {plain(finding.fix)}"
    links = " · ".join(plain(" ".join(ids)) for ids in (finding.stor, finding.gaps, finding.loops) if ids)
    if links:
        yield f"              {links}"


def _standing(report: PackReport) -> str:
    if report.complete:
        return "complete: every gate saw everything it was asked about"
    blocking = [one.gate for one in report.reports if outcome.blocks(one)]
    blind = [one.gate for one in report.reports if one.reasons]
    parts = [f"{', '.join(blind)} could not see everything"] if blind else []
    parts += [f"{', '.join(blocking)} in enforce mode blocks"] if blocking else []
    return f"not complete: {'; '.join(parts) or 'no gate was asked'}"
