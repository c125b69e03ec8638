"""A tree copied by rsync, with its progress. Whether the copy is equal is not decided here."""

from __future__ import annotations

import os
import re
import time

from .place import at
from .refused import Refused
from .sizes import tree_size
from .tools import run
from .verb import Ctx, mine

PROGRESS = re.compile(rb"\s*([0-9,]+)\s+([0-9]+)%")


def copy_tree(ctx: Ctx, src: str, dst: str, *, live: bool, seconds: float, skip: str = "") -> None:
    """rsync src/ into dst/, which this step made; --delete reaches nothing else. live: files may vanish meanwhile (status 24).
    skip: a directory below src, as "/tmp/x", that is left out."""
    if not mine(ctx, dst):
        raise Refused("precondition", f"copy into {dst}", "this step did not make that directory")
    if os.stat(at(src)).st_dev == os.stat(at(dst)).st_dev and (dst + "/").startswith(src + "/"):
        raise Refused("precondition", f"copy into {dst}", "it lies inside its source")
    total = tree_size(src).apparent
    begun = time.monotonic()

    def watch(chunk: bytes) -> None:
        found = PROGRESS.findall(chunk)
        if found:
            done = int(found[-1][0].replace(b",", b""))
            rate = done / max(0.2, time.monotonic() - begun)
            left = max(0, total - done) / rate if rate > 0 and live else None
            ctx.progress(bytes_done=done, bytes_total=total, rate=int(rate), eta_s=int(left) if left is not None else None)
            ctx.latest = done  # type: ignore[attr-defined]

    ctx.latest = 0  # type: ignore[attr-defined]
    flags = ["-aHAXSx", "--numeric-ids", "--delete", "--delete-excluded", "--info=progress2", "--no-inc-recursive", "--outbuf=L"]
    flags += [f"--exclude={skip}"] if skip else []
    ran = run(["rsync", *flags, at(src) + "/", at(dst) + "/"], seconds=seconds, check=False, watch=watch)
    if ran.code not in ((0, 24) if live else (0,)):
        code = "no-space" if "No space left" in ran.said else "tool-failed"
        raise Refused(code, f"copy {src} to {dst}", f"rsync ended with {ran.code}: {ran.said}")
    if not live:
        match_times(src, dst)
        on_disk(dst)
    ctx.copied += ctx.latest  # type: ignore[attr-defined]


def on_disk(dst: str) -> None:
    """The copy survives a power cut from here on: what points to it is changed next, on a filesystem that may be written back sooner,
    and what it was made from may be gone by then. Raises: Refused when the disk does not take it."""
    ran = run(["sync", "--file-system", at(dst)], seconds=3600, check=False)
    if ran.code != 0:
        raise Refused("tool-failed", f"write {dst} to its disk", ran.said)


def match_times(src: str, dst: str) -> None:
    """rsync 3.4 leaves a directory's own mtime behind where it both deleted and updated files in it, and that of a link, pipe or
    device where the copy is made within the same second; set them as in src."""
    top, there = os.fsencode(at(src)), os.fsencode(at(dst))
    waiting = [top]
    for directory in waiting:  # parents first: setting a time changes no other
        match_time(directory, there + directory[len(top) :])
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif not entry.is_file(follow_symlinks=False):
                match_time(entry.path, there + entry.path[len(top) :])


def match_time(source: bytes, copy: bytes) -> None:
    status = os.lstat(source)
    if os.path.lexists(copy) and os.lstat(copy).st_mtime_ns != status.st_mtime_ns:
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
