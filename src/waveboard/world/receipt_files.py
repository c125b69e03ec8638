"""A bundle of receipts as a directory: written once, read whole, nothing followed. What the files mean is not its business."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from waveboard.model.errors import ReceiptError, UsageError

FILE_MAX_BYTES = 64 * 2**20
FILES_MAX = 1_000_000
DEPTH_MAX = 2


def write_bundle(directory: Path, files: Mapping[str, bytes]) -> None:
    """Into a directory that is new or empty. Raises: UsageError when it is neither."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"export to {directory}", "it exists and is not an empty directory", "name a new directory")
    try:
        for name, raw in sorted(files.items()):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
    except OSError as error:
        raise UsageError(
            f"export to {directory}", error.strerror or str(error), "free space or name another directory"
        ) from error


def read_bundle(directory: Path) -> dict[str, bytes]:
    """Every file by relative path. Raises: UsageError when there is no directory, ReceiptError for links and special files."""
    if not directory.is_dir():
        raise UsageError(f"read {directory}", "it is not a directory", "name a directory made by `waveboard receipts export`")
    found: dict[str, bytes] = {}
    _read(directory, directory, found, 0)
    return found


def _read(top: Path, directory: Path, found: dict[str, bytes], depth: int) -> None:
    for entry in sorted(os.scandir(directory), key=lambda e: e.name):
        path = Path(entry.path)
        name = str(path.relative_to(top))
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) and depth < DEPTH_MAX:
            _read(top, path, found, depth + 1)
        elif not stat.S_ISREG(mode):
            raise ReceiptError(f"trust {name}", "it is not a plain file", "get the bundle again from its source")
        elif path.stat().st_size > FILE_MAX_BYTES or len(found) >= FILES_MAX:
            raise ReceiptError(f"trust {name}", "the bundle is larger than any of ours", "get the bundle again from its source")
        else:
            found[name] = path.read_bytes()
