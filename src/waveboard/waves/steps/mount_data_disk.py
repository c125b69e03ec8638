"""Prepare a blank data disk and mount it for good: by UUID, from fstab, with docker unable to start without it.

The filesystem's UUID is derived from instance, host and serial, so the plan names it before it exists and a second run
recognises its own work. Undo unmounts and restores fstab byte for byte; the (empty) filesystem stays: nothing is wiped, ever.
Source: notes on safe moves 5a; fstab(5), systemd.mount(5).
"""

from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.model.facts import BlockDevice, BlockDevices, DeviceLinks, Fstab, Mounts, Swaps
from waveboard.model.ordering import after_mount
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param

# how long the mount waits for its disk: a guest among many that start at once is slow to see one, and docker alone waits for it
OPTIONS = "defaults,noatime,nofail,x-systemd.device-timeout=180s"


def _disk(outlook: Outlook, serial: str) -> BlockDevice:
    devices = outlook.facts[BlockDevices].devices
    found = [d for d in devices.values() if d.parent is None and d.devno and serial in (d.serial, d.wwid)]
    if len(found) != 1:
        known = ", ".join(sorted(d.serial for d in devices.values() if d.serial)) or "none"
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"{len(found)} disks carry the serial {serial!r} (serials seen: {known})",
            "attach the disk with that serial, or name the right one in services.yaml (data_disk) or the wave's step",
        )
    return found[0]


def _refuse_used(outlook: Outlook, disk: BlockDevice, uuid: str) -> None:
    facts = outlook.facts
    devices = facts[BlockDevices].devices
    parts = [d.name for d in devices.values() if d.parent == disk.name]
    holders = [d.name for d in devices.values() if disk.name in d.slaves]
    links = facts[DeviceLinks].links
    foreign = [link for link, kname in links.items() if kname == disk.name and "/by-uuid/" in link and not link.endswith(uuid)]
    mounted = [m.target for m in facts[Mounts].table if m.devno == disk.devno]
    swapped = [p for p in facts[Swaps].paths if p == f"/dev/{disk.name}"]
    used = parts + holders + foreign + swapped + mounted
    if used:
        raise RefusedError(
            f"plan {outlook.wave} on {facts.host}",
            f"the disk with serial {disk.serial} is in use or carries data ({', '.join(used)}); waveboard never formats such a disk",
            "attach a blank disk, or take the data off this one yourself first",
        )


def _made_by_others(outlook: Outlook, disk: BlockDevice, target: str, fstype: str) -> str | None:
    """The UUID of the filesystem on the whole disk that is mounted at target and comes back from there by that UUID; else None.

    Nothing is left to do for such a mount but docker's order after it (order_docker).
    """
    links = outlook.facts[DeviceLinks].links
    uuids = {link.rpartition("/")[2] for link, kname in links.items() if kname == disk.name and "/by-uuid/" in link}
    mounted = [m for m in outlook.facts[Mounts].table if m.target == target]
    specs = [e.spec for e in outlook.facts[Fstab].entries if e.target == target]
    whole = bool(mounted) and (mounted[-1].devno, mounted[-1].root, mounted[-1].fstype) == (disk.devno, "/", fstype)
    return uuids.pop() if whole and len(uuids) == 1 and specs == [f"UUID={next(iter(uuids))}"] else None


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    serial, target = text_param(spec, "serial"), text_param(spec, "target")
    fstype, label = text_param(spec, "fstype"), text_param(spec, "label")
    disk = _disk(outlook, serial)
    uuid = str(uuid5(NAMESPACE_URL, f"waveboard:{outlook.instance}:{outlook.facts.host}:{serial}"))
    after = replace(outlook, data_uuid=uuid, data_target=target)
    entries = [e for e in outlook.facts[Fstab].entries if e.target == target]
    mounted = [m for m in outlook.facts[Mounts].table if m.target == target]
    if mounted and mounted[-1].devno == disk.devno and any(e.spec == f"UUID={uuid}" for e in entries):
        return Rendered((), after, f"{target} is already the data disk {serial}")
    if (made := _made_by_others(outlook, disk, target, fstype)) is not None:
        return Rendered(
            (), replace(after, data_uuid=made), f"{target} is already the data disk {serial}, mounted by somebody else"
        )
    if not mounted and [e.spec for e in entries] == [f"UUID={uuid}"]:
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"{target} is named in {entries[0].origin} and its disk {serial} is not mounted: it came too late at boot, or the mount failed",
            f"on the host: `mount {target} && systemctl start docker`, and `journalctl -b -g {target}` for the reason; then plan again",
        )
    if entries or mounted:
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"{target} is already {'mounted' if mounted else 'named in ' + entries[0].origin}",
            "settle what is there first: waveboard does not mount over it",
        )
    _refuse_used(outlook, disk, uuid)
    line = f"UUID={uuid} {target} {fstype} {OPTIONS} 0 2"
    steps = (
        Step(
            id=f"{prefix}a",
            verb="disk_format",
            host=outlook.facts.host,
            title=f"make an {fstype} filesystem on the blank disk {serial}",
            args={"serial": serial, "by_id": None, "size_bytes": disk.size_bytes, "fstype": fstype, "label": label, "uuid": uuid},
            reversibility=Reversibility.EXACT,
            commands=(
                f"wipefs -n DISK; blkid -p DISK   # must be blank; DISK is found by serial {serial}",
                f"mkfs.{fstype} -m 1 -U {uuid} -L {label} DISK",
            ),
            undo_commands=("# nothing to undo: the filesystem is empty and stays",),
            evidence=("block", "devlinks"),
            limit_s=300,
        ),
        Step(
            id=f"{prefix}b",
            verb="mount_data",
            host=outlook.facts.host,
            title=f"mount it at {target} from fstab, and let docker start only after it",
            args={
                "uuid": uuid,
                "target": target,
                "fstype": fstype,
                "options": OPTIONS,
                "fstab_before_sha256": outlook.file("/etc/fstab").digest,
                "docker_dropin": True,
                "containerd_dropin": False,
            },
            reversibility=Reversibility.EXACT,
            commands=(
                f"mkdir {target} && chattr +i {target}   # the bare mount point cannot be written",
                f"echo '{line}' >> /etc/fstab && findmnt --verify && systemctl daemon-reload && mount {target}",
                f"# docker.service.d/10-waveboard-data.conf: {', '.join(after_mount(target))}",
            ),
            undo_commands=(
                f"umount {target}",
                "# fstab restored byte for byte; drop-in removed; chattr -i and rmdir of the mount point",
            ),
            evidence=("mountinfo", "fstab"),
            limit_s=300,
        ),
    )
    return Rendered(steps, replace(after, edited_by={**(outlook.edited_by or {}), "/etc/fstab": f"{prefix}b"}))


STEP = StepKind("mount_data_disk", ("serial", "target", "fstype", "label"), ("serial", "target", "fstype", "label"), render)
