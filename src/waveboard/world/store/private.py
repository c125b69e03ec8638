"""Where state lives on disk: a directory and files that nobody else can read or write. Repairs no foreign permissions."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from waveboard.model.errors import RefusedError


def private_dir(path: Path) -> Path:
    """Make it 0700, or refuse one that is not ours alone. Raises: RefusedError."""
    _trusted_parent(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise RefusedError(f"keep state in {path}", "it is not a directory (or a link to one)", "move it away")
    _ours(path, found)
    return path


def private_file(path: Path) -> Path:
    """Make an empty 0600 file in a private directory, or refuse one that others could read or write. Raises: RefusedError."""
    private_dir(path.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise RefusedError(f"open {path}", "it is not a plain file", "move it away") from None
        _ours(path, found)
    return path


def _ours(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise RefusedError(
            f"use {path}", f"it belongs to user {found.st_uid}", "run as that user, or use a workspace of your own"
        )
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise RefusedError(
            f"use {path}", f"others can reach it (mode {mode:04o})", f"check who wrote to it, then: chmod go= {path}"
        )


def _trusted_parent(path: Path) -> None:
    """A parent that others can write to lets them swap the directory; the sticky bit prevents that."""
    mode = path.stat().st_mode
    if mode & 0o002 and not mode & stat.S_ISVTX:
        raise RefusedError(f"keep state below {path}", "everybody can write there", f"chmod o-w {path}")
