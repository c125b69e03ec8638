"""What is mounted, and that the data disk is."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .files import plain_path, text_of
from .grammar import UUID, is_path, shape, word
from .place import at
from .refused import Json, Refused
from .tools import run


class Mount(NamedTuple):
    devno: str
    target: str
    fstype: str


def mounts() -> list[Mount]:
    """This namespace's mounts, in order, from /proc/self/mountinfo."""
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file.read().decode("utf-8", "surrogateescape").splitlines():
            words = line.split(" ")
            target = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), words[4])
            found.append(Mount(words[2], target, words[words.index("-") + 1]))
    return found


def mounted_below(path: str) -> list[str]:
    return [one.target for one in mounts() if one.target == at(path) or one.target.startswith(at(path) + "/")]


def mounted_uuid(target: str) -> str | None:
    """UUID of the filesystem on top of target, None when nothing is mounted there or it has none."""
    here = [one for one in mounts() if one.target == at(target)]
    if not here:
        return None
    name = re.search(r"^DEVNAME=(.+)$", text_of(f"/sys/dev/block/{here[-1].devno}/uevent"), re.M)
    if not name:
        return None
    return device_uuid(f"/dev/{name.group(1)}")


def device_uuid(device: str) -> str | None:
    ran = run(["blkid", "-p", "-s", "UUID", "-o", "value", device], check=False)
    return ran.text.strip().lower() or None if ran.code == 0 else None


MOUNT = shape({"target": is_path, "uuid": word(UUID)})


def demand_mount(place: Json, path: str) -> None:
    """Raises: Refused unless the planned filesystem is mounted at its place and path lies on it."""
    target = place["target"]
    if not path.startswith(target + "/"):
        raise Refused("bad-request", f"use {path}", f"it is not below {target}")
    found = mounted_uuid(target)
    if found != place["uuid"]:
        raise Refused(
            "precondition", f"use {path}", f"{target} holds filesystem {found}, not {place['uuid']}", "mount the data disk first"
        )
    plain_path(path)
    existing = path
    while not os.path.lexists(at(existing)):
        existing = os.path.dirname(existing)
    if os.lstat(at(existing)).st_dev != os.stat(at(target)).st_dev:
        raise Refused("precondition", f"use {path}", f"{existing} is not on the filesystem of {target}")
