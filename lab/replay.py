"""The read-only half of the demo, for people without root or off Linux: the recorded fleet, judged offline. Changes and contacts nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.settings import REPOSITORY

LEFT_OUT = "Left out here, because it needs root on Linux: the two real hosts, plan, approval, apply, undo, retire, closeout and their receipts."


def why_not_here() -> str:
    """Why the real hosts cannot run on this machine; "" when they can."""
    if not sys.platform.startswith("linux"):
        return "this is not Linux"
    return "" if os.geteuid() == 0 else "this is not root"


def replay() -> int:
    """contracts check, verify and where on the recorded fleet; 0 when each ended as the recording says it must."""
    print(
        f"The lab's real hosts cannot run here: {why_not_here()}. This is the read-only half, on the recorded fleet.\n{LEFT_OUT}"
    )
    example = REPOSITORY / "examples" / "mint"
    fleet = example / "fleet"
    with tempfile.TemporaryDirectory(prefix="waveboard-") as scratch:
        workspace = Path(scratch) / "mint"
        shutil.copytree(example, workspace, ignore=shutil.ignore_patterns("fleet", ".waveboard"))
        for path in (workspace, workspace / "waveboard.yaml"):
            path.chmod(path.stat().st_mode & ~0o022)
        data = str(fleet / "mint-data.json")
        _run(workspace, 0, "contracts", "check")
        _run(workspace, 2, "verify", "mint-storage", "--evidence", str(fleet))
        _run(workspace, 2, "where", "--evidence", data, "--container", "mint-modules-redis", "/data")
        _run(workspace, 2, "where", "--evidence", data, "/var/lib/docker")
    print(f"\n{LEFT_OUT}")
    return 0


def _run(workspace: Path, code: int, *words: str) -> None:
    print(f"\n$ waveboard {' '.join(words)}", flush=True)
    env = {**os.environ, "WAVEBOARD_WORKSPACE": str(workspace), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-m", "waveboard", *words], env=env, check=False)
    if done.returncode != code:
        raise LabError(f"cannot go on: because `waveboard {' '.join(words)}` ended with {done.returncode}, not {code}")
