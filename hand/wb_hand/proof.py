"""Whether two trees are equal, by their manifests."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .manifest import Known, Manifest
from .place import at
from .refused import Json, Refused
from .sizes import tree_size
from .verb import Ctx


@dataclass
class Proof:
    """Hashes taken while everything still runs, so that the proof with writers stopped reads only what changed."""

    src: Known = field(default_factory=dict)
    dst: Known = field(default_factory=dict)
    since_ns: int = 0


def read_ahead(ctx: Ctx, src: str, dst: str) -> Proof:
    """Hash both sides live. A hash counts later only if the inode's ctime is older than the sync that came before it.

    sync cleans every dirty page, so a later write, also through mmap, must move ctime.
    """
    os.sync()
    since = time.time_ns() - 2 * 10**9
    sides = [Manifest(src), Manifest(dst)]

    def look(side: Manifest) -> None:
        with contextlib.suppress(OSError, Refused):  # files come and go meanwhile: what was not seen is read again later
            for _ in side.lines():
                ctx.progress(message="reading ahead for the proof")

    both_sides(sides, look)
    return Proof(sides[0].seen, sides[1].seen, since)


def prove_equal(ctx: Ctx, src: str, dst: str, name: str, proof: Proof | None = None, skip: str = "") -> Json:
    """Both manifests, taken now with writers stopped, are equal line by line. Raises: Refused(not-equal) naming differences."""
    proof = proof or Proof()
    total, done, begun = tree_size(src).apparent * 2, [0], time.monotonic()

    def tick(size: int) -> None:
        done[0] += size
        rate = done[0] / max(0.2, time.monotonic() - begun)
        ctx.progress(bytes_done=done[0], bytes_total=total, rate=int(rate), message="comparing both copies")

    left = Manifest(src, known=proof.src, since_ns=proof.since_ns, tick=tick, skip=skip)
    right = Manifest(dst, known=proof.dst, since_ns=proof.since_ns, tick=tick, skip=skip)
    one, two = (f"{ctx.plan.directory}/manifests/{ctx.step['id']}-{name}-{side}.gz" for side in ("src", "dst"))
    both_sides([left, right], lambda side: side.write(one if side is left else two))
    if left.digest != right.digest:
        raise Refused("not-equal", f"prove that {dst} equals {src}", "; ".join(differences(one, two)) or "the manifests differ")
    return {"manifest": left.digest, "entries": left.entries, "bytes": left.bytes}


def both_sides(sides: list[Manifest], work: Callable[[Manifest], None]) -> None:
    """Work on both sides at once (hashing leaves Python's lock); the first failure is raised."""
    failures: list[BaseException] = []

    def guarded(side: Manifest) -> None:
        try:
            work(side)
        except BaseException as why:
            failures.append(why)

    threads = [threading.Thread(target=guarded, args=(side,)) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def differences(left: str, right: str, most: int = 8) -> list[str]:
    """The first differing entries of two manifest files, as text."""
    with gzip.open(at(left)) as one, gzip.open(at(right)) as two:
        mine_, theirs = ({json.loads(line)[0]: line for line in file} for file in (one, two))
    told = []
    for path in sorted({*mine_, *theirs}):
        if mine_.get(path) != theirs.get(path):
            how = "only in the source" if path not in theirs else "only in the copy" if path not in mine_ else "differs"
            told.append(f"{path!r} {how}")
            if len(told) >= most:
                break
    return told
