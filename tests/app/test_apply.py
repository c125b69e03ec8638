"""Admission, four eyes, interruption and going back, with the real fold before a simulated host."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.stage import PEOPLE, Desk
from tests.receipts.estate import ALLOWED, RONNY
from tests.sim.fleet import SimHost
from tests.waves import estate as E
from waveboard.app import apply as order
from waveboard.app import planning
from waveboard.app.approve import approve
from waveboard.app.entry import ask_conditions
from waveboard.app.plans import Known, from_bytes
from waveboard.app.work import LEASE_S, WaveWork
from waveboard.model.change import Action, ActionKind
from waveboard.model.contract import HostTarget
from waveboard.model.errors import ApprovalNeeded, HaltedError, HostError, RefusedError, StepError
from waveboard.model.evidence import digest_of
from waveboard.model.history import DispatchRecord
from waveboard.receipts import sshsig
from waveboard.waves import plan_json


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_approved_plan_is_carried_out_and_taken_back(desk: Desk) -> None:
    known = desk.approved()
    order.apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "done" and set(desk.host.disk.values()) == {"full"}
    order.undo(desk.site, known)
    assert desk.kinds(known)[-1] == "rolled-back" and set(desk.host.disk.values()) == {"none"}
    assert desk.host.damage == []


@pytest.mark.parametrize(
    ("before_it_opens", "hours", "because", "fix"),
    [
        (
            timedelta(hours=30),
            24,
            "the plan counts from .* and 24 hours from now are over by then",
            "--hours 31, or nearer to it",
        ),
        (timedelta(days=9), 168, "the plan counts from .* and 168 hours from now are over by then", "sign nearer to it"),
        (timedelta(days=-30), 24, "the plan counted until ", "plan again"),
    ],
)
def test_an_approval_that_could_never_count_is_not_asked_of_a_person(
    desk: Desk, before_it_opens: timedelta, hours: int, because: str, fix: str
) -> None:
    known = desk.planned()
    desk.site.clock.at = known.plan.not_before - before_it_opens
    with pytest.raises(ApprovalNeeded, match=because) as refused:
        approve(desk.site, known, "ronny", ALLOWED, lambda message: pytest.fail("nobody is asked to sign"), hours)
    assert refused.value.fix.startswith(fix)


def test_an_overlapping_wave_is_refused_before_any_host_hears_of_it(desk: Desk) -> None:
    first, second = desk.approved("M1"), desk.approved("M2")
    desk.fleet.faults = ["fine"] * 2 + ["lose-answer"] * 500  # the first wave gets stuck half way
    with pytest.raises(Exception, match="does not answer"):
        order.apply(desk.site, first, ALLOWED, desk.reading())
    desk.fleet.faults = []
    before = len(desk.calls)
    with pytest.raises(RefusedError, match=r"M1 \(sha256:.* is under way"):
        order.apply(desk.site, second, ALLOWED, desk.reading())
    assert len(desk.calls) == before


@pytest.mark.parametrize(
    ("actor", "error", "because"),
    [
        ("ronny@desk", ApprovalNeeded, "ronny, who is also ronny@desk, applies the plan"),
        ("ronny", ApprovalNeeded, "ronny applies the plan"),
        ("root@box", RefusedError, "root@box is nobody that approvals.people names"),
    ],
)
def test_four_eyes_are_those_of_persons(desk: Desk, actor: str, error: type[Exception], because: str) -> None:
    known = desk.approved()
    with pytest.raises(error, match=because):
        order.apply(desk.acting(actor), known, ALLOWED, desk.reading())
    assert desk.calls == [] and desk.kinds(known) == []


@pytest.mark.parametrize(
    ("was", "now"), [(b'"four_eyes":true', b'"four_eyes":false'), (b'"proposer":"control"', b'"proposer":"dana"')]
)
def test_a_plan_that_was_edited_is_neither_signed_nor_carried_out(desk: Desk, was: bytes, now: bytes) -> None:
    """Whoever writes its bytes would say who proposed it and whether four eyes are asked for."""
    made = desk.planned(proposer="control")
    assert was in made.raw
    edited = from_bytes(made.raw.replace(was, now))
    before = desk.site.store.receipt_head()
    with pytest.raises(RefusedError, match="cannot approve M1: this workspace never made the plan"):
        approve(desk.site, edited, "ronny", ALLOWED, lambda message: sshsig.sign(RONNY, message), 4)
    with pytest.raises(RefusedError, match="cannot apply M1: this workspace never made the plan"):
        order.apply(desk.acting("ronny"), edited, ALLOWED, desk.reading())
    assert [record.digest for record in desk.site.store.plans()] == [made.digest] and desk.site.store.approvals(
        edited.digest
    ) == ()
    assert desk.site.store.receipt_head() == before and desk.calls == []


def given_to_w1(desk: Desk) -> Desk:
    now = desk.site.clock.now()
    desk.site.store.save_dispatch(
        DispatchRecord("M1-1", "M1", "agent:w1", now, now + timedelta(hours=1), "sha256:" + "0" * 64), []
    )
    return desk


def test_a_wave_in_anothers_hands_is_not_applied(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="M1 is dispatched to agent:w1 as M1-1 until"):
        order.apply(given_to_w1(desk).site, desk.approved(), ALLOWED, desk.reading())
    assert desk.calls == []


def test_an_agent_stands_for_itself_unless_a_person_lists_it(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="an agent works only on what was dispatched to it"):
        order.apply(desk.acting("agent:w1"), desk.approved(), ALLOWED, desk.reading())
    order.apply(given_to_w1(desk).acting("agent:w1"), desk.approved(), ALLOWED, desk.reading())
    (tmp_path / "b").mkdir(mode=0o700)
    listed = Desk(tmp_path / "b", replace(PEOPLE, people={**PEOPLE.people, "ronny": ("agent:w1",)}))
    known = listed.approved()
    with pytest.raises(ApprovalNeeded, match="ronny, who is also agent:w1, applies"):
        order.apply(given_to_w1(listed).acting("agent:w1"), known, ALLOWED, listed.reading())


def test_the_signer_does_not_resume_what_another_began_but_may_take_it_back(desk: Desk) -> None:
    known = desk.approved()
    desk.fleet.faults = ["fine"] * 2 + ["lose-answer"] * 500
    with pytest.raises(Exception, match="does not answer"):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    desk.fleet.faults = []
    with pytest.raises(ApprovalNeeded, match="ronny@desk is ronny, who signed it"):
        order.apply(desk.acting("ronny@desk"), known, ALLOWED, None)
    order.undo(desk.acting("ronny@desk"), known)
    assert desk.kinds(known)[-1] == "rolled-back"


def test_the_plan_names_the_person_who_proposed_it_so_that_the_host_compares_persons_too(desk: Desk) -> None:
    reading = desk.reading()
    wave = E.wave(E.MOUNT)
    assert planning.plan(desk.acting("ronny@desk"), wave, reading).plan.proposer == "ronny"
    assert planning.plan(desk.acting("agent:w1"), wave, reading).plan.proposer == "agent:w1"
    with pytest.raises(RefusedError, match=r"approvals\.people"):
        planning.plan(desk.acting("root@box"), wave, reading)


def test_a_lone_operator_is_asked_for_no_names(tmp_path: Path) -> None:
    desk = Desk(tmp_path, replace(PEOPLE, four_eyes=False, people={}), actor="ronny")
    order.apply(desk.site, desk.approved(proposer="ronny"), ALLOWED, desk.reading())


def test_undo_tells_every_host_the_new_fence_before_anything_else(desk: Desk) -> None:
    known = desk.approved()
    order.apply(desk.site, known, ALLOWED, desk.reading())
    old, before = desk.host.fence, len(desk.calls)
    order.undo(desk.site, known)
    acts = [call for call in desk.calls[before:] if "fence" in call]
    assert acts[0]["op"] == "fence" and acts[0]["fence"] > old  # type: ignore[operator]


def test_a_wave_that_goes_back_is_resumed_without_being_opened_again(desk: Desk) -> None:
    """The window may be over by then, and the hand opens nothing outside it."""
    known = desk.approved()
    last = known.plan.steps[-1].id
    desk.host.will[last] = "fail"
    desk.site = replace(
        desk.site, crash=lambda place: (_ for _ in ()).throw(KeyError(place)) if place == f"undo.after:{last}" else None
    )
    with pytest.raises(KeyError):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    desk.site, before = replace(desk.site, crash=lambda place: None), len(desk.calls)
    with pytest.raises(StepError, match="taken back"):
        order.apply(desk.site, known, ALLOWED, None)
    assert [call["op"] for call in desk.calls[before:] if call["op"] in ("open", "fence")] == ["fence"]


def test_ctrl_c_ends_the_turn_and_only_then_lets_the_lease_go(desk: Desk) -> None:
    """The engine's own thread goes on when the terminal is interrupted; here the engine runs on after the first wait."""
    known, engine, held = desk.approved(), desk.site.engine(), []

    class Interrupted:
        """The engine, whose first wait is cut short by Ctrl-C in the middle of a turn."""

        def __init__(self) -> None:
            self.waits = 0

        def __getattr__(self, name: str) -> object:
            return getattr(engine, name)

        def wait(self, handle: str, timeout_s: float | None = None) -> object:
            self.waits += 1
            if self.waits == 1:
                raise KeyboardInterrupt
            try:
                return engine.wait(handle, timeout_s)
            finally:
                held.extend(desk.site.store.holds(desk.site.clock.now()))

    cut = Interrupted()
    desk.site = replace(desk.site, engine=lambda: cut)  # type: ignore[arg-type, return-value]
    with pytest.raises(KeyboardInterrupt):
        order.apply(desk.site, known, ALLOWED, desk.reading())
    assert [hold.plan for hold in held] == [known.digest], "the lease was let go while the turn was under way"
    assert desk.site.store.holds(desk.site.clock.now()) == ()
    assert "intent" not in desk.kinds(known), "no turn begins after the interruption"
    order.apply(desk.site, known, ALLOWED, None)
    assert desk.kinds(known)[-1] == "done"


def test_a_slow_host_is_not_made_slower_by_watching_it(desk: Desk) -> None:
    """Each look costs the host a login: one that needs four seconds for an answer gets as long to itself before the next."""
    known, clock, asked, answered = desk.approved(), desk.site.clock, [], []

    def slowly(request: Mapping[str, object]) -> None:
        asked.append((request["op"], clock.now()))
        clock.sleep(4)
        answered.append(clock.now())

    desk.fleet.witness = slowly
    order.apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "done"
    looks = [n for n in range(1, len(asked)) if asked[n][0] == "status" == asked[n - 1][0]]
    assert looks, "no step was looked at twice"
    assert all(asked[n][1] - answered[n - 1] >= timedelta(seconds=4) for n in looks)


def test_an_agent_takes_back_only_what_was_given_to_it(desk: Desk) -> None:
    known = desk.approved()
    order.apply(desk.site, known, ALLOWED, desk.reading())
    before = len(desk.calls)
    with pytest.raises(RefusedError, match="only on what was dispatched to it"):
        order.undo(desk.acting("agent:w1"), known)
    assert len(desk.calls) == before and desk.kinds(known)[-1] == "done"
    given_to_w1(desk)
    with pytest.raises(RefusedError, match="is dispatched to agent:w1"):
        order.undo(desk.acting("agent:w2"), known)
    order.undo(desk.acting("agent:w1"), known)
    assert desk.kinds(known)[-1] == "rolled-back"


def test_a_person_takes_back_what_a_worker_has(desk: Desk) -> None:
    known = desk.approved()
    order.apply(given_to_w1(desk).acting("agent:w1"), known, ALLOWED, desk.reading())
    order.undo(desk.site, known)
    assert desk.kinds(known)[-1] == "rolled-back"


class Late(SimHost):
    """Says that a step did not start, although it did: systemd answered too late."""

    def _begin(self, plan: str, step: str, phase: str, attempt: int) -> dict[str, object]:
        begun = super()._begin(plan, step, phase, attempt)
        return self._refuse("cannot-start") if begun["ok"] else begun


def test_a_step_that_may_have_started_is_looked_at_and_not_called_failed(desk: Desk) -> None:
    known = desk.approved()
    desk.host = desk.fleet.hosts["shop-1"] = Late("shop-1")
    order.apply(desk.site, known, ALLOWED, desk.reading())
    assert "failed" not in desk.kinds(known) and set(desk.host.disk.values()) == {"full"}
    order.undo(desk.site, known)
    assert "undo-failed" not in desk.kinds(known) and set(desk.host.disk.values()) == {"none"}


def test_what_only_a_plan_can_answer_is_unknown_without_one(desk: Desk) -> None:
    asked = ask_conditions(desk.site.contract, desk.reading(), ["approval: operator", "window_open: maintenance"])
    assert [one.holds for one in asked] == [None, None]


def watched_lease(desk: Desk, call_s: float) -> list[str]:
    """Every call takes so long; the ops after which the lease was over, though the run went on."""
    late: list[str] = []

    def slowly(request: Mapping[str, object]) -> None:
        desk.site.clock.sleep(call_s)
        if not desk.site.store.holds(desk.site.clock.now()):
            late.append(str(request["op"]))

    desk.fleet.witness = slowly
    return late


@pytest.mark.parametrize("call_s", [15, 59, 60])
def test_the_lease_outlives_the_slowest_turn(desk: Desk, call_s: float) -> None:
    """A host that uses up its time with every answer: the lease must never end under a turn that is under way."""
    known, late = desk.approved(), watched_lease(desk, call_s)
    clock, waits = desk.site.clock, []
    sleep = clock.sleep

    def waiting(seconds: float) -> None:
        sleep(seconds)
        waits.append(bool(desk.site.store.holds(clock.now())))

    clock.sleep = waiting  # type: ignore[method-assign]
    order.apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "done" and late == [] and all(waits)


def test_opening_many_slow_hosts_keeps_the_lease(desk: Desk) -> None:
    names = [f"shop-{n}" for n in range(1, 5)]
    desk.fleet.hosts = {name: SimHost(name) for name in names}
    targets = tuple(HostTarget(name, "127.0.0.1", None, None) for name in names)
    desk.site = replace(desk.site, contract=replace(desk.site.contract, targets=targets))
    made = desk.planned().plan
    plan = replace(made, hosts=tuple(replace(made.hosts[0], host=name) for name in names))
    known = Known(plan, plan_json.to_bytes(plan), digest_of(plan_json.to_bytes(plan)))
    lease = desk.site.store.acquire_lease(known.digest, names, "control", desk.site.clock.now(), LEASE_S)
    late = watched_lease(desk, 60)
    order._open(desk.site, known, lease, fresh=True)
    work = WaveWork(desk.site, plan, known.digest, lease)
    work.next_action()
    work._close(Action(ActionKind.HALT, why="a test"))
    assert late == [] and all(host.closed for host in desk.fleet.hosts.values())


class Damaged(SimHost):
    """Its hand refuses to say anything of a step that was begun: its own state is damaged."""

    def answer(self, request: Mapping[str, object]) -> dict[str, object]:
        return self._refuse("state-damaged") if request["op"] in self.mute else super().answer(request)

    mute = ("status", "holds")


def test_a_hand_that_refuses_to_say_is_not_called_silent(desk: Desk) -> None:
    known = desk.approved()
    desk.host = desk.fleet.hosts["shop-1"] = Damaged("shop-1")
    with pytest.raises(HostError, match=r"the hand on shop-1 does not say: cannot do that: state-damaged"):
        order.apply(desk.site, known, ALLOWED, desk.reading())


def test_why_a_look_was_refused_is_in_the_journal(desk: Desk) -> None:
    known = desk.approved()
    desk.host = desk.fleet.hosts["shop-1"] = Damaged("shop-1")
    desk.host.mute = ("holds",)  # type: ignore[misc]
    desk.host._status = lambda *asked: "unknown"  # type: ignore[method-assign, assignment]
    with pytest.raises(HaltedError, match="state-damaged"):
        order.apply(desk.site, known, ALLOWED, desk.reading())
