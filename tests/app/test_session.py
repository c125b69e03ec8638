"""What session.start calls next, in every state a terminal may be opened in. The registers' part is in tests/cli."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.app.test_promotion import PACK, Office
from tests.app.test_promotion import due as stable
from tests.receipts.estate import ALLOWED
from tests.waves import estate as E
from waveboard.app import apply as order
from waveboard.app.reconcile import reconcile
from waveboard.app.session import Standing, start
from waveboard.model.errors import HaltedError
from waveboard.model.finding import Finding, GateReport, Mode, Severity, Verdict
from waveboard.model.history import DispatchRecord
from waveboard.model.opening import Opening


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def line(told: Standing, label: str) -> str:
    assert len(told.lines) == 10
    return dict(told.lines)[label]


def test_a_plan_waits_for_its_signature_and_then_to_be_applied(desk: Desk) -> None:
    desk.site.store.save_plan(desk.planned().raw, "M1", "wave", E.AT)
    told = start(desk.site)
    assert told.next == "waveboard approve M1 --key KEY --as NAME" and "0 of 1 signatures" in told.why
    known = desk.approved()
    told = start(desk.site)
    assert told.next == "waveboard apply M1" and "its window is open" in told.why
    order.apply(desk.site, known, ALLOWED, desk.reading())
    assert "M1" not in start(desk.site).next


def test_a_signed_plan_waits_for_its_window_and_is_forgotten_after_it(desk: Desk) -> None:
    desk.approved()
    clock, at = desk.site.clock, desk.site.clock.now()
    clock.at = E.AT - timedelta(days=1)  # type: ignore[attr-defined]
    assert start(desk.site).next.startswith("waveboard approve"), "a signature that is not valid yet counts for nothing"
    clock.at = at + timedelta(days=1)  # type: ignore[attr-defined]
    assert start(desk.site).next == "waveboard audit"


def test_a_plan_made_under_other_contracts_is_not_offered(desk: Desk) -> None:
    desk.approved()
    moved = replace(desk.site, contract=replace(desk.site.contract, digest="sha256:" + "5" * 64))
    assert "M1" not in start(moved).next


def test_a_halted_plan_comes_before_everything(desk: Desk) -> None:
    known = desk.approved()
    last = known.plan.steps[-1].id
    desk.host.will[last] = desk.host.undo_will[last] = "fail"
    with pytest.raises(HaltedError):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    told = start(desk.site)
    assert told.next == f"waveboard settle M1 --done|--undone {last} --key KEY --as NAME" and "M1 is halted" in told.why
    assert "M1 halted" in line(told, "waves")


def test_a_plan_cut_off_in_its_middle_goes_on_or_back(desk: Desk) -> None:
    known = desk.approved()
    first, now = known.plan.steps[0].id, desk.site.clock.now()
    for kind, step in (("opened", ""), ("intent", first), ("applied", first)):
        desk.site.store.record(known.digest, kind, step, 1 if step else 0, now, 0, {})
    told = start(desk.site)
    assert told.next == "waveboard apply M1" and f"1 of {len(known.plan.steps)} steps are applied" in told.why
    lease = desk.site.store.acquire_lease(known.digest, ("shop-1",), "sam@desk", now, 600)
    assert start(desk.site).next == "waveboard status" and "sam@desk is at it" in start(desk.site).why
    desk.site.store.release_lease(lease)
    desk.site.store.record(known.digest, "undo-asked", "", 0, now, 0, {"by": "sam"})
    assert start(desk.site).next == "waveboard undo M1"


def test_an_open_wave_is_closed_before_anything_new(desk: Desk) -> None:
    desk.site.store.begin_wave(Opening("M0", "none", (), ("shop-1",), (), "sam", E.AT))
    told = start(desk.site)
    assert told.next == "waveboard wave close M0" and "open since 2026-02-26T03:00:00Z (by sam)" in told.why
    assert "M0 open since 2026-02-26T03:00:00Z (by sam)" in line(told, "waves")


def test_a_worker_owes_a_report(desk: Desk) -> None:
    until = desk.site.clock.now() + timedelta(hours=1)
    desk.site.store.save_dispatch(DispatchRecord("T1", "M1", "agent:fixer", E.AT, until, "sha256:" + "1" * 64), ())
    told = start(desk.site)
    assert told.next == "waveboard wave report M1 FILE" and "agent:fixer has it until" in told.why


def failing(mode: Mode) -> tuple[GateReport, ...]:
    finding = Finding("D236", "mint-data", "boot-backed", "x", Severity.HIGH, "m", stor=("STOR-002",))
    return (GateReport("D236", "D236", Verdict.FAIL, mode, Severity.HIGH, (finding,), hosts=("mint-data", "mint-apps")),)


def test_a_promoted_pack_that_fails_is_said_to_block(office: Office) -> None:
    office.ran(-1, reports=failing(Mode.ENFORCE))
    assert line(start(office.site), "verify").count("BLOCKS IN ENFORCE: D236") == 1
    office.ran(-0.5, reports=failing(Mode.REPORT))
    assert "BLOCKS" not in line(start(office.site), "verify")


def test_stable_runs_lead_to_the_governing_wave_and_then_to_promotion(office: Office) -> None:
    stable(office)
    assert start(office.site).next == f"waveboard promote {PACK} -o {PACK}.plan"
    governing = office.place / "waves" / "W8E.yaml"
    governing.write_text(governing.read_text().replace("pack: mint,", f"pack: {PACK},"))
    office.reload()
    office.ran(-0.5)
    assert start(office.site).next == "waveboard wave open W8E"
    office.site.store.begin_wave(Opening("W8E", "governance", (), (), (), "sam", office.site.clock.now()))
    assert start(office.site).next == f"waveboard promote {PACK} -o {PACK}.plan"


def test_without_any_window_no_plan_is_offered(office: Office) -> None:
    report = failing(Mode.REPORT)
    office.ran(-1, reports=report)
    assert start(office.site).next == "waveboard findings reconcile"
    reconcile(office.site, PACK)
    assert start(office.site).next == "waveboard plan W8B -o W8B.plan"
    told = start(replace(office.site, contract=replace(office.site.contract, windows=())))
    assert told.next == "waveboard wave show W8B" and "no change window is open or to come for mint-data" in told.why
    assert "none is open or to come" in line(told, "window")
