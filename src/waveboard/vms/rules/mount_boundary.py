"""What is mounted where data belongs is not the boot disk under another name: a bind mount, a partition, a volume of its group."""

from collections.abc import Iterator

from waveboard.model.graph import PlacementClass
from waveboard.vms.rule import Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, unknown
from waveboard.vms.rules.data_disk_mounted import steps

BAD = frozenset({"FSTAB_NOT_MOUNTED", "FSTAB_OTHER_DEVICE", "READ_ONLY", "SHADOWED", "DUPLICATE_UUID"})


def check(seen: Seen) -> Iterator[Said]:
    if seen.vm.data is None:
        return
    found = seen.places.paths.get(seen.vm.data.mount) if seen.places else None
    if found is None:
        yield unknown(f"where {seen.vm.data.mount} lives was not worked out")
    elif found.placement is PlacementClass.UNKNOWN or found.boot is None:
        yield unknown(f"{seen.vm.data.mount}: {found.why}")
    elif found.boot or found.placement is not PlacementClass.DATA:
        yield fails(f"{seen.vm.data.mount} is {found.placement.value} ({', '.join(found.disks)}): {found.why}")
    elif wrong := sorted(BAD & set(found.flags)):
        yield fails(f"{seen.vm.data.mount}: {', '.join(wrong)}")


RULE = Rule(
    "SR-003",
    "the data mount is not the boot disk",
    21,
    lambda vm, policy: vm.data is not None,
    {
        Stage.PROVISION: NotHere("a hypervisor knows no mounts; it gives the VM the second disk (SR-001)"),
        Stage.BOOTSTRAP: Built(("mount_data_disk",), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D236": ("boot-backed", "mixed-disks", "boot-disk-partition", "shadowed-mount")}),
        Stage.WAVE: Repaired(("mount_data_disk", "relocate_service")),
    },
)
