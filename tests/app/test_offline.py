"""The recorded fleet gives the same verdicts for ever, and every answer about it can be had without a host."""

import gc
from pathlib import Path

import pytest

from waveboard.app.check import judge
from waveboard.app.read import Reading, understand
from waveboard.audit import bundle as bundles
from waveboard.gates import outcome
from waveboard.model.evidence import Bundle
from waveboard.wiring import load_contracts, usable

MINT = Path(__file__).resolve().parents[2] / "examples" / "mint"
CONTRACT = usable(load_contracts(MINT))


def recorded() -> dict[str, Bundle]:
    found = (bundles.from_json(path.read_bytes()) for path in sorted((MINT / "fleet").glob("*.json")))
    return {bundle.host: bundle for bundle in found}


def reading(found: dict[str, Bundle]) -> Reading:
    at = max(b.collected_at for b in found.values())
    return understand(CONTRACT, found, "CAP-20261122-181607__host.audit__Rtest0000", at)


def test_the_recorded_drift_is_what_the_specification_found() -> None:
    report = judge(CONTRACT, CONTRACT.packs["mint-storage"], reading(recorded()))
    seen = {(f.host, f.code) for f in report.findings}
    assert {
        ("mint-data", "boot-backed"),
        ("mint-data", "anonymous-volume"),
        ("mint-data", "redis-appendonly-off"),
        ("mint-data", "root-usage"),
        ("mint-apps", "surface-ungoverned"),
        ("mint-apps", "tmp-large-file"),
    } <= seen
    assert report.complete and outcome.exit_code(report) == 2
    assert {stor for f in report.findings for stor in f.stor} >= {"STOR-001", "STOR-002", "STOR-003", "STOR-004", "STOR-006"}


def test_judging_twice_gives_the_same_report() -> None:
    pack = CONTRACT.packs["mint-storage"]
    assert judge(CONTRACT, pack, reading(recorded())) == judge(CONTRACT, pack, reading(recorded()))


def test_reading_and_judging_make_no_cycles_and_leave_the_search_for_them_as_it_was() -> None:
    """It is off meanwhile: what only a search could free would pile up, host by host."""
    found, pack = recorded(), CONTRACT.packs["mint-storage"]
    judge(CONTRACT, pack, reading(found))
    gc.collect()
    gc.disable()
    try:
        judge(CONTRACT, pack, reading(found))
        assert not gc.isenabled()
        assert gc.collect() == 0
    finally:
        gc.enable()
    judge(CONTRACT, pack, reading(found))
    assert gc.isenabled()


def test_what_was_read_is_old_at_once() -> None:
    """Else the first search after a fleet was read would begin with all of its facts."""
    read = reading(recorded())
    young = {id(one) for one in gc.get_objects(generation=0)}
    assert read.facts and not young & {id(fact) for fact in read.facts.values()}


@pytest.mark.parametrize("lost", ["mint-data", "mint-apps"])
def test_a_host_that_gave_no_answer_is_never_green(lost: str) -> None:
    found = recorded()
    found[lost] = bundles.failed(lost, "unreachable", found[lost].collector, found[lost].collected_at)
    report = judge(CONTRACT, CONTRACT.packs["mint-storage"], reading(found))
    assert not report.complete and outcome.exit_code(report) == 5
    assert not any(f.host == lost for f in report.findings)
