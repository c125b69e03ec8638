"""Directories the hand makes, and which of them are its own."""

from __future__ import annotations

import os
import stat

from .files import plain_path, sync_directory
from .place import at
from .refused import Refused
from .verb import Ctx, mine


def make_directory(ctx: Ctx, path: str) -> None:
    """A fresh directory (0700 root) that this step owns; it may be there only if this step made it. Parents: root 0755."""
    plain_path(path)
    parents, parent = [], os.path.dirname(path)
    while not os.path.lexists(at(parent)):
        parents.append(parent)
        parent = os.path.dirname(parent)
    for one in reversed(parents):
        os.mkdir(at(one), 0o755)
        os.chmod(at(one), 0o755)
    if os.path.lexists(at(path)):
        if not mine(ctx, path):
            raise Refused(
                "precondition",
                f"create {path}",
                "it exists and this step did not make it",
                "move it away or choose another place",
            )
    else:
        ctx.note(made={**ctx.notes.get("made", {}), path: "about-to"})
        os.mkdir(at(path), 0o700)
    status = os.lstat(at(path))
    ctx.note(made={**ctx.notes.get("made", {}), path: [status.st_dev, status.st_ino]})
    sync_directory(os.path.dirname(path))


def own_directory(path: str) -> None:
    """A directory of root alone that may outlive the step: where the hand keeps what it set aside. Parents: root 0755."""
    plain_path(path)
    missing: list[str] = []
    while not os.path.lexists(at(path if not missing else os.path.dirname(missing[-1]))):
        missing.append(path if not missing else os.path.dirname(missing[-1]))
    for one in reversed(missing):
        os.mkdir(at(one), 0o700 if one == path else 0o755)
        os.chmod(at(one), 0o700 if one == path else 0o755)
        sync_directory(os.path.dirname(one))
    status = os.lstat(at(path))
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise Refused("precondition", f"keep things in {path}", "it is not a directory that only root may write", "name another")


def existing(path: str) -> str:
    """The nearest directory at or above path that is there."""
    while not os.path.lexists(at(path)):
        path = os.path.dirname(path)
    return path
