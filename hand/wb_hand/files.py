"""Files of the host: read without following links, replaced whole and durably or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat

from .place import at
from .refused import Refused


def sha_of(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def read_bytes(path: str, limit: int = 8 << 20) -> bytes:
    """A regular file's bytes; never through a symbolic link."""
    handle = os.open(at(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refused("precondition", f"read {path}", "it is not a regular file")
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise Refused("precondition", f"read {path}", f"it is larger than {limit} bytes")
    return raw


def read_or_none(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except FileNotFoundError:
        return None


def text_of(path: str) -> str:
    """A small kernel or configuration file, "" when it is absent."""
    try:
        with open(at(path), "rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def text_of_real(path: str) -> str:
    """A small file of this machine itself, never one below the root of a test."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(4096).decode("utf-8", "replace").strip()
    return ""


def sync_directory(path: str) -> None:
    handle = os.open(at(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: str, raw: bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Temporary file, fsync, rename, fsync of the directory: after a crash the file is the old one or the new one."""
    directory, name = os.path.split(path)
    temporary = f"{directory}/.{name}.wb-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(at(temporary))
    handle = os.open(at(temporary), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(raw)
        file.flush()
        os.fchmod(file.fileno(), mode)
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        os.fsync(file.fileno())
    os.rename(at(temporary), at(path))
    sync_directory(directory)


def swap(path: str, before: str | None, after: bytes | None, mode: int = 0o644) -> bool:
    """Compare-and-swap of a whole file; `before` is its sha256 or None for absent, `after` None removes it. False: already so."""
    now = read_or_none(path)
    if now == after:
        return False
    if (sha_of(now) if now is not None else None) != before:
        raise Refused(
            "changed", f"change {path}", "its content is not what the plan was made from", "audit again and make a new plan"
        )
    if after is None:
        os.unlink(at(path))
        sync_directory(os.path.dirname(path))
        return True
    owner = None
    if now is not None:
        status = os.stat(at(path), follow_symlinks=False)
        mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
    write_atomic(path, after, mode, owner)
    return True


def plain_path(path: str) -> None:
    """Raises: Refused when any existing component of path is a symbolic link."""
    grown = ""
    for part in path.strip("/").split("/"):
        grown += "/" + part
        try:
            status = os.lstat(at(grown))
        except FileNotFoundError:
            return
        if stat.S_ISLNK(status.st_mode):
            raise Refused("precondition", f"use {path}", f"{grown} is a symbolic link")
