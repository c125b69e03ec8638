"""Which disk of an existing host its data belongs on: one that is mounted already, else the one blank disk there is. Never the boot disk,
and never one that carries what nobody mounted."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from waveboard.model.errors import UsageError
from waveboard.model.facts import BlockDevice, BlockDevices, DeviceLinks, HostFacts, MissingFact, Mounts, Swaps
from waveboard.model.graph import HostPlacements
from waveboard.model.units import GIB

_NO_DISK = re.compile(
    r"(?:loop|ram|zram|sr|fd|dm-|md|nbd|zd|drbd|rbd)[0-9]*"
)  # kernel names of what is no disk of the machine's own
_SERIAL, _LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}"), re.compile(r"[A-Za-z0-9._-]{1,16}")


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a draft says, or leaves out, and why. what: the key or the subject it is about."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Disks:
    """disk: None when none can be proposed. target, fstype, label: as it is mounted now, None for a blank one. unknown, questions: why
    there is none, or none yet."""

    disk: BlockDevice | None = None
    target: str | None = None
    fstype: str | None = None
    label: str | None = None
    boot_gb: float | None = None
    unknown: tuple[Told, ...] = ()
    questions: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """One disk with everything that stands on it."""

    disk: BlockDevice
    mounts: tuple[tuple[str, str], ...]  # (target, fstype)
    carries: tuple[str, ...]
    label: str | None

    @property
    def serial(self) -> str:
        return self.disk.serial or self.disk.wwid or ""


def disks(facts: HostFacts, places: HostPlacements | None, wanted: str | None) -> Disks:
    """wanted: the serial somebody chose. Raises: UsageError when no disk, or the boot disk, carries it."""
    try:
        devices, seen = facts[BlockDevices].devices, _look(facts)
    except MissingFact as missing:
        return Disks(unknown=(Told("data_disk", f"the disks could not be seen: {missing.reason}"),))
    if places is None or not places.boot_disks:
        return Disks(unknown=(Told("data_disk", "which disk the host boots from was not worked out"),))
    boot = [devices[name].size_bytes for name in places.boot_disks if name in devices]
    boot_gb = boot[0] / GIB if len(boot) == 1 else None
    others = [one for one in seen if one.disk.name not in places.boot_disks]
    return _chosen(others, seen, wanted, facts.host, boot_gb)


def _chosen(others: list[_Seen], seen: list[_Seen], wanted: str | None, host: str, boot_gb: float | None) -> Disks:
    if wanted is not None:
        named = [one for one in others if one.serial == wanted]
        if len(named) != 1:
            known = ", ".join(one.serial for one in others if one.serial) or "none"
            why = (
                "it is the boot disk"
                if any(one.serial == wanted for one in seen) and not named
                else f"{len(named)} disks carry it"
            )
            raise UsageError(f"take {wanted} as the data disk of {host}", why, f"serials of its other disks: {known}")
        return _told(named[0], boot_gb)
    mounted = [one for one in others if one.mounts]
    blank = [one for one in others if not one.mounts and not one.carries]
    odd = tuple(
        Told("data_disk", f"{one.serial or one.disk.name} carries {', '.join(one.carries)} and is mounted nowhere: left alone")
        for one in others
        if one.carries and not one.mounts
    )
    able = mounted or blank
    if len(able) > 1:
        names = ", ".join(one.serial or f"{one.disk.name} (without a serial)" for one in able)
        state = "mounted" if mounted else "blank"
        return Disks(
            boot_gb=boot_gb, questions=(*odd, Told("data_disk", f"{len(able)} disks are {state} ({names}): --data-disk SERIAL"))
        )
    if not able:
        return Disks(boot_gb=boot_gb, questions=odd)
    found = _told(able[0], boot_gb)
    return Disks(found.disk, found.target, found.fstype, found.label, boot_gb, found.unknown, (*odd, *found.questions))


def _told(one: _Seen, boot_gb: float | None) -> Disks:
    if not _SERIAL.fullmatch(one.serial):
        why = f"{one.disk.name} tells no serial that a contract could name it by ({one.serial or 'none'}): attach it with one"
        return Disks(boot_gb=boot_gb, questions=(Told("data_disk", why),))
    target, fstype = one.mounts[0] if one.mounts else (None, None)
    more = tuple(Told("data_disk", f"{one.serial} is mounted at {other} too") for other, _ in one.mounts[1:])
    return Disks(one.disk, target, fstype, one.label, boot_gb, questions=more)


def _look(facts: HostFacts) -> list[_Seen]:
    """Every whole disk, by kernel name. Raises: MissingFact."""
    devices = facts[BlockDevices].devices
    whole = [d for _, d in sorted(devices.items()) if d.parent is None and d.devno and d.size_bytes and not d.slaves]
    return [_one(facts, disk) for disk in whole if not disk.read_only and not _NO_DISK.match(disk.name)]


def _one(facts: HostFacts, disk: BlockDevice) -> _Seen:
    devices, links = facts[BlockDevices].devices, facts[DeviceLinks].links
    on = _standing_on(disk, devices.values())
    devnos = {d.devno for d in devices.values() if d.name in on}
    mounts = {m.target: m.fstype for m in facts[Mounts].table if m.devno in devnos and m.root == "/"}
    signed = {link.rpartition("/")[2]: kname for link, kname in links.items() if "/by-uuid/" in link and kname in on}
    labels = [link.rpartition("/")[2] for link, kname in links.items() if "/by-label/" in link and kname in on]
    pools = [pool.fstype for pool in facts[BlockDevices].pools if set(pool.members) & on]
    swaps = [path for path in facts[Swaps].paths if path.removeprefix("/dev/") in on]
    carries = (*sorted(on - {disk.name}), *sorted(f"filesystem {uuid}" for uuid in signed), *pools, *swaps)
    label = labels[0] if len(labels) == 1 and _LABEL.fullmatch(labels[0]) else None
    return _Seen(disk, tuple(sorted(mounts.items())), carries, label)


def _standing_on(disk: BlockDevice, devices: Iterable[BlockDevice]) -> set[str]:
    """The disk, its partitions, and whatever is made of any of them."""
    found, every = {disk.name}, list(devices)
    while more := {d.name for d in every if d.name not in found and (d.parent in found or found & set(d.slaves))}:
        found |= more
    return found
