"""A mount table as the tree it is: which mount a path is really on. Knows no devices, matches no longest prefixes."""

from collections.abc import Iterator, Mapping, Sequence

from waveboard.model.facts import Mount, PathFact
from waveboard.model.mounts import MadeTable, MountTable

_NOT_COVERING = ("autofs", "rootfs")  # lie below the real mount by design


def tidy(path: str) -> str:
    """An absolute path without `//`, `.`, `..` and trailing slash. Symlinks are not looked at."""
    if "//" not in path and "/." not in path and (path == "/" or not path.endswith("/")):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def prefixes(path: str) -> Iterator[str]:
    """`/a`, `/a/b` … of a tidy path, the path itself last; nothing for the root."""
    end = path.find("/", 1)
    while end > 0:
        yield path[:end]
        end = path.find("/", end + 1)
    if path != "/":
        yield path


def follow(path: str, links: Mapping[str, str]) -> str | None:
    """The path with the known symlinks followed, absolute targets against the same root. None after 40 of them (ELOOP)."""
    rest, done, turns = [part for part in reversed(path.split("/")) if part], "", 0
    while rest:
        part = rest.pop()
        if part in (".", ".."):
            done = done.rpartition("/")[0] if part == ".." else done
            continue
        target = links.get(f"{done}/{part}")
        if target is None:
            done = f"{done}/{part}"
            continue
        turns += 1
        if turns > 40:
            return None
        if target.startswith("/"):
            done = ""
        rest.extend(piece for piece in reversed(target.split("/")) if piece)
    return done or "/"


def asked_above(path: str, asked: Mapping[str, PathFact]) -> str:
    """The path with its longest beginning that the host resolved replaced by what the host said."""
    end = len(path) if asked and path != "/" else 0
    while end > 0:
        fact = asked.get(path[:end])
        if fact is not None and fact.exists and fact.canonical and not fact.problem:
            return fact.canonical.rstrip("/") + path[end:] or "/"
        end = path.rfind("/", 0, end)
    return path


class MountTree:
    """One mount table, looked up by mount point. Order of lines matters only between siblings on one mountpoint: the last is on top."""

    __slots__ = ("_last", "_rows", "root", "table")

    def __init__(self, table: Sequence[Mount]) -> None:
        self.table = table if isinstance(table, MountTable) else MadeTable(table)
        self._last = dict(zip(self.table.targets, range(len(self.table)), strict=True))
        self._rows: dict[str, Sequence[Mount]] = {}
        roots = [mount for mount in self.mounted_at("/") if not self._hangs(mount)]
        real = [mount for mount in roots if mount.fstype != "rootfs"] or roots
        root = real[0] if len(real) == 1 else None  # two unrelated roots: nobody can tell
        # What is mounted over a root is never reached, for a path begins at the root itself; the kernel's own first one is left for it
        self.root = (self._on(root, "/") or root) if root is not None and root.fstype == "rootfs" else root

    def _hangs(self, mount: Mount) -> bool:
        """False when its parent is not in the table: it is a root, or the reader was in a chroot."""
        return mount.parent_id != mount.mount_id and self.table.number_of(mount.parent_id) is not None

    def _on(self, mount: Mount, target: str) -> Mount | None:
        """What was mounted last at this mount point of a mount."""
        rows = self.mounted_at(target)
        return next((row for row in reversed(rows) if row.parent_id == mount.mount_id and row.mount_id != row.parent_id), None)

    def _loose(self, target: str) -> Mount | None:
        """What lies at this mount point and hangs on nothing."""
        return next((row for row in reversed(self.mounted_at(target)) if not self._hangs(row)), None) if target != "/" else None

    def _top(self, mount: Mount, target: str) -> Mount:
        for _ in self.table.targets:
            over = self._on(mount, target)
            if over is None:
                break
            mount = over
        return mount

    def by_id(self, mount_id: int) -> Mount | None:
        """The mount the kernel calls by this number."""
        number = self.table.number_of(mount_id)
        return None if number is None else self.table[number]

    def walk(self, path: str) -> Mount | None:
        """The mount a tidy, link-free path is on, component by component from the root. None: the table does not tell."""
        mount, targets, end = self.root, self._last, 0
        while end >= 0 and path != "/":
            end = path.find("/", end + 1)
            prefix = path if end < 0 else path[:end]
            if prefix in targets:
                over = (self._on(mount, prefix) if mount else None) or self._loose(prefix)
                mount = self._top(over, prefix) if over is not None else mount
        return mount

    def mounted_at(self, target: str) -> Sequence[Mount]:
        """Every mount on this mountpoint, hidden ones included, oldest first."""
        rows = self._rows.get(target)
        if rows is None:
            number = self._last.get(target)
            if number is None:
                return ()
            alone = len(self._last) == len(self.table)  # no mount point is there twice
            rows = self._rows[target] = (self.table[number],) if alone else self.table.at(target)
        return rows

    def hides(self, path: str, mount: Mount) -> bool:
        """True when another mount on the way to the path lies hidden at or below this one."""
        return any(
            other is not mount and other.fstype not in _NOT_COVERING
            for prefix in prefixes(path)
            if prefix in self._last and len(prefix) >= len(mount.target)
            for other in self.mounted_at(prefix)
        )

    def below(self, path: str) -> Iterator[Mount]:
        """Mounts that can be reached strictly below the path."""
        inside = path.rstrip("/") + "/"
        for number, target in enumerate(self.table.targets):
            if target.startswith(inside) and self.walk(target) is self.table[number]:
                yield self.table[number]

    def of_devno(self, devno: str) -> Mount | None:
        """Any mount of the filesystem with this device number."""
        return next((mount for mount in self.table if mount.devno == devno), None)
