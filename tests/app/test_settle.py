"""A halted wave has one way out: a person's signed word, told to every hand, journaled and receipted."""

from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.receipts.estate import ALLOWED, RONNY, SAM
from tests.waves import estate as E
from waveboard.app import apply as order
from waveboard.app.plans import Known
from waveboard.app.settle import settle
from waveboard.model.change import Action, ActionKind
from waveboard.model.errors import ApprovalNeeded, HaltedError, RefusedError
from waveboard.receipts import envelope, sshsig, statement
from waveboard.receipts.verify import verify


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def halted(desk: Desk) -> tuple[Known, str]:
    """The last step failed and its undo failed; the steps before it are applied."""
    known = desk.approved()
    last = known.plan.steps[-1].id
    desk.host.will[last] = desk.host.undo_will[last] = "fail"
    with pytest.raises(HaltedError, match=r"undo of .* failed") as stopped:
        order.apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "halted" and "waveboard settle" in stopped.value.fix
    return known, last


def said(
    desk: Desk, known: Known, word: dict[str, str], actor: str = "control", key: object = RONNY, who: str = "ronny"
) -> Action:
    return settle(desk.acting(actor), known, who, ALLOWED, lambda message: sshsig.sign(key, message), word)  # type: ignore[arg-type]


def test_undone_takes_the_rest_back_and_says_whose_word_it_was(desk: Desk) -> None:
    known, last = halted(desk)
    desk.host.disk[last] = "none"  # a person took it away by hand
    assert said(desk, known, {last: "undone"}).kind is ActionKind.ROLLED_BACK
    assert set(desk.host.disk.values()) == {"none"} and desk.site.store.open_plans() == ()
    found = [
        statement.receipt_of(statement.from_bytes(envelope.from_bytes(raw).payload)) for _, _, raw in desk.site.store.receipts()
    ]
    (told,) = [receipt for receipt in found if receipt.kind == "settlement"]
    assert told.body["by"] == "ronny" and told.body["steps"] == {last: "undone"} and told.run_key.count("wave.settle") == 1
    assert desk.site.store.get_object(str(told.body["message"])).startswith(b'{"')
    verify(dict(desk.site.archive.all()), desk.site.verifier.principal_of)


def test_done_finishes_a_wave_that_is_done_altogether(desk: Desk) -> None:
    known, last = halted(desk)
    desk.host.disk[last] = "full"  # a person finished it by hand
    assert said(desk, known, {last: "done"}).kind is ActionKind.FINISH
    assert desk.kinds(known)[-2:] == ["settled", "done"] and set(desk.host.disk.values()) == {"full"}


def test_done_in_a_wave_that_is_not_done_is_undone_again_with_new_attempts(desk: Desk) -> None:
    known = desk.approved()
    first, second = known.plan.steps[0].id, known.plan.steps[1].id
    desk.host.will[second] = "fail"
    desk.host.undo_will[first] = "fail"
    with pytest.raises(HaltedError):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    desk.host.disk[first], desk.host.undo_will = "full", {}
    assert said(desk, known, {first: "done"}).kind is ActionKind.ROLLED_BACK
    assert desk.host.disk[first] == "none"


def test_a_halt_holds_the_board_until_it_is_settled(desk: Desk) -> None:
    known, last = halted(desk)
    other = desk.approved("M2")
    with pytest.raises(RefusedError, match=r"M1 .* is under way"):
        order.apply(desk.site, other, ALLOWED, desk.reading())
    for verb in (lambda: order.undo(desk.site, known), lambda: order.apply(desk.site, known, ALLOWED, None)):
        with pytest.raises(RefusedError, match="halted"):
            verb()
    desk.host.disk[last] = "none"
    said(desk, known, {last: "undone"})
    desk.host.will = {}
    desk.host.attempts.clear()  # the simulated host knows steps by name only
    desk.host.outcomes.clear()
    order.apply(desk.site, other, ALLOWED, desk.reading())


def test_it_may_halt_again_and_be_settled_again(desk: Desk) -> None:
    known, last = halted(desk)
    desk.host.disk[last] = "full"
    desk.host.undo_will[known.plan.steps[0].id] = "fail"
    with pytest.raises(HaltedError):
        said(desk, known, {last: "undone"})
    first = known.plan.steps[0].id
    with pytest.raises(RefusedError, match=f"nothing is said of {first}: undo-failed"):
        said(desk, known, {last: "undone"})
    assert said(desk, known, {first: "undone"}).kind is ActionKind.ROLLED_BACK


@pytest.mark.parametrize(
    ("how", "error", "because"),
    [
        ({"actor": "agent:w1"}, ApprovalNeeded, "only people settle"),
        ({"who": "agent:w1"}, ApprovalNeeded, "not a person's principal"),
        ({"key": SAM}, ApprovalNeeded, "belongs to sam"),
        ({"word": {}}, RefusedError, "nothing is said of"),
        ({"word": {"m1-99": "done"}}, RefusedError, "nothing is said of"),
    ],
)
def test_a_word_that_does_not_count_touches_nothing(
    desk: Desk, how: dict[str, object], error: type[Exception], because: str
) -> None:
    known, last = halted(desk)
    before = len(desk.calls)
    with pytest.raises(error, match=because):
        said(desk, known, **{"word": {last: "done"}, **how})  # type: ignore[arg-type]
    assert len(desk.calls) == before and desk.kinds(known)[-1] == "halted"


def test_a_step_never_begun_cannot_be_called_done(desk: Desk) -> None:
    known = desk.approved()
    first, last = known.plan.steps[0].id, known.plan.steps[-1].id
    desk.host.will[first] = desk.host.undo_will[first] = "fail"
    with pytest.raises(HaltedError):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    with pytest.raises(RefusedError, match=f"{last} was never begun"):
        said(desk, known, {first: "done", last: "done"})


def test_a_wave_that_is_not_halted_is_not_settled(desk: Desk) -> None:
    known = desk.approved()
    order.apply(desk.site, known, ALLOWED, desk.reading())
    with pytest.raises(RefusedError, match="it is done, not halted"):
        said(desk, known, {})


def test_a_kill_between_the_word_and_the_rest_is_resumed_by_undo(desk: Desk) -> None:
    known, last = halted(desk)
    desk.host.disk[last] = "none"
    store = desk.site.store
    store.record(
        known.digest, "settled", "", 0, E.AT, store.events(known.digest)[-1].fence, {"by": "ronny", "steps": {last: "undone"}}
    )
    order.undo(desk.site, known)
    assert desk.kinds(known)[-1] == "rolled-back" and set(desk.host.disk.values()) == {"none"}


def test_a_word_on_what_another_person_settled_meanwhile_is_not_taken(desk: Desk) -> None:
    known, last = halted(desk)
    first = known.plan.steps[0].id
    desk.host.undo_will[first] = "fail"

    def slow_to_type(message: bytes) -> str:
        with pytest.raises(HaltedError):
            said(desk, known, {last: "undone"}, key=SAM, who="sam")
        return sshsig.sign(RONNY, message)

    with pytest.raises(RefusedError, match="meanwhile"):
        settle(desk.site, known, "ronny", ALLOWED, slow_to_type, {last: "undone"})
    assert said(desk, known, {first: "undone"}).kind is ActionKind.ROLLED_BACK  # the journal still makes sense
