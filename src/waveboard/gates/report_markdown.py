"""A pack report for a forge comment or a wiki page. Text from hosts renders as itself and makes no link, mention or markup."""

from collections.abc import Iterator

from waveboard.gates import outcome
from waveboard.gates.escape import markdown
from waveboard.model.finding import Finding, GateReport, PackReport


def render(report: PackReport) -> str:
    """A heading, the table of gates, then findings and what could not be seen."""
    standing = "complete" if report.complete else "not complete"
    lines = [
        f"## Verify {markdown(report.pack)}",
        "",
        f"**{outcome.summary(report)}**, {outcome.findings_line(report)}, {standing}",
        "",
    ]
    lines += [f"Run at {markdown(report.at)}, contract `{_code(report.contract)}`", ""]
    lines += ["| gate | title | verdict | mode | hosts | findings |", "|---|---|---|---|---|---|"]
    lines += [_row(one) for one in report.reports]
    lines += [f"| {markdown(gate)} | | not built yet | | | |" for gate in report.later]
    for one in report.reports:
        if one.findings or one.reasons:
            lines += ["", f"### {markdown(one.gate)} {markdown(one.title)}", ""]
            lines += [line for finding in one.findings for line in _finding(finding)]
            lines += [f"- **not seen** {markdown(reason)}" for reason in one.reasons]
    return "\n".join(lines) + "\n"


def _row(one: GateReport) -> str:
    hosts = ", ".join(markdown(host) for host in one.hosts)
    cells = (markdown(one.gate), markdown(one.title), one.verdict.value, one.mode.value, hosts, str(len(one.findings)))
    return f"| {' | '.join(cells)} |"


def _finding(finding: Finding) -> Iterator[str]:
    waived = f", waived by {markdown(finding.waiver)}" if finding.waiver else ""
    where = f"{markdown(finding.host)} {markdown(finding.code)} {markdown(finding.subject)}"
    yield f"- **{finding.severity.value}** {where}{waived} (`{finding.fingerprint}`)  "
    yield f"  {markdown(finding.message)}" + ("  " if finding.fix or finding.stor else "")
    if finding.fix:
        yield f"  Fix: {markdown(finding.fix)}" + ("  " if finding.stor else "")
    links = " · ".join(markdown(" ".join(ids)) for ids in (finding.stor, finding.gaps, finding.loops) if ids)
    if links:
        yield f"  {links}"


def _code(text: str) -> str:
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c == ":"))
