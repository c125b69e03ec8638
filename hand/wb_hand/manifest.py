"""A tree read to the last byte: names, kinds, owners, times, attributes, links and content."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator

from .place import at
from .refused import Refused

Known = dict[bytes, tuple[int, int, int, int, str]]


class Manifest:
    """Every entry of a tree as a line of JSON in a fixed order; `digest` covers all of them.

    Line: path, type, mode, uid, gid, size, mtime in ns, name of its hard-link group, xattrs (ACLs are among them), link
    target, device number, sha256. `known` lets a second look skip files that cannot have changed since the first.
    """

    def __init__(
        self,
        path: str,
        *,
        known: Known | None = None,
        since_ns: int = 0,
        tick: Callable[[int], None] | None = None,
        skip: str = "",
    ) -> None:
        self.skip = os.fsencode(skip.strip("/"))
        self.root = os.fsencode(at(path))
        self.known = known or {}
        self.since_ns = since_ns
        self.tick = tick or (lambda size: None)
        self.seen: Known = {}
        self.links: dict[int, str] = {}
        self.digest = ""
        self.entries = self.bytes = 0

    def write(self, file: str) -> None:
        whole = hashlib.sha256()
        with gzip.GzipFile(at(file), "wb", compresslevel=1, mtime=0) as out:
            for line in self.lines():
                whole.update(line)
                out.write(line)
                self.entries += 1
        self.digest = "sha256:" + whole.hexdigest()

    def lines(self) -> Iterator[bytes]:
        self.device = os.lstat(self.root).st_dev
        waiting = [(self.root, b".")]
        while waiting:
            path, name = waiting.pop()
            status = os.lstat(path)
            if status.st_dev != self.device:
                raise Refused("not-equal", "prove the copy", f"another filesystem is mounted at {os.fsdecode(path)}")
            yield self.line(path, name, status)
            if stat.S_ISDIR(status.st_mode):
                children = sorted(os.listdir(path), reverse=True)
                below = [(path + b"/" + child, child if name == b"." else name + b"/" + child) for child in children]
                waiting += [one for one in below if one[1] != self.skip]

    def line(self, path: bytes, name: bytes, status: os.stat_result) -> bytes:
        kind = stat.S_IFMT(status.st_mode)
        shown = name.decode("utf-8", "surrogateescape")
        link, target, device, digest, size = "", "", 0, "", 0
        whiteout = kind == stat.S_IFCHR and not status.st_rdev  # overlayfs has one inode for many of them, also outside the tree
        if status.st_nlink > 1 and kind != stat.S_IFDIR and not whiteout:
            link = self.links.setdefault(status.st_ino, shown)
        if kind == stat.S_IFREG:
            size = status.st_size
            digest = self.hash(path, status)
        elif kind == stat.S_IFLNK:
            target = os.readlink(path).decode("utf-8", "surrogateescape")
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            device = status.st_rdev
        attributes = [
            (key, os.getxattr(path, key, follow_symlinks=False).hex())
            for key in sorted(os.listxattr(path, follow_symlinks=False))
        ]
        mode = stat.S_IMODE(status.st_mode)
        entry = [
            shown,
            kind,
            mode,
            status.st_uid,
            status.st_gid,
            size,
            status.st_mtime_ns,
            link,
            attributes,
            target,
            device,
            digest,
        ]
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"

    def hash(self, path: bytes, status: os.stat_result) -> str:
        rel = path[len(self.root) :]
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        before = self.known.get(rel)
        self.bytes += status.st_size
        known = before is not None and before[:4] == stamp and status.st_ctime_ns < self.since_ns
        digest = before[4] if known and before is not None else hash_file(path)
        self.seen[rel] = (*stamp, digest)
        self.tick(status.st_size)
        return digest


def hash_file(path: bytes) -> str:
    whole = hashlib.sha256()
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            whole.update(chunk)
    return whole.hexdigest()
