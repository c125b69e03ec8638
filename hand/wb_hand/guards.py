"""The empty immutable directory that stands where data was, so that nothing fills the boot disk unseen."""

from __future__ import annotations

import fcntl
import os
import struct

from .files import sync_directory
from .place import at
from .refused import Refused

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x80086601, 0x40086602, 0x10


def immutable(path: str, wanted: bool | None = None) -> bool:
    """Whether a directory is immutable (chattr +i); sets it when asked to. Filesystems without the flag: False."""
    handle = os.open(at(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags: int = struct.unpack("i", fcntl.ioctl(handle, FS_IOC_GETFLAGS, b"\0" * 4))[0]
        if wanted is not None:
            flags = flags | FS_IMMUTABLE_FL if wanted else flags & ~FS_IMMUTABLE_FL
            fcntl.ioctl(handle, FS_IOC_SETFLAGS, struct.pack("i", flags))
        return bool(flags & FS_IMMUTABLE_FL)
    except OSError:
        return False
    finally:
        os.close(handle)


def is_guard(path: str) -> bool:
    """An empty directory that nothing is mounted on: what the hand leaves where data used to be."""
    return os.path.isdir(at(path)) and not os.path.islink(at(path)) and not os.listdir(at(path)) and not os.path.ismount(at(path))


def leave_guard(path: str) -> None:
    """An empty immutable directory, so that nothing can silently begin afresh at the old place."""
    if not os.path.lexists(at(path)):
        os.mkdir(at(path), 0o755)
        sync_directory(os.path.dirname(path))
    if is_guard(path):
        immutable(path, True)


def lift_guard(path: str) -> None:
    if os.path.lexists(at(path)):
        if not is_guard(path):
            raise Refused("changed", f"put {path} back", "something new is there", "move it away by hand, then undo again")
        immutable(path, False)
        os.rmdir(at(path))
        sync_directory(os.path.dirname(path))
