"""A pack report as JSON, `waveboard.verify/1`, and back. Keys are only ever added; text stands as the host said it."""

import json
from collections.abc import Mapping
from typing import Any

from waveboard.gates import outcome
from waveboard.gates.escape import valid
from waveboard.model.errors import EvidenceError
from waveboard.model.finding import Finding, GateReport, Mode, PackReport, Severity, Verdict

SCHEMA = "waveboard.verify/1"


def to_bytes(report: PackReport, run_key: str = "") -> bytes:
    """UTF-8 in ASCII letters only, so that no terminal is moved by it; ends with a newline."""
    return (json.dumps(document(report, run_key), indent=2, ensure_ascii=True) + "\n").encode()


def document(report: PackReport, run_key: str = "") -> dict[str, object]:
    """The same as a JSON-ready value."""
    return {
        "schema": SCHEMA,
        "run_key": run_key,
        "pack": report.pack,
        "at": report.at,
        "contract": report.contract,
        "policy": report.policy,
        "evidence": dict(report.evidence),
        "documents": report.documents,
        "inputs": dict(report.inputs),
        "complete": report.complete,
        "exit": outcome.exit_code(report),
        "summary": outcome.summary(report),
        "counts": dict(report.counts),
        "later": list(report.later),
        "gates": [_gate(one) for one in report.reports],
    }


def from_bytes(raw: bytes) -> PackReport:
    """The report a JSON document tells of; what is computed (summary, complete, fingerprints) is computed anew.

    Raises: EvidenceError when it is not such a document.
    """
    try:
        told = json.loads(raw)
        if told["schema"] != SCHEMA:
            raise ValueError(f"its schema is {told['schema']!r}, not {SCHEMA}")
        gates = tuple(_gate_of(one) for one in told["gates"])
        waived = sum(1 for gate in gates for finding in gate.findings if finding.waiver)
        evidence = tuple(told["evidence"].items())
        later = tuple(told["later"])
        policy = str(told.get("policy", ""))
        papers, inputs = told.get("documents", ""), tuple(told.get("inputs", {}).items())
        return PackReport(
            told["pack"], gates, told["contract"], evidence, told["at"], waived, told["counts"], later, papers, inputs, policy
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise EvidenceError("read a verify report", f"{type(problem).__name__}: {problem}") from problem


def _gate(one: GateReport) -> dict[str, object]:
    return {
        "gate": one.gate,
        "title": one.title,
        "verdict": one.verdict.value,
        "mode": one.mode.value,
        "severity": one.severity.value,
        "canary": one.canary,
        "hosts": list(one.hosts),
        "reasons": [valid(reason) for reason in one.reasons],
        "skipped": [valid(reason) for reason in one.skipped],
        "findings": [finding_row(finding) for finding in one.findings],
    }


def finding_row(finding: Finding) -> dict[str, object]:
    """One finding as every JSON document tells it."""
    return {
        "fingerprint": finding.fingerprint,
        "gate": finding.gate,
        "host": finding.host,
        "code": finding.code,
        "subject": valid(finding.subject),
        "severity": finding.severity.value,
        "message": valid(finding.message),
        "fix": valid(finding.fix),
        "measured": {key: valid(value) for key, value in finding.measured},
        "evidence": list(finding.evidence),
        "stor": list(finding.stor),
        "gaps": list(finding.gaps),
        "loops": list(finding.loops),
        "waiver": finding.waiver,
    }


def _gate_of(told: Mapping[str, Any]) -> GateReport:
    return GateReport(
        told["gate"],
        told["title"],
        Verdict(told["verdict"]),
        Mode(told["mode"]),
        Severity(told["severity"]),
        tuple(_finding_of(one) for one in told["findings"]),
        tuple(told["reasons"]),
        tuple(told["hosts"]),
        told["canary"] is True,
        tuple(told["skipped"]),
    )


def _finding_of(told: Mapping[str, Any]) -> Finding:
    return Finding(
        gate=told["gate"],
        host=told["host"],
        code=told["code"],
        subject=told["subject"],
        severity=Severity(told["severity"]),
        message=told["message"],
        fix=told["fix"],
        measured=tuple(told["measured"].items()),
        evidence=tuple(told["evidence"]),
        stor=tuple(told["stor"]),
        gaps=tuple(told["gaps"]),
        loops=tuple(told["loops"]),
        waiver=told["waiver"],
    )
