"""Make a plan from a fresh reading, keep it, receipt it. Also the retire plan for what a wave set aside."""

from collections.abc import Mapping

from waveboard.app.plans import Known
from waveboard.app.read import Reading
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.model.change import Plan, retire_name
from waveboard.model.contract import WaveSpec
from waveboard.model.errors import HostError, RefusedError, UsageError
from waveboard.model.evidence import digest_of
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.waves import plan as planner
from waveboard.waves import plan_json, rollback

_PLANNING = ("infra.vm.bootstrap",)  # capabilities that make a plan as a part of themselves


def wave_named(site: Site, name: str) -> WaveSpec:
    """Raises: UsageError with the known waves."""
    if name not in site.contract.waves:
        raise UsageError(
            f"find the wave {name}",
            "the workspace has no such wave",
            f"waves: {', '.join(site.contract.waves) or 'none (waves/*.yaml)'}",
        )
    return site.contract.waves[name]


def plannable(wave: WaveSpec) -> None:
    """Asked before any host is read. Raises: RefusedError for a draft, and for a wave that may not change a host."""
    if wave.policy != "controlled-runtime":
        because = f"its mutation policy is `{wave.policy}`: no runtime mutation is possible while it is open"
        raise RefusedError(f"plan {wave.id}", because, "there is nothing to plan; see `waveboard wave show`")
    if wave.draft:
        raise RefusedError(f"plan {wave.id}", "the wave is a draft: some of its steps do not exist yet", "see its file")


def plan(site: Site, wave: WaveSpec, read: Reading) -> Known:
    """The wave's plan, stored and receipted. An empty plan is a plan: it says that nothing is left to do."""
    plannable(wave)
    proposer = site.acting(f"plan {wave.id}")
    made = planner.make(
        wave,
        site.contract,
        read.facts,
        instance=site.instance,
        proposer=proposer,
        gates=site.gates,
        at=site.clock.now(),
    )
    return _keep(site, made, read)


def retire(site: Site, parent: Known, read: Reading) -> Known:
    """The plan that removes what `parent` set aside and no longer needs.

    Raises: RefusedError before the parent is done, or taken back, and its soak has passed; and when all of it is still needed.
    """
    cannot = f"plan {retire_name(parent.plan.wave)}"
    undone = _ended(site, parent, cannot)
    (host,) = [pin.host for pin in parent.plan.hosts]
    facts = read.facts.get(host, Unavailable("it was not audited"))
    if not isinstance(facts, HostFacts):
        raise HostError(f"plan for {host}", facts.reason, "make the host readable first")
    made = planner.retire(
        parent.plan,
        facts,
        _spare(site, cannot, host, parent.digest, undone),
        proposer=site.acting(cannot),
        contract=site.contract,
        gates=site.gates,
        at=site.clock.now(),
        undone=undone,
    )
    return _keep(site, made, read)


def _ended(site: Site, parent: Known, cannot: str) -> bool:
    """Whether the plan was taken back; otherwise it is done. Raises: RefusedError for any other end, and before the soak is over."""
    events = site.store.events(parent.digest)
    end = events[-1].kind if events else ""
    if end == "halted":
        raise RefusedError(cannot, f"{parent.plan.wave} is halted: what it set aside may be the only copy", "waveboard settle")
    if end not in ("done", "rolled-back"):
        because = f"{parent.plan.wave} is not done, nor taken back"
        raise RefusedError(cannot, because, "space comes back after the new place, or the old one again, has proven itself")
    wave = site.contract.waves.get(parent.plan.wave)
    soaked_s = (site.clock.now() - events[-1].at).total_seconds()
    if wave and wave.soak_s and soaked_s < wave.soak_s:
        because = f"the contract asks for {wave.soak_s} s of soak; {soaked_s:.0f} s have passed"
        raise RefusedError(cannot, because, "wait; the old copy stays")
    return end == "rolled-back"


def _spare(site: Site, cannot: str, host: str, digest: str, undone: bool) -> tuple[Mapping[str, object], ...]:
    """What is aside and no step wants back, by the hand's own word. Raises: RefusedError when everything is still needed."""
    found = asides(site, host, digest, "aside", "retiring")  # the latter: a removal that did not end
    if undone and any("needed" not in one for one in found):
        because = f"the hand on {host} is an older one and does not say what a plan that was taken back still needs"
        raise RefusedError(cannot, because, "install the present hand there, then plan again")
    kept = {f"{one.get('path') or one.get('volume')}": str(one["needed"]) for one in found if one.get("needed")}
    if kept and len(kept) == len(found):
        what, because = next(iter(kept.items()))
        raise RefusedError(cannot, f"{what} stays: {because}", "look at it; what a person settled, a person clears away by hand")
    for what, because in kept.items():
        site.say(f"{what} stays: {because}")
    return tuple(one for one in found if not one.get("needed"))


def asides(site: Site, host: str, digest: str, *states: str) -> tuple[Mapping[str, object], ...]:
    """What the host's own hand says it set aside under a plan and now has in one of these states (docs/hand.md, `aside`)."""
    answer = site.hand.call(site.target(host), {"op": "aside"}, 60.0)
    listed = answer.get("aside")
    if not isinstance(listed, list):
        raise HostError(f"learn what is set aside on {host}", "the hand did not say", "waveboard status")
    return tuple(a for a in listed if isinstance(a, dict) and a.get("plan") == digest and a.get("state") in states)


def _keep(site: Site, made: Plan, read: Reading) -> Known:
    return keep_made(site, made, read.bundles, "wave.plan" if made.kind == "wave" else "wave.retire")


def keep_made(site: Site, made: Plan, evidence: Mapping[str, str], capability: str) -> Known:
    """The plan in the store with its receipt. evidence: host -> digest of what it was made from."""
    told = {
        "wave": made.wave,
        "kind": made.kind,
        "steps": [{"id": s.id, "verb": s.verb, "host": s.host, "title": s.title} for s in made.steps],
        "deletes": [path for s in made.steps for path in s.deletes],
        "evidence": dict(evidence),
        "contract": made.contract,
    }
    return keep_told(site, made, told, capability)


def keep_told(site: Site, made: Plan, told: Mapping[str, object], capability: str) -> Known:
    """The same, of a plan whose receipt says other things. told: the receipt's body without the plan's digest and its rollback."""
    raw = plan_json.to_bytes(made)
    known = Known(made, raw, digest_of(raw))
    site.store.save_plan(raw, made.wave, made.kind, site.clock.now())
    body = {**told, "plan": known.digest, "rollback": site.store.put_object(rollback.template(made, known.digest))}
    issue(site, "plan", new_key(site, capability, *_PLANNING), (subject("plan", known.digest),), body)
    return known
