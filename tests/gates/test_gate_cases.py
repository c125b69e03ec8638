"""Every case under tests/cases/gates, and that every shelf file has one of each kind."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.gates.read_case import read
from waveboard.gates import evaluate, shelf
from waveboard.model.finding import GateReport, Mode

CASES = Path(__file__).parent.parent / "cases" / "gates"
KINDS = ("pass", "fail", "unknown", "not-applicable")
EVERY = sorted(CASES.glob("*/*.yaml"))


def judge(path: Path, mode: Mode = Mode.REPORT) -> tuple[GateReport, dict[str, object]]:
    fleet, expect = read(path)
    pack = replace(fleet.pack, gates=(path.parent.name.upper(),), mode=mode)
    return evaluate.run(pack, fleet.contract, fleet.facts, {}, fleet.at).reports[0], expect


@pytest.mark.parametrize("path", EVERY, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path) -> None:
    report, expect = judge(path)
    found = [f"{f.host} {f.code} {f.subject} {f.severity.value}" for f in report.findings]
    assert (report.verdict.value, found) == (expect["verdict"], expect.get("findings", [])), report.reasons
    assert len(report.reasons) == len(expect.get("reasons", [])), report.reasons
    for kind, said in (("reasons", report.reasons), ("skipped", report.skipped)):
        for wanted in expect.get(kind, []):
            assert any(one.startswith(wanted) or wanted in one for one in said), (kind, wanted, said)
    if "hosts" in expect:
        assert list(report.hosts) == expect["hosts"]


@pytest.mark.parametrize("gate", shelf.gates())
def test_every_gate_has_a_case_of_each_kind(gate: str) -> None:
    folder = CASES / gate.lower()
    for kind in KINDS:
        kept = [judge(path)[1]["verdict"] for path in folder.glob(f"{kind}*.yaml")]
        assert kept and set(kept) == {kind}, kind


@pytest.mark.parametrize("path", EVERY, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_mode_changes_no_finding_and_no_verdict(path: Path) -> None:
    told, enforced = judge(path)[0], judge(path, Mode.ENFORCE)[0]
    assert replace(enforced, mode=Mode.REPORT) == told
