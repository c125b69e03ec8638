"""The few Linux calls Python 3.11 has no name for; each raises OSError with the path it was about."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
from pathlib import Path

NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
IN_CLOSE_WRITE = 8

_LOOP_CONFIGURE = 0x4C0A
_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_AUTOCLEAR = 4
_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: object) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(what))
    return result


def mount(source: object, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    words = (os.fsencode(str(source)), os.fsencode(target), kind.encode())
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), options.encode()), target)


def bind(source: Path, target: Path, *, recursive: bool = False) -> None:
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def unmount(target: Path) -> None:
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), target)


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def enter(descriptor: int, flags: int) -> None:
    """setns(2) of the calling thread."""
    _checked(_libc.setns(descriptor, flags), "setns")


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _checked(_libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def inotify() -> int:
    return _checked(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), "inotify")


def watch(descriptor: int, path: Path, events: int) -> int:
    return _checked(_libc.inotify_add_watch(descriptor, os.fsencode(path), events), path)


def attach_loop(image: Path) -> tuple[Path, int]:
    """Attach `image` to a free loop device that vanishes with its last user; returns the device and an open descriptor."""
    backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    # struct loop_config: fd, block size, loop_info64 (flags at its offset 52, file name at 56), reserved
    details = bytearray(232)
    struct.pack_into("=I", details, 52, _LOOP_AUTOCLEAR)
    name = os.fsencode(image)[-63:]
    details[56 : 56 + len(name)] = name
    request = struct.pack("=II", backing, 0) + bytes(details) + bytes(64)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(200):
            device = Path(f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}")
            opened = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(opened, _LOOP_CONFIGURE, request)
            except OSError:  # somebody else took it between the two calls
                os.close(opened)
                continue
            return device, opened
    finally:
        os.close(control)
        os.close(backing)
    raise OSError(16, "no free loop device after 200 attempts", str(image))
