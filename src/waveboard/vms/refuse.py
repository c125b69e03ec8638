"""Why a VM cannot be made as its contracts ask, on the hypervisor as it is. Judges; an empty answer makes nothing yet."""

from collections.abc import Iterator
from dataclasses import dataclass

from waveboard.model.units import GIB, show_size
from waveboard.model.vm import HypervisorState, VmSpec, VmState


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason, and the way out."""

    because: str
    fix: str


def ours(vm: VmState, instance: str) -> bool:
    """Whether a plan of this workspace made it: the tag says so, and nothing else counts."""
    return vm.tag.startswith(f"wb-{instance}-")


def refusals(spec: VmSpec, state: HypervisorState, instance: str) -> tuple[Refusal, ...]:
    """Every reason. instance: of the workspace that asks."""
    found = [*_cluster(spec, state), *_identity(spec, state, instance)]
    mine = state.vms.get(spec.vmid)
    if mine is None:
        found += [*_template(spec, state), *_loose(spec, state), *_pools(spec, state, _needs(spec, state))]
    elif not found:
        found += _grown(spec, state, mine)
    return (*found, *_serial(spec, state))


def _cluster(spec: VmSpec, state: HypervisorState) -> Iterator[Refusal]:
    if not state.quorate:
        yield Refusal(
            f"{spec.hypervisor} has lost its quorum: nothing can be written there", "bring its nodes back, then plan again"
        )
    if state.node != spec.node:
        yield Refusal(
            f"{spec.hypervisor} is {state.node}, and the VM belongs on {spec.node}", "correct `node:` in waveboard.yaml"
        )


def _identity(spec: VmSpec, state: HypervisorState, instance: str) -> Iterator[Refusal]:
    there = state.vms.get(spec.vmid)
    if there is not None and not ours(there, instance):
        said = f"VM id {spec.vmid} is taken by {there.name or 'a VM without a name'}, which this workspace did not make"
        yield Refusal(said, "give the VM a free id in the lifecycle contract; an existing VM is taken over by `waveboard adopt`")
    elif there is not None and there.name != spec.host:
        yield Refusal(f"VM {spec.vmid} is called {there.name}, not {spec.host}", "correct its id in the lifecycle contract")
    elif there is not None and there.node != spec.node:
        said = f"VM {spec.vmid} lives on {there.node}, and the contracts ask for {spec.node}"
        yield Refusal(said, "migrate it back, or name another hypervisor for it (`proxmox_host`)")
    elif there is not None and there.locked:
        yield Refusal(f"VM {spec.vmid} is locked ({there.locked})", "wait until that task ends, then plan again")
    for other in state.vms.values():
        if other.name == spec.host and other.vmid != spec.vmid:
            yield Refusal(f"the name {spec.host} is taken by VM {other.vmid}", "remove or rename that VM, or correct the id")


def _template(spec: VmSpec, state: HypervisorState) -> Iterator[Refusal]:
    size = state.images.get(spec.template)
    if size is None:
        known = ", ".join(sorted(state.images)) or "none"
        yield Refusal(f"there is no template {spec.template} on {spec.hypervisor}", f"it has: {known}; correct the VM's profile")
    elif size > spec.boot_bytes:
        said = f"the template's disk has {show_size(size)}, the VM's boot disk is to have {show_size(spec.boot_bytes)}"
        yield Refusal(said, "raise disk_gb in the profile: a disk is never made smaller")


def _loose(spec: VmSpec, state: HypervisorState) -> Iterator[Refusal]:
    left = sorted(volume for volume, vmid in state.loose.items() if vmid == spec.vmid)
    if left:
        said = f"{', '.join(left)} carries the id {spec.vmid}, belongs to no VM and may hold data"
        yield Refusal(said, "look at it, keep or remove it by hand, or give the VM another id; nothing here ever formats it")


def _needs(spec: VmSpec, state: HypervisorState) -> dict[str, int]:
    """Bytes asked of each pool, as if every disk were full."""
    needs = {spec.boot_pool: max(spec.boot_bytes, state.images.get(spec.template, 0))}
    if spec.data:
        needs[spec.data.pool] = needs.get(spec.data.pool, 0) + spec.data.size_bytes
    return needs


def _pools(spec: VmSpec, state: HypervisorState, needs: dict[str, int]) -> Iterator[Refusal]:
    for name, size in needs.items():
        pool = state.pools.get(name)
        if pool is None:
            known = ", ".join(sorted(state.pools)) or "none"
            yield Refusal(f"{spec.hypervisor} has no pool {name}", f"it has: {known}; correct `pools:` in waveboard.yaml")
        elif not pool.holds_images:
            yield Refusal(f"pool {name} holds no disks of VMs", "choose another, or allow `images` in it")
        elif pool.away:
            yield Refusal(f"pool {name} cannot be used now: {pool.away}", "bring it back, then plan again")
        elif pool.free_bytes < size:
            said = f"pool {name} has {show_size(pool.free_bytes)} free, and {spec.host} needs {show_size(size)}"
            yield Refusal(said, "free space or choose another pool: what is promised must be there")


def of_proxmox(spec: VmSpec, state: HypervisorState, seed_pool: str) -> Iterator[Refusal]:
    """What only Proxmox VE cannot do. seed_pool: the storage that the seed's medium goes into."""
    there = state.vms.get(spec.vmid)
    held = {disk.serial for disk in there.disks} if there else set()
    if spec.data is not None and spec.data.serial not in held and spec.data.size_bytes % GIB:
        said = f"the data disk is to have {spec.data.size_bytes / GIB:.2f} GiB, and PVE makes disks in whole GiB"
        yield Refusal(said, "give the profile a whole `size_gb`")
    if there is None or not there.seed:
        yield from _seedable(spec, state, seed_pool)


def _seedable(spec: VmSpec, state: HypervisorState, name: str) -> Iterator[Refusal]:
    pool = state.pools.get(name)
    if pool is None:
        known = ", ".join(sorted(one.name for one in state.pools.values() if one.holds_seeds)) or "none"
        fix = f"ISO images go into: {known}; correct `pools:` in waveboard.yaml"
        yield Refusal(f"{spec.hypervisor} has no storage {name} for the seed", fix)
    elif not pool.holds_seeds:
        yield Refusal(f"storage {name} takes no ISO images, and the seed is one", "allow `iso` in it, or name another for `seed`")
    elif pool.away:
        yield Refusal(f"storage {name} cannot be used now: {pool.away}", "bring it back, then plan again")


def _grown(spec: VmSpec, state: HypervisorState, vm: VmState) -> Iterator[Refusal]:
    boot = next((d for d in vm.disks if d.slot == vm.boot), None)
    if boot and boot.size_bytes > spec.boot_bytes:
        said = f"its boot disk has {show_size(boot.size_bytes)}, the profile asks for {show_size(spec.boot_bytes)}"
        yield Refusal(said, "raise disk_gb in the profile: a disk is never made smaller")
    if spec.data is None:
        return
    held = next((d for d in vm.disks if d.serial == spec.data.serial), None)
    if held is None:
        yield from _pools(spec, state, {spec.data.pool: spec.data.size_bytes})
    elif held.size_bytes != spec.data.size_bytes:
        said = f"its disk {held.serial} has {show_size(held.size_bytes)}, the profile asks for {show_size(spec.data.size_bytes)}"
        yield Refusal(said, "correct the profile; a disk that may hold data is left as it is")
    elif held.pool != spec.data.pool:
        said = f"its disk {held.serial} lies in pool {held.pool}, tier {spec.tier} asks for {spec.data.pool}"
        yield Refusal(said, "move it by hand, or correct `pools:` or the profile; a disk that may hold data is left as it is")
    elif spec.data.backup and not held.backup:
        said = f"its disk {held.serial} is left out of every backup, and the profile asks for it"
        yield Refusal(said, "set that drive's backup flag by hand, or correct the profile")


def _serial(spec: VmSpec, state: HypervisorState) -> Iterator[Refusal]:
    if spec.data is None:
        return
    for vm in state.vms.values():
        for disk in vm.disks:
            if vm.vmid != spec.vmid and disk.serial == spec.data.serial:
                said = f"the serial {disk.serial} is used by {disk.slot} of VM {vm.vmid} ({vm.name})"
                yield Refusal(said, "a serial names one disk: give the profile another")
