"""Receipts, checkpoint and approvals as plain files below `.waveboard/receipts`, each written whole and durable."""

from collections.abc import Mapping
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

    def all(self) -> Mapping[str, bytes]:
        found = sorted(p for p in self.directory.rglob("*") if p.is_file() and not p.name.startswith("."))
        return {str(p.relative_to(self.directory)): p.read_bytes() for p in found}
