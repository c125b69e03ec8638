"""What a plan that has come to its end is judged by: its wave's exit conditions, the readiness of a VM, or a VM being whole.

Nothing is closed unjudged: a plan for which there is no such question is refused, with the command that answers it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from waveboard.app import machine, promotion, provision
from waveboard.app.check import Checked, check
from waveboard.app.entry import Asked, ask, hosts_needed
from waveboard.app.plans import Known
from waveboard.app.provision import Makers
from waveboard.app.read import audit
from waveboard.app.site import Site
from waveboard.gates import outcome
from waveboard.model.change import bootstrap_name, provision_name
from waveboard.model.errors import RefusedError
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.vms.rule import State

_HOLDS = {State.HOLDS: True, State.FAILS: False, State.UNKNOWN: None}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A fresh look and what it says. evidence: the digests it rests on; verify: entries of the closeout's item of that name, resting
    on `reports`; facts: of the hosts that were read; checked: the packs that were judged.
    """

    run_key: str
    saw: str
    evidence: tuple[str, ...]
    asked: tuple[Asked, ...]
    verify: tuple[Mapping[str, str], ...]
    reports: tuple[str, ...]
    facts: Mapping[str, HostFacts | Unavailable] = field(default_factory=dict)
    checked: tuple[Checked, ...] = ()


def judged(site: Site, known: Known, makers: Makers | None) -> Judgement:
    """makers: whom to ask about VMs; None where nobody can be asked. Raises: RefusedError when nothing judges this plan, HostError."""
    plan = known.plan
    if plan.kind == "provision":
        return _whole(site, known, makers)
    if plan.wave in site.contract.waves:
        return _wave(site, known)
    host = next((host for host in site.contract.vms if bootstrap_name(host) == plan.wave), "")
    if host:
        return _ready(site, known, host, makers)
    raise _unjudged(known)


def _unjudged(known: Known) -> RefusedError:
    plan, cannot = known.plan, f"close {known.plan.wave}"
    if plan.kind == promotion.KIND:
        pack = next((str(step.args["pack"]) for step in plan.steps), "PACK")
        fix = f"waveboard verify {pack} judges it in enforce; waveboard undo {plan.wave} takes it back"
        return RefusedError(cannot, "no wave governs this promotion, so no exit conditions are left to judge", fix)
    if plan.kind == "provision" or plan.wave.startswith(bootstrap_name("")):
        because = "the contracts no longer say what that VM is asked for: nothing can say whether it is so"
        return RefusedError(cannot, because, f"give its profile a `storage:` again, or take it back: waveboard undo {plan.wave}")
    because = "the contracts hold no wave of that name any more, and its exit conditions went with it"
    return RefusedError(cannot, because, f"put its file back below waves/, or take it back: waveboard undo {plan.wave}")


def _wave(site: Site, known: Known) -> Judgement:
    read = audit(site, hosts_needed(site.contract, known.plan, "exit"))
    checked = tuple(check(site, name, read) for name, pack in site.contract.packs.items() if set(pack.hosts) <= set(read.facts))
    if not checked:
        fix = "name a pack in packs.yaml; a wave is not closed unjudged"
        raise RefusedError(f"close {known.plan.wave}", "no pack covers its hosts", fix)
    told = {**promotion.told(site), "approval": lambda _: _approved(site, known)}
    asked = ask(site.contract, known.plan, read, "exit", told)
    if not asked:  # the format asks for one; a contract made otherwise is not believed
        fix = f"give {known.plan.wave} an `exit:`"
        raise RefusedError(f"close {known.plan.wave}", "it names no exit condition, so nothing would be judged", fix)
    verify = tuple({"pack": c.report.pack, "run_key": c.run_key, "result": outcome.summary(c.report)} for c in checked)
    reports = tuple(site.store.put_object(c.raw) for c in checked)
    return Judgement(read.run_key, _read(read.facts), tuple(read.bundles.values()), asked, verify, reports, read.facts, checked)


def _read(facts: Mapping[str, HostFacts | Unavailable]) -> str:
    silent = [host for host, found in facts.items() if isinstance(found, Unavailable)]
    told = f"{len(facts) - len(silent)} of {len(facts)} hosts read"
    return f"{told}; no answer from {', '.join(silent)}" if silent else told


def _approved(site: Site, known: Known) -> tuple[bool | None, str]:
    who = ", ".join(a.principal for a in site.store.approvals(known.digest)) if known.digest else ""
    return bool(who), f"approved by {who}" if who else "no plan of this wave was approved"


def _ready(site: Site, known: Known, host: str, makers: Makers | None) -> Judgement:
    """Every question of `vm ready`, and the birth certificate. Unknown is not ready."""
    read = audit(site, hosts_needed(site.contract, known.plan, "exit"))
    found = machine.ready(site, host, read, provision.asking(site, makers) if makers else machine.unasked)
    answers = found.readiness.answers
    asked = [Asked(f"vm_ready: {a.id} {a.title}", _HOLDS[a.state], "; ".join(a.reasons) or "seen") for a in answers]
    asked += [Asked("vm_ready: birth certificate", found.birth != "", found.birth or "nothing certifies its birth")]
    held = sum(one.holds is True for one in asked)
    verify = {"pack": f"vm ready {host}", "run_key": read.run_key, "result": f"{held} of {len(asked)} hold"}
    evidence = tuple(read.bundles.values())
    reports = (*evidence, *((found.birth,) if found.birth else ()))
    return Judgement(read.run_key, _read(read.facts), evidence, tuple(asked), (verify,), reports, read.facts)


def _whole(site: Site, known: Known, makers: Makers | None) -> Judgement:
    """Whether anything of the VM is missing on its hypervisor."""
    host = next((host for host in site.contract.vms if provision_name(host) == known.plan.wave), "")
    if not host:
        raise _unjudged(known)
    if makers is None:
        raise RefusedError(f"close {known.plan.wave}", "nobody here can ask its hypervisor", f"waveboard close {known.plan.wave}")
    found = provision.whole(site, host, makers)
    asked = Asked(f"vm_whole: {host}", found.holds, found.saw)
    verify = {"pack": f"vm whole {host}", "run_key": found.run_key, "result": found.saw}
    return Judgement(found.run_key, f"{found.hypervisor} looked at", (found.evidence,), (asked,), (verify,), (found.evidence,))
