"""A pack report as a Prometheus textfile (exposition format 0.0.4), for the node exporter's textfile collector.

Alert on `waveboard_pack_complete == 0`, on the age of `waveboard_run_timestamp_seconds`, or on `waveboard_finding`.
"""

from collections.abc import Iterator, Sequence

from waveboard.gates import outcome
from waveboard.gates.escape import label
from waveboard.model.finding import Finding, PackReport, Verdict
from waveboard.model.units import parse_instant

Sample = tuple[tuple[tuple[str, str], ...], float]


def render(report: PackReport) -> str:
    """Every family with HELP and TYPE; ends with a newline, as the format asks."""
    pack = ("pack", report.pack)
    at = [((pack,), parse_instant(report.at).timestamp())] if report.at else []
    verdicts = [
        ((pack, ("gate", one.gate), ("mode", one.mode.value), ("verdict", verdict.value)), float(one.verdict is verdict))
        for one in report.reports
        for verdict in Verdict
    ]
    blind = [((pack, ("gate", one.gate)), float(len(one.reasons))) for one in report.reports]
    lines = [
        *_family(
            "waveboard_pack_complete",
            "1 when every gate saw everything and nothing in enforce failed",
            [((pack,), report.complete)],
        ),
        *_family("waveboard_pack_exit", "exit code of the run", [((pack,), outcome.exit_code(report))]),
        *_family("waveboard_run_timestamp_seconds", "when the run judged", at),
        *_family("waveboard_gate_verdict", "1 for the verdict the gate gave, 0 for the others", verdicts),
        *_family("waveboard_gate_unseen", "things the gate was to judge and could not see", blind),
        *_family("waveboard_gates_not_built", "gates the pack asks for that nobody judged", [((pack,), len(report.later))]),
        *_family("waveboard_finding", "1 for every finding; waived says whether it is accepted", _findings(report)),
    ]
    return "\n".join(lines) + "\n"


def _findings(report: PackReport) -> list[Sample]:
    """One series a finding; the fingerprint keeps them apart."""
    once: dict[str, Finding] = {finding.fingerprint: finding for finding in report.findings}
    return [
        (
            (
                ("pack", report.pack),
                ("gate", finding.gate),
                ("host", finding.host),
                ("code", finding.code),
                ("subject", finding.subject),
                ("severity", finding.severity.value),
                ("waived", str(bool(finding.waiver)).lower()),
                ("fingerprint", finding.fingerprint),
            ),
            1.0,
        )
        for finding in once.values()
    ]


def _family(name: str, help_text: str, samples: Sequence[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        inside = ",".join(f'{key}="{label(text)}"' for key, text in labels)
        yield f"{name}{{{inside}}} {float(value):.10g}"
