"""Crash anywhere, lose any answer, let two workers fight: a wave still ends in one of three truths (invariants I1..I27)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.sim.fleet import Fleet, SimHost
from tests.sim.runner import AT, DIGEST, SimWork, plan_of
from waveboard.app.ports import Store
from waveboard.model.change import Action, ActionKind, Event, Plan
from waveboard.model.errors import HaltedError, HostError, RefusedError
from waveboard.waves.decide import decide, turn_limit
from waveboard.waves.journal import tell
from waveboard.world.store.memory import MemoryStore

Choose = Callable[[Plan, Sequence[Event]], Action]
PLACES = 400  # more places than any scenario below has


def opened(store: Store, plan: Plan) -> None:
    store.open_wave(Event(1, DIGEST, "opened", "", 0, AT, 0, {}), ["nonce"])


def worker(plan: Plan, store: Store, fleet: Fleet, choose: Choose = decide, owner: str = "one", at_s: int = 0) -> SimWork:
    hosts = sorted({step.host for step in plan.steps})
    lease = store.acquire_lease(DIGEST, hosts, owner, AT + timedelta(seconds=at_s), 60)
    return SimWork(plan, store, fleet, lease, choose)


def to_the_end(plan: Plan, store: Store, fleet: Fleet, choose: Choose = decide) -> None:
    """What a person does after faults: resume until it ends. Every drive is bounded."""
    for _ in range(20):
        try:
            for count, _place in enumerate(worker(plan, store, fleet, choose, at_s=10**6).drive()):
                assert count < turn_limit(plan) * 20, "never comes to an end"
            return
        except HostError:
            continue
    raise AssertionError("suspended for ever")


def check(plan: Plan, store: Store, fleet: Fleet) -> None:
    """What holds at every moment."""
    told = store.events(DIGEST)
    story = tell([step.id for step in plan.steps], told)  # I9, I25: the journal itself makes sense
    for step in plan.steps:
        assert story.steps[step.id].attempts <= step.attempts
    for host in fleet.hosts.values():
        assert host.damage == [], "a step was begun on what was not untouched (I8)"


def check_end(plan: Plan, store: Store, fleet: Fleet) -> str:
    """What the three ends mean; and that they are final."""
    check(plan, store, fleet)
    end = store.events(DIGEST)[-1].kind
    cells = [fleet.hosts[step.host].disk.get(step.id, "none") for step in plan.steps]
    if end == "done":
        assert set(cells) <= {"full"}, "DONE means all in effect (I16)"
    elif end == "rolled-back":
        assert set(cells) <= {"none"}, "ROLLED_BACK means none in effect (I16)"
    else:
        assert end == "halted"
    before = [replace_calls(host) for host in fleet.hosts.values()], store.events(DIGEST)
    work = worker(plan, store, fleet, at_s=10**6)
    action = work.next_action()
    work.perform(action)
    assert ([replace_calls(host) for host in fleet.hosts.values()], store.events(DIGEST)) == before, "an end is final (I25)"
    return end


def replace_calls(host: SimHost) -> SimHost:
    return replace(host, disk=dict(host.disk), attempts=dict(host.attempts), executed=dict(host.executed))


SCENARIOS = {
    "all well": ({}, {}, {"done"}),
    "the second fails": ({"b": "fail"}, {}, {"rolled-back"}),
    "the last fails": ({"c": "fail"}, {}, {"rolled-back"}),
    "an undo fails": ({"c": "fail"}, {"a": "fail"}, {"halted"}),
    "the failed step's undo fails": ({"b": "fail"}, {"b": "fail"}, {"halted"}),
}


def crashing(
    will: dict[str, str], undo_will: dict[str, str], crashes: Sequence[int], guarded: bool, choose: Choose = decide
) -> str | None:
    """Run three steps, end the worker at the n-th place of each drive, then resume. None when the first n is past the end."""
    plan, store = plan_of("a", "b", "c"), MemoryStore()
    fleet = Fleet(SimHost("vm-a", guarded, will=will, undo_will=undo_will))
    opened(store, plan)
    for number, crash in enumerate(crashes):
        ended = True
        for count, _place in enumerate(worker(plan, store, fleet, choose).drive()):
            check(plan, store, fleet)
            if count == crash:
                ended = False
                break
        if ended and number == 0:
            return None
    to_the_end(plan, store, fleet, choose)
    return check_end(plan, store, fleet)


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded host", "host that does whatever it is told"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_every_place(name: str, guarded: bool) -> None:
    will, undo_will, ends = SCENARIOS[name]
    for crash in range(PLACES):
        end = crashing(will, undo_will, [crash], guarded)
        if end is None:
            assert crash > 10
            return
        assert end in ends, f"crash at place {crash}"
    raise AssertionError("PLACES is too small")


@pytest.mark.parametrize("name", ["the last fails", "all well"])
def test_two_crashes_at_every_pair_of_places(name: str) -> None:
    will, undo_will, ends = SCENARIOS[name]
    for first in range(PLACES):
        for second in range(0, 40, 3):
            end = crashing(will, undo_will, [first, second], guarded=False)
            if end is None:
                return
            assert end in ends, f"crashes at {first} and {second}"


def advance(turns: Iterator[str], places: int) -> bool:
    """True while it goes on; False when it ended or was sent away."""
    try:
        for _ in range(places):
            next(turns)
    except (StopIteration, RefusedError):
        return False
    return True


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded host", "host that does whatever it is told"])
@pytest.mark.parametrize("name", ["the second fails", "all well"])
def test_two_workers_one_hung_and_one_that_took_over(name: str, guarded: bool) -> None:
    """The first hangs anywhere, the second takes over and is held up anywhere, the first comes back, the second ends it."""
    will, undo_will, ends = SCENARIOS[name]
    for hung in range(PLACES):
        for late in range(12):
            plan, store = plan_of("a", "b"), MemoryStore()
            fleet = Fleet(SimHost("vm-a", guarded, will=will, undo_will=undo_will))
            opened(store, plan)
            first = worker(plan, store, fleet).drive()
            if not advance(first, hung):
                assert hung > 10
                return
            second = worker(plan, store, fleet, owner="two", at_s=61).drive()
            advance(second, late)
            advance(first, PLACES)
            check(plan, store, fleet)
            advance(second, PLACES)
            to_the_end(plan, store, fleet)
            assert check_end(plan, store, fleet) in ends, f"hung at {hung}, came back at {late}"
    raise AssertionError("PLACES is too small")


def test_repeating_without_looking_is_caught() -> None:
    """Negative control: PROBE replaced by APPLY makes a journal that nobody accepts."""

    def blind(plan: Plan, events: Sequence[Event]) -> Action:
        action = decide(plan, events)
        return replace(action, kind=ActionKind.APPLY, attempt=action.attempt + 1) if action.kind is ActionKind.PROBE else action

    with pytest.raises(HaltedError, match="it was not this step's turn"):
        for crash in range(20):
            crashing({}, {}, [crash], guarded=False, choose=blind)


def test_pretending_to_have_looked_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a runner that writes `not-done` without asking does damage, and these tests see it."""

    def pretend(self: SimWork, action: Action, phase: str) -> Iterator[str]:
        yield "pretending"
        self._record("probed", action, {"found": "not-done"})

    monkeypatch.setattr(SimWork, "_look", pretend)
    with pytest.raises(AssertionError, match="a step was begun on what was not untouched"):
        for crash in range(20):
            crashing({}, {}, [crash], guarded=False)


class Waves(RuleBasedStateMachine):
    """Workers that die, hang and come back late; calls that are lost; hosts that reboot; a person who asks to undo."""

    @initialize(
        will=st.dictionaries(st.sampled_from("abcd"), st.just("fail"), max_size=1),
        undo_will=st.dictionaries(st.sampled_from("abcd"), st.just("fail"), max_size=1),
        steps=st.integers(1, 4),
        guarded=st.booleans(),
    )
    def begin(self, will: dict[str, str], undo_will: dict[str, str], steps: int, guarded: bool) -> None:
        self.plan = plan_of(*"abcd"[:steps], hosts=("vm-a", "vm-b"))
        self.store = MemoryStore()
        hosts = [SimHost(name, guarded, will=will, undo_will=undo_will) for name in ("vm-a", "vm-b")]
        self.fleet = Fleet(*hosts)
        self.fleet.witness = self.sees
        self.workers: list[tuple[SimWork, Iterator[str]]] = []
        self.clock = 0
        self.effects_at_halt: int | None = None
        self.asked = False
        opened(self.store, self.plan)
        self.start(True)

    def sees(self, request: object) -> None:
        assert isinstance(request, dict)
        if request["op"] not in ("do", "undo"):
            return
        kind = "intent" if request["op"] == "do" else "undo-intent"
        intents = [e for e in self.store.events(DIGEST) if e.kind == kind and e.step == request["step"]]
        assert intents and intents[-1].attempt >= request["attempt"], "an effect without a durable intent (I6)"
        assert all("undo" in e.detail for e in intents), "an effect without its undo (I7)"

    @rule(same=st.booleans())
    def start(self, same: bool) -> None:
        owner = "one" if same else f"w{len(self.workers)}"
        before = self.fences()
        try:
            work = worker(self.plan, self.store, self.fleet, owner=owner, at_s=self.clock)
        except RefusedError:
            live = self.store.holds(AT + timedelta(seconds=self.clock))
            assert live and all(hold.owner != owner for hold in live), "refused only while another holds (I1)"
            return
        assert work.lease.fence > max(before, default=0), "fences only grow (I10)"
        self.workers.append((work, work.drive()))

    def fences(self) -> list[int]:
        return [work.lease.fence for work, _ in self.workers]

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 3), places=st.integers(5, 60))
    def go_far(self, which: int, places: int) -> None:
        self.go_on(which, places)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 3), places=st.integers(1, 12))
    def go_on(self, which: int, places: int) -> None:
        _, turns = self.workers[-1 - which % len(self.workers)]
        for _ in range(places):
            try:
                next(turns)
            except (StopIteration, HostError, RefusedError):
                return

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 3))
    def kill(self, which: int) -> None:
        number = -1 - which % len(self.workers)
        self.workers[number] = (self.workers[number][0], iter(()))

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def time_passes(self, seconds: int) -> None:
        self.clock += seconds
        for host in self.fleet.hosts.values():
            host.tick()

    @rule(faults=st.lists(st.sampled_from(["lose-request", "lose-answer", "fine"]), min_size=1, max_size=3))
    def cut(self, faults: list[str]) -> None:
        self.fleet.faults = faults

    @rule(host=st.sampled_from(["vm-a", "vm-b"]))
    def reboot(self, host: str) -> None:
        self.fleet.hosts[host].reboot()

    @precondition(lambda self: not self.asked and len(self.store.events(DIGEST)) > 4)
    @rule()
    def a_person_asks_to_undo(self) -> None:
        self.asked = True
        try:
            self.store.record(DIGEST, "undo-asked", "", 0, AT, 0, {"by": "ronny"})
        except RefusedError:
            assert self.store.events(DIGEST)[-1].kind in ("rolled-back", "halted")

    @invariant()
    def nothing_is_wrong(self) -> None:
        if not hasattr(self, "plan"):
            return
        check(self.plan, self.store, self.fleet)
        for host in self.fleet.hosts.values():
            assert host.fence <= max(self.fences(), default=0)
        assert not self.store.consume_nonce("nonce", DIGEST, AT), "a nonce is consumed once (I4)"
        halted = self.store.events(DIGEST)[-1].kind == "halted"
        effects = sum(sum(host.attempts.values()) for host in self.fleet.hosts.values())
        if halted and self.effects_at_halt is not None:
            assert effects == self.effects_at_halt, "HALT touches nothing more"
        self.effects_at_halt = effects if halted else None

    def teardown(self) -> None:
        if not hasattr(self, "plan"):
            return
        self.fleet.faults = []
        self.clock += 10**6
        for _ in range(20):
            try:
                for _place in worker(self.plan, self.store, self.fleet, owner="last", at_s=self.clock).drive():
                    pass
                break
            except HostError:
                continue
        for host in self.fleet.hosts.values():
            while host.units:
                host.tick()
        if self.store.events(DIGEST)[-1].kind != "halted":
            check_end_at(self.plan, self.store, self.fleet)


def check_end_at(plan: Plan, store: Store, fleet: Fleet) -> None:
    end = store.events(DIGEST)[-1].kind
    cells = {fleet.hosts[step.host].disk.get(step.id, "none") for step in plan.steps}
    assert (end, cells) in (("done", {"full"}), ("rolled-back", {"none"})), (end, cells)


TestWaves = Waves.TestCase
TestWaves.settings = settings(max_examples=200, stateful_step_count=40)
