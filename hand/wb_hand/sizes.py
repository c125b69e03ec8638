"""How large a tree is, and whether it fits."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from .place import at
from .refused import Refused

GIB = 1 << 30


class Size(NamedTuple):
    allocated: int
    apparent: int
    inodes: int


def tree_size(path: str) -> Size:
    """Bytes and inodes below path on its own filesystem; hard links counted once."""
    allocated = apparent = inodes = 0
    seen: set[int] = set()
    top = os.lstat(at(path))
    waiting = [os.fsencode(at(path))]
    while waiting:
        directory = waiting.pop()
        try:
            found = list(os.scandir(directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in found:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_dev != top.st_dev or (
                status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode) and status.st_ino in seen
            ):
                continue
            seen.add(status.st_ino)
            inodes += 1
            allocated += status.st_blocks * 512
            apparent += status.st_size if stat.S_ISREG(status.st_mode) else 0
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
    return Size(allocated + top.st_blocks * 512, apparent, inodes + 1)


def demand_space(
    src: str, directory: str, factor: float = 1.2, spare: int = GIB, told: str = "1.2 times its size and 1 GiB"
) -> Size:
    """Raises: Refused(no-space) unless `factor` times src plus `spare` bytes (and its inodes) fit where `directory` is.

    A move forward leaves room to grow; the way back asks only for what it needs, since a full disk may be why one goes back.
    """
    size = tree_size(src)
    there = os.statvfs(at(directory))
    free, need = there.f_bavail * there.f_frsize, int(size.allocated * factor) + spare
    if need > free:
        because = f"{directory} has {free} bytes free, {src} needs {need} ({told})"
        raise Refused("no-space", f"copy {src}", because, "enlarge the data disk or free space on it")
    if there.f_files and int(size.inodes * 1.2) + 1000 > there.f_favail:
        raise Refused("no-space", f"copy {src}", f"{directory} has too few free inodes ({there.f_favail}) for {size.inodes}")
    return size
