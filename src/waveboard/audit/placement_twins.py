"""One piece of hardware under several names, as far as names, sizes and world wide names tell. Finds pairs; judges nothing."""

import re
from collections.abc import Mapping

from waveboard.audit.placement_backing import NONE
from waveboard.model.facts import BlockDevice

POWERPATH = re.compile(r"emcpower[a-z]+$")  # a LUN of its own; which disks are paths to it sysfs does not tell
_CHIP = re.compile(r"(.+?)/mtd/mtd\d+/(?:.*/)?mtdblock\d+$")


def on_the_same_chip(disks: frozenset[str], devices: Mapping[str, BlockDevice]) -> frozenset[str]:
    """Every part of the flash chips that these are parts of: MTD has no whole device that the kernel names."""
    chips = {chip for name in disks if name in devices and (chip := _chip(devices[name]))}
    return frozenset(name for name, device in devices.items() if _chip(device) in chips) if chips else NONE


def _chip(device: BlockDevice) -> str | None:
    found = _CHIP.match(device.sysfs) if device.name.startswith("mtdblock") else None
    return found[1] if found else None


def twins(leaves: frozenset[str], boot: frozenset[str], devices: Mapping[str, BlockDevice]) -> str:
    """Two names that may be one disk: the same WWID and size, and no multipath that says so; a path beside a multipath of its LUN; a
    PowerPath device beside a disk of its size. \"\" when there are none."""
    for name in sorted(leaves):
        mine = _units(name, devices)
        for other in sorted(boot):
            if mine & _units(other, devices):
                return f"{name} and the boot disk {other} show the same WWID: they may be one disk seen twice"
            if _may_be_a_path(name, other, devices):
                return f"{name} and the boot disk {other} may be a PowerPath device and a path to it"
    return ""


def _may_be_a_path(name: str, other: str, devices: Mapping[str, BlockDevice]) -> bool:
    if bool(POWERPATH.match(name)) is bool(POWERPATH.match(other)):
        return False
    sizes = [devices[one].size_bytes for one in (name, other) if one in devices]
    return len(sizes) < 2 or 0 in sizes or sizes[0] == sizes[1]


def _units(name: str, devices: Mapping[str, BlockDevice]) -> frozenset[tuple[str, int]]:
    """(World wide name, size) of a disk and of the paths it has; in a multipath's own id a digit for the kind stands before it."""
    device = devices.get(name)
    if device is None:
        return frozenset()
    paths = [devices[path] for path in device.slaves if path in devices]
    told = {(one.wwid.removeprefix("naa."), one.size_bytes) for one in (device, *paths) if one.wwid}
    if (device.dm_uuid or "").startswith("mpath-"):
        told.add(((device.dm_uuid or "").removeprefix("mpath-")[1:], device.size_bytes))
    return frozenset(told)
