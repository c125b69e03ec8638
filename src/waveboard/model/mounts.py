"""A mount, and a table of them: of the host, or of one container."""

from collections.abc import Sequence
from typing import NamedTuple, overload


class Mount(NamedTuple):
    """One line of mountinfo, octal escapes already undone. Source: proc_pid_mountinfo(5).

    A row, not a record, because a host has hundreds of them and every container its own table.
    """

    mount_id: int
    parent_id: int
    devno: str  # "8:1"
    root: str  # path inside the filesystem that is mounted here
    target: str
    options: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]
    shared: str | None = None  # peer group, "1"


class MountTable(Sequence[Mount]):
    """A mount table whose rows are made when somebody asks for one, as most are never asked for. It is its rows: equal to a tuple
    of the same. targets: the mount point of every row, in order.
    """

    __slots__ = ("_made", "targets")

    def __init__(self, targets: Sequence[str]) -> None:
        self.targets = targets
        self._made: dict[int, Mount] = {}

    def _make(self, number: int) -> Mount:
        raise NotImplementedError

    def number_of(self, mount_id: int) -> int | None:
        """Which row has this id; the last, should several."""
        raise NotImplementedError

    def at(self, target: str) -> Sequence[Mount]:
        """Every row of this mount point, oldest first."""
        if target not in self.targets:
            return ()
        return tuple([self[number] for number, one in enumerate(self.targets) if one == target])

    @overload
    def __getitem__(self, at: int) -> Mount: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Mount, ...]: ...
    def __getitem__(self, at: int | slice) -> Mount | tuple[Mount, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        number = at if at >= 0 else at + len(self.targets)
        row = self._made.get(number)
        if row is None:
            if not 0 <= number < len(self.targets):
                raise IndexError(at)
            row = self._made[number] = self._make(number)
        return row

    def __len__(self) -> int:
        return len(self.targets)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, MountTable | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class MadeTable(MountTable):
    """A table whose rows are there already."""

    __slots__ = ("_ids",)

    def __init__(self, rows: Sequence[Mount]) -> None:
        super().__init__([row.target for row in rows])
        self._made = dict(enumerate(rows))
        self._ids = {row.mount_id: number for number, row in enumerate(rows)}

    def number_of(self, mount_id: int) -> int | None:
        return self._ids.get(mount_id)


def rows_at(table: Sequence[Mount], target: str) -> Sequence[Mount]:
    """Every mount of a table at exactly this mount point, oldest first."""
    return table.at(target) if isinstance(table, MountTable) else [mount for mount in table if mount.target == target]
