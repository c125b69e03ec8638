"""The hand of a hypervisor: performs the provision plans that a person signed, journals them and can undo them. Lives in the controller.

It speaks the protocol of a host's hand (docs/hand.md) and makes the same checks itself. A step runs beside the calls, under a lock
that ends with the process: a step whose process died is unknown, and is looked at before anything else.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

from waveboard.model.contract import HostTarget
from waveboard.model.errors import ApprovalNeeded, HaltedError, HostError, RefusedError, UsageError, WaveboardError
from waveboard.model.units import parse_instant
from waveboard.model.vm import HypervisorState
from waveboard.world.hosts.calls import Calls
from waveboard.world.hypervisors import judge
from waveboard.world.hypervisors.journal import Journal, Past, told
from waveboard.world.hypervisors.verbs import VERBS, Ctx, Grounds, Makes, Now, disk_of

Json = dict[str, object]
Launch = Callable[[Callable[[], None]], None]
_ARGS = {name: verb.keys for name, verb in VERBS.items()}


def beside(work: Callable[[], None]) -> None:
    """In a thread that does not keep the process alive."""
    threading.Thread(target=work, daemon=True).start()


class HypervisorHand:
    """Satisfies app.ports.Hand for one hypervisor. signers: the text of allowed_signers as it is now; person: who goes by a name."""

    def __init__(
        self, host: str, instance: str, directory: Path, makes: Makes, ground: Grounds, verifier: judge.Verifier,
        signers: Callable[[], str], clock: Now, person: Callable[[str], str] = str, launch: Launch = beside,
    ) -> None:  # fmt: skip
        self._host, self._instance, self._makes, self._ground = host, instance, makes, ground
        self._verifier, self._signers, self._clock, self._person = verifier, signers, clock, person
        self._journal, self._launch = Journal(directory), launch

    def knows(self, digest: object) -> bool:
        """Whether that plan was opened here."""
        return isinstance(digest, str) and self._journal.plan_text(digest) is not None

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]:
        """Raises: HostError when the hypervisor gave no answer: the outcome is then unknown, never failed."""
        ops = {
            "open": self._open, "fence": self._fence, "do": self._do, "undo": self._undo, "status": self._status,
            "holds": self._holds, "close": self._close, "settle": self._settle, "aside": self._aside, "lasting": self._lasting,
        }  # fmt: skip
        try:
            answer = ops.get(str(request.get("op")), self._strange)(request)
        except HostError:
            raise
        except WaveboardError as why:
            return {"ok": False, "error": _told(why)}
        return {"ok": True, **answer}

    # -- opening and closing ---------------------------------------------------------------------------------------------

    def _open(self, request: Mapping[str, object]) -> Json:
        digest, text, fence = str(request["plan"]), str(request["text"]), cast(int, request["fence"])
        plan = judge.plan_of(text, digest, self._host, self._instance, _ARGS)
        past, now = told(self._journal.entries()), self._clock.now()
        mine = past.get(digest, Past())
        judge.in_time(plan.body, now, fresh=not mine.opened)
        if mine.closed:
            raise _coded("plan-closed", f"it was closed as {mine.closed}", "make and sign a new plan")
        for other, one in past.items():
            if one.opened and one.closed in ("", "halted") and other != digest:
                raise _coded("already-open", f"plan {other[:19]} is not at its end here", "bring that one to its end first")
        self._same_machine(plan)
        given = cast(Sequence[Mapping[str, object]], request["approvals"])
        messages = judge.approvals(plan, given, self._signers(), self._verifier, now, self._person)
        nonces, used = [str(m["nonce"]) for m in messages], self._journal.nonces()
        if any(used.get(nonce, digest) != digest for nonce in nonces):
            raise ApprovalNeeded("open the plan", "its approval was already used for another plan", "sign this plan")
        self._journal.raise_fence(fence, "open the plan")
        self._journal.spend(nonces, digest)
        self._journal.keep_plan(digest, text, list(given))
        if not mine.opened:
            principals = sorted(str(m["principal"]) for m in messages)
            self._journal.append("opened", digest, now, {"principals": principals, "nonces": nonces}, fence=fence)
        return {"plan": digest, "steps": [step["id"] for step in plan.steps], "resumed": mine.opened}

    def _same_machine(self, plan: judge.Opened) -> None:
        pinned = cast(Sequence[Mapping[str, object]], plan.body["hosts"])[0]["machine_id"]
        identity = self._makes.look().identity or ""
        if identity != pinned:
            raise _coded("wrong-host", f"{self._host} is not the machine the plan was made for", "look, and plan again")

    def _fence(self, request: Mapping[str, object]) -> Json:
        plan = self._plan(request)
        self._journal.raise_fence(cast(int, request["fence"]), "take the plan over")
        return {"plan": plan.digest}

    def _close(self, request: Mapping[str, object]) -> Json:
        plan, result = self._plan(request), str(request["result"])
        self._journal.raise_fence(cast(int, request["fence"]), "close the plan")
        past = told(self._journal.entries())[plan.digest]
        states = {past.states.get(str(step["id"]), "none") for step in plan.steps}
        if result == "done" and states - {"applied"}:
            raise _coded("out-of-order", "not every step is applied", "waveboard status")
        if result == "rolled-back" and states - {"none", "undone"}:
            raise _coded("out-of-order", "not every begun step is undone", "waveboard status")
        if past.closed != result:
            self._journal.append("closed", plan.digest, self._clock.now(), {"result": result}, fence=request["fence"])
        return {"plan": plan.digest, "result": result}

    def _settle(self, request: Mapping[str, object]) -> Json:
        plan, now = self._plan(request), self._clock.now()
        past = told(self._journal.entries())[plan.digest]
        word = judge.settlement(plan, str(request["message"]), str(request["signature"]), self._signers(), self._verifier, now)
        steps, nonce = cast(Mapping[str, str], word["steps"]), str(word["nonce"])
        if nonce in self._journal.nonces() and nonce not in past.settled:
            raise ApprovalNeeded("settle the plan", "what was signed was already used", "sign it again")
        open_ = [n for n, state in past.states.items() if state not in ("applied", "undone") and n not in steps]
        if open_:
            raise ApprovalNeeded("settle the plan", f"it says nothing of {', '.join(open_)}", "sign it again")
        self._journal.raise_fence(cast(int, request["fence"]), "settle the plan")
        saw = {name: self._verb(plan, name).holds(self._ctx(plan, name)).state for name in steps}
        if nonce not in past.settled:
            self._journal.spend([nonce], plan.digest)
            detail: Json = {"principal": word["principal"], "nonce": nonce, "steps": dict(steps), "saw": saw}
            self._journal.append("settled", plan.digest, now, detail, fence=request["fence"])
        return {"principal": word["principal"], "saw": saw}

    # -- acting ----------------------------------------------------------------------------------------------------------

    def _do(self, request: Mapping[str, object]) -> Json:
        plan, name, past = self._plan(request), str(request["step"]), told(self._journal.entries())
        mine, now = past[plan.digest], self._clock.now()
        if mine.closed or mine.undone:
            raise _coded("not-open", f"the plan is {mine.closed or 'going back'}", "make and sign a new plan")
        judge.in_time(plan.body, now, fresh=False)
        if mine.states.get(name) == "applied":
            raise _coded("already-applied", "the journal says it is applied", "ask status")
        for earlier in plan.steps[: [s["id"] for s in plan.steps].index(plan.step(name)["id"])]:
            if mine.states.get(str(earlier["id"])) != "applied":
                raise _coded("out-of-order", f"{earlier['id']} is not applied", "waveboard status")
        return self._begin(plan, name, "do", request, mine)

    def _undo(self, request: Mapping[str, object]) -> Json:
        plan, name, past = self._plan(request), str(request["step"]), told(self._journal.entries())
        mine = past[plan.digest]
        if mine.closed == "halted":
            raise _coded("plan-halted", "the plan is halted", "a person says how its steps stand: waveboard settle")
        if mine.states.get(name, "undone") == "undone":
            raise _coded("nothing-to-undo", "it was never begun, or is undone", "waveboard status")
        for later in plan.steps[[s["id"] for s in plan.steps].index(plan.step(name)["id"]) + 1 :]:
            if mine.states.get(str(later["id"]), "undone") != "undone":
                raise _coded("out-of-order", f"{later['id']}, a later step, is not undone", "undo that first")
        if why := self._why_kept(plan, mine):
            raise _coded("carries-data", why, "")
        return self._begin(plan, name, "undo", request, mine)

    def _begin(self, plan: judge.Opened, name: str, phase: str, request: Mapping[str, object], mine: Past) -> Json:
        attempt, fence = cast(int, request["attempt"]), cast(int, request["fence"])
        self._journal.raise_fence(fence, f"start {name}")
        if attempt <= mine.begun.get(f"{name}/{phase}", 0):
            raise _coded("already-started", f"attempt {attempt} was begun before", "ask status and holds")
        lock = self._journal.take("run.lock")
        if lock is None:
            raise _coded("still-running", "another step is still running", "ask status")
        where: Json = {"step": name, "phase": phase, "attempt": attempt}
        try:
            self._journal.append(
                "intent", plan.digest, self._clock.now(), {"verb": plan.step(name)["verb"]}, fence=fence, **where
            )
        except BaseException:
            os.close(lock)
            raise

        def work() -> None:
            try:
                detail = self._perform(plan, name, phase)
                if detail is not None:
                    self._journal.append("outcome", plan.digest, self._clock.now(), detail, fence=fence, **where)
            finally:
                os.close(lock)

        self._launch(work)
        return {"state": "started"}

    def _perform(self, plan: judge.Opened, name: str, phase: str) -> Json | None:
        """The outcome; None when the hypervisor gave no answer, so that it is looked at instead of believed."""
        verb, ctx = self._verb(plan, name), self._ctx(plan, name)
        try:
            facts = verb.do(ctx) if phase == "do" else verb.undo(ctx)
        except HostError:
            return None
        except WaveboardError as why:
            return {"result": "failed", "error": _told(why), "facts": {}}
        except Exception as why:
            error = {"code": "internal", "cannot": f"{phase} {name}", "because": f"{type(why).__name__}: {why}", "fix": ""}
            return {"result": "failed", "error": error, "facts": {}}
        return {"result": "done", "error": None, "facts": facts}

    # -- looking ---------------------------------------------------------------------------------------------------------

    def _status(self, request: Mapping[str, object]) -> Json:
        plan, name, phase = self._plan(request), str(request["step"]), str(request["phase"])
        lock = self._journal.take("run.lock")
        running = lock is None
        if lock is not None:
            os.close(lock)
        past = told(self._journal.entries())[plan.digest]
        outcome = past.outcomes.get(f"{name}/{phase}/{request['attempt']}")
        if outcome is not None:
            return {"state": outcome["result"], "outcome": outcome, "progress": None, "why": ""}
        if cast(int, request["attempt"]) > past.begun.get(f"{name}/{phase}", 0):
            return {"state": "absent", "outcome": None, "progress": None, "why": ""}
        if running or self._still_works(plan, name, past):
            return {"state": "running", "outcome": None, "progress": None, "why": ""}
        why = "it was begun and left no outcome: its process died, or the hypervisor did not answer"
        return {"state": "unknown", "outcome": None, "progress": None, "why": why}

    def _still_works(self, plan: judge.Opened, name: str, past: Past) -> bool:
        """Whether the hypervisor itself still works on the VM for a step whose caller is gone: until the step's own limit."""
        step = plan.step(name)
        ends = parse_instant(past.since) + timedelta(seconds=cast(int, step["limit_s"]))
        vm = self._ctx(plan, name).vm() if self._clock.now() < ends else None
        return vm is not None and bool(vm.locked)

    def _holds(self, request: Mapping[str, object]) -> Json:
        plan, name = self._plan(request), str(request["step"])
        held = self._verb(plan, name).holds(self._ctx(plan, name))
        past = told(self._journal.entries())[plan.digest]
        lock = self._journal.take("run.lock")
        if lock is not None:
            os.close(lock)
            self._seen(plan, name, past, held.state)
        return {"holds": held.state, "reasons": [held.reason]}

    def _seen(self, plan: judge.Opened, name: str, past: Past, held: str) -> None:
        """What was begun and left no outcome is, once looked at, what it was seen to be: the next step rests on it."""
        phase = {("applying", "DONE"): "do", ("undoing", "NOT_DONE"): "undo"}.get((past.states.get(name, ""), held))
        if phase:
            where: Json = {"step": name, "phase": phase, "attempt": past.begun[f"{name}/{phase}"]}
            detail: Json = {"result": "done", "error": None, "facts": {"seen": True}}
            self._journal.append("outcome", plan.digest, self._clock.now(), detail, **where)

    def _aside(self, request: Mapping[str, object]) -> Json:
        return {"aside": []}  # nothing is ever set aside here

    def _lasting(self, request: Mapping[str, object]) -> Json:
        """Why the plan's undo would destroy data; "" when it would not."""
        plan = self._plan(request)
        return {"why": self._why_kept(plan, told(self._journal.entries())[plan.digest])}

    def _why_kept(self, plan: judge.Opened, past: Past) -> str:
        """Until the plan is done nobody else could write to its disk; afterwards only a blank disk, or one signed away, goes."""
        if not (past.done_once or past.settled):
            return ""
        creates = any(s["verb"] == "vm_create" for s in plan.steps)
        for step in plan.steps:
            args = cast(Mapping[str, object], step["args"])
            if not creates or step["verb"] != "vm_attach" or args["disposable"]:
                continue
            ctx, disk = self._ctx(plan, str(step["id"])), disk_of(args)
            vm = ctx.vm()
            there = vm is not None and vm.tag == plan.tag and any(d.serial == disk.serial for d in vm.disks)
            if there and self._makes.blank(ctx.vmid, disk.serial) is not True:
                return (
                    f"the disk {disk.serial} of VM {ctx.vmid} may hold data, and nothing here removes data;"
                    f" when nobody wants it, remove the VM by hand: {self._makes.by_hand(ctx.vmid)}"
                )
        return ""

    # -- finding ---------------------------------------------------------------------------------------------------------

    def _plan(self, request: Mapping[str, object]) -> judge.Opened:
        digest = str(request["plan"])
        text = self._journal.plan_text(digest)
        if text is None:
            raise _coded("unknown-plan", "it was never opened here", "waveboard apply")
        return judge.plan_of(text, digest, self._host, self._instance, _ARGS)

    def _verb(self, plan: judge.Opened, name: str):  # type: ignore[no-untyped-def]
        return VERBS[str(plan.step(name)["verb"])]

    def _ctx(self, plan: judge.Opened, name: str) -> Ctx:
        creates = any(step["verb"] == "vm_create" for step in plan.steps)
        args = cast(Mapping[str, object], plan.step(name)["args"])
        return Ctx(self._makes, self._ground, self._clock, plan.tag, args, creates)

    def _strange(self, request: Mapping[str, object]) -> Json:
        raise UsageError(f"ask {self._host}", f"{request.get('op')!r} is nothing its hand does", "docs/hypervisors.md")

    def look(self) -> HypervisorState:
        """What is there now."""
        return self._makes.look()


class Coded(RefusedError):
    """A refusal with the protocol's code."""

    code = "refused"


def _coded(code: str, because: str, fix: str) -> Coded:
    made = Coded("go on with the plan", because, fix)
    made.code = code
    return made


def _told(why: WaveboardError) -> Json:
    code = why.code if isinstance(why, Coded) else "approval-void" if isinstance(why, ApprovalNeeded) else "refused"
    if isinstance(why, HaltedError):
        code = "state-damaged"
    return {"code": code, "cannot": why.cannot, "because": why.because[:4000], "fix": why.fix}


class RoutedHand:
    """Satisfies app.ports.Hand: provision plans go to their hypervisor's hand, everything else to the hosts' own."""

    def __init__(self, hosts: Calls, hypervisors: Mapping[str, Callable[[], HypervisorHand]]) -> None:
        self._hosts, self._hypervisors = hosts, hypervisors

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]:
        """As the hand it goes to."""
        if target.id in self._hypervisors:
            hand = self._hypervisors[target.id]()
            opening = request.get("op") == "open" and '"kind":"provision"' in str(request.get("text"))
            if opening or hand.knows(request.get("plan")):
                return hand.call(target, request, timeout_s)
        return self._hosts.call(target, request, timeout_s)
