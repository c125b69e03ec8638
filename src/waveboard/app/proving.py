"""Prove what makes VMs: a probe with a VM's own profile is made, set up, judged by every rule, taken away, and a receipt says what was seen.

Each run goes on from what the store and the hypervisor say, as far as people have signed, and then names the plan that waits. Two plans
are signed, making and bootstrap; taking the probe away is the undo of the first, which its signer saw (`disposable`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from waveboard.app import machine, provision
from waveboard.app.apply import apply, undo
from waveboard.app.plans import Known, from_bytes
from waveboard.app.producers import KIND, PRODUCERS, drifts_of, stale
from waveboard.app.provision import Makers
from waveboard.app.read import Reading
from waveboard.app.receipting import issue, new_key, newest_of, subject
from waveboard.app.site import Site
from waveboard.model.change import ActionKind, Event, Plan, bootstrap_name, provision_name
from waveboard.model.errors import ApprovalNeeded, HaltedError, HostError, RefusedError, StepError, UsageError
from waveboard.model.facts import Unavailable
from waveboard.model.receipt import Receipt
from waveboard.vms.rule import State
from waveboard.waves.journal import Phase, Story, tell

VERDICT = "probe"  # the kind of receipt that keeps what was seen of one probe, from before it is taken away
_PAUSE_S = 5.0
_LEFT_OUT = ["SR-012: no backup job knows a probe, and none is asked to"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that people must sign before the proof goes on. because: what is missing."""

    known: Known
    because: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The proof's receipt. holds: the probe was ready by every rule; reasons: what spoke against it; kept: the command that takes the
    probe away, "" when it is gone."""

    receipt: str
    holds: bool
    reasons: tuple[str, ...]
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Proving:
    """One VM's proof. audit: reads hosts afresh; signers: the text of allowed_signers; keep: leave the probe; wait_s: how long it may
    take to become ready."""

    site: Site
    host: str
    makers: Makers
    audit: Callable[[Sequence[str]], Reading]
    signers: str
    keep: bool = False
    wait_s: int = 900

    @property
    def probe(self) -> str:
        """What the contracts call the probe. Raises: UsageError when they know none."""
        found = next((t.id for t in self.site.contract.targets if t.probe_of == self.host), None)
        if found is None:
            machine.machine(self.site, self.host)
            because = "no hypervisor of waveboard.yaml lends it a probe"
            fix = "add `probe: {vmid, address, port}` to a local QEMU, with `pools:` for `boot` and the VM's tier (docs/vms.md)"
            raise UsageError(f"prove {self.host}", because, fix)
        return found

    def go_on(self) -> Waiting | Proven:
        """As far as it goes now. Raises: StepError, HaltedError, RefusedError, HostError: the next run goes on from there."""
        self.site.acting(f"prove {self.host}")
        made = self._newest(provision_name(self.probe), self._not_its_making)
        story = self._story(made) if made else Story()
        if made and story.phase is Phase.HALTED:
            raise self._halted(made)
        if made and story.phase not in (Phase.UNOPENED, Phase.ROLLED_BACK):
            made = self._gone_on(made, story)
        if made is None or self._story(made).phase is Phase.ROLLED_BACK:
            told = made is not None and self._proof(made.digest) is not None
            return (None if told else self._concluded(made)) or self._begun()
        if self._story(made).phase is Phase.UNOPENED:
            return self._begun(made)
        return self._built(made)

    # -- making --------------------------------------------------------------------------------------------------------

    def _gone_on(self, made: Known, story: Story) -> Known:
        """The probe's plan, driven to an end it can be left in; taken back when it proves nothing any more."""
        if story.phase is Phase.BACKWARD:
            if story.undo_asked:
                self._take_away(made)
            else:
                apply(self.site, made, self.signers, None)  # ends in the error that says what failed
        elif why := self._outdated(made) or (self._missing(made) if story.phase is Phase.DONE else ""):
            self.site.say(f"{self.probe}: {why}; it is taken away")
            self._take_away(made)
        elif story.phase is Phase.FORWARD:
            apply(self.site, made, self.signers, None)
        return made

    def _begun(self, made: Known | None = None) -> Waiting | Proven:
        """Make the probe, from the plan that was signed or a new one."""
        if (done := self._standing()) is not None:
            return done
        reading = provision.looked(self.site, made, self.makers) if made else None
        if made is None or reading is None or self._outdated(made) or self._moved(made, reading):
            made = provision.plan(self.site, self.probe, self.makers, disposable=True)
            reading = None
        if waits := self._applied(made, lambda: reading or provision.looked(self.site, made, self.makers)):
            return waits
        return self._built(made)

    def _moved(self, made: Known, reading: Reading) -> bool:
        """Whether the hypervisor is no longer what the plan was made for."""
        (pin,) = made.plan.hosts
        now = reading.pins[pin.host]
        return not isinstance(now, Unavailable) and (now.machine_id, now.facts) != (pin.machine_id, pin.facts)

    def _outdated(self, known: Known) -> str:
        """Why the plan proves nothing of today's contracts, or cannot begin any more; "" when it does and can."""
        if known.plan.contract != self.site.contract.digest:
            return "the contracts changed after its plan was made"
        if known.plan.gates != self.site.gates:
            return "the gates' code changed after its plan was made"
        late = self.site.clock.now() >= known.plan.not_after and not self.site.store.events(known.digest)
        return "its last window has closed" if late else ""

    def _missing(self, made: Known) -> str:
        """Why the hypervisor has no such probe any more. Raises: HostError when it cannot be asked."""
        spec = self.site.contract.vms[self.probe]
        vm = self.makers.hypervisor(spec.hypervisor).look().vms.get(spec.vmid)
        if vm is None or vm.name != self.probe or not vm.tag.endswith(made.digest[7:19]):
            return "its hypervisor does not have it any more"
        return "" if vm.status == "running" else f"it is {vm.status}"

    def _applied(self, known: Known, reading: Callable[[], Reading]) -> Waiting | None:
        """Apply it, when it is signed."""
        if not self.site.store.approvals(known.digest):
            return Waiting(known, "nobody has signed it")
        try:
            apply(self.site, known, self.signers, reading())
        except ApprovalNeeded as short:
            return Waiting(known, short.because)
        return None

    # -- setting up and judging ----------------------------------------------------------------------------------------

    def _built(self, made: Known) -> Waiting | Proven:
        """The probe is there: set it up, judge it, take it away."""
        verdict = self._verdict(made.digest)
        if verdict is None:
            ended = self._set_up(made)
            if isinstance(ended, Waiting):
                return ended
            known, failed = ended
            verdict = self._refuted(made, known, failed) if failed else self._judged(made, known)
        if not self.keep:
            self._take_away(made)
        proven = self._concluded(made, f"waveboard undo {made.plan.wave}" if self.keep else "")
        if proven is None or (not self.keep and self._unnamed(made)):
            return self._begun()
        return proven

    def _set_up(self, made: Known) -> Waiting | tuple[Known, str]:
        """The bootstrap that is done, or why a step of it failed for good. One that was turned back says nothing and is planned anew."""
        since = next(e.at for e in reversed(self.site.store.events(made.digest)) if e.kind == "done")
        known = self._newest(bootstrap_name(self.probe), self._not_its_setting_up, since)
        if known is None or (not self.site.store.events(known.digest) and self._outdated(known)):
            known = self._planned()
        story = self._story(known)
        if story.phase is Phase.UNOPENED:
            try:
                if waits := self._applied(known, self._audited):
                    return waits
            except RefusedError as why:
                if self.site.store.events(known.digest) or "changed since" not in why.because:
                    raise
                return Waiting(self._planned(), f"it was planned anew: {why.because}")
            except StepError as why:
                return self._taken_back(known, why.because)
        elif story.phase in (Phase.FORWARD, Phase.BACKWARD):
            try:
                apply(self.site, known, self.signers, None)
            except StepError as why:
                return self._taken_back(known, why.because)
        elif story.phase is Phase.HALTED:
            raise self._halted(known)
        elif story.phase is Phase.ROLLED_BACK:
            return self._taken_back(known, story.why or "it was taken back")
        return known, ""

    def _taken_back(self, known: Known, why: str) -> Waiting | tuple[Known, str]:
        """Only a step that failed refutes; a window that closed and a person who took it back say nothing of what makes VMs."""
        if _failed(self.site.store.events(known.digest)):
            return known, why
        return Waiting(self._planned(), f"the bootstrap was taken back and no step of it had failed ({why}): it was planned anew")

    def _planned(self) -> Known:
        return machine.bootstrap_plan(self.site, self.probe, self._audited())

    def _audited(self) -> Reading:
        """One audit that the probe answered: a guest that has just begun may need a while. Raises: HostError."""
        begun = self.site.clock.now()
        while True:
            found = self.audit((self.probe,))
            fact = found.facts[self.probe]
            if not isinstance(fact, Unavailable):
                return found
            if self._waited(begun):
                raise HostError(f"prove {self.host}", f"{self.probe} cannot be read: {fact.reason}", "run the same command again")
            self.site.clock.sleep(_PAUSE_S)

    def _waited(self, begun: datetime) -> bool:
        return (self.site.clock.now() - begun).total_seconds() >= self.wait_s

    def _judged(self, made: Known, known: Known) -> Receipt:
        """Ready by every rule, asked until it is or the time is over; kept as a receipt."""
        begun, look = self.site.clock.now(), provision.asking(self.site, self.makers)
        while True:
            seen = self.audit((self.probe,))
            judged = machine.ready(self.site, self.probe, seen, look)
            if judged.ready or self._waited(begun):
                break
            doubts = [a.id for a in judged.readiness.answers if a.state is not State.HOLDS]
            self.site.say(f"{self.probe} is not ready: {', '.join(doubts)}")
            self.site.clock.sleep(_PAUSE_S)
        answers = judged.readiness.answers
        reasons = [f"{a.id} {a.title}: {why}" for a in answers if a.state is not State.HOLDS for why in a.reasons]
        checks = [[a.id, a.state.value] for a in answers]
        told: dict[str, object] = {"birth": judged.birth, "checks": checks, "evidence": dict(seen.bundles)}
        return self._told(made, known, judged.ready, reasons, told)

    def _refuted(self, made: Known, known: Known, why: str) -> Receipt:
        return self._told(made, known, False, [f"bootstrap: {why}"], {"birth": "", "checks": [], "evidence": {}})

    def _told(self, made: Known, known: Known, holds: bool, reasons: list[str], told: dict[str, object]) -> Receipt:
        contract = self.site.contract
        body: dict[str, object] = {
            "host": self.host,
            "probe": self.probe,
            "holds": holds,
            "reasons": reasons,
            "left_out": _LEFT_OUT if contract.vms[self.host].backup_max_age_s is not None else [],
            "contract": contract.digest,
            "parity": contract.parity,
            "gates": self.site.gates,
            "plans": {"provision": made.digest, "bootstrap": known.digest},
            **told,
        }
        subjects = (subject("plan/provision", made.digest), subject("plan/bootstrap", known.digest))
        issue(self.site, VERDICT, new_key(self.site, "infra.vm.prove"), subjects, body)
        kept = self._verdict(made.digest)
        assert kept is not None
        return kept

    # -- taking away, and saying so ------------------------------------------------------------------------------------

    def _take_away(self, made: Known) -> None:
        """Undo of the plan that made it. Raises: HaltedError, RefusedError."""
        end = undo(self.site, made)
        if end.kind is not ActionKind.ROLLED_BACK:
            raise StepError(f"take {self.probe} away", end.why, f"waveboard undo {made.plan.wave}")

    def _concluded(self, made: Known | None, kept: str = "") -> Proven | None:
        """The proof of the probe that plan made; None when nothing was seen of it, or all of it was of other contracts."""
        verdict = self._verdict(made.digest) if made else None
        if made is None or verdict is None or stale(self.site, verdict.body):
            return None
        found = self._proof(made.digest)
        if found is None:
            seen = {k: v for k, v in verdict.body.items() if k not in ("checks", "evidence")}
            gaps = list(drifts_of(self.site, self.host))
            body = {"producer": list(PRODUCERS), "gaps": gaps, "verdict": verdict.run_key, "kept": kept, **seen}
            issue(self.site, KIND, new_key(self.site, "infra.vm.prove"), (subject("contract", self.site.contract.digest),), body)
            found = self._proof(made.digest)
        assert found is not None
        return _as_proven(found, kept)

    def _standing(self) -> Proven | None:
        """A proof that holds under today's contracts and names every gap it could: nothing is left to prove."""
        for digest, receipt in newest_of(self.site, KIND):
            if receipt.body.get("host") == self.host:
                good = receipt.body.get("holds") is True and not stale(self.site, receipt.body) and self._names_all(receipt)
                return _as_proven((digest, receipt)) if good else None
        return None

    def _names_all(self, proof: Receipt) -> bool:
        """Whether no drift that concerns the VM was linked after the proof was made."""
        named = proof.body.get("gaps")
        return isinstance(named, list | tuple) and set(drifts_of(self.site, self.host)) <= set(named)

    def _unnamed(self, made: Known) -> bool:
        """Whether that probe's proof, which holds, leaves out a gap that was linked since."""
        found = self._proof(made.digest)
        return found is not None and found[1].body.get("holds") is True and not self._names_all(found[1])

    # -- what the store says -------------------------------------------------------------------------------------------

    def _newest(self, wave: str, against: Callable[[Plan], str], since: datetime | None = None) -> Known | None:
        """The newest plan of that name. against: why one of them is not the probe's own: begun, it is nobody's to go on with or to take
        back here; not begun or taken back, it is as if it were not there. Raises: RefusedError."""
        for record in self.site.store.plans(wave):
            known = from_bytes(self.site.store.get_object(record.digest))
            if because := against(known.plan):
                if self._story(known).phase in (Phase.UNOPENED, Phase.ROLLED_BACK):
                    continue
                fix = f"look at what it made (waveboard status); when nobody needs it: waveboard undo {wave}; then run this again"
                raise RefusedError(f"prove {self.host}", f"{wave}, which has begun, {because}", fix)
            return known if since is None or known.plan.created_at >= since.replace(microsecond=0) else None
        return None

    def _not_its_making(self, plan: Plan) -> str:
        """Whether going on with the plan, or taking it back, would touch anything but the probe: why, else ""."""
        spec = self.site.contract.vms[self.probe]
        its = (spec.hypervisor, spec.vmid, self.probe)
        if plan.kind != "provision" or any((s.host, s.args.get("vmid"), s.args.get("name")) != its for s in plan.steps):
            return f"makes or changes another than {self.probe}, VM {spec.vmid} on {spec.hypervisor}"
        kept = any(step.verb == "vm_attach" and step.args.get("disposable") is not True for step in plan.steps)
        return "keeps its data disk: its signers did not see that a probe goes" if kept else ""

    def _not_its_setting_up(self, plan: Plan) -> str:
        hosts = {pin.host for pin in plan.hosts} | {step.host for step in plan.steps}
        return "" if plan.kind == "wave" and hosts == {self.probe} else f"changes another than {self.probe}"

    def _story(self, known: Known) -> Story:
        return tell([s.id for s in known.plan.steps], self.site.store.events(known.digest))

    def _receipts(self, kind: str, made: str) -> Iterator[tuple[str, Receipt]]:
        for digest, receipt in newest_of(self.site, kind):
            plans = receipt.body.get("plans")
            if isinstance(plans, dict) and plans.get("provision") == made:
                yield digest, receipt

    def _verdict(self, made: str) -> Receipt | None:
        return next((receipt for _, receipt in self._receipts(VERDICT, made)), None)

    def _proof(self, made: str) -> tuple[str, Receipt] | None:
        return next(self._receipts(KIND, made), None)

    def _halted(self, known: Known) -> HaltedError:
        fix = f"look at it, then say how its steps stand: waveboard settle {known.plan.wave}; then run the same command again"
        return HaltedError(f"prove {self.host}", f"{known.plan.wave} is halted: {self._story(known).why}", fix)


def _failed(events: Sequence[Event]) -> bool:
    """Whether a step failed, or was found half done, before the window or a person turned the plan back or a person settled it."""
    for event in events:
        if event.kind in ("undo-asked", "settled"):
            return False
        late = event.detail.get("code") == "outside-window"  # the hand's own word that the window is closed: nothing was begun
        if (event.kind == "failed" and not late) or (event.kind == "probed" and event.detail.get("found") == "partial"):
            return True
    return False


def _as_proven(found: tuple[str, Receipt], kept: str = "") -> Proven:
    digest, receipt = found
    reasons = receipt.body.get("reasons")
    told = tuple(str(r) for r in reasons) if isinstance(reasons, list | tuple) else ()
    return Proven(digest, receipt.body.get("holds") is True, told, kept)
