"""Carry out an approved plan: admit, take the lease, open it on the hosts, drive it to an end. Also resume and undo.

- a plan never begun is admitted in full (approval, window, facts, contracts, entry conditions, overlap);
- a plan already begun goes on from its journal under a new fence: its nonce is spent and its facts are half changed by itself;
- undo asks the fold to go back; it needs the same signed plan and nothing more.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from waveboard.app import dispatch, letting_go, promotion
from waveboard.app.approve import same_person, standing
from waveboard.app.entry import unmet
from waveboard.app.opening import for_plan, in_the_way, pins, preflight
from waveboard.app.planning import asides
from waveboard.app.plans import Known, made_here
from waveboard.app.ports import Engine
from waveboard.app.provision import kept_for_undo
from waveboard.app.read import Reading
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.app.work import LEASE_S, WaveWork, kept
from waveboard.model.change import Action, ActionKind, Event, Lease
from waveboard.model.errors import ApprovalNeeded, HaltedError, HostError, RefusedError, StepError, WaveboardError
from waveboard.model.history import RunEnd
from waveboard.model.opening import Opening
from waveboard.model.receipt import ActorKind
from waveboard.waves import rollback
from waveboard.waves.admit import Refusal, refusals
from waveboard.waves.decide import turn_limit, why_not_undo

_OPEN_S = 60.0


def apply(site: Site, known: Known, allowed_signers: str, reading: Reading | None) -> Action:
    """Start or resume. reading: a fresh audit of every host of the plan, needed to start and not to resume.

    A plan that has come to its end is only told to the hands that have not closed it. Raises: ApprovalNeeded, RefusedError (not
    admitted), StepError (rolled back), HaltedError; RefusedError, HostError when a hand has not closed the plan.
    """
    if known.plan.four_eyes:
        site.acting(f"apply {known.plan.wave}")
    _in_whose_hands(site, known, "apply")
    made_here(site, known, "apply")
    events, opening = site.store.events(known.digest), None
    if not events and known.plan.kind == promotion.KIND:
        promotion.admit(site, known, standing(site, known, allowed_signers), _others(site, known))
    elif not events:
        assert reading is not None, "a plan that was never begun is judged on a fresh audit"
        opening = _admit(site, known, allowed_signers, reading)
    elif events[-1].kind in letting_go.ENDS and letting_go.left(site, known, events):
        pass  # it has come to its end, and a hand has not heard so: nothing is left to do but to tell it
    elif events[-1].kind in letting_go.ENDS:
        fix = "a person says how its unresolved steps stand: waveboard settle" if events[-1].kind == "halted" else "plan again"
        raise RefusedError(f"apply {known.plan.wave}", f"this plan is {events[-1].kind} already", fix)
    elif signer := same_person(site, known):
        because = f"{site.actor.principal} is {signer}, who signed it (four_eyes asks for somebody else)"
        raise ApprovalNeeded(
            f"go on with {known.plan.wave}", because, "let another person go on with it, or take it back: waveboard undo"
        )
    return finish(site, known, drive(site, known, lambda lease: _open(site, known, lease, fresh=not events, opening=opening)))


def undo(site: Site, known: Known) -> Action:
    """Take every applied step back, newest first. A person may always; an agent only what it was given.

    Raises: RefusedError when there is nothing to take back, HaltedError.
    """
    if site.actor.kind is ActorKind.AGENT:
        _in_whose_hands(site, known, "undo")
    events = site.store.events(known.digest)
    if events and events[-1].kind == "rolled-back" and letting_go.left(site, known, events):
        return _taken_back(site, known, drive(site, known, lambda lease: _open(site, known, lease, fresh=False)))
    against = why_not_undo(known.plan, events)
    if against:
        raise RefusedError(f"undo {known.plan.wave}", against, "waveboard status")
    if known.plan.kind == promotion.KIND:
        promotion.undoable(site, known)
    gone = [
        str(a.get("path") or a.get("volume"))
        for pin in (known.plan.hosts if known.plan.kind != "provision" else ())
        # one whose removal was cut off is no way back either
        for a in asides(site, pin.host, known.digest, "retiring", "retired")
    ]
    if gone:
        because = f"{', '.join(gone)} was set aside by it and has been retired since: what the undo would put back is gone"
        raise RefusedError(f"undo {known.plan.wave}", because, "plan a wave that moves the data where you want it")
    if known.plan.kind == "provision":
        (pin,) = known.plan.hosts
        kept_for_undo(site, known, lambda request: site.hand.call(site.target(pin.host), request, _OPEN_S))
    if not any(e.kind == "undo-asked" for e in events):
        site.store.record(known.digest, "undo-asked", "", 0, site.clock.now(), 0, {"by": site.actor.principal})
    return _taken_back(site, known, drive(site, known, lambda lease: _open(site, known, lease, fresh=False)))


def _taken_back(site: Site, known: Known, action: Action) -> Action:
    """The end of an undo. Raises: HaltedError; RefusedError, HostError when a hand has not closed the plan."""
    if action.kind is ActionKind.HALT:
        finish(site, known, action)
    if unclosed := letting_go.left(site, known, site.store.events(known.digest)):
        raise letting_go.error(known, unclosed, "every step is taken back", "rolled-back")
    return action


def _in_whose_hands(site: Site, known: Known, verb: str) -> None:
    """One wave has one worker, and an agent works only on what it was given. Raises: RefusedError."""
    wave = known.plan.serves
    against = dispatch.why_not(site.actor, wave, dispatch.live(site, wave))
    if against:
        raise RefusedError(f"{verb} {known.plan.wave}", against, f"waveboard wave dispatch {wave} --to WORKER, by a person")


def _admit(site: Site, known: Known, allowed_signers: str, reading: Reading) -> Opening | None:
    """How the wave is put on the board; None for a plan whose wave no contract knows. Raises: what _refused makes of it."""
    plan = known.plan
    template = site.store.put_object(rollback.template(plan, known.digest))
    wave = site.contract.waves.get(plan.wave)
    found_evidence, missing = preflight(site, wave, reading) if wave else ({}, ())
    pinned = pins(site, wave, reading, found_evidence) if wave else {}
    opening = for_plan(site, plan, known.digest, pinned)
    asked = unmet(site, plan, reading, "entry", promotion.told(site))
    found = refusals(
        plan,
        site.contract,
        reading.facts,
        instance=site.instance,
        approvals=standing(site, known, allowed_signers),
        gates=site.gates,
        entry=asked.failing,
        unseen=(*missing, *asked.unseen),
        at=site.clock.now(),
        under_way=_others(site, known),
        board=in_the_way(site, opening) if opening else (),
        pins=reading.pins,
    )
    body: dict[str, object] = {
        "plan": known.digest,
        "wave": plan.wave,
        "admitted": not found,
        "refusals": [{"kind": r.kind, "reason": r.reason} for r in found],
        "contract": site.contract.digest,
        "gates": site.gates,
        "evidence": dict(reading.bundles),
        "rollback": template,
        "pins": pinned,
    }
    issue(site, "admission", new_key(site, "wave.apply"), (subject("plan", known.digest),), body)
    if found:
        raise _refused(plan.wave, found)
    return opening


def _others(site: Site, known: Known) -> tuple[str, ...]:
    """Every other plan under way, as a person knows it."""
    open_now = [digest for digest in site.store.open_plans() if digest != known.digest]
    names = {record.digest: record.wave for record in site.store.plans()}
    return tuple(f"{names.get(digest, 'a plan')} ({digest[:19]})" for digest in open_now)


def _refused(wave: str, found: tuple[Refusal, ...]) -> ApprovalNeeded | RefusedError | HostError:
    because = "; ".join(r.reason for r in found)
    if all(r.kind == "approval" for r in found):
        return ApprovalNeeded(f"apply {wave}", because, found[0].fix)
    if all(r.kind == "host" for r in found):
        return HostError(f"apply {wave}", because, found[0].fix)
    first = next(r for r in found if r.kind != "approval")
    return RefusedError(f"apply {wave}", because, first.fix)


def drive(site: Site, known: Known, begin: Callable[[Lease], None]) -> Action:
    """All turns to the end under a lease of our own. begin: what comes before the first turn; nothing is driven when it fails."""
    plan, engine = known.plan, site.engine()
    run = "plan-" + known.digest.removeprefix("sha256:")[:24]
    engine.claim(run)  # before the lease: a second terminal must not take it over from the first
    lease = site.store.acquire_lease(known.digest, [h.host for h in plan.hosts], site.actor.principal, site.clock.now(), LEASE_S)
    try:
        begin(lease)
        work = WaveWork(site, plan, known.digest, lease)
        spec: Mapping[str, object] = {"plan": known.digest, "wave": plan.wave}
        begun = engine.history(run)
        handle = engine.resume(run, work, turn_limit(plan)) if begun else engine.start(run, spec, work, turn_limit(plan))
        end = _ended(engine, handle, work)
        if end.action is None:
            raise RefusedError(
                f"go on with {plan.wave}", "the run was cancelled between two steps", "run the same command again to go on"
            )
        return end.action
    finally:
        site.store.release_lease(lease)


def _ended(engine: Engine, handle: str, work: WaveWork) -> RunEnd:
    """How the drive ended. Ctrl-C waits for the turn under way: until it is over the lease must stay ours."""
    try:
        return engine.wait(handle)
    except KeyboardInterrupt:
        work.site.say("interrupted: ending the turn under way; what runs on a host goes on there, and the next run looks")
        work.stop()
        with suppress(WaveboardError):
            engine.wait(handle)
        raise


def _open(site: Site, known: Known, lease: Lease, fresh: bool, opening: Opening | None = None) -> None:
    """Tell every host the fence before the first turn, so that an older worker is refused there from now on.

    Fresh: open the plan (each hand verifies the approvals itself), then spend the nonces with the first journal line. Otherwise the
    fence is enough: what was opened stays open, and a plan goes back also when its window or its approval is over.
    """
    approvals = site.store.approvals(known.digest)
    signed = [{"message": a.message.decode(), "signature": a.signature} for a in approvals]
    forward = {"op": "open", "text": known.raw.decode(), "approvals": signed}
    request = {**(forward if fresh else {"op": "fence"}), "plan": known.digest, "fence": lease.fence}
    for pin in known.plan.hosts:
        lease = kept(site, lease, _OPEN_S)
        agreed(site, pin.host, request, _OPEN_S, "open the plan")
    if fresh:
        detail: dict[str, object] = {"wave": known.plan.wave, "contract": known.plan.contract, "gates": known.plan.gates}
        opened = Event(1, known.digest, "opened", "", 0, site.clock.now(), lease.fence, detail)
        site.store.open_wave(opened, [a.nonce for a in approvals], opening)


def agreed(site: Site, host: str, request: Mapping[str, object], limit_s: float, what: str) -> Mapping[str, object]:
    """The hand's answer when it does not refuse. what: what was asked of it, for the error. Raises: ApprovalNeeded, RefusedError."""
    answer = site.hand.call(site.target(host), request, limit_s)
    error = answer.get("error")
    if not answer.get("ok") and isinstance(error, dict):
        kind = ApprovalNeeded if str(error.get("code", "")).startswith("approval") else RefusedError
        raise kind(f"{what} on {host}", f"the hand there refuses: {error.get('because')}", str(error.get("fix", "")))
    return answer


def finish(site: Site, known: Known, action: Action) -> Action:
    """The action a drive ended with. Raises: StepError for a rollback, HaltedError; RefusedError, HostError when every step is applied
    and a hand has not closed the plan."""
    unclosed = letting_go.left(site, known, site.store.events(known.digest))
    also = f"; {letting_go.sentence(unclosed)}" if unclosed else ""
    if action.kind is ActionKind.ROLLED_BACK:
        again = f"; tell the hand again: waveboard undo {known.plan.wave}" if unclosed else ""
        raise StepError(
            f"finish {known.plan.wave}",
            f"{action.why}; every step was taken back{also}",
            f"the host is as it was; settle the cause, plan again{again}",
        )
    if action.kind is ActionKind.HALT:
        raise HaltedError(
            f"go on with {known.plan.wave}",
            f"{action.why}{also}",
            "nothing further is touched and the hosts stay held; look at them, then say how they stand: waveboard settle",
        )
    if unclosed:
        raise letting_go.error(known, unclosed, "every step is applied", "done")
    return action
