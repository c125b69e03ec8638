"""Reads documents below the workspace and its sibling checkouts for declared gates. Follows no link out of them, writes nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from waveboard.model.contract import Unreadable, Wanted
from waveboard.model.document import FileAsk, Found
from waveboard.world.files import read_files

_FILES_MOST = 500  # of one glob
_BYTES_MOST = 64 * 2**20  # of one run


class FileDocuments:
    """siblings: name -> directory, relative to the workspace, absolute, or with `~`."""

    def __init__(self, directory: Path, siblings: Mapping[str, str]) -> None:
        self._roots = {"": directory}
        self._roots |= {name: (directory / Path(path).expanduser()).resolve() for name, path in siblings.items()}

    def read(self, asks: Sequence[FileAsk]) -> Mapping[FileAsk, Found]:
        """What each ask found, by path below its root. A glob that names nothing finds nothing."""
        left = _BYTES_MOST
        found: dict[FileAsk, Found] = {}
        for ask in asks:
            one = self._one(ask)
            left -= sum(len(raw) for _, raw in one if isinstance(raw, bytes))
            if left < 0:
                one = ((ask.pattern, Unreadable(f"all documents together are larger than {_BYTES_MOST} bytes")),)
            found[ask] = one
        return found

    def _one(self, ask: FileAsk) -> Found:
        root = self._roots.get(ask.root)
        if root is None or not root.is_dir():
            return ((ask.pattern, Unreadable(f"the sibling checkout {ask.root} is not there")),)
        found = tuple(read_files(root, (Wanted(ask.pattern, ask.limit_bytes, ask.glob),)).items())
        if len(found) > _FILES_MOST:
            return ((ask.pattern, Unreadable(f"it names more than {_FILES_MOST} files")),)
        return found
