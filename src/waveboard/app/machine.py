"""A VM by its contracts: what it is asked for, whether it is so, its birth certificate, and the plan that makes it so.

The hypervisor is asked through `look`, by whoever opens the door; what it does not tell is unknown, and unknown is not ready.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from waveboard.app.planning import plan
from waveboard.app.plans import Known
from waveboard.app.read import Reading
from waveboard.app.receipting import issue, new_key, newest_of, subject
from waveboard.app.site import Site
from waveboard.model import canonical
from waveboard.model.change import bootstrap_name
from waveboard.model.contract import HostPolicy
from waveboard.model.errors import HostError, UsageError
from waveboard.model.evidence import digest_of
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.model.vm import HypervisorState, VmSpec
from waveboard.vms.bootstrap import bootstrap
from waveboard.vms.ready import Answer, Readiness, assess
from waveboard.vms.rule import Reboot, Seen, State
from waveboard.waves import plan_json

BIRTH = "birth"
Look = Callable[[VmSpec], HypervisorState | Unavailable]


@dataclass(frozen=True, slots=True)
class Judged:
    """Readiness with the certificate. birth: the receipt's digest, "" without one. run_key: "" when nothing was receipted."""

    readiness: Readiness
    birth: str
    run_key: str = ""

    @property
    def ready(self) -> bool:
        """Everything holds, and this machine's birth is certified."""
        return self.readiness.ready and self.birth != ""


def unasked(vm: VmSpec) -> HypervisorState | Unavailable:
    """Stands for a hypervisor that nobody asks here."""
    return Unavailable("it was not asked")


def machine(site: Site, host: str) -> tuple[VmSpec, HostPolicy]:
    """Raises: UsageError naming the VMs that the contracts say enough about."""
    if host not in site.contract.vms:
        known = ", ".join(site.contract.vms) or "none"
        because = "the contracts do not say what it keeps where: its profile has no `storage:`, or it has no profile"
        raise UsageError(f"judge {host} as a VM", because, f"docs/vms.md; the VMs are: {known}")
    return site.contract.vms[host], site.contract.policies[host]


def bootstrap_plan(site: Site, host: str, read: Reading) -> Known:
    """The plan that makes the VM what its contracts ask for; empty when it is so and a restart has proven it."""
    vm, policy = machine(site, host)
    found = _facts(host, read)
    wave = bootstrap(vm, policy, found, rebooted(site, found))
    return plan(site, wave, read)


def ready(site: Site, host: str, read: Reading, look: Look = unasked, *, fresh: bool = True) -> Judged:
    """Judge, and certify the birth of a machine that is ready for the first time. fresh: False for evidence from elsewhere, on which
    nothing is certified."""
    vm, policy = machine(site, host)
    found = read.facts.get(host, Unavailable("it was not audited"))
    if isinstance(found, Unavailable):
        return Judged(Readiness(host, (Answer("reachable", "the guest answers", State.UNKNOWN, (found.reason,)),)), "")
    state = look(vm) if vm.hypervisor else Unavailable("the workspace names no hypervisor")
    seen = Seen(vm, policy, found, read.places.get(host), state, read.at, rebooted(site, found))
    told = assess(seen, holes=site.contract.holes)
    born = birth(site, host, found)
    if born or not told.ready or not fresh:
        return Judged(told, born)
    return _certify(site, found, told, state)


def _certify(site: Site, facts: HostFacts, told: Readiness, state: HypervisorState | Unavailable) -> Judged:
    key = new_key(site, "infra.vm.ready.status")
    known = site.store.put_object(repr(state).encode())
    answers = canonical.encode([[a.id, a.state.value] for a in told.answers])
    body: dict[str, object] = {
        "host": facts.host,
        "machine_id": facts.identity.machine_id or "",
        "contract": site.contract.digest,
        "evidence": {facts.host: facts.bundle},
        "hypervisor": known,
        "checks": [a.id for a in told.answers],
    }
    issue(site, BIRTH, key, (subject(f"ready/{facts.host}", digest_of(answers)),), body)
    return Judged(told, birth(site, facts.host, facts), key)


def birth(site: Site, host: str, facts: HostFacts) -> str:
    """The digest of this very machine's birth certificate, "" when it has none: another machine under the same name has its own."""
    for digest, told in newest_of(site, BIRTH):
        if told.body.get("host") == host and told.body.get("machine_id") == facts.identity.machine_id:
            return digest
    return ""


def rebooted(site: Site, facts: HostFacts) -> Reboot | None:
    """The restart that the newest bootstrap of this very machine proved, from its journal: another under the same name has its own. Two
    boots are the proof: the step's own, or those that the hand compared when it was asked whether the step holds."""
    for record in site.store.plans(bootstrap_name(facts.host)):
        events = site.store.events(record.digest)
        if not events or events[-1].kind != "done":
            continue
        made = plan_json.from_bytes(site.store.get_object(record.digest))
        if facts.identity.machine_id not in [pin.machine_id for pin in made.hosts]:
            continue
        steps = {s.id for s in made.steps if s.verb == "reboot"}
        for event in reversed(events):
            before, after = _boot(event.detail, "boot_before"), _boot(event.detail, "boot_after")
            compared = event.kind == "applied" and before and after and before != after
            looked = event.kind == "probed" and event.detail.get("found") == "done"
            if event.step in steps and (compared or looked):
                return Reboot(record.digest, before, after)
    return None


def _boot(detail: object, key: str) -> str:
    outcome = detail.get("outcome") if isinstance(detail, dict) else None
    facts = outcome.get("facts") if isinstance(outcome, dict) else None
    return str(facts.get(key, "")) if isinstance(facts, dict) else ""


def _facts(host: str, read: Reading) -> HostFacts:
    found = read.facts.get(host, Unavailable("it was not audited"))
    if isinstance(found, Unavailable):
        raise HostError(f"bootstrap {host}", found.reason, "make the host readable and try again; nothing is planned on guesses")
    return found


def as_json(judged: Judged) -> str:
    """`waveboard.vm-ready/1`."""
    told = judged.readiness
    checks = [{"id": a.id, "title": a.title, "state": a.state.value, "reasons": list(a.reasons)} for a in told.answers]
    body = {
        "schema": "waveboard.vm-ready/1",
        "host": told.host,
        "ready": judged.ready,
        "birth": judged.birth or None,
        "checks": checks,
    }
    return json.dumps(body, indent=2, ensure_ascii=False)
