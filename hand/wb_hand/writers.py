"""Who else has a file of a tree open for writing, by whatever path and in whatever mount namespace: another container engine's
container, a service with directories of its own. Their paths say nothing here, so files are told by filesystem and inode."""

from __future__ import annotations

import contextlib
import os

from .docker_life import users_of
from .files import text_of_real
from .mounts import mounted_below
from .place import at
from .refused import Refused

NOT_READ_ONLY = os.O_WRONLY | os.O_RDWR


def demand_alone(tree: str) -> None:
    """Nothing is mounted in the tree, and no process has anything of it open. Raises: Refused."""
    left = mounted_below(tree) or users_of(tree) or writers_of(tree)
    if left:
        raise Refused("precondition", f"have {tree} to itself", f"still in use: {', '.join(left[:5])}")


def writers_of(tree: str) -> list[str]:
    """Processes with a file of the tree open for writing, as "pid name (path below the tree)".

    Only files on the tree's own filesystem are looked at, so that a network filesystem that hangs holds nobody up.
    """
    device = os.stat(at(tree)).st_dev
    found = _open_on(_filesystem(tree), device)
    told, waiting = [], [at(tree)] if found else []
    while waiting:
        for entry in os.scandir(waiting.pop()):
            if entry.inode() in found and entry.stat(follow_symlinks=False).st_dev == device:
                pid = found[entry.inode()]
                told.append(f"{pid} {text_of_real(f'/proc/{pid}/comm')} ({entry.path[len(at(tree)) + 1 :]})")
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
    return told


def _filesystem(tree: str) -> str:
    """As mountinfo calls it, which on btrfs is not what stat says."""
    handle = os.open(at(tree), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount = _told("self", str(handle))["mnt_id"]
    finally:
        os.close(handle)
    return next(words[2] for words in _mounts("self") if words[0] == mount)


def _open_on(devno: str, device: int) -> dict[int, str]:
    """Inode -> process, of what is open for writing on one filesystem."""
    mounted: dict[str, set[str]] = {}  # mount namespace -> ids of the mounts of this filesystem
    found = {}
    for pid in (one for one in os.listdir("/proc") if one.isdigit() and int(one) != os.getpid()):
        with contextlib.suppress(OSError):  # it ended meanwhile
            space = os.readlink(f"/proc/{pid}/ns/mnt")
            if space not in mounted:
                mounted[space] = {words[0] for words in _mounts(pid) if words[2] == devno}
            for one in os.listdir(f"/proc/{pid}/fd") if mounted[space] else ():
                with contextlib.suppress(OSError):
                    told = _told(pid, one)
                    if int(told.get("flags", "0"), 8) & NOT_READ_ONLY and told.get("mnt_id") in mounted[space]:
                        status = os.stat(f"/proc/{pid}/fd/{one}")
                        found.update({status.st_ino: pid} if status.st_dev == device else {})
    return found


def _mounts(pid: str) -> list[list[str]]:
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        return [line.split(" ", 3) for line in file.read().decode("utf-8", "replace").splitlines()]


def _told(pid: str, descriptor: str) -> dict[str, str]:
    """What the kernel says of one open file without asking its filesystem (proc(5), fdinfo)."""
    pairs = (line.partition(":") for line in text_of_real(f"/proc/{pid}/fdinfo/{descriptor}").splitlines())
    return {key: value.strip() for key, _, value in pairs}
