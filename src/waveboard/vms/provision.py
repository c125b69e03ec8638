"""VM contract x hypervisor state -> the steps that make the VM, or a clear refusal. Only what is missing: an empty answer is a whole VM.

It asks nobody and makes nothing: the hypervisor's hand does, under a signed plan. Nothing is named by a kernel's disk name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import cast

from waveboard.model.change import Reversibility, Step
from waveboard.model.errors import RefusedError
from waveboard.model.units import show_size
from waveboard.model.vm import HypervisorState, Shape, VmSpec, VmState
from waveboard.vms import words
from waveboard.vms.refuse import of_proxmox, ours, refusals

WAIT_S = 1800  # a first boot installs packages, and may do so under emulation


@dataclass(frozen=True, slots=True)
class Reach:
    """How the VM will be reached: its address, SSH port, and the host key it is given. forward: see model.vm.Shape."""

    address: str
    port: int
    host_key: str
    forward: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """All that steps are made from. seed: the files of the seed; seed_pool: where its medium lies; disposable: undo may remove the
    data disk whatever it holds, because the plan says so and a person signed it. kind: of the hypervisor. put: what the storage rules put
    into a new VM (`shelf.configuration`)."""

    spec: VmSpec
    reach: Reach
    seed: Mapping[str, str]
    seed_pool: str
    kind: str
    disposable: bool = False
    put: Mapping[str, object] = field(default_factory=dict)


def shape_of(spec: VmSpec, forward: str) -> Shape:
    """What the hypervisor must know of it."""
    return Shape(spec.cores, spec.memory_bytes, spec.network.bridge, spec.agent, spec.onboot, forward)


def steps(wish: Wish, state: HypervisorState, instance: str) -> tuple[Step, ...]:
    """What is left to do, in order. Raises: RefusedError with every reason."""
    spec = wish.spec
    found = list(refusals(spec, state, instance))
    if wish.kind == "proxmox":
        found += of_proxmox(spec, state, wish.seed_pool)
    if found:
        raise RefusedError(f"provision {spec.host}", "; ".join(r.because for r in found), found[0].fix)
    vm = state.vms.get(spec.vmid)
    assert vm is None or ours(vm, instance)
    made = [*_made(wish, vm), *_disks(wish, state, vm), *_brought_up(wish, vm)]
    if vm is None:
        _keeps_the_rules(wish, state, made)
    return tuple(_numbered(n, step) for n, step in enumerate(made, 1))


def _keeps_the_rules(wish: Wish, state: HypervisorState, made: Sequence[Step]) -> None:
    """Raises: RefusedError when the storage rules put something into a new VM that no step gives it."""
    given: dict[str, object] = {"boot_disk.size_bytes": state.images[wish.spec.template]}
    for step in made:
        if step.verb == "vm_create":
            given["boot_disk.pool"] = step.args["pool"]
        elif step.verb == "vm_grow":
            given["boot_disk.size_bytes"] = step.args["size_bytes"]
        elif step.verb == "vm_attach":
            given |= {f"data_disk.{key}": value for key, value in cast(Mapping[str, object], step.args["disk"]).items()}
    for key, value in wish.put.items():
        if key not in given or given[key] != value:
            because = f"a storage rule asks for {key} {value}, and the plan gives {given.get(key, 'none')}"
            raise RefusedError(
                f"provision {wish.spec.host}", because, "waveboard parity shows the rules; this is waveboard's own fault"
            )


def relied_on(spec: VmSpec, state: HypervisorState) -> str:
    """Digest of what a plan for this VM relies on: not free bytes, which change while a person reads."""
    serial = spec.data.serial if spec.data else None
    vm = state.vms.get(spec.vmid)
    told = {
        "node": state.node,
        "vm": asdict(vm) | {"addresses": [], "agent": None} if vm else None,
        "named": sorted(v.vmid for v in state.vms.values() if v.name == spec.host),
        "serial": sorted([v.vmid, d.slot] for v in state.vms.values() for d in v.disks if serial and d.serial == serial),
        "image": state.images.get(spec.template),
        "loose": sorted(volume for volume, vmid in state.loose.items() if vmid == spec.vmid),
        "pools": sorted(name for name in (spec.boot_pool, spec.data.pool if spec.data else "") if _usable(state, name)),
    }
    return "sha256:" + sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _usable(state: HypervisorState, pool: str) -> bool:
    return pool in state.pools and not state.pools[pool].away


def state_bytes(state: HypervisorState) -> bytes:
    """The hypervisor as it was seen, kept as evidence: JSON with sorted keys."""
    return json.dumps(asdict(state), sort_keys=True, separators=(",", ":"), default=str).encode()


def _step(wish: Wish, verb: str, title: str, args: Mapping[str, object], *, exact: bool = True, limit_s: int = 900) -> Step:
    spec = wish.spec
    say = words.of(wish.kind, verb, spec, args)
    return Step(
        id=verb,
        verb=verb,
        host=spec.hypervisor,
        title=title,
        args={"vmid": spec.vmid, "name": spec.host, **args},
        reversibility=Reversibility.EXACT if exact else Reversibility.COMPENSABLE,
        commands=say.do,
        undo_commands=say.undo,
        limit_s=limit_s,
    )


def _numbered(number: int, step: Step) -> Step:
    return Step(**{**{n: getattr(step, n) for n in Step.__slots__}, "id": f"{number:02d}-{step.verb.replace('_', '-')}"})


def _made(wish: Wish, vm: VmState | None) -> list[Step]:
    spec, found = wish.spec, []
    if vm is None:
        args: dict[str, object] = {"template": spec.template, "pool": spec.boot_pool}
        title = f"make VM {spec.vmid} {spec.host} as a whole copy of {spec.template} on {spec.boot_pool}"
        found.append(_step(wish, "vm_create", title, args, limit_s=7200))
    shape = shape_of(spec, wish.reach.forward)
    if vm is None or vm.shape != shape:
        before = asdict(vm.shape) if vm and vm.shape else None
        title = f"{spec.cores} cores, {show_size(spec.memory_bytes)} of memory, network {spec.network.bridge}"
        found.append(_step(wish, "vm_configure", title, {"shape": asdict(shape), "before": before}))
    return found


def _disks(wish: Wish, state: HypervisorState, vm: VmState | None) -> list[Step]:
    spec, found = wish.spec, []
    boot = next((d.size_bytes for d in vm.disks if d.slot == vm.boot), 0) if vm else state.images[spec.template]
    if boot < spec.boot_bytes:
        title = f"grow its boot disk to {show_size(spec.boot_bytes)}"
        found.append(_step(wish, "vm_grow", title, {"size_bytes": spec.boot_bytes}, exact=vm is None))
    if spec.data and not (vm and any(d.serial == spec.data.serial for d in vm.disks)):
        title = f"a blank data disk {spec.data.serial} of {show_size(spec.data.size_bytes)} on {spec.data.pool}"
        args: dict[str, object] = {"disk": asdict(spec.data), "disposable": wish.disposable}
        found.append(_step(wish, "vm_attach", title, args, exact=vm is None))
    return found


def _brought_up(wish: Wish, vm: VmState | None) -> list[Step]:
    spec, reach, found = wish.spec, wish.reach, []
    if vm is None or not vm.seed:
        args: dict[str, object] = {"pool": wish.seed_pool, "files": dict(wish.seed), "host_key": reach.host_key}
        args |= {"pin": pin_line(reach)}
        found.append(_step(wish, "vm_seed", "give it its users, keys, hand and host key, and pin that key here", args))
    if vm is None or vm.status != "running":
        found.append(_step(wish, "vm_start", f"start VM {spec.vmid}", {}, exact=vm is None))
    if found:
        args = {"address": reach.address, "port": reach.port, "host_key": reach.host_key, "seconds": WAIT_S}
        found.append(_step(wish, "vm_wait", "wait until it answers SSH with that host key", args, limit_s=WAIT_S + 60))
    return found


def pin_line(reach: Reach) -> str:
    """The line of known_hosts(5) that lets nobody else answer for it."""
    place = reach.address if reach.port == 22 else f"[{reach.address}]:{reach.port}"
    return f"{place} {' '.join(reach.host_key.split()[:2])}"
