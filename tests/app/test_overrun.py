"""A window that closes on a wave under way: taken back, finished or paused, by the rule in the signed plan."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.receipts.estate import ALLOWED, RONNY
from tests.waves import estate as E
from waveboard.app.apply import apply, undo
from waveboard.app.approve import approve
from waveboard.app.due import _held, _signable
from waveboard.app.plans import Known, from_bytes
from waveboard.model.contract import Overrun, Place, Window
from waveboard.model.errors import RefusedError, StepError
from waveboard.receipts import sshsig
from waveboard.waves import plan as planner
from waveboard.waves import plan_json


def approved(desk: Desk, rule: Overrun) -> Known:
    window = desk.site.contract.windows[0]
    later = replace(
        window, id="L", not_before=window.not_before + timedelta(days=1), not_after=window.not_after + timedelta(days=1)
    )
    desk.site = replace(desk.site, contract=replace(desk.site.contract, windows=(window, later)))
    wave = E.wave(E.MOUNT, E.ROOT, E.DB, overrun=rule)
    facts = desk.reading().facts
    made = planner.make(wave, desk.site.contract, facts, instance="i", proposer="control", gates=desk.site.gates, at=E.AT)
    known = from_bytes(plan_json.to_bytes(made))
    desk.site.store.save_plan(known.raw, made.wave, made.kind, E.AT)
    approve(desk.site, known, "ronny", ALLOWED, lambda message: sshsig.sign(RONNY, message), 48)
    return known


def closing_at(desk: Desk, step: str, to: timedelta) -> None:
    """While that step runs, time jumps to so long after the window's beginning."""

    def witness(request: Mapping[str, object]) -> None:
        if request.get("op") == "do" and request.get("step") == step:
            desk.site.clock.at = E.AT + to  # type: ignore[attr-defined]

    desk.fleet.witness = witness


def test_rollback_takes_every_step_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known = approved(desk, Overrun("rollback"))
    closing_at(desk, "m1-01b", timedelta(hours=3))
    with pytest.raises(StepError, match=r"the change window closed at 2026-02-26T06:00:00Z before m1-02 \(overrun: rollback\)"):
        apply(desk.site, known, ALLOWED, desk.reading())
    kinds = desk.kinds(known)
    assert kinds.count("applied") == 2 == kinds.count("undone") and kinds[-1] == "rolled-back"
    asked = next(e for e in desk.site.store.events(known.digest) if e.kind == "undo-asked")
    assert asked.detail["by"] == "the change window"


def test_finish_goes_on_within_its_limit_and_not_beyond(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known = approved(desk, Overrun("finish", 3600))
    closing_at(desk, "m1-01b", timedelta(hours=3, minutes=30))
    apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "done"
    late = Desk(tmp_path / "late")
    known = approved(late, Overrun("finish", 3600))
    closing_at(late, "m1-01b", timedelta(hours=4))
    with pytest.raises(StepError, match="closed at 2026-02-26T07:00:00Z"):
        apply(late.site, known, ALLOWED, late.reading())


def test_pause_waits_between_two_steps_and_goes_on_in_the_next_window(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known = approved(desk, Overrun("pause", 86400))
    closing_at(desk, "m1-01b", timedelta(hours=3))
    with pytest.raises(RefusedError, match="it goes on at 2026-02-27T03:00:00Z"):
        apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "applied"  # nothing half done
    desk.fleet.witness = lambda request: None
    with pytest.raises(RefusedError, match="before m1-02"):
        apply(desk.site, known, ALLOWED, None)
    desk.site.clock.at = E.AT + timedelta(days=1, minutes=1)  # type: ignore[attr-defined]
    apply(desk.site, known, ALLOWED, None)
    assert desk.kinds(known)[-1] == "done"


def denied(desk: Desk, begin: timedelta, end: timedelta) -> None:
    """The operator adds a deny window to the contracts: a new process reads it."""
    one = Window("FREEZE", "deny", ("shop-1",), E.AT + begin, E.AT + end, place=Place("windows.yaml", 7, 3))
    windows = (*desk.site.contract.windows, one)
    contract = replace(desk.site.contract, windows=windows, digest="sha256:" + "d" * 64)
    desk.site = replace(desk.site, contract=contract)


def paused(desk: Desk) -> Known:
    """Between its first two steps and the second day's window."""
    known = approved(desk, Overrun("pause", 86400))
    closing_at(desk, "m1-01b", timedelta(hours=3))
    with pytest.raises(RefusedError, match="it goes on at 2026-02-27T03:00:00Z"):
        apply(desk.site, known, ALLOWED, desk.reading())
    desk.fleet.witness = lambda request: None
    return known


def test_a_deny_window_that_came_while_it_was_paused_still_cuts(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known, day = paused(desk), timedelta(days=1)
    denied(desk, day - timedelta(hours=1), day + timedelta(hours=1))
    assert "its next window opens at 2026-02-27T04:00:00Z" in next(_held(desk.site))[1]
    desk.site.clock.at = E.AT + day + timedelta(minutes=1)  # type: ignore[attr-defined]
    because = (
        r"deny window FREEZE \(windows.yaml:7:3\) covers shop-1 until 2026-02-27T04:00:00Z .*it goes on at 2026-02-27T04:00:00Z"
    )
    with pytest.raises(RefusedError, match=because):
        apply(desk.site, known, ALLOWED, None)
    assert desk.kinds(known)[-1] == "applied", "no step began in the denied time"
    desk.site.clock.at = E.AT + day + timedelta(hours=1)  # type: ignore[attr-defined]
    apply(desk.site, known, ALLOWED, None)
    assert desk.kinds(known)[-1] == "done"


def test_a_denied_plan_goes_back_at_any_hour(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known, day = paused(desk), timedelta(days=1)
    denied(desk, day - timedelta(hours=1), day + timedelta(hours=9))
    desk.site.clock.at = E.AT + day  # type: ignore[attr-defined]
    with pytest.raises(RefusedError, match="no window of the plan is left"):
        apply(desk.site, known, ALLOWED, None)
    assert next(_held(desk.site))[0] == "waveboard undo M1"
    undo(desk.site, known)
    assert desk.kinds(known)[-1] == "rolled-back"


def test_a_crashed_plan_whose_time_is_denied_since_is_taken_back_by_its_rule(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known = approved(desk, Overrun("rollback"))
    desk.site = replace(desk.site, crash=lambda place: {}[place] if place == "intent.before:m1-02" else None)
    with pytest.raises(KeyError):
        apply(desk.site, known, ALLOWED, desk.reading())
    desk.site = replace(desk.site, crash=lambda place: None)
    denied(desk, timedelta(minutes=1), timedelta(hours=2))
    with pytest.raises(StepError, match=r"deny window FREEZE .* before m1-02 \(overrun: rollback\)"):
        apply(desk.site, known, ALLOWED, None)
    assert desk.kinds(known)[-1] == "rolled-back"


def cut_off(desk: Desk, rule: Overrun, begin: timedelta, end: timedelta) -> Known:
    """Two steps are applied, the run died, and a deny window was added since."""
    known = approved(desk, rule)
    desk.site = replace(desk.site, crash=lambda place: {}[place] if place == "intent.before:m1-02" else None)
    with pytest.raises(KeyError):
        apply(desk.site, known, ALLOWED, desk.reading())
    desk.site = replace(desk.site, crash=lambda place: None)
    denied(desk, begin, end)
    return known


@pytest.mark.parametrize("rule", [Overrun("rollback"), Overrun("finish", 3600)], ids=lambda rule: rule.rule)
@pytest.mark.parametrize(
    ("hours", "says"),
    [(0.5, "deny window FREEZE .* covers shop-1 until"), (10, "the change window closed at 2026-02-26T06:00:00Z")],
)
def test_a_freeze_over_the_whole_slot_turns_a_half_applied_plan_back(
    tmp_path: Path, rule: Overrun, hours: float, says: str
) -> None:
    desk = Desk(tmp_path)
    known = cut_off(desk, rule, timedelta(hours=-1), timedelta(hours=9))
    desk.site.clock.at = E.AT + timedelta(hours=hours)  # type: ignore[attr-defined]
    command, why = next(_held(desk.site))
    assert command == "waveboard undo M1" and "no window of its plan is left" in why
    with pytest.raises(StepError, match=rf"{says}.* before m1-02 \(overrun: {rule.rule}\)"):
        apply(desk.site, known, ALLOWED, None)
    assert desk.kinds(known).count("undone") == 2 and desk.kinds(known)[-1] == "rolled-back"


def test_a_freeze_that_ends_within_the_slot_only_makes_it_wait(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known = cut_off(desk, Overrun("rollback"), timedelta(hours=-1), timedelta(hours=2))
    desk.site.clock.at = E.AT + timedelta(hours=1)  # type: ignore[attr-defined]
    command, why = next(_held(desk.site))
    assert command == "waveboard apply M1" and "its next window opens at 2026-02-26T05:00:00Z" in why
    with pytest.raises(RefusedError, match="before m1-02; it goes on at 2026-02-26T05:00:00Z"):
        apply(desk.site, known, ALLOWED, None)
    desk.site.clock.at = E.AT + timedelta(hours=2)  # type: ignore[attr-defined]
    assert next(_held(desk.site)) == ("waveboard apply M1", next(_held(desk.site))[1])
    apply(desk.site, known, ALLOWED, None)
    assert desk.kinds(known)[-1] == "done"


@pytest.mark.parametrize(("rule", "command"), [("rollback", "undo"), ("finish", "apply")])
def test_what_is_next_once_the_slot_has_closed_on_a_cut_off_plan(tmp_path: Path, rule: str, command: str) -> None:
    """`finish` goes on for an hour more."""
    desk = Desk(tmp_path)
    cut_off(desk, Overrun("rollback") if rule == "rollback" else Overrun("finish", 3600), timedelta(days=-2), timedelta(days=-1))
    desk.site.clock.at = E.AT + timedelta(hours=3, minutes=30)  # type: ignore[attr-defined]
    assert next(_held(desk.site))[0] == f"waveboard {command} M1"


def test_a_signed_plan_is_not_called_open_in_denied_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    known = approved(desk, Overrun("rollback"))
    assert desk.site.store.plans()[0].digest == known.digest
    freeze = Window("FREEZE", "deny", ("shop-1",), E.AT, E.AT + timedelta(hours=2))
    contract = replace(desk.site.contract, windows=(*desk.site.contract.windows, freeze))
    desk.site = replace(desk.site, contract=contract)
    assert next(_signable(desk.site)) == ("waveboard apply M1", "signed; its window opens at 2026-02-26T05:00:00Z")
