"""Giving back what a plan set aside: after it is done, after it was taken back, and never what may still be wanted."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.receipts.estate import ALLOWED
from tests.waves import estate as E
from waveboard.app import apply as order
from waveboard.app import planning
from waveboard.app.plans import Known
from waveboard.model.change import Reversibility
from waveboard.model.errors import HaltedError, RefusedError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def left(desk: Desk, known: Known, path: str, **more: object) -> None:
    """The hand of the host says that it set this aside under the plan."""
    one = {"kind": "path", "path": path, "volume": "", "bytes": 5, "plan": known.digest, "step": "m1-01", "state": "aside"}
    desk.host.asides.append({**one, "needed": "", **more})


def applied(desk: Desk) -> Known:
    known = desk.approved()
    order.apply(desk.site, known, ALLOWED, desk.reading())
    return known


def undone(desk: Desk) -> Known:
    known = applied(desk)
    order.undo(desk.site, known)
    return known


def test_a_plan_that_was_taken_back_gives_back_exactly_what_its_steps_no_longer_want(desk: Desk) -> None:
    known = undone(desk)
    left(desk, known, "/srv/copy.wb-undone-1")
    left(desk, known, "", kind="volume", volume="named")
    left(desk, known, "/srv/back", state="restored")
    left(desk, known, "/srv/gone", state="retired")
    left(desk, known, "/srv/only-copy", needed="undone by a person's word")
    left(desk, replace(known, digest="sha256:" + "0" * 64), "/srv/of-another-plan")
    said: list[str] = []
    made = planning.retire(replace(desk.site, say=said.append), known, desk.reading()).plan
    (step,) = made.steps
    assert step.deletes == ("/srv/copy.wb-undone-1", "volume:named") and step.reversibility is Reversibility.NONE
    assert made.kind == "retire" and made.quorum == 2 and "since taken back" in made.title
    assert said == ["/srv/only-copy stays: undone by a person's word"]


def test_all_of_it_still_needed_is_refused_with_the_reason(desk: Desk) -> None:
    known = undone(desk)
    left(desk, known, "/srv/only-copy", needed="undone by a person's word")
    with pytest.raises(RefusedError, match="/srv/only-copy stays: undone by a person's word"):
        planning.retire(desk.site, known, desk.reading())


def test_a_hand_that_does_not_say_what_is_needed_is_not_believed_after_an_undo(desk: Desk) -> None:
    known = undone(desk)
    left(desk, known, "/srv/copy")
    del desk.host.asides[0]["needed"]
    with pytest.raises(RefusedError, match="is an older one"):
        planning.retire(desk.site, known, desk.reading())


def test_nothing_aside_nothing_to_plan(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="nothing is set aside on shop-1"):
        planning.retire(desk.site, undone(desk), desk.reading())


def test_a_done_plan_is_retired_as_before_and_one_without_an_end_is_not(desk: Desk) -> None:
    known = desk.approved()
    with pytest.raises(RefusedError, match="not done, nor taken back"):
        planning.retire(desk.site, known, desk.reading())
    order.apply(desk.site, known, ALLOWED, desk.reading())
    left(desk, known, "/srv/old")
    made = planning.retire(desk.site, known, desk.reading()).plan
    assert made.steps[0].deletes == ("/srv/old",) and "taken back" not in made.title


def test_a_halted_plan_is_led_out_first(desk: Desk) -> None:
    known = applied(desk)
    desk.host.undo_will[known.plan.steps[-1].id] = "fail"
    with pytest.raises(HaltedError):
        order.undo(desk.site, known)
    left(desk, known, "/srv/old")
    with pytest.raises(RefusedError, match="is halted: what it set aside may be the only copy"):
        planning.retire(desk.site, known, desk.reading())


def test_a_soak_counts_for_the_old_place_too(desk: Desk) -> None:
    known = undone(desk)
    left(desk, known, "/srv/copy")
    site = replace(desk.site, contract=replace(desk.site.contract, waves={"M1": replace(E.wave(id="M1"), soak_s=10**6)}))
    with pytest.raises(RefusedError, match="asks for 1000000 s of soak"):
        planning.retire(site, known, desk.reading())
