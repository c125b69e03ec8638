"""Disks by serial or link, and whether one is provably blank."""

from __future__ import annotations

import contextlib
import os
import re
import stat

from .files import text_of
from .mounts import mounts
from .place import at
from .refused import Json, Refused
from .tools import run


def disk_names() -> list[str]:
    return sorted(
        name for name in os.listdir(at("/sys/class/block")) if not os.path.exists(at(f"/sys/class/block/{name}/partition"))
    )


def disk_serials(name: str) -> set[str]:
    """Everything that counts as the disk's serial or wwid."""
    base = f"/sys/class/block/{name}"
    found = {text_of(f"{base}/{leaf}") for leaf in ("serial", "device/serial", "wwid", "device/wwid")}
    with contextlib.suppress(OSError), open(at(f"{base}/device/vpd_pg80"), "rb") as file:
        found.add(file.read(256)[4:].decode("ascii", "replace").strip("\0 "))
    udev = text_of(f"/run/udev/data/b{text_of(f'{base}/dev')}")
    found |= set(re.findall(r"^E:(?:ID_SERIAL|ID_SERIAL_SHORT|ID_SCSI_SERIAL|ID_WWN)=(.+)$", udev, re.M))
    return {one for one in found if one}


def disk_links(name: str) -> list[str]:
    directory = "/dev/disk/by-id"
    with contextlib.suppress(OSError):
        return sorted(
            one for one in os.listdir(at(directory)) if os.path.realpath(at(f"{directory}/{one}")) == at(f"/dev/{name}")
        )
    return []


def disk_bytes(name: str) -> int:
    return int(text_of(f"/sys/class/block/{name}/size") or "0") * 512


def find_disk(args: Json) -> str:
    """The kernel name, now, of the one disk that is meant. Raises: Refused."""
    told = args["serial"] or args["by_id"]
    if args["serial"]:
        found = [name for name in disk_names() if args["serial"] in disk_serials(name)]
    else:
        found = [name for name in disk_names() if args["by_id"] in disk_links(name)]
    if len(found) != 1:
        raise Refused("precondition", f"find disk {told}", f"{len(found)} disks carry that name", "audit the host's disks again")
    if disk_bytes(found[0]) != args["size_bytes"]:
        because = f"{found[0]} has {disk_bytes(found[0])} bytes, the plan says {args['size_bytes']}"
        raise Refused("precondition", f"use disk {told}", because)
    return found[0]


def signatures(device: str) -> str:
    """What wipefs and blkid see on a device: "" only if both see nothing and say so."""
    seen = run(["wipefs", "-n", device]).text.strip()
    probed = run(["blkid", "-p", device], check=False)
    if probed.code == 0:
        return probed.text.strip() or "something"
    if probed.code != 2 or seen:
        return seen or f"blkid ended with {probed.code}: {probed.said}"
    return ""


def why_not_blank(name: str) -> str:
    """ "" when the disk is provably blank, else what speaks against it. Reads only."""
    base, device = f"/sys/class/block/{name}", f"/dev/{name}"
    parts = [one for one in os.listdir(at(base)) if os.path.exists(at(f"{base}/{one}/partition"))]
    holders = os.listdir(at(f"{base}/holders")) if os.path.isdir(at(f"{base}/holders")) else []
    if parts or holders:
        return f"it has partitions or holders: {', '.join(parts + holders)}"
    devno = text_of(f"{base}/dev")
    if any(one.devno == devno for one in mounts()) or any(
        line.split()[:1] == [device] for line in text_of("/proc/swaps").splitlines()
    ):
        return "it is mounted or used as swap"
    try:
        handle = os.open(at(device), os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as why:
        return f"it cannot be had exclusively ({why.strerror})"
    try:
        status = os.fstat(handle)
        if not stat.S_ISBLK(status.st_mode) or f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" != devno:
            return f"{device} is not the device sysfs calls {name}"
        size, mib = os.lseek(handle, 0, os.SEEK_END), 1 << 20
        if any(os.pread(handle, mib, place).strip(b"\0") for place in (0, max(0, size - mib))):
            return "its first or last MiB holds bytes"
    finally:
        os.close(handle)
    seen = signatures(device)
    return f"it carries {seen}" if seen else ""
