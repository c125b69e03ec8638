"""A reference runner over the real store, the real fold and the simulated fleet: what app's apply does, without receipts.

`acting` yields the name of every place where a crash or another worker may come in between.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from waveboard.app.ports import Hand, Store
from waveboard.model.change import Action, ActionKind, Event, Lease, Plan, Reversibility, Step
from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError, RefusedError
from waveboard.waves.decide import decide

AT = datetime(2026, 2, 26, 3, 38, 31, tzinfo=UTC)
DIGEST = "sha256:" + "5" * 64
CLOSING = {ActionKind.FINISH: "done", ActionKind.ROLLED_BACK: "rolled-back", ActionKind.HALT: "halted"}
POLLS = 10
FOUND = {"DONE": "done", "NOT_DONE": "not-done", "PARTIAL": "partial"}


def plan_of(*names: str, hosts: Sequence[str] = ("vm-a",), attempts: int = 3) -> Plan:
    """Steps on the hosts in turn."""
    steps = tuple(
        Step(name, "write_file", hosts[n % len(hosts)], name, {}, Reversibility.EXACT, (), (), attempts=attempts)
        for n, name in enumerate(names)
    )
    return Plan("i", "W8B", "wave", AT, "p", "c", "g", (), (), AT, AT + timedelta(days=1), steps, 1, True)


class SimWork:
    """The Work port for one worker under one lease."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        hand: Hand,
        lease: Lease,
        choose: Callable[[Plan, Sequence[Event]], Action] = decide,
        hook: Callable[[str], None] = lambda place: None,
    ) -> None:
        self.plan, self.store, self.hand, self.lease = plan, store, hand, lease
        self.choose, self.hook = choose, hook
        self.seen: tuple[Event, ...] = ()

    def next_action(self) -> Action:
        self.seen = self.store.events(DIGEST)
        return self.choose(self.plan, self.seen)

    def perform(self, action: Action) -> None:
        for place in self.acting(action):
            self.hook(place)

    def open_hosts(self) -> Iterator[str]:
        """Tell every host the new fence before the first turn: from then on an older worker is refused there."""
        for host in sorted({step.host for step in self.plan.steps}):
            yield f"open.before:{host}"
            self._ask(host, {"op": "open", "text": "the plan", "fence": self.lease.fence})

    def drive(self) -> Iterator[str]:
        """All turns to the end, for interleaving."""
        yield from self.open_hosts()
        while True:
            action = self.next_action()
            yield f"decided {action.kind.value}:{action.step}"
            yield from self.acting(action)
            if action.kind in CLOSING:
                return

    def acting(self, action: Action) -> Iterator[str]:
        match action.kind:
            case ActionKind.APPLY:
                yield from self._begin(action, "intent", "do")
            case ActionKind.UNDO:
                yield from self._begin(action, "undo-intent", "undo")
            case ActionKind.PROBE:
                yield from self._look(action, "do")
            case ActionKind.PROBE_UNDO:
                yield from self._look(action, "undo")
            case closing:
                if not self.seen or self.seen[-1].kind != CLOSING[closing]:
                    yield f"close.before:{action.step}"
                    self._append(CLOSING[closing], "", 0, {"why": action.why})
                    yield f"close.after:{action.step}"

    def _begin(self, action: Action, kind: str, phase: str) -> Iterator[str]:
        yield f"intent.before:{action.step}"
        self._append(kind, action.step, action.attempt, {"undo": "sha256:0"})
        yield f"hand.before:{action.step}"
        try:
            answer = self._ask_step(action, {"op": phase, "fence": self.lease.fence})
        except HostError:
            return
        if not answer["ok"]:
            yield f"refused:{action.step}"
            if phase == "undo" and "nothing-to-undo" in str(answer["error"]):
                self._record("undone", action, {})
            return
        yield f"hand.after:{action.step}"
        yield from self._await(action, phase)

    def _await(self, action: Action, phase: str) -> Iterator[str]:
        """Poll to an outcome and record it; a lost answer records nothing."""
        for _ in range(POLLS):
            try:
                state = str(self._ask_step(action, {"op": "status", "phase": phase})["state"])
            except HostError:
                return
            if state in ("done", "failed"):
                yield f"outcome.before:{action.step}"
                kind = {"do": ("applied", "failed"), "undo": ("undone", "undo-failed")}[phase][state == "failed"]
                self._record(kind, action, {"why": "the host says so"} if state == "failed" else {})
                yield f"outcome.after:{action.step}"
                return
            if state != "running":
                return
            yield f"poll:{action.step}"

    def _look(self, action: Action, phase: str) -> Iterator[str]:
        state = "running"
        for _ in range(POLLS):
            state = str(self._ask_step(action, {"op": "status", "phase": phase})["state"])
            yield f"look {state}:{action.step}"
            if state != "running":
                break
        if state in ("done", "failed"):
            kind = {"do": ("applied", "failed"), "undo": ("undone", "undo-failed")}[phase][state == "failed"]
            self._record(kind, action, {"probed": True, "why": "the host says so"})
        elif state == "running":
            self._record("probed", action, {"found": "running"})
        else:
            found = FOUND[str(self._ask_step(action, {"op": "holds"})["holds"])]
            if phase == "undo":
                found = {"done": "not-done", "not-done": "done", "partial": "partial"}[found]
            yield f"outcome.before:{action.step}"
            self._record("probed", action, {"found": found})
        yield f"outcome.after:{action.step}"

    def _ask_step(self, action: Action, request: Mapping[str, object]) -> Mapping[str, object]:
        host = next(step.host for step in self.plan.steps if step.id == action.step)
        return self._ask(host, {**request, "step": action.step, "attempt": action.attempt})

    def _ask(self, host: str, request: Mapping[str, object]) -> Mapping[str, object]:
        answer = self.hand.call(HostTarget(host, "127.0.0.1", None, None), {**request, "plan": DIGEST}, 60)
        if not answer["ok"] and "fence-lower" in str(answer["error"]):
            raise RefusedError(f"ask {host}", "another worker took the wave over", "stop")
        return answer

    def _append(self, kind: str, step: str, attempt: int, detail: Mapping[str, object]) -> None:
        event = Event(len(self.seen) + 1, DIGEST, kind, step, attempt, AT, self.lease.fence, detail)
        self.store.append_event(event)

    def _record(self, kind: str, action: Action, detail: Mapping[str, object]) -> None:
        self.store.record(DIGEST, kind, action.step, action.attempt, AT, self.lease.fence, detail)
