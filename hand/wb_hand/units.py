"""Steps as units of systemd: started once under a name, asked about by that name."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence

from . import place
from .files import text_of
from .place import INSTALLED, RUNTIME, at, environment
from .plan import Opened
from .refused import Json
from .tools import Ran, run


def unit_name(plan: Opened, step: str, phase: str, attempt: int) -> str:
    return f"wb-{plan.short}-{step}-{phase}-{attempt}"


def start_unit(name: str, argv: Sequence[str], limit_s: int) -> None:
    """Start a unit that nobody can start a second time under the same name until the next boot."""
    if place.ROOT:  # a test root has no systemd: a detached child of the same form, its name taken by a file
        marker = os.open(at(f"{RUNTIME}/{name}.pid"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        words = [sys.executable, place.program(), "--test-root", place.ROOT, *argv]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen(words, start_new_session=True, env=environment(), **quiet)  # type: ignore[call-overload]
        os.write(marker, str(child.pid).encode())
        os.close(marker)
        return
    words = [
        "systemd-run",
        "--quiet",
        f"--unit={name}",
        "--property=RemainAfterExit=yes",
        f"--property=RuntimeMaxSec={limit_s + 60}",
    ]
    words += ["--property=TimeoutStopSec=30", "--property=UMask=0077", "--property=OOMScoreAdjust=-500"]
    run([*words, sys.executable, "-I", INSTALLED, *argv], seconds=30)


def unit_state(name: str) -> Json | None:
    """{"active", "result", "exit"} of a unit, None when systemd (no longer) knows it. active: "running" only while it runs."""
    if place.ROOT:
        pid = text_of(f"{RUNTIME}/{name}.pid")
        if not pid:
            return None
        stat_line = ""
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            stat_line = file.read()
        alive = bool(stat_line) and stat_line.rpartition(")")[2].split()[0] not in "ZX"
        return {"active": "running" if alive else "exited", "result": "", "exit": 0}
    keys = "LoadState,ActiveState,SubState,Result,ExecMainStatus"
    ran = run(["systemctl", "show", f"{name}.service", f"--property={keys}"], seconds=20, check=False)
    shown = dict(line.split("=", 1) for line in ran.text.splitlines() if "=" in line)
    if shown.get("LoadState") != "loaded":
        return None
    running = shown.get("SubState") in ("running", "start", "start-pre", "start-post", "stop", "stop-sigterm", "final-sigterm")
    active = "running" if running else shown.get("SubState", "")
    return {"active": active, "result": shown.get("Result", ""), "exit": int(shown.get("ExecMainStatus") or 0)}


def systemctl(*argv: str, seconds: float = 180, check: bool = True) -> Ran:
    return run(["systemctl", *argv], seconds=seconds, check=check)


def active(unit: str) -> bool:
    return systemctl("is-active", "--quiet", unit, check=False).code == 0
