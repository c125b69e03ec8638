"""When a row of runs is long enough, and what ends it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.gates.promote import Run, stability
from waveboard.model.contract import Pack
from waveboard.model.finding import Finding, GateReport, Mode, PackReport, Severity, Verdict
from waveboard.model.units import instant_text

AT = datetime(2026, 3, 1, tzinfo=UTC)
PACK = Pack("p", ("D1", "D2"), ("a", "b"), Mode.REPORT)
HOUR = 3600
FOUND = Finding("D1", "a", "code", "s", Severity.HIGH, "m")


def gate(name: str, **changes: object) -> GateReport:
    return replace(GateReport(name, name, Verdict.PASS, Mode.REPORT, Severity.HIGH, hosts=("a", "b")), **changes)  # type: ignore[arg-type]


def run(hours: float, **changes: object) -> Run:
    """hours: before AT."""
    at = instant_text(AT - timedelta(hours=hours))
    seen = (("a", f"sha256:a{hours}"), ("b", f"sha256:b{hours}"))
    made = PackReport("p", (gate("D1"), gate("D2")), "sha256:c", seen, at, policy="sha256:p")
    return Run(f"CAP-{hours}", replace(made, **changes))  # type: ignore[arg-type]


def counted(*runs: Run, wanted: int = 3, pack: Pack = PACK, policy: str = "sha256:p") -> tuple[int, str]:
    row = stability(runs, pack, policy, wanted, HOUR)
    assert row.holds == (len(row.counted) >= wanted) and bool(row.why) != row.holds
    return len(row.counted), row.why


def test_three_clean_runs_an_hour_apart_are_a_row() -> None:
    assert counted(run(0), run(1), run(2), run(3)) == (3, "")


ENDS = [
    (
        {"reports": (gate("D1", verdict=Verdict.UNKNOWN, reasons=("b: it did not answer",)), gate("D2"))},
        "D1 is unknown: b: it did not answer",
    ),
    ({"reports": (gate("D1", reasons=("a: cut",)), gate("D2"))}, "D1 is pass: a: cut"),
    ({"reports": (gate("D1", verdict=Verdict.ERROR), gate("D2"))}, "it is not complete"),
    ({"reports": (gate("D1", verdict=Verdict.FAIL, findings=(FOUND,)), gate("D2"))}, "1 unexpected finding, first D1 a code"),
    ({"reports": (gate("D1", mode=Mode.ENFORCE), gate("D2"))}, "D1 was not in report mode"),
    ({"reports": (gate("D1"),)}, "it asked other gates"),
    ({"later": ("D9",)}, "some are not built"),
    ({"evidence": (("a", "sha256:x"),)}, "b was not seen"),
    ({"policy": "sha256:old"}, "the policy has changed since"),
    ({"policy": ""}, "the policy has changed since"),
]


@pytest.mark.parametrize(("changes", "why"), ENDS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_ends_a_row(changes: dict[str, object], why: str, place: int) -> None:
    runs = [run(0), run(1), run(2), run(3)]
    runs[place] = run(float(place), **changes)
    number, said = counted(*runs)
    assert number == place and why in said and f"CAP-{float(place)}" in said


def test_waived_findings_are_expected() -> None:
    waived = (gate("D1", findings=(replace(FOUND, waiver="W-1"),)), gate("D2"))
    assert counted(run(0, reports=waived), run(1), run(2)) == (3, "")


def test_runs_too_close_or_of_the_same_evidence_are_not_counted() -> None:
    assert counted(run(0), run(0.1), run(0.2)) == (1, "CAP-0.1 is 360 s before CAP-0, the contract asks for 3600 s")
    assert counted(run(0), run(0.1), run(1), run(1.5), run(2)) == (3, "")
    same = run(1).report.evidence
    number, why = counted(run(0, evidence=same), run(1), run(2))
    assert number == 2 and "judged the same evidence" in why
    assert counted(run(0)) == (1, "there are no earlier runs") and counted() == (0, "there are no earlier runs")


def test_a_dirty_run_between_two_close_ones_still_ends_the_row() -> None:
    assert counted(run(0), run(0.1, policy="x"), run(1), run(2))[0] == 1


def test_another_scope_starts_anew() -> None:
    assert counted(run(0), run(1), run(2), pack=replace(PACK, hosts=("a", "b", "c")))[0] == 0
    assert counted(run(0), run(1), run(2), pack=replace(PACK, gates=("D1", "D2", "D3")))[0] == 0


RUNS = st.lists(
    st.tuples(st.floats(0.02, 3), st.sampled_from(["good", "good", "good", "unknown", "found", "policy"])), max_size=12
)
BAD = {"good": {}, "unknown": ENDS[0][0], "found": ENDS[3][0], "policy": ENDS[8][0]}


@given(RUNS, st.integers(1, 5))
def test_a_row_is_spaced_distinct_and_unbroken(gaps: list[tuple[float, str]], wanted: int) -> None:
    hours, runs = 0.0, []
    for gap, kind in gaps:
        hours += round(gap, 2)
        runs.append((kind, run(round(hours, 2), **BAD[kind])))  # type: ignore[arg-type]
    row = stability([r for _, r in runs], PACK, "sha256:p", wanted, HOUR)
    chosen = [r for _, r in runs if r.run_key in row.counted]
    assert len(row.counted) <= wanted and len(row.counted) == len(set(row.counted))
    clean = 0
    while clean < len(runs) and runs[clean][0] == "good":
        clean += 1
    assert all(r in [x for _, x in runs[:clean]] for r in chosen)  # nothing beyond the first run that broke the row
    times = sorted({r.at for r in chosen}, reverse=True)
    assert all((one - other).total_seconds() >= HOUR for one, other in pairwise(times))
