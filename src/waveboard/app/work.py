"""One plan's work: what the engine drives turn by turn. Every act is journaled before and after; the journal is the truth.

- APPLY / UNDO: intent at the exact next line, then the hand is asked to start the step, then it is watched to its end;
- no answer from the host: nothing is written, and the next turn looks before anything else;
- PROBE: wait while it runs, ask the hand what it knows, then look at the host; write what was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from waveboard.app import letting_go
from waveboard.app.site import Site
from waveboard.app.step_receipts import receipted, settle
from waveboard.model.change import Action, ActionKind, Event, Lease, Plan, Step
from waveboard.model.contract import WORKSPACE_HOST, Contract
from waveboard.model.errors import ContractError, HostError, RefusedError
from waveboard.model.units import show_size
from waveboard.waves.admit import scope
from waveboard.waves.decide import decide
from waveboard.waves.overrun import hold

LEASE_S = 120
_CALL_S = 60.0
_SILENCE_S = 60.0  # how long a host may be silent while a step runs, before the run is suspended
_PAUSES_S = (0.2, 0.2, 0.5, 0.5, 1.0)
_PAUSE_MAX_S = 10.0
_SLACK_S = 10.0  # for the store, the receipts and a busy machine between two calls
_CLOSING = {ActionKind.FINISH: "done", ActionKind.ROLLED_BACK: "rolled-back", ActionKind.HALT: "halted"}
# refusals after which the step may run all the same: an earlier process of ours started it or asks now, or its start was not seen
_MAY_RUN = ("already-started", "already-applied", "still-running", "busy", "cannot-start")
_FOUND = {"DONE": "done", "NOT_DONE": "not-done", "PARTIAL": "partial"}


def kept(site: Site, lease: Lease, limit_s: float) -> Lease:
    """The lease, renewed before a call of at most `limit_s` when it might end before the call after that one could renew it.

    Raises: RefusedError when somebody took over.
    """
    now, longest = site.clock.now(), limit_s + _PAUSE_MAX_S + _SLACK_S
    if (lease.expires_at - now).total_seconds() > longest:
        return lease
    return site.store.renew_lease(lease, now, max(LEASE_S, int(longest) + 1))


@dataclass(slots=True)
class WaveWork:
    """The Work of one approved plan under one lease."""

    site: Site
    plan: Plan
    digest: str
    lease: Lease
    _seen: str = field(default="", repr=False)
    _receipted: set[int] | None = field(default=None, repr=False)
    _lines: int = 0  # of the journal that the last action was decided on
    _stopping: bool = False
    _today: Contract | None = None  # by which the step that begins was allowed
    _told: bool = False  # that the contracts changed
    _refused: str = ""  # why the hand last said nothing of a running step, "" when it simply did not answer

    def stop(self) -> None:
        """Begin no further turn and stop watching; what runs on a host goes on there, and the next drive looks. From any thread."""
        self._stopping = True

    def next_action(self) -> Action:
        events = self.site.store.events(self.digest)
        self._lines = len(events)
        action = decide(self.plan, events)
        return self._allowed(action) if action.kind is ActionKind.APPLY else action

    def _allowed(self, action: Action) -> Action:
        """A step that would begin, or what takes its place under the contracts as they stand now."""
        try:
            self._today = self._contract()
        except ContractError as why:
            because = f"the contracts cannot be used as they stand now ({why.because})"
            return replace(action, kind=ActionKind.PAUSE, why=f"{because} before {action.step}")
        against = scope(self.plan, self._today)
        if against:
            because = f"the contracts changed since it was admitted: {against[0].reason}"
            return replace(action, kind=ActionKind.PAUSE, why=f"{because}; it stops before {action.step}")
        return hold(self.plan, action, self.site.clock.now(), self._today.windows)

    def _contract(self) -> Contract:
        """A promotion edits the contracts itself, under compare-and-swap, and is judged by what it began with."""
        own = any(pin.host == WORKSPACE_HOST for pin in self.plan.hosts)
        return self.site.contract if own else self.site.today()

    def perform(self, action: Action) -> None:
        if self._stopping:
            raise self._interrupted()
        settle(self.site, self.plan, self.digest, self._known())
        self.lease = self.site.store.renew_lease(self.lease, self.site.clock.now(), LEASE_S)
        match action.kind:
            case ActionKind.APPLY:
                self._act(action, "intent", "do")
            case ActionKind.UNDO:
                self._act(action, "undo-intent", "undo")
            case ActionKind.PROBE:
                self._probe(action, "do")
            case ActionKind.PROBE_UNDO:
                self._probe(action, "undo")
            case ActionKind.TURN_BACK:
                self._say(f"{action.why}: every step is taken back")
                told = {"by": "the change window", "why": action.why}
                now, fence = self.site.clock.now(), self.lease.fence
                self.site.store.append_event(Event(self._lines + 1, self.digest, "undo-asked", "", 0, now, fence, told))
            case ActionKind.PAUSE:
                way_out = "run the same command when that is over, or take it back with `waveboard undo`"
                raise RefusedError(f"go on with {self.plan.wave}", action.why, way_out)
            case _:
                self._close(action)
        settle(self.site, self.plan, self.digest, self._known())

    def _known(self) -> set[int]:
        if self._receipted is None:
            self._receipted = receipted(self.site, self.digest)
        return self._receipted

    # -- acting ------------------------------------------------------------------------------------------------------

    def _act(self, action: Action, intent: str, phase: str) -> None:
        step = self._step(action.step)
        self._say(f"{'undo ' if phase == 'undo' else ''}{step.id}: {step.title}")
        self.site.crash(f"{intent}.before:{step.id}")
        args: dict[str, object] = {"args": dict(step.args), "undo": list(step.undo_commands), "why": action.why}
        if phase == "do" and self._today is not None and self._today.digest != self.plan.contract:
            self._tell_of_change()
            args["contract"] = self._today.digest
        self.site.store.append_event(
            Event(self._lines + 1, self.digest, intent, step.id, action.attempt, self.site.clock.now(), self.lease.fence, args)
        )
        self.site.crash(f"{intent}.after:{step.id}")
        answer = self._call(
            step.host, {"op": phase, "plan": self.digest, "step": step.id, "attempt": action.attempt, "fence": self.lease.fence}
        )
        if answer is None:
            return
        self.site.crash(f"{phase}.after:{step.id}")
        error = answer.get("error")
        if not answer.get("ok") and isinstance(error, dict):
            if error.get("code") in _MAY_RUN:
                return  # the next turn looks
            if phase == "undo" and error.get("code") == "nothing-to-undo":
                self._record(action, "undone", {"why": "the step never reached the host"})
                return
            self._record(
                action,
                "failed" if phase == "do" else "undo-failed",
                {"why": _reason(error), "touched": False, "code": error.get("code")},
            )
            return
        state = self._watch(step, phase, action.attempt)
        if state is not None and state.get("state") in ("done", "failed"):
            self._outcome(action, step, phase, state)

    def _outcome(self, action: Action, step: Step, phase: str, state: Mapping[str, object]) -> None:
        self.site.crash(f"{phase}-outcome.before:{step.id}")
        outcome = state.get("outcome")
        facts: Mapping[str, object] = outcome if isinstance(outcome, dict) else {}
        good = state.get("state") == "done"
        kind = {("do", True): "applied", ("do", False): "failed", ("undo", True): "undone", ("undo", False): "undo-failed"}[
            phase, good
        ]
        detail: dict[str, object] = {"outcome": _plain(facts)}
        error = facts.get("error")
        if isinstance(error, dict):
            detail["why"] = _reason(error)
        elif not good:
            detail["why"] = str(state.get("why") or "the hand gave no reason")
        self._record(action, kind, detail)
        self.site.crash(f"{phase}-outcome.after:{step.id}")
        self._say(f"  {kind}{': ' + str(detail['why']) if 'why' in detail else ''}{_measured(facts)}")

    def _tell_of_change(self) -> None:
        if not self._told:
            said = "the contracts changed since the plan was made; it goes on as it was signed, and closing judges by today's"
            self._say(said)
        self._told = True

    # -- looking -----------------------------------------------------------------------------------------------------

    def _probe(self, action: Action, phase: str) -> None:
        step = self._step(action.step)
        self._say(f"{step.id}: the outcome is not known; looking before anything else")
        state = self._watch(step, phase, action.attempt)
        if state is None and self._stopping:
            raise self._interrupted()
        if state is None:
            because = (
                f"the hand on {step.host} does not say: {self._refused}" if self._refused else f"{step.host} does not answer"
            )
            raise HostError(f"learn the outcome of {step.id}", because, "run the same command again when it does")
        if state.get("state") in ("done", "failed"):
            self._outcome(action, step, phase, state)
            return
        look = {"op": "holds", "plan": self.digest, "step": step.id}
        looked = self._call(step.host, look)
        if looked is None and self._watch(step, phase, action.attempt) is not None:
            looked = self._call(step.host, look)  # it was going down when it was asked, and is back
        if looked is None:
            raise HostError(f"look at {step.id}", f"{step.host} does not answer", "run the same command again when it does")
        found = _FOUND.get(str(looked.get("holds")), "unknown")
        if phase == "undo":
            found = {"done": "not-done", "not-done": "done"}.get(found, found)
        reasons = looked.get("reasons")
        why = "; ".join(str(r) for r in reasons) if isinstance(reasons, list) else str(state.get("why", ""))
        error = looked.get("error")
        why = _reason(error) if isinstance(error, dict) else why
        facts = looked.get("facts")
        seen = {"outcome": {"facts": _plain(facts)}} if isinstance(facts, dict) and facts else {}
        self._record(action, "probed", {"found": found, "why": why, "phase": phase, **seen})

    def _watch(self, step: Step, phase: str, attempt: int) -> Mapping[str, object] | None:
        """The hand's last word on a running step; None when the host stopped answering, or a person interrupted the watching."""
        silent_since, self._refused = self.site.clock.now(), ""
        patience_s = max(_SILENCE_S, step.limit_s) if step.verb == "reboot" else _SILENCE_S  # a restart is silence
        polls = 0
        while not self._stopping:
            request = {"op": "status", "plan": self.digest, "step": step.id, "phase": phase, "attempt": attempt}
            asked = self.site.clock.now()
            answer = self._call(step.host, request, quiet=True)
            now = self.site.clock.now()
            if answer is not None and answer.get("ok"):
                silent_since = now
                if answer.get("state") != "running":
                    return answer
                self._progress(step, answer.get("progress"))
            else:
                error = answer.get("error") if answer is not None else None
                self._refused = _reason(error) if isinstance(error, dict) else ""
                if (now - silent_since).total_seconds() > patience_s:
                    return None
            # a host that answers slowly gets as long to itself: watching must not slow what it watches
            took = min((now - asked).total_seconds(), _PAUSE_MAX_S)
            self.site.clock.sleep(max(took, _PAUSES_S[min(polls, len(_PAUSES_S) - 1)]))
            polls += 1
        return None

    # -- closing and speaking ----------------------------------------------------------------------------------------

    def _close(self, action: Action) -> None:
        kind = _CLOSING[action.kind]
        events = self.site.store.events(self.digest)
        last = events[-1].kind if events else ""
        if last != kind:
            line = Event(self._lines + 1, self.digest, kind, "", 0, self.site.clock.now(), self.lease.fence, {"why": action.why})
            self.site.store.append_event(line)
        self.site.crash("close.before")
        request = {"op": "close", "plan": self.digest, "fence": self.lease.fence, "result": kind}
        answers = {pin.host: letting_go.answered(self._call(pin.host, request, quiet=True)) for pin in self.plan.hosts}
        letting_go.record(self.site, self.plan, self.digest, self.site.store.events(self.digest)[-1], answers)
        if unclosed := {host: why for host, why in answers.items() if why}:
            self._say(f"  {letting_go.sentence(unclosed)}")

    def _record(self, action: Action, kind: str, detail: Mapping[str, object]) -> None:
        self.site.store.record(self.digest, kind, action.step, action.attempt, self.site.clock.now(), self.lease.fence, detail)

    def _call(self, host: str, request: Mapping[str, object], quiet: bool = False) -> Mapping[str, object] | None:
        if host == WORKSPACE_HOST and "step" in request:
            request = {**request, "args": dict(self._step(str(request["step"])).args)}
        self.lease = kept(self.site, self.lease, _CALL_S)
        try:
            return self.site.hand.call(self.site.target(host), request, _CALL_S)
        except HostError as error:
            if not quiet:
                self._say(f"  no answer from {host} ({error.because}): the outcome is unknown until it is looked at")
            return None

    def _interrupted(self) -> RefusedError:
        return RefusedError(f"go on with {self.plan.wave}", "it was interrupted", "run the same command again to go on")

    def _step(self, step_id: str) -> Step:
        return next(step for step in self.plan.steps if step.id == step_id)

    def _progress(self, step: Step, progress: object) -> None:
        if not isinstance(progress, dict):
            return
        done, total, rate, eta = (progress.get(k) for k in ("bytes_done", "bytes_total", "rate", "eta_s"))
        text = f"  {step.id} {progress.get('phase', '')}"
        if isinstance(done, int) and isinstance(total, int) and total:
            text += f" {show_size(done)} of {show_size(total)}"
        if isinstance(rate, int) and rate:
            text += f", {show_size(rate)}/s"
        if isinstance(eta, int):
            text += f", {eta} s left"
        self._say(text)

    def _say(self, text: str) -> None:
        if text != self._seen:
            self.site.say(text)
            self._seen = text


def _reason(error: Mapping[str, object]) -> str:
    return f"cannot {error.get('cannot')}: {error.get('because')}"


def _measured(facts: Mapping[str, object]) -> str:
    parts = []
    if isinstance(copied := facts.get("bytes_copied"), int) and copied:
        parts.append(f"{show_size(copied)} copied")
    if isinstance(down := facts.get("downtime_s"), int | float) and down:
        parts.append(f"down {down:.0f} s")
    return f" ({', '.join(parts)})" if parts else ""


def _plain(value: object) -> object:
    """JSON-ready without floats: receipts and journals hold integers only; seconds are rounded up to whole ones."""
    if isinstance(value, float):
        return int(value) + (value > int(value))
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
