"""The image cache: one builder at a time, half-made things out of sight, old ones forgotten. It knows no recipe."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.cgroups import remove_orphans
from lab.command import run

BAKE_GROUP = "waveboard-bake"


@contextmanager
def to_itself(cache: Path) -> Iterator[None]:
    """One baker a cache; others wait and then find what it baked."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "turn").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def forget_old(directory: Path, pattern: str, keep: int = 3) -> None:
    """Drop all but the most recently used, when unused for a day: a virtual machine may still rest on the others."""
    found = sorted(directory.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[keep:]:
        if time.time() - path.stat().st_mtime > 86_400:
            path.unlink()


@contextmanager
def workshop(cache: Path) -> Iterator[Path]:
    """A directory below the cache for half-made things; gone afterwards, and so is what a killed baker left."""
    for stale in cache.glob("work.*"):
        run(["rm", "-rf", "--one-file-system", stale], seconds=120)
    remove_orphans(BAKE_GROUP)
    work = Path(tempfile.mkdtemp(prefix="work.", dir=cache))
    work.chmod(0o755)  # apt downloads as a user of its own
    try:
        yield work
    finally:
        run(["rm", "-rf", "--one-file-system", work], seconds=120)


def directory_made(cache: Path, shelf: str, key: str, build: Callable[[Path, Path], None]) -> Path:
    """The image directory of that key, built when the cache lacks it; those of other keys go. build: is given a place to work in and
    the directory to bring forth at the end."""
    made = cache / shelf / key
    with to_itself(cache):
        if not made.exists():
            for name in ("packages", "images", shelf):
                (cache / name).mkdir(exist_ok=True)
            with workshop(cache) as work:
                build(work, made)
            forget_old(cache / "packages", f"{shelf}-*.tar", keep=1)
            for old in made.parent.iterdir():
                if old != made:
                    shutil.rmtree(old)
    return made
