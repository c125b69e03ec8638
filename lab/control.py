"""Asking a running keeper, and starting one; the keeper's own work is in keeper.py."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.settings import REPOSITORY, Settings


def ask(settings: Settings, do: str, host: str = "", seconds: float = 40) -> dict[str, Any]:
    """One request, one answer. LabError when no keeper answers or it refuses."""
    request = json.dumps({"do": do, "host": host}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(seconds)
            channel.connect(str(settings.run / "control.sock"))
            channel.sendall(request)
            with channel.makefile("rb") as answers:
                said = json.loads(answers.readline() or b'{"ok": false, "error": "the keeper ended"}')
    except (FileNotFoundError, ConnectionError):
        raise LabError(f"cannot ask the lab {settings.name}: because it is not up; run: waveboard lab up") from None
    except TimeoutError:
        raise LabError(f"cannot {do} {host}: because the keeper did not answer in {seconds:g} s") from None
    if not said.pop("ok"):
        raise LabError(said["error"])
    return dict(said)


def is_up(settings: Settings) -> bool:
    try:
        ask(settings, "status", seconds=5)
    except LabError:
        return False
    return True


def start_keeper(settings: Settings) -> None:
    """Start the keeper detached and wait until it answers."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "WAVEBOARD_LAB_ID": settings.mark,
        "WAVEBOARD_LAB_NAME": settings.name,
        "WAVEBOARD_LAB_STATE": str(settings.state),
        "WAVEBOARD_LAB_CACHE": str(settings.cache),
        "WAVEBOARD_LAB_OCTET": str(settings.octet),
    }
    log = settings.logs / "keeper.log"
    with log.open("wb") as out:
        keeper = subprocess.Popen(
            [*_scope(settings), sys.executable, "-m", "lab.keeper"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    until = time.monotonic() + 15
    while not is_up(settings):
        if keeper.poll() is not None or time.monotonic() > until:
            said = log.read_text(errors="replace").strip().splitlines()
            raise LabError(f"cannot start the lab: because its keeper ended; {said[-1] if said else 'it said nothing'}")
        time.sleep(0.02)


def _scope(settings: Settings) -> list[str]:
    """Under systemd, ask it for a delegated scope, so that guests may manage control groups of their own."""
    if not Path("/run/systemd/system").is_dir():
        return []
    unit = f"--unit=waveboard-lab-{settings.name}"
    return ["systemd-run", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", unit]
