"""The timer that takes a step back when nobody confirms it."""

from __future__ import annotations

import sys

from . import place
from .place import INSTALLED
from .tools import run
from .units import systemctl
from .verb import Ctx

UNDO_TIMER_S = 600


def arm_undo_timer(ctx: Ctx) -> None:
    name = f"wb-{ctx.short}-{ctx.step['id']}-timer"
    if place.ROOT:
        return
    disarm_undo_timer(ctx)
    argv = [
        "systemd-run",
        "--quiet",
        f"--unit={name}",
        f"--on-active={UNDO_TIMER_S}",
        "--timer-property=AccuracySec=1s",
        "--collect",
    ]
    run([*argv, sys.executable, "-I", INSTALLED, "--revert", ctx.plan.digest, ctx.step["id"], str(ctx.fence)], seconds=30)


def disarm_undo_timer(ctx: Ctx) -> None:
    if not place.ROOT:
        systemctl("stop", f"wb-{ctx.short}-{ctx.step['id']}-timer.timer", check=False)
