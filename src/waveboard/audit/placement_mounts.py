"""A mount table as the tree it is: which mount a path is really on. Knows no devices, matches no longest prefixes."""

from collections.abc import Iterator, Mapping, Sequence

from waveboard.model.facts import Mount, PathFact

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
    for prefix in reversed(list(prefixes(path))) if asked else ():
        fact = asked.get(prefix)
        if fact is not None and fact.exists and fact.canonical and not fact.problem:
            return fact.canonical.rstrip("/") + path[len(prefix) :] or "/"
    return path


class MountTree:
    """One mount table, indexed once. Order of lines matters only between siblings on one mountpoint: the last is on top."""

    __slots__ = ("_at", "_by_id", "_by_target", "_orphans", "root", "table")

    def __init__(self, table: Sequence[Mount]) -> None:
        self.table = table
        self._by_id = by_id = {mount.mount_id: mount for mount in table}
        self._at: dict[tuple[int, str], Mount] = {}
        self._orphans: dict[str, Mount] = {}  # their parent is not in the table (the reader was in a chroot)
        self._by_target: dict[str, list[Mount]] = {}
        roots = []
        at, by_target = self._at, self._by_target
        for mount in table:
            target, parent = mount.target, mount.parent_id
            if target in by_target:
                by_target[target].append(mount)
            else:
                by_target[target] = [mount]
            if parent in by_id and parent != mount.mount_id:
                at[parent, target] = mount
            elif target == "/":
                roots.append(mount)
            else:
                self._orphans[target] = mount
        real = [mount for mount in roots if mount.fstype != "rootfs"] or roots
        self.root = self._top(real[0], "/") if len(real) == 1 else None  # two unrelated roots: nobody can tell

    def _top(self, mount: Mount, target: str) -> Mount:
        for _ in self.table:
            over = self._at.get((mount.mount_id, target))
            if over is None:
                break
            mount = over
        return mount

    def by_id(self, mount_id: int) -> Mount | None:
        """The mount the kernel calls by this number."""
        return self._by_id.get(mount_id)

    def walk(self, path: str) -> Mount | None:
        """The mount a tidy, link-free path is on, component by component from the root. None: the table does not tell."""
        mount, targets, end = self.root, self._by_target, 0
        while end >= 0 and path != "/":
            end = path.find("/", end + 1)
            prefix = path if end < 0 else path[:end]
            if prefix in targets:
                over = (self._at.get((mount.mount_id, prefix)) if mount else None) or self._orphans.get(prefix)
                mount = self._top(over, prefix) if over is not None else mount
        return mount

    def mounted_at(self, target: str) -> Sequence[Mount]:
        """Every mount on this mountpoint, hidden ones included, oldest first."""
        return self._by_target.get(target, ())

    def hides(self, path: str, mount: Mount) -> bool:
        """True when another mount on the way to the path lies hidden at or below this one."""
        return any(
            other is not mount and other.fstype not in _NOT_COVERING
            for prefix in prefixes(path)
            if prefix in self._by_target and len(prefix) >= len(mount.target)
            for other in self._by_target[prefix]
        )

    def below(self, path: str) -> Iterator[Mount]:
        """Mounts that can be reached strictly below the path."""
        inside = path.rstrip("/") + "/"
        for mount in self.table:
            if mount.target.startswith(inside) and self.walk(mount.target) is mount:
                yield mount

    def of_devno(self, devno: str) -> Mount | None:
        """Any mount of the filesystem with this device number."""
        return next((mount for mount in self.table if mount.devno == devno), None)
