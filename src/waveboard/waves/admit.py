"""May this plan run now? Every reason why not, each naming its rule, who holds what, and what to do. Judges; starts nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from waveboard.model.change import HostPin, Plan
from waveboard.model.contract import WORKSPACE_HOST, Contract
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.model.units import instant_text
from waveboard.waves.pins import fingerprint
from waveboard.waves.pins import unseen as not_seen
from waveboard.waves.windows import denied_by, denying, openings


@dataclass(frozen=True, slots=True)
class Refusal:
    """One rule that says no. kind: approval | overlap | scope | window | facts | contract | gate | host | instance — it decides the exit code."""

    kind: str
    reason: str
    fix: str


def _window(plan: Plan, contract: Contract, at: datetime) -> list[Refusal]:
    hosts = sorted(h.host for h in plan.hosts)
    if not any(slot.holds(at) for slot in plan.slots):
        spans = " and ".join(f"{instant_text(s.not_before)} to {instant_text(s.not_after)}" for s in plan.slots)
        wait = "wait for the window, or plan again" if at < plan.slots[-1].not_after else "plan again: its last window has closed"
        return [Refusal("window", f"the plan's change window is {spans}; it is {instant_text(at)} now", wait)]
    denied = denying(contract.windows, hosts, at)
    if denied:
        return [
            Refusal("window", denied_by(hosts, denied[0]), "deny wins: wait until it ends, or change the window and plan again")
        ]
    if not any(slot.holds(at) for slot, _ in openings(contract.windows, hosts, at)):
        said = "the contracts hold no open allow window for these hosts any more"
        return [Refusal("window", said, "restore the window, or plan again")]
    return []


def scope(plan: Plan, contract: Contract) -> list[Refusal]:
    """The wave's own policy and scope, asked again: a plan may have been written by hand, and a wave rewritten since."""
    wave = contract.waves.get(plan.wave)
    if wave is None:
        return []
    hosts = {*(pin.host for pin in plan.hosts), *(step.host for step in plan.steps)} - {WORKSPACE_HOST}
    if hosts and wave.policy != "controlled-runtime":
        said = f"the mutation policy of {wave.id} is `{wave.policy}`: its plan may hold contract edits only, and no host"
        return [Refusal("scope", said, "change hosts in a wave whose policy is controlled-runtime")]
    foreign = sorted(hosts - set(wave.mutate_hosts))
    return [
        Refusal("scope", f"{host} is not in {wave.id}'s mutate scope", "scope.mutate of the wave decides") for host in foreign
    ]


def _hosts(plan: Plan, facts: Mapping[str, HostFacts | Unavailable], pins: Mapping[str, HostPin | Unavailable]) -> list[Refusal]:
    refusals = []
    for pin in plan.hosts:
        if pin.host in pins:
            refusals += _pinned(pin, pins[pin.host])
            continue
        found = facts.get(pin.host, Unavailable("it was not audited"))
        if isinstance(found, Unavailable):
            refusals.append(
                Refusal("host", f"{pin.host} cannot be read: {found.reason}", "nothing mutates on a host that cannot be seen")
            )
        elif found.identity.machine_id != pin.machine_id or found.identity.host_key != pin.host_key:
            refusals.append(
                Refusal("facts", f"{pin.host} is not the machine the plan was made for", "plan again; never apply to a stranger")
            )
        elif fingerprint(found) != pin.facts:
            refusals.append(_differs(pin.host, not_seen(found)))
    return refusals


def _differs(host: str, missing: tuple[str, ...]) -> Refusal:
    """A look that saw less than the plan's proves no change: it is asked again, and the plan stays good."""
    if missing:
        said = f"whether {host} is as it was when the plan was made is not known: {'; '.join(missing)}"
        return Refusal("host", said, "make it visible and apply again; the plan and its signatures stay good")
    return Refusal(
        "facts", f"the facts of {host} have changed since the plan was made", "plan again and have the new plan signed"
    )


def _pinned(pin: HostPin, now: HostPin | Unavailable) -> list[Refusal]:
    """A hypervisor, which no audit reads: what it is and has, against what it was and had."""
    if isinstance(now, Unavailable):
        return [Refusal("host", f"{pin.host} cannot be looked at: {now.reason}", "nothing is made where nothing can be seen")]
    if (now.machine_id, now.host_key) != (pin.machine_id, pin.host_key):
        return [Refusal("facts", f"{pin.host} is not the machine the plan was made for", "plan again; never apply to a stranger")]
    if now.facts != pin.facts:
        said = f"what {pin.host} has of it changed since the plan was made"
        return [Refusal("facts", said, "plan again and have the new plan signed")]
    return []


def refusals(
    plan: Plan,
    contract: Contract,
    facts: Mapping[str, HostFacts | Unavailable],
    *,
    instance: str,
    approvals: tuple[str, ...],
    gates: str,
    entry: tuple[str, ...],
    unseen: tuple[str, ...] = (),
    at: datetime,
    under_way: tuple[str, ...] = (),
    board: tuple[str, ...] = (),
    pins: Mapping[str, HostPin | Unavailable] | None = None,
) -> tuple[Refusal, ...]:
    """Why the plan may not start. approvals: reasons why the given approvals do not suffice; entry: entry conditions that do not
    hold; unseen: those that could not be judged, and evidence that is missing; all in words, computed by their own rooms. under_way: the
    other plans that were begun and have no end yet; board: why a wave that is open stands in the way; pins: what those hosts of the plan
    that are hypervisors are now. An empty answer admits."""
    found = [
        Refusal(
            "overlap",
            f"{other} is under way, and waves never overlap",
            "bring that one to its end first: resume, undo or settle it",
        )
        for other in under_way
    ]
    found += [
        Refusal("overlap", f"rule of the board: {because}", "end that wave first: waveboard wave close") for because in board
    ]
    found += scope(plan, contract)
    if plan.instance != instance:
        found.append(Refusal("instance", "the plan belongs to another workspace", "plan here"))
    found += [Refusal("approval", reason, "waveboard approve PLAN --key KEY --as PRINCIPAL") for reason in approvals]
    if plan.contract != contract.digest:
        found.append(
            Refusal("contract", "the contracts changed after the plan was made", "plan again: a policy change voids a plan")
        )
    if plan.gates != gates:
        found.append(Refusal("contract", "the gates' code changed after the plan was made", "plan again"))
    found += _window(plan, contract, at)
    found += _hosts(plan, facts, pins or {})
    found += [Refusal("gate", reason, "settle it, then apply again") for reason in entry]
    found += [Refusal("host", reason, "make it visible, then apply again") for reason in unseen]
    return tuple(found)
