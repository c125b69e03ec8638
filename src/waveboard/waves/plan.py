"""wave x facts x contract -> Plan: immutable, complete, digested. Performs nothing and leaves no choice for later."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from waveboard.model.change import HostPin, Plan, Reversibility, Slot, Step, retire_name, retired
from waveboard.model.contract import Contract, Overrun, WaveSpec
from waveboard.model.errors import ApprovalNeeded, HostError, RefusedError, UsageError
from waveboard.model.facts import HostFacts, MissingFact, Unavailable
from waveboard.waves.estimate import hold_to
from waveboard.waves.kind import Outlook
from waveboard.waves.pins import fingerprint
from waveboard.waves.shelf import kinds
from waveboard.waves.windows import HORIZON, Opening, openings

_READ_AGAIN = "make the host readable and audit it again; nothing is planned on guesses"


def slots_of(
    contract: Contract, name: str, hosts: Sequence[str], overrun: Overrun | None, at: datetime
) -> tuple[tuple[Slot, ...], Overrun]:
    """The time a plan runs in: the opening for every host it changes that is there now or comes next, and with `pause` those after it
    within the rule's limit. Deny windows are cut out, and judged again at apply time. overrun: the rule where the window has none."""
    found = _openings(contract, name, hosts, at)
    first, window = found[0]
    rule = window.overrun or overrun
    if rule is None:
        because = f"neither window {window.id} nor the wave says what happens when the window closes on it"
        raise RefusedError(f"plan {name}", because, "add `overrun: rollback`, `finish` or `pause` to one of them")
    if rule.rule != "pause":
        return (first,), rule
    until = first.not_before + timedelta(seconds=rule.limit_s or 0)
    return _apart([slot for slot, _ in found if slot.not_before <= until]), rule


def _openings(contract: Contract, wave: str, hosts: Sequence[str], at: datetime) -> tuple[Opening, ...]:
    found = openings(contract.windows, hosts, at)
    if not found:
        raise RefusedError(
            f"plan {wave}",
            f"no change window of kind allow covers {', '.join(hosts)} now or within {HORIZON.days} days",
            "add one to windows.yaml; the window becomes part of the signed plan",
        )
    return found


def _apart(slots: list[Slot]) -> tuple[Slot, ...]:
    """The same time without overlaps: two windows that meet are one."""
    left: list[Slot] = []
    for slot in slots:
        if left and slot.not_before <= left[-1].not_after:
            left[-1] = Slot(left[-1].not_before, max(left[-1].not_after, slot.not_after))
        else:
            left.append(slot)
    return tuple(left)


def _pin(facts: HostFacts) -> HostPin:
    if not facts.identity.machine_id or not facts.identity.host_key:
        raise HostError(f"plan for {facts.host}", "its machine id or host key is unknown", "audit it over ssh first")
    return HostPin(facts.host, facts.identity.machine_id, facts.identity.host_key, facts.bundle, fingerprint(facts))


def _usable(facts: Mapping[str, HostFacts | Unavailable], host: str) -> HostFacts:
    found = facts.get(host, Unavailable("it was not audited"))
    if isinstance(found, Unavailable):
        raise HostError(f"plan for {host}", found.reason, _READ_AGAIN)
    return found


def _render(wave: WaveSpec, contract: Contract, facts: Mapping[str, HostFacts | Unavailable], instance: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    outlooks: dict[str, Outlook] = {}
    for number, spec in enumerate(wave.steps, 1):
        kind = kinds().get(spec.kind)
        if kind is None:
            raise UsageError(
                f"plan {wave.id}", f"{spec.place}: there is no kind of step {spec.kind!r}", f"the kinds are: {', '.join(kinds())}"
            )
        if spec.host not in wave.mutate_hosts:
            raise RefusedError(
                f"plan {wave.id}", f"{spec.place}: {spec.host} is not in the wave's mutate scope", "scope.mutate decides"
            )
        if spec.host not in outlooks:
            outlooks[spec.host] = Outlook(_usable(facts, spec.host), contract.policies[spec.host], instance, wave.id)
        try:
            rendered = kind.render(spec, outlooks[spec.host], _step_id(wave.id, number))
        except MissingFact as missing:
            raise HostError(f"plan {spec.kind} for {spec.host}", str(missing), _READ_AGAIN) from None
        outlooks[spec.host] = replace(rendered.outlook, planned=outlooks[spec.host].planned + len(rendered.steps))
        steps.extend(rendered.steps)
    return tuple(steps)


def _step_id(wave: str, number: int) -> str:
    """In the letters that a hand's step ids are made of, whatever the wave's own are."""
    return f"{re.sub('[^a-z0-9-]', '-', wave.lower())}-{number:02d}"


def make(
    wave: WaveSpec,
    contract: Contract,
    facts: Mapping[str, HostFacts | Unavailable],
    *,
    instance: str,
    proposer: str,
    gates: str,
    at: datetime,
) -> Plan:
    """The wave's plan. gates: digest of the gates' code. Raises: RefusedError, HostError, ContractError, UsageError."""
    if wave.policy != "controlled-runtime":
        raise RefusedError(
            f"plan {wave.id}",
            f"its mutation policy is `{wave.policy}`: no runtime mutation is possible while it is open",
            "nothing to plan",
        )
    if contract.approvals is None:
        raise ApprovalNeeded(f"plan {wave.id}", "the workspace names no approvals", "add `approvals:` to waveboard.yaml")
    slots, rule = slots_of(contract, wave.id, wave.mutate_hosts, wave.overrun, at)
    grace = timedelta(seconds=(rule.limit_s or 0) if rule.rule == "finish" else 0)
    steps = _render(wave, contract, facts, instance)
    hold_to(wave.max_downtime_s, steps, wave.id)
    return Plan(
        instance=instance,
        wave=wave.id,
        kind="wave",
        title=wave.goal,
        created_at=at.replace(microsecond=0),
        proposer=proposer,
        contract=contract.digest,
        gates=gates,
        hosts=tuple(_pin(_usable(facts, host)) for host in wave.mutate_hosts),
        read_only_hosts=wave.read_only_hosts,
        not_before=slots[0].not_before,
        not_after=slots[-1].not_after + grace,
        steps=steps,
        quorum=_quorum(contract.approvals.quorum, contract.approvals.four_eyes, steps),
        four_eyes=contract.approvals.four_eyes,
        slots=slots,
        overrun=rule.rule,
    )


def _quorum(asked: int, four_eyes: bool, steps: tuple[Step, ...]) -> int:
    """What cannot be undone needs a second signer."""
    return max(asked, 2) if four_eyes and any(s.reversibility is Reversibility.NONE for s in steps) else asked


def retire(
    parent: Plan,
    facts: HostFacts,
    asides: tuple[Mapping[str, object], ...],
    *,
    proposer: str,
    contract: Contract,
    gates: str,
    at: datetime,
    undone: bool = False,
) -> Plan:
    """The separate change set that gives back what the hand itself set aside in `parent`: exact paths, nothing else.

    asides: the hand's own list (docs/hand.md, `aside`), already narrowed to the parent plan and the state `aside`. undone: the parent was
    taken back. It runs in a change window of its own: the parent's may be over long before the soak is.

    Raises: RefusedError when there is nothing aside, or no window.
    """
    wave = retire_name(parent.wave)
    if not asides:
        way = "there is no space to give back" if undone else "apply the wave first"
        raise RefusedError(f"plan {wave}", f"nothing is set aside on {facts.host}", way)
    whose = f"{parent.wave}, since taken back," if undone else parent.wave
    paths = sorted(str(a["path"]) for a in asides if a.get("kind") != "volume")
    volumes = sorted(str(a["volume"]) for a in asides if a.get("kind") == "volume")
    size = sum(int(str(a.get("bytes") or 0)) for a in asides)
    slot = _openings(contract, wave, (facts.host,), at)[0].slot
    step = Step(
        id=_step_id(wave, 1),
        verb="retire",
        host=facts.host,
        title=f"remove what {whose} set aside: {len(paths)} trees, {len(volumes)} volumes",
        args={"paths": paths, "volumes": volumes},
        reversibility=Reversibility.NONE,
        commands=(*(f"rm -r --one-file-system {p}" for p in paths), *(f"docker volume rm {v}" for v in volumes)),
        undo_commands=("# none: these bytes are gone afterwards",),
        copy_bytes=0,
        deletes=(*paths, *(f"volume:{v}" for v in volumes)),
        evidence=("df",),
        attempts=1,
    )
    return Plan(
        instance=parent.instance,
        wave=wave,
        kind="retire",
        title=f"give {size} bytes back that {whose} set aside",
        created_at=at.replace(microsecond=0),
        proposer=proposer,
        contract=contract.digest,
        gates=gates,
        hosts=(_pin(facts),),
        read_only_hosts=parent.read_only_hosts,
        not_before=slot.not_before,
        not_after=slot.not_after,
        steps=(step,),
        quorum=_quorum(parent.quorum, parent.four_eyes, (step,)),
        four_eyes=parent.four_eyes,
        slots=(slot,),
        overrun="pause",  # what it removes cannot come back: it is never turned round
        leavings_of="" if retired(wave) == parent.wave else parent.wave,
    )
