"""Plan the making of a VM: look at its hypervisor, render what is missing, keep the plan. Also the look that admits it.

It makes nothing. Approve, apply, undo and settle are those of every plan; the hypervisor's hand carries it out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from waveboard.app.planning import keep_made
from waveboard.app.plans import Known
from waveboard.app.ports_vms import Hypervisor
from waveboard.app.read import Reading
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.model.change import HostPin, Plan, provision_name
from waveboard.model.contract import HostTarget
from waveboard.model.errors import ApprovalNeeded, HostError, RefusedError, UsageError, WaveboardError
from waveboard.model.facts import Unavailable
from waveboard.model.vm import BackupState, HypervisorState, VmSpec
from waveboard.model.vm import Hypervisor as Declared
from waveboard.vms import provision, seed, shelf
from waveboard.vms.kit import Kit
from waveboard.waves import plan as planner

USER_NET = "user"  # a network that only the hypervisor's own address leads into


@dataclass(frozen=True, slots=True)
class Makers:
    """What wiring gives: the hypervisor by its id, and the kit of a host (host key, programs, keys, signers)."""

    hypervisor: Callable[[str], Hypervisor]
    kit: Callable[[HostTarget], Kit]


def spec_of(site: Site, host: str) -> VmSpec:
    """Raises: UsageError when the contracts do not say how to make it."""
    spec = site.contract.vms.get(host)
    if spec is None:
        known = ", ".join(site.contract.vms) or "none"
        because = "the contracts do not say how it is made (a VM of the lifecycle contract whose profile has `storage:`)"
        raise UsageError(f"provision {host}", because, f"VMs that can be made: {known}")
    if spec.existing:
        because = f"its profile {spec.profile} says `existing: true`: it was there before its contract"
        raise UsageError(f"provision {host}", because, "waveboard vm bootstrap makes an existing VM as its contracts ask")
    if spec.hypervisor not in site.contract.hypervisors:
        raise UsageError(f"provision {host}", "no hypervisor is named for it", "add `hypervisors:` to waveboard.yaml")
    return spec


def plan(site: Site, host: str, makers: Makers, disposable: bool = False) -> Known:
    """The plan, stored and receipted; without steps when the VM is whole. Raises: RefusedError with every reason why not."""
    proposer = site.acting(f"provision {host}")
    if site.contract.approvals is None:
        raise ApprovalNeeded(f"provision {host}", "the workspace names no approvals", "add `approvals:` to waveboard.yaml")
    spec = spec_of(site, host)
    wish = _wish(site, spec, makers, disposable)
    state = _look(site, spec, makers)
    pin, at = _pin(site, spec, state), site.clock.now()
    steps = provision.steps(wish, state, site.instance)
    slots, rule = planner.slots_of(site.contract, provision_name(host), (spec.hypervisor,), None, at)
    if rule.rule == "finish":
        raise RefusedError(f"provision {host}", "its window's overrun rule is `finish`", "give the window `rollback` or `pause`")
    made = Plan(
        instance=site.instance,
        wave=provision_name(host),
        kind="provision",
        title=f"make VM {spec.vmid} {host} on {spec.hypervisor} from {spec.template}, profile {spec.profile}",
        created_at=at.replace(microsecond=0),
        proposer=proposer,
        contract=site.contract.digest,
        gates=site.gates,
        hosts=(pin,),
        read_only_hosts=(),
        not_before=slots[0].not_before,
        not_after=slots[-1].not_after,
        steps=steps,
        quorum=site.contract.approvals.quorum,
        four_eyes=site.contract.approvals.four_eyes,
        slots=slots,
        overrun=rule.rule,
    )
    return keep_made(site, made, {spec.hypervisor: pin.evidence}, "infra.vm.provision")


def looked(site: Site, known: Known, makers: Makers) -> Reading:
    """The look that admits the plan: what its hypervisor is and has now, in place of an audit."""
    (old,) = known.plan.hosts
    host = next((h for h in site.contract.vms if provision_name(h) == known.plan.wave), "")
    now: HostPin | Unavailable
    try:
        spec = spec_of(site, host)
        now = _pin(site, spec, _look(site, spec, makers))
    except WaveboardError as error:
        now = Unavailable(error.because)
    bundles = {old.host: now.evidence} if isinstance(now, HostPin) else {}
    return Reading(new_key(site, "infra.vm.provision"), site.clock.now(), {}, {}, bundles, pins={old.host: now})


@dataclass(frozen=True, slots=True)
class Whole:
    """Whether the hypervisor has all of a VM. holds: False when steps are left or a rule forbids them; saw: in words; evidence: digest
    of the state seen, which the receipt of that run key names."""

    hypervisor: str
    run_key: str
    holds: bool
    saw: str
    evidence: str


def whole(site: Site, host: str, makers: Makers) -> Whole:
    """Look, keep what was seen, receipt it. Raises: UsageError, HostError when the hypervisor could not be looked at."""
    spec = spec_of(site, host)
    state = _look(site, spec, makers)
    try:
        left = provision.steps(_wish(site, spec, makers, disposable=False), state, site.instance)
        holds, saw = not left, "; ".join(f"missing: {step.title}" for step in left) or f"VM {spec.vmid} is whole"
    except RefusedError as refused:
        holds, saw = False, refused.because
    key, evidence = new_key(site, "infra.vm.provision"), site.store.put_object(provision.state_bytes(state))
    body = {
        "host": host,
        "hypervisor": spec.hypervisor,
        "whole": holds,
        "saw": saw,
        "contract": site.contract.digest,
        "evidence": {spec.hypervisor: evidence},
    }
    issue(site, "look", key, (subject(f"look/{spec.hypervisor}", evidence),), body)
    return Whole(spec.hypervisor, key, holds, saw, evidence)


def asking(site: Site, makers: Makers) -> Callable[[VmSpec], HypervisorState | Unavailable]:
    """What app.machine.ready is told of a VM's hypervisor: as it is now, the VM's agent asked, or why it could not be had. Another
    machine than the one pinned tells nothing."""

    def look(spec: VmSpec) -> HypervisorState | Unavailable:
        try:
            state = _look(site, spec, makers)
        except WaveboardError as error:
            return Unavailable(error.because)
        return _with_agent(_with_backups(state, spec, makers), spec, makers)

    return look


def _with_backups(state: HypervisorState, spec: VmSpec, makers: Makers) -> HypervisorState:
    """The same, told of the VM's backups where its contract asks for any."""
    if spec.backup_max_age_s is None or spec.vmid not in state.vms:
        return state
    try:
        found = makers.hypervisor(spec.hypervisor).backups(spec.vmid)
    except WaveboardError as error:
        found = BackupState(False, (), (), None, error.because, error.because)
    return replace(state, backups={spec.vmid: found})


def _with_agent(state: HypervisorState, spec: VmSpec, makers: Makers) -> HypervisorState:
    """The same, once the agent of a guest that runs was asked. An answer that did not come leaves it unknown."""
    vm = state.vms.get(spec.vmid)
    if vm is None or not spec.agent or vm.status != "running":
        return state
    try:
        answers, addresses = makers.hypervisor(spec.hypervisor).guest(spec.vmid)
    except WaveboardError:
        return state
    return replace(state, vms={**state.vms, spec.vmid: replace(vm, agent=answers, addresses=addresses)})


def _look(site: Site, spec: VmSpec, makers: Makers) -> HypervisorState:
    """The hypervisor as it is now. Raises: RefusedError when another machine answers than the one pinned."""
    state = makers.hypervisor(spec.hypervisor).look()
    declared, identity = site.contract.hypervisors[spec.hypervisor], state.identity or ""
    wanted = declared.fingerprint or declared.machine_id
    if wanted and identity != wanted:
        because = f"{spec.hypervisor} is {identity or 'unknown'}, and waveboard.yaml pins {wanted}"
        raise RefusedError(f"provision {spec.host}", because, "find out which machine answers before anything else")
    return state


def _pin(site: Site, spec: VmSpec, state: HypervisorState) -> HostPin:
    evidence, identity = site.store.put_object(provision.state_bytes(state)), state.identity
    if not identity:
        because = f"{spec.hypervisor} does not tell which machine it is"
        raise HostError(f"provision {spec.host}", because, "nothing is made on a machine that could be any other")
    return HostPin(spec.hypervisor, identity, identity, evidence, provision.relied_on(spec, state))


def _wish(site: Site, spec: VmSpec, makers: Makers, disposable: bool) -> provision.Wish:
    target, declared = site.target(spec.host), site.contract.hypervisors[spec.hypervisor]
    kit, port = makers.kit(target), target.port or 22
    forward = f"{target.address}:{port}" if spec.network.bridge == USER_NET else ""
    reach = provision.Reach(target.address, port, kit.host_key, forward)
    put = shelf.configuration(spec, site.contract.policies[spec.host])
    return provision.Wish(spec, reach, seed.files(spec, kit), _seed_pool(declared), declared.kind, disposable, put)


def _seed_pool(declared: Declared) -> str:
    pool = declared.pools.get("seed", "" if declared.kind == "proxmox" else "directory")
    if not pool:
        because = f"hypervisors.{declared.id}.pools names no pool for `seed`"
        raise RefusedError("seed a VM", because, "add `seed: POOL`: a storage that takes ISO images")
    return pool


def kept_for_undo(site: Site, known: Known, call: Callable[[Mapping[str, object]], Mapping[str, object]]) -> None:
    """Raises: RefusedError when taking the plan back would destroy data; asked before anything is taken back."""
    answer = call({"op": "lasting", "plan": known.digest})
    error = answer.get("error")
    if isinstance(error, dict) or answer.get("why"):
        because = str(error.get("because")) if isinstance(error, dict) else str(answer["why"])
        raise RefusedError(f"undo {known.plan.wave}", because, str(error.get("fix", "")) if isinstance(error, dict) else "")
