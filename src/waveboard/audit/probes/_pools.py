"""Filesystems and pools that span devices by themselves, from whoever names their members: sysfs, zpool, or udev in a recorded tree.

Source: /sys/fs/{btrfs,bcachefs}, /sys/class/ubi; zpool-status(8); udev's ID_FS_*, which are libblkid's.
"""

import re
from collections.abc import Iterator, Mapping

from waveboard.audit.probe import lines, refused
from waveboard.audit.probes import _records
from waveboard.model.evidence import Evidence
from waveboard.model.facts import DevicePool

_ROW = re.compile(r"\t( *)(\S+)\s+([A-Z]+)(?:\s.*)?")
_GROUP = re.compile(r"(mirror|raidz[123]?|draid\S*|replacing|spare|indirect)-[0-9]+")
_IDLE = ("cache", "spares")  # a copy of what the pool holds, and what holds nothing yet
_GONE = ("UNAVAIL", "REMOVED", "FAULTED", "OFFLINE")


def of_sysfs(evidence: Evidence | None) -> Iterator[DevicePool]:
    """What the kernel says of btrfs, bcachefs and UBI."""
    if evidence is None or refused(evidence) is not None:
        return
    fstype, uuid, missing = "", "", 0
    members: list[str] = []
    for line in [*lines(evidence), "pool  "]:
        key, _, value = line.partition(" ")
        if key == "pool":
            if uuid:
                yield DevicePool(fstype, uuid, tuple(members), missing)
            fstype, _, uuid = value.partition(" ")
            members, missing = [], 0
        elif key == "member":
            members.append(value.strip())
        elif key == "missing":
            missing += 1


def of_zpool(evidence: Evidence | None) -> Iterator[DevicePool]:
    """Pools and what they stand on, logs included (losing those can lose data too). A member is a kernel name, a path (a file of the
    filesystem is one too) or, without `-P`, a name of /dev/disk."""
    if evidence is None or refused(evidence) is not None:
        return
    pool, section, missing = "", "", 0
    members: list[str] = []
    for line in [*lines(evidence), "  pool: "]:
        if (found := re.fullmatch(r" *pool: *(.*)", line)) is not None:
            if pool:
                yield DevicePool("zfs", pool, tuple(members), missing)
            pool, section, members, missing = found[1].strip(), "", [], 0
        elif re.fullmatch(r"\t[a-z]+\s*", line):
            section = line.strip()
        elif (row := _ROW.fullmatch(line)) is not None and row[1] and section not in _IDLE and not _GROUP.fullmatch(row[2]):
            missing += row[3] in _GONE
            if not row[2].isdecimal():  # the number of a member that is not there
                members.append(_kernel_name(row[2]))


def _kernel_name(told: str) -> str:
    short = told.removeprefix("/dev/")
    return told if "/" in short else short


def of_udev(files: Evidence | None, names: Mapping[str, str]) -> Iterator[DevicePool]:
    """What a recorded tree without /sys/fs and zpool has instead: who says of itself that it is a member. Two that say the same of
    themselves are copies of one another, and then nobody knows. names: kernel name by device number."""
    if files is None or refused(files) is not None:
        return
    btrfs: dict[str, list[tuple[str, str]]] = {}
    zfs: dict[str, list[tuple[str, str]]] = {}
    for path, sent in _records.records(files).items():
        name = names.get(_records.devno(path))
        told = {
            key: value for key, _, value in (line[2:].partition("=") for line in _records.lines(sent) if line.startswith("E:"))
        }
        kind, uuid, label = (told.get(f"ID_FS_{key}", "") for key in ("TYPE", "UUID", "LABEL"))
        if name and kind == "btrfs" and uuid:
            btrfs.setdefault(uuid, []).append((told.get("ID_FS_UUID_SUB", ""), name))
        elif name and kind == "zfs_member" and label:
            zfs.setdefault(label, []).append((uuid, name))
    for uuid, members in btrfs.items():
        if len({part for part, _ in members}) == len(members):
            yield DevicePool("btrfs", uuid, tuple(sorted(name for _, name in members)), by_udev=True)
    for label, members in zfs.items():
        if len({uuid for uuid, _ in members}) == 1:
            yield DevicePool("zfs", label, tuple(sorted(name for _, name in members)), by_udev=True)
