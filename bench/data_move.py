"""The hand's copy of a tree beside `rsync -aHAX` of the same tree. `python bench/data_move.py [ROUNDS] [--small N] [--big N] [--dir DIR]`

The tree: small files of 1 to 16 KB in directories of fifty, some hard links, symlinks and a sparse file, and big files of 64 MiB that
do not compress. Every copy goes into a fresh directory; the two alternate, and who begins changes every round. Wall time is what a
person waits for and CPU (of this process and its children) what is left of it on a busy machine. The second pass with nothing changed
and the proof of equality stand beside it, since with writers stopped they are the downtime. DIR (TMPDIR) decides on which disk.
"""

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hand.wb_hand.copying import copy_tree
from hand.wb_hand.proof import prove_equal

BIG_BYTES, SPARSE_BYTES, LIMIT_S = 64 * 2**20, 256 * 2**20, 3600
PEER = "rsync -aHAX"
AGAIN = "rsync -aHAX --delete, second pass"


def plant(tree: Path, small: int, big: int) -> None:
    """The same tree every time."""
    chance = random.Random(20260226)
    for number in range(small):
        folder = tree / f"d{number // 1000}" / f"d{number // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(chance.randbytes(chance.randint(1024, 16384)))
        if number % 100 == 0:
            (folder / f"hard{number}").hardlink_to(folder / f"f{number}")
            (folder / f"soft{number}").symlink_to(f"f{number}")
    for number in range(big):
        with (tree / f"big{number}").open("wb") as file:
            for _ in range(BIG_BYTES // 2**20):
                file.write(chance.randbytes(2**20))
    with (tree / "sparse").open("wb") as file:
        file.truncate(SPARSE_BYTES)


class Owner:
    """What copy_tree and prove_equal ask of a step that made its directory, without journal and notes file."""

    def __init__(self, destination: Path, scratch: Path) -> None:
        status = destination.stat()
        self.notes = {"made": {str(destination): [status.st_dev, status.st_ino]}}
        self.step, self.plan, self.copied = {"id": "bench"}, SimpleNamespace(directory=str(scratch)), 0

    def progress(self, **told: Any) -> None:
        """Nobody looks."""


def cpu_s() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) seconds, dirty pages written out before and after being nobody's."""
    os.sync()
    wall, cpu = time.perf_counter(), cpu_s()
    work()
    return time.perf_counter() - wall, cpu_s() - cpu


def rsync(source: Path, destination: Path, *more: str) -> None:
    subprocess.run(["rsync", "-aHAX", *more, f"{source}/", f"{destination}/"], check=True)


def one_round(place: Path, hand_first: bool, seen: dict[str, list[tuple[float, float]]]) -> None:
    source, theirs, ours = place / "tree", place / "theirs", place / "ours"
    theirs.mkdir()
    ours.mkdir()
    owner = Owner(ours, place)

    def by_hand(live: bool) -> Callable[[], object]:
        return lambda: copy_tree(owner, str(source), str(ours), live=live, seconds=LIMIT_S)

    work: dict[str, Callable[[], object]] = {
        PEER: lambda: rsync(source, theirs),
        "the hand's copy": by_hand(live=True),
        AGAIN: lambda: rsync(source, theirs, "--delete"),
        "the hand's second pass": by_hand(live=False),
        "the hand's proof, nothing read ahead": lambda: prove_equal(owner, str(source), str(ours), "bench"),
    }
    names = list(work)
    if hand_first:
        names = [names[1], names[0], names[3], names[2], names[4]]
    for name in names:
        seen.setdefault(name, []).append(measured(work[name]))
    shutil.rmtree(theirs)
    shutil.rmtree(ours)


def main() -> None:
    options = argparse.ArgumentParser(description="the hand's copy beside rsync")
    options.add_argument("rounds", nargs="?", type=int, default=7)
    options.add_argument("--small", type=int, default=8000)
    options.add_argument("--big", type=int, default=4)
    options.add_argument("--dir")
    told = options.parse_args()
    if os.geteuid() != 0 or not shutil.which("rsync"):
        raise SystemExit("cannot run the copy benchmark: because it needs root (owners, ACLs) and rsync")
    seen: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(dir=told.dir) as scratch:
        place = Path(scratch)
        (place / "tree").mkdir()
        (place / "manifests").mkdir()
        plant(place / "tree", told.small, told.big)
        rsync(place / "tree", place / "warm")  # both then read the source from memory
        shutil.rmtree(place / "warm")
        for turn in range(told.rounds):
            one_round(place, turn % 2 == 1, seen)
    print(f"{told.small:,} small files, {told.big} of 64 MiB, {told.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    print(f"{'what':38}{'wall s':>8} {'min..max':>14}{'CPU s':>8}{'x peer wall':>13}{'x peer CPU':>12}")
    for name, runs in seen.items():
        beside = seen[AGAIN if "second" in name else PEER]
        walls, cpus = [w for w, _ in runs], [c for _, c in runs]
        ratios = [statistics.median(own[i] / other[i] for own, other in zip(runs, beside, strict=True)) for i in (0, 1)]
        spread = f"{min(walls):.2f}..{max(walls):.2f}"
        print(
            f"{name:38}{statistics.median(walls):8.2f} {spread:>14}{statistics.median(cpus):8.2f}{ratios[0]:13.2f}{ratios[1]:12.2f}"
        )
    print("\nreach: the copy within 1.1 times rsync's")


if __name__ == "__main__":
    main()
