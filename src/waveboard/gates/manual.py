"""The gates' documentation, made from the gates: their docstrings and codes. docs/gates.md is this, and a test keeps it so."""

from collections.abc import Iterator, Mapping

from waveboard.gates.gate import Gate

_HEAD = """\
# Gates

Made from the gates' own docstrings; `waveboard gates ID` prints the same. A gate answers pass, fail, unknown, not-applicable or
error. Findings beat doubts for the verdict, and a gate with any doubt leaves its pack incomplete. A gate that misses its own
seeded violation, speaks at the clean look-alike, or clears a host that told it nothing votes error.

Exit codes of `waveboard verify`: 3 a gate in enforce mode failed · 5 something is unknown or in error · 2 findings · 0 clean; the
first that applies.
"""


def render(gates: Mapping[str, Gate]) -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(entry(gate) for gate in gates.values())])


def entry(gate: Gate) -> str:
    """One gate: title, reasons, policy, what it needs, its codes."""
    return "\n".join(_lines(gate)) + "\n"


def _lines(gate: Gate) -> Iterator[str]:
    title, _, rest = gate.doc.strip().partition("\n")
    yield from (f"## {title}", "", rest.strip(), "")
    yield f"Severity {gate.severity.value}. Needs: {', '.join(sorted(noun.__name__ for noun in gate.needs))}."
    yield from ("", "| code | says |", "|---|---|")
    yield from (f"| `{code}` | {says} |" for code, says in gate.codes.items())
