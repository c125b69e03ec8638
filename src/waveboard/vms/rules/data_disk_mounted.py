"""The data disk carries one filesystem on the whole disk, mounted at its place by UUID, from fstab, so that it comes back."""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import BlockDevices, Fstab, Mounts
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec


def steps(asked: Asked) -> Iterable[StepSpec]:
    if (disk := asked.vm.data) is not None:
        yield spec(asked.vm, "mount_data_disk", serial=disk.serial, target=disk.mount, fstype=disk.fstype, label=disk.label)


def check(seen: Seen) -> Iterator[Said]:
    wanted = seen.vm.data
    if wanted is None:
        return
    devices = seen.facts[BlockDevices].devices.values()
    disk = next((d for d in devices if d.parent is None and d.devno and wanted.serial in (d.serial, d.wwid)), None)
    mounted = [m for m in seen.facts[Mounts].table if m.target == wanted.mount]
    if not mounted:
        yield fails(f"nothing is mounted at {wanted.mount}")
    elif disk is None or mounted[-1].devno != disk.devno or mounted[-1].root != "/":
        yield fails(f"what is mounted at {wanted.mount} ({mounted[-1].source}) is not the whole disk {wanted.serial}")
    elif mounted[-1].fstype != wanted.fstype:
        yield fails(f"{wanted.mount} is {mounted[-1].fstype}; {wanted.fstype} is asked for")
    lines = [e for e in seen.facts[Fstab].entries if e.target == wanted.mount]
    if not lines:
        yield fails(f"fstab does not name {wanted.mount}: it would not come back after a restart")
    for line in lines:
        if not line.spec.startswith("UUID="):
            yield fails(f"{line.origin} mounts {wanted.mount} as {line.spec}, not by UUID")
    if len(lines) > 1:
        yield fails(f"{wanted.mount} is named {len(lines)} times to be mounted")


MOUNTED = ("data-mount-missing", "not-mounted", "wrong-filesystem", "fstab-by-device", "not-persisted", "fstab-other-device")
RULE = Rule(
    "SR-002",
    "the data disk mounted whole, by UUID, from fstab",
    20,
    lambda vm, policy: vm.data is not None,
    {
        Stage.PROVISION: NotHere("a hypervisor knows no file systems"),
        Stage.BOOTSTRAP: Built(("mount_data_disk",), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D236": MOUNTED}),
        Stage.WAVE: Repaired(("mount_data_disk",)),
    },
)
