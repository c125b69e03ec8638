"""Receipts, checkpoint and approvals as plain files below `.waveboard/receipts`, each written whole and durable."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from waveboard.model.errors import ReceiptError
from waveboard.world.files import write_whole

_REPLACED = "checkpoint.json"


class FileArchive:
    """Implements the Archive port over one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def file(self, name: str, raw: bytes) -> None:
        """Raises: ReceiptError when another text stands under that name already."""
        path = self.directory / name
        if name != _REPLACED and path.exists():
            if path.read_bytes() == raw:
                return
            raise ReceiptError(
                f"file {name}", "another text stands under that name", "receipts are never rewritten; look who did"
            )
        write_whole(path, raw)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One process at a time from reading the head to filing the checkpoint; the lock ends with the process."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def has(self, name: str) -> bool:
        return (self.directory / name).is_file()

    def read(self, name: str) -> bytes | None:
        path = self.directory / name
        return path.read_bytes() if path.is_file() else None

    def capture(self, name: str, raw: bytes) -> str:
        path = self.directory.parent / "orchestration" / f"{name}.json"
        write_whole(path, raw)
        return str(path)

    def all(self) -> Mapping[str, bytes]:
        found = sorted(p for p in self.directory.rglob("*") if p.is_file() and not p.name.startswith("."))
        return {str(p.relative_to(self.directory)): p.read_bytes() for p in found}
