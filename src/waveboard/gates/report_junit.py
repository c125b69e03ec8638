"""A pack report as JUnit XML for CI servers: a suite a gate, a case a host, one where a gate judges documents. Doubts are errors, never passes."""

from collections.abc import Iterator

from waveboard.gates.escape import xml
from waveboard.model.finding import Finding, GateReport, PackReport, Verdict


def render(report: PackReport) -> str:
    """The whole document. Counts on the root and on each suite are those of its cases."""
    suites = [_suite(report.pack, one) for one in report.reports]
    totals = [sum(numbers[i] for numbers, _ in suites) for i in range(4)]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="{xml(report.pack)}" {_numbers(totals)}>']
    lines += [line for _, body in suites for line in body]
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _suite(pack: str, one: GateReport) -> tuple[list[int], list[str]]:
    cases = list(_cases(pack, one)) or [_alone(pack, one)]
    kinds = [kind for kind, _ in cases]
    numbers = [len(kinds), kinds.count("failure"), kinds.count("error"), kinds.count("skipped")]
    name = xml(f"{one.gate} {one.title}".strip())
    body = [f'  <testsuite name="{name}" {_numbers(numbers)}>', *(line for _, case in cases for line in case), "  </testsuite>"]
    return numbers, body


def _cases(pack: str, one: GateReport) -> Iterator[tuple[str, list[str]]]:
    """(kind, lines): hosts with findings fail, whole ones pass; then one error a doubt, one skip a thing nobody asked."""
    classname = xml(f"{pack}.{one.gate}")
    by_host: dict[str, list[Finding]] = {host: [] for host in one.hosts}
    for finding in one.findings:
        by_host.setdefault(finding.host, []).append(finding)
    doubted = {reason.partition(": ")[0] for reason in one.reasons}
    for host, findings in by_host.items():
        live = [finding for finding in findings if not finding.waiver]
        if not live and (host in doubted or one.verdict is Verdict.ERROR):
            continue
        body = [f'    <testcase classname="{classname}" name="{xml(host)}">']
        body += [line for finding in live for line in _failure(finding)]
        body += [
            f"      <system-out>waived: {xml(f.code)} {xml(f.subject)} by {xml(f.waiver)}</system-out>"
            for f in findings
            if f.waiver
        ]
        yield "failure" if live else "", [*body, "    </testcase>"]
    for kind, reasons in (("error", one.reasons), ("skipped", one.skipped)):
        for reason in reasons:
            case = f'    <testcase classname="{classname}" name="{xml(reason)}">'
            yield kind, [case, f'      <{kind} message="{xml(reason)}"/>', "    </testcase>"]


def _alone(pack: str, one: GateReport) -> tuple[str, list[str]]:
    """The case of a gate that judged documents and no host, and has nothing to tell: an empty suite would count as nothing."""
    kind = {Verdict.PASS: "", Verdict.NOT_APPLICABLE: "skipped"}.get(one.verdict, "error")
    case = f'    <testcase classname="{xml(f"{pack}.{one.gate}")}" name="{xml(one.title or one.gate)}">'
    said = [f'      <{kind} message="{xml(one.verdict.value)}"/>'] if kind else []
    return kind, [case, *said, "    </testcase>"]


def _failure(finding: Finding) -> Iterator[str]:
    links = " ".join((*finding.stor, *finding.gaps, *finding.loops))
    rest = xml(f"{finding.severity.value} {finding.fingerprint} fix: {finding.fix} {links}".rstrip())
    message = xml(f"{finding.subject}: {finding.message}")
    yield f'      <failure type="{xml(finding.code)}" message="{message}">{rest}</failure>'


def _numbers(numbers: list[int]) -> str:
    return " ".join(f'{name}="{n}"' for name, n in zip(("tests", "failures", "errors", "skipped"), numbers, strict=True))
