"""What judging yields: verdicts, findings and reports. A finding is a complete value; its fingerprint holds no sizes."""

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256


class Verdict(Enum):
    """XCCDF's results under the operator's names."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


class Severity(Enum):
    """How much it matters; order is value order."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Mode(Enum):
    """report: findings are told; enforce: findings block."""

    REPORT = "report"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Finding:
    """One deviation. `code` and `subject` are stable names (`boot-backed`, `container:mint-modules-redis:/data`); sizes, dates
    and example paths go into `message` and `measured` only, so the fingerprint of the same deviation never changes.

    stor, gaps, loops: linkage through the findings map, filled by the register, not by the gate.
    """

    gate: str
    host: str
    code: str
    subject: str
    severity: Severity
    message: str
    fix: str = ""
    measured: tuple[tuple[str, str], ...] = ()
    evidence: tuple[str, ...] = ()
    stor: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    waiver: str = ""  # id of the waiver that covers it

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of sha256 over gate, host, code, subject; a lone surrogate of a host counts as its escape."""
        told = "\0".join((self.gate, self.host, self.code, self.subject))
        return sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class GateReport:
    """One gate's result in one run. hosts: those it judged.

    reasons: what it could not see, or why it is in error; any reason makes the pack incomplete, whatever the verdict.
    skipped: what the contracts do not ask, and of whom.
    """

    gate: str
    title: str
    verdict: Verdict
    mode: Mode
    severity: Severity
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    canary: bool = True  # it saw its own seeded violation in this run
    skipped: tuple[str, ...] = ()

    @property
    def unexpected(self) -> tuple[Finding, ...]:
        """The findings nobody answers for. A gate whose findings are all waived has failed, and blocks nothing."""
        return tuple(finding for finding in self.findings if not finding.waiver)


@dataclass(frozen=True, slots=True)
class PackReport:
    """One pack run. `complete`: every gate evaluated and nothing in enforce failed that nobody answers for."""

    pack: str
    reports: tuple[GateReport, ...]
    contract: str  # digest
    evidence: tuple[tuple[str, str], ...] = ()  # host -> bundle digest
    at: str = ""
    waived: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    later: tuple[str, ...] = ()  # gates the pack asks for that are not built yet: judged by nobody, never counted as pass
    documents: str = ""  # digest of the kept documents and command answers that declared gates judged
    inputs: tuple[tuple[str, str], ...] = ()  # address of each of them -> sha256
    policy: str = ""  # digest of the files the verdicts rest on; "" in reports of before it was kept

    @property
    def complete(self) -> bool:
        """DESIGN section 6: every gate was asked, none is unknown, in error or in any doubt, none in enforce failed."""
        return (
            bool(self.reports)
            and not self.later
            and all(
                not r.reasons
                and r.verdict not in (Verdict.UNKNOWN, Verdict.ERROR)
                and not (r.mode is Mode.ENFORCE and r.verdict is Verdict.FAIL and r.unexpected)
                for r in self.reports
            )
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding of the run, in gate order, waived ones included."""
        return tuple(finding for report in self.reports for finding in report.findings)
