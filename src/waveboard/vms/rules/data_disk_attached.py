"""The data disk exists, in its tier's pool, under a serial that both sides know. The hypervisor's names for disks mean nothing here."""

from collections.abc import Iterator, Mapping

from waveboard.model.facts import BlockDevices
from waveboard.model.vm import VmSpec
from waveboard.vms.rule import Checked, Configured, NotHere, Rule, Said, Seen, Stage, Watched, fails


def puts(vm: VmSpec) -> Mapping[str, object]:
    disk = vm.data
    if disk is None:
        return {}
    keys = ("pool", "size_bytes", "bus", "serial", "discard", "iothread")
    return {f"data_disk.{key}": getattr(disk, key) for key in keys}


def check(seen: Seen) -> Iterator[Said]:
    wanted = seen.vm.data
    if wanted is None:
        return
    devices = seen.facts[BlockDevices].devices.values()
    found = [d for d in devices if d.parent is None and d.devno and wanted.serial in (d.serial, d.wwid)]
    if len(found) != 1:
        yield fails(f"{len(found)} disks of the guest carry the serial {wanted.serial}")
    elif seen.places is not None and found[0].name in seen.places.boot_disks:
        yield fails(f"the disk {wanted.serial} is the boot disk")
    if not seen.vm.hypervisor:
        return
    disk = seen.disk()
    if isinstance(disk, Said):
        yield disk
        return
    if wanted.pool and disk.pool != wanted.pool:
        yield fails(f"it lies in pool {disk.pool}; tier {seen.vm.tier} asks for {wanted.pool}")
    if disk.size_bytes < wanted.size_bytes:
        yield fails(f"it has {disk.size_bytes} bytes; {wanted.size_bytes} are asked for")


RULE = Rule(
    "SR-001",
    "a data disk of the tier, under a stable serial",
    10,
    lambda vm, policy: vm.data is not None,
    {
        Stage.PROVISION: Configured(puts),
        Stage.BOOTSTRAP: NotHere("only the hypervisor can attach a disk; bootstrap refuses a VM without it"),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D236": ("data-mount-missing", "not-mounted"), "D235": ("boot-backed",)}),
        Stage.WAVE: NotHere("only the hypervisor can attach a disk: waveboard vm provision does"),
    },
)
