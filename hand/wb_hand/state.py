"""The rest of what the hand remembers: small files of root alone, and locks."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from typing import Any

from .documents import dumped
from .files import read_or_none, write_atomic
from .place import RUNTIME, STATE, at
from .refused import Refused


@contextlib.contextmanager
def locked(name: str, wait_s: float = 20) -> Iterator[None]:
    """An exclusive flock. Raises: Refused(busy) when somebody else keeps it longer than wait_s."""
    handle = os.open(at(f"{STATE}/{name}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= deadline:
                    raise Refused("busy", "act", f"another call holds {name}", "ask again in a moment") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def load_state(name: str, empty: Any) -> Any:
    raw = read_or_none(f"{STATE}/{name}")
    if raw is None:
        return empty
    try:
        return json.loads(raw)
    except ValueError:
        raise Refused("state-damaged", f"read {STATE}/{name}", "it is not JSON") from None


def save_state(name: str, value: Any) -> None:
    write_atomic(f"{STATE}/{name}", dumped(value).encode())


def make_state() -> None:
    for path in (STATE, f"{STATE}/plans"):
        os.makedirs(at(path), mode=0o700, exist_ok=True)
        status = os.lstat(at(path))
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise Refused("state-damaged", f"use {path}", "it is not a directory of root alone (0700)")
    os.makedirs(at(f"{RUNTIME}/progress"), mode=0o700, exist_ok=True)
