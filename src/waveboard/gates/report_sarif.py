"""A pack report as SARIF 2.1.0 (OASIS), for code-scanning boards. One rule a gate; kind `open`: something was not seen."""

import json
from collections.abc import Mapping

from waveboard.gates.escape import plain, uri
from waveboard.gates.gate import Gate
from waveboard.model.finding import Finding, GateReport, PackReport, Severity, Verdict

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "waveboardFinding/v1"
LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}


def render(report: PackReport, gates: Mapping[str, Gate] | None = None) -> str:
    """The whole log, one run. gates: the shelf, for the rules' help texts."""
    results = [result for one in report.reports for result in _results(one)]
    run = {
        "tool": {"driver": {"name": "waveboard", "rules": [_rule(one, (gates or {}).get(one.gate)) for one in report.reports]}},
        "automationDetails": {"id": f"waveboard/{plain(report.pack)}/"},
        "invocations": [
            {
                "executionSuccessful": all(one.verdict is not Verdict.ERROR for one in report.reports),
                "properties": {"complete": report.complete, "contract": report.contract, "at": report.at},
            }
        ],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": VERSION, "runs": [run]}, indent=2, ensure_ascii=True) + "\n"


def _rule(one: GateReport, gate: Gate | None) -> dict[str, object]:
    rule: dict[str, object] = {
        "id": plain(one.gate),
        "name": plain(one.title or one.gate),
        "shortDescription": {"text": plain(f"{one.gate} {one.title}".strip())},
        "defaultConfiguration": {"level": LEVELS[one.severity]},
    }
    if gate is not None:
        rule["fullDescription"] = {"text": gate.doc.strip()}
    return rule


def _results(one: GateReport) -> list[dict[str, object]]:
    results = [_result(finding) for finding in one.findings]
    results += [_told(one, "open", reason) for reason in one.reasons]
    if one.verdict is Verdict.PASS:
        results.append(_told(one, "pass", f"{one.gate} saw no deviation on {', '.join(one.hosts) or 'the contracts'}"))
    if one.verdict is Verdict.NOT_APPLICABLE:
        results.append(_told(one, "notApplicable", "; ".join(one.skipped) or "no contract asks for it"))
    return results


def _result(finding: Finding) -> dict[str, object]:
    full = f"{finding.host}/{finding.subject}"
    result: dict[str, object] = {
        "ruleId": plain(finding.gate),
        "kind": "fail",
        "level": LEVELS[finding.severity],
        "message": {"text": plain(f"{finding.message}. Fix: {finding.fix}" if finding.fix else finding.message)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": f"hosts/{uri(finding.host)}"}},
                "logicalLocations": [{"name": plain(finding.subject), "fullyQualifiedName": plain(full), "kind": "resource"}],
            }
        ],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": {
            "host": plain(finding.host),
            "code": plain(finding.code),
            "severity": finding.severity.value,
            "stor": list(finding.stor),
            "gaps": list(finding.gaps),
            "loops": list(finding.loops),
        },
    }
    if finding.waiver:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": plain(finding.waiver)}]
    return result


def _told(one: GateReport, kind: str, text: str) -> dict[str, object]:
    return {"ruleId": plain(one.gate), "kind": kind, "level": "none", "message": {"text": plain(text)}}
