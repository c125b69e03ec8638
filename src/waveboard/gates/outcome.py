"""What a pack run means for the caller: the summary line, what blocks, and the exit code. Changes no finding.

Exit codes (DESIGN section 8), strongest first:
- 3: a gate in enforce mode failed; the way out is to repair.
- 5: some gate is unknown, in error or not built yet, or could not see part of what it judged; the way out is to look again. This beats
  findings, because findings of half a picture are not the list of what is wrong. An unknown in enforce mode blocks too.
- 2: findings, all seen.
- 0: clean, or every finding is waived.
A gate whose findings are all waived keeps its verdict, fail, as XCCDF does; waived findings are counted beside the verdicts, and only
unexpected ones block or set the exit code. A waiver never touches what could not be seen.
A contract or tool error never gets this far: it is raised, with code 1 or its own.
"""

from waveboard.model.finding import GateReport, Mode, PackReport, Severity, Verdict

WORDS = (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN, Verdict.NOT_APPLICABLE, Verdict.ERROR)


def summary(report: PackReport) -> str:
    """`18 gates: 15 pass, 1 fail, 1 unknown, 1 not-applicable, 2 waived`; what is zero is left out, pass never is.

    Gates the pack asks for that are not built yet are counted as such: `18 gates: 2 pass, 3 fail, 13 not built yet`.
    """
    total = len(report.reports)
    parts = [f"{n} {verdict.value}" for verdict in WORDS if (n := _count(report, verdict)) or verdict is Verdict.PASS]
    waived = sum(1 for finding in report.findings if finding.waiver)
    if waived:
        parts.append(f"{waived} waived")
    if report.later:
        parts.append(f"{len(report.later)} not built yet")
    return f"{total + len(report.later)} gate{'' if total + len(report.later) == 1 else 's'}: {', '.join(parts)}"


def findings_line(report: PackReport) -> str:
    """`7 findings: 2 critical, 5 high`, or `no findings`."""
    live = [finding for finding in report.findings if not finding.waiver]
    if not live:
        return "no findings"
    parts = [f"{n} {level.value}" for level in Severity if (n := sum(1 for finding in live if finding.severity is level))]
    return f"{len(live)} finding{'' if len(live) == 1 else 's'}: {', '.join(parts)}"


def blocks(report: GateReport) -> bool:
    """True when this gate stops a wave: in enforce mode, anything but a whole pass, not-applicable or findings all waived."""
    waived = report.verdict is Verdict.FAIL and not report.unexpected
    clear = (report.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) or waived) and not report.reasons
    return report.mode is Mode.ENFORCE and not clear


def exit_code(report: PackReport) -> int:
    """The documented code of a verify run: 3, 5, 2 or 0, in that order of strength."""
    if any(r.mode is Mode.ENFORCE and r.verdict is Verdict.FAIL and r.unexpected for r in report.reports):
        return 3
    if (
        not report.reports
        or report.later
        or any(r.reasons or r.verdict in (Verdict.UNKNOWN, Verdict.ERROR) for r in report.reports)
    ):
        return 5
    return 2 if any(r.unexpected for r in report.reports) else 0


def _count(report: PackReport, verdict: Verdict) -> int:
    return sum(1 for one in report.reports if one.verdict is verdict)
