"""A plan's end is told to every hand; one that refuses, does not answer or was never told is said, recorded, due, and told again."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.receipts.estate import ALLOWED
from tests.sim.fleet import SimHost
from waveboard.app import apply as order
from waveboard.app.due import due
from waveboard.app.letting_go import KIND
from waveboard.app.receipting import newest_of
from waveboard.app.registers import current
from waveboard.model.errors import HaltedError, HostError, RefusedError, StepError
from waveboard.model.units import run_key
from waveboard.receipts import statement


class Stubborn(SimHost):
    """Refuses to close a plan as long as it is told to; silent: it does not answer at all."""

    stubborn, silent = True, False

    def answer(self, request: Mapping[str, object]) -> dict[str, object]:
        if request["op"] == "close" and self.silent:
            raise HostError("ask shop-1", "the connection was cut")
        return self._refuse("out-of-order") if request["op"] == "close" and self.stubborn else super().answer(request)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.host = made.fleet.hosts["shop-1"] = Stubborn("shop-1")
    made.said = []  # type: ignore[attr-defined]
    made.site = replace(made.site, say=made.said.append)  # type: ignore[attr-defined]
    return made


def record(desk: Desk) -> object:
    return next(told.body["hosts"] for _, told in newest_of(desk.site, KIND))


def next_step(desk: Desk) -> str:
    return due(desk.site, current(desk.site), None, None)[0]


def test_a_hand_that_refuses_to_close_is_told_of_recorded_and_due(desk: Desk) -> None:
    known = desk.approved()
    with pytest.raises(RefusedError, match=r"every step is applied, but the hand on shop-1 .*out-of-order") as refused:
        order.apply(desk.site, known, ALLOWED, desk.reading())
    assert "waveboard apply" in refused.value.fix
    assert desk.kinds(known)[-1] == "done", "the wave itself is done"
    assert any("shop-1" in line and "out-of-order" in line for line in desk.said)  # type: ignore[attr-defined]
    assert record(desk) == [{"host": "shop-1", "closed": False, "why": "it refuses: out-of-order"}]
    assert next_step(desk) == "waveboard apply M1"


def test_it_is_told_again_and_then_nothing_is_due(desk: Desk) -> None:
    known = desk.approved()
    with pytest.raises(RefusedError):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    with pytest.raises(RefusedError, match="out-of-order"):
        order.apply(desk.site, known, ALLOWED, None)
    desk.host.stubborn = False  # type: ignore[attr-defined]
    order.apply(desk.site, known, ALLOWED, None)
    assert desk.host.closed == [known.digest] and record(desk) == [{"host": "shop-1", "closed": True, "why": ""}]
    assert desk.kinds(known).count("done") == 1 and set(desk.host.executed.values()) == {1}
    assert next_step(desk) == "waveboard audit"
    with pytest.raises(RefusedError, match="done already"):
        order.apply(desk.site, known, ALLOWED, None)


def test_a_hand_that_does_not_answer_is_unknown_not_closed(desk: Desk) -> None:
    known = desk.approved()
    desk.host.silent = True  # type: ignore[attr-defined]
    with pytest.raises(HostError, match=r"the hand on shop-1 has not closed the plan \(it gave no answer\)"):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    assert next_step(desk) == "waveboard apply M1"


def test_a_crash_between_the_last_line_and_the_hand_leaves_it_to_be_told(desk: Desk) -> None:
    known = desk.approved()
    desk.host.stubborn = False  # type: ignore[attr-defined]
    desk.site = replace(desk.site, crash=lambda place: {}[place] if place == "close.before" else None)
    with pytest.raises(KeyError):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "done" and desk.host.closed == []
    desk.site = replace(desk.site, crash=lambda place: None)
    assert next_step(desk) == "waveboard apply M1"
    order.apply(desk.site, known, ALLOWED, None)
    assert desk.host.closed == [known.digest] and next_step(desk) == "waveboard audit"


def test_after_a_rollback_the_cause_comes_first_and_undo_tells_the_hand_again(desk: Desk) -> None:
    known = desk.approved()
    desk.host.will[known.plan.steps[1].id] = "fail"
    with pytest.raises(StepError, match=r"every step was taken back.*the hand on shop-1 .*out-of-order"):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "rolled-back" and next_step(desk) == "waveboard undo M1"
    with pytest.raises(RefusedError, match="the hand on shop-1"):
        order.undo(desk.site, known)
    desk.host.stubborn = False  # type: ignore[attr-defined]
    order.undo(desk.site, known)
    assert desk.host.closed == [known.digest] and next_step(desk) != "waveboard undo M1"
    with pytest.raises(RefusedError, match="it is rolled-back"):
        order.undo(desk.site, known)


def test_a_halt_stays_a_halt_and_says_it_too(desk: Desk) -> None:
    known = desk.approved()
    last = known.plan.steps[1].id
    desk.host.will[last] = desk.host.undo_will[last] = "fail"
    with pytest.raises(HaltedError, match="the hand on shop-1"):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    assert next_step(desk).startswith("waveboard settle M1"), "a halt is led out first"


def test_a_hand_that_has_opened_another_plan_since_has_let_the_first_go(desk: Desk) -> None:
    """As in a workspace that is older than these records: nothing is due for what must be over."""
    first, second = desk.approved("M1"), desk.approved("M2")
    with pytest.raises(RefusedError):
        order.apply(desk.site, first, ALLOWED, desk.reading())
    desk.host.disk.clear()
    desk.site.clock.sleep(1)
    desk.host.stubborn = False  # type: ignore[attr-defined]
    order.apply(desk.site, second, ALLOWED, desk.reading())
    assert next_step(desk) == "waveboard audit"


@pytest.mark.parametrize("ends", ["done", "rolled-back"])
def test_all_that_one_run_leaves_goes_by_its_one_key(desk: Desk, ends: str) -> None:
    desk.host.stubborn = False  # type: ignore[attr-defined]
    known = desk.approved()
    if ends == "rolled-back":
        desk.host.will[known.plan.steps[1].id] = "fail"
    key = run_key(desk.site.clock.now(), "wave.apply", "one")
    before = len(desk.site.store.receipts())
    with suppress(StepError):
        order.apply(replace(desk.site, run=key), known, ALLOWED, desk.reading())
    kinds = {statement.enclosed(raw).kind: statement.enclosed(raw).run_key for _, _, raw in desk.site.store.receipts()[before:]}
    assert set(kinds.values()) == {key} and {"admission", "step", KIND} <= set(kinds), kinds
