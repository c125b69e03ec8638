"""What a storage rule is: whether it is asked of a VM, and who enforces it at each stage of the VM's life. Enforces nothing itself.

At every stage a rule either names its enforcer or says why there is none. A stage that says neither is a hole, and `parity` tells it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from waveboard.model.contract import HostPolicy, StepSpec
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.model.graph import HostPlacements
from waveboard.model.vm import HypervisorState, VmDisk, VmSpec, VmState


class Stage(Enum):
    """The stages of a VM's life at which its storage can be got right."""

    PROVISION = "provision"
    BOOTSTRAP = "bootstrap"
    READY = "ready"
    GATE = "gate"
    WAVE = "wave"


class State(Enum):
    """A ready check's answer. Unknown is never ready."""

    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Said:
    """One thing a ready check saw that speaks against the rule. state: fails | unknown."""

    state: State
    reason: str


def fails(reason: str) -> Said:
    """A certain violation."""
    return Said(State.FAILS, reason)


def unknown(reason: str) -> Said:
    """Something that was to be judged and could not be seen."""
    return Said(State.UNKNOWN, reason)


@dataclass(frozen=True, slots=True)
class Reboot:
    """A restart that this host's bootstrap made and saw the end of. plan: the digest of the plan that proved it."""

    plan: str
    before: str  # boot ids
    after: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything a ready check may look at. places: None when no path could be followed; reboot: None when none is proven."""

    vm: VmSpec
    policy: HostPolicy
    facts: HostFacts
    places: HostPlacements | None
    hypervisor: HypervisorState | Unavailable
    at: datetime
    reboot: Reboot | None = None

    def state(self) -> VmState | Said:
        """The VM as its hypervisor has it."""
        if isinstance(self.hypervisor, Unavailable):
            return unknown(f"the hypervisor {self.vm.hypervisor} did not tell: {self.hypervisor.reason}")
        found = self.hypervisor.vms.get(self.vm.vmid)
        return found if found is not None else fails(f"{self.vm.hypervisor} has no VM {self.vm.vmid}")

    def disk(self) -> VmDisk | Said:
        """The data disk as the hypervisor has it."""
        state = self.state()
        if isinstance(state, Said) or self.vm.data is None:
            return state if isinstance(state, Said) else unknown("no data disk is asked for")
        found = [one for one in state.disks if one.serial == self.vm.data.serial]
        return (
            found[0]
            if len(found) == 1
            else fails(f"{len(found)} disks of VM {state.vmid} carry the serial {self.vm.data.serial}")
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a rule is asked about when it contributes steps: facts as the steps will find them."""

    vm: VmSpec
    policy: HostPolicy
    facts: HostFacts


@dataclass(frozen=True, slots=True)
class NotHere:
    """Nobody enforces the rule at this stage, and that is right. reason: a sentence that anybody may judge."""

    reason: str


@dataclass(frozen=True, slots=True)
class Configured:
    """provision: what it puts into the VM's configuration, by name."""

    puts: Callable[[VmSpec], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Built:
    """bootstrap: the steps it contributes, in order. kinds: every kind of step among them."""

    kinds: tuple[str, ...]
    steps: Callable[[Asked], Iterable[StepSpec]]


@dataclass(frozen=True, slots=True)
class Checked:
    """ready: yields what speaks against the rule; nothing yielded, the rule holds. A missing fact makes it unknown."""

    check: Callable[[Seen], Iterator[Said]]


@dataclass(frozen=True, slots=True)
class Watched:
    """gate: which findings would tell that the rule is broken. by: gate id -> codes."""

    by: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Repaired:
    """wave: the kinds of step that bring the rule back."""

    kinds: tuple[str, ...]


Enforcer = Configured | Built | Checked | Watched | Repaired | NotHere

FITTING: Mapping[Stage, type] = {
    Stage.PROVISION: Configured,
    Stage.BOOTSTRAP: Built,
    Stage.READY: Checked,
    Stage.GATE: Watched,
    Stage.WAVE: Repaired,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One storage rule. order: where its bootstrap steps stand among the others'. asked: whether this VM is held to it."""

    id: str
    title: str
    order: int
    asked: Callable[[VmSpec, HostPolicy], bool]
    stages: Mapping[Stage, Enforcer]


def spec(vm: VmSpec, kind: str, **params: object) -> StepSpec:
    """One step for that VM, as a wave file would ask for it."""
    return StepSpec(kind, vm.host, params, vm.place)
