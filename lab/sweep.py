"""Ends everything of one lab instance, in whatever state it is; it touches nothing that lacks the instance's mark."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from lab import kernel
from lab.cgroups import kill_group, remove_group, remove_orphans
from lab.command import run
from lab.errors import LabError
from lab.leftovers import everything, group_of, loops_of, mounts_below, processes
from lab.settings import Settings


def sweep(settings: Settings, seconds: float = 20) -> None:
    """Kill, wait, unmount, remove groups and disks; keys and logs stay. LabError naming what would not go within `seconds`."""
    until = time.monotonic() + seconds
    remove_orphans("waveboard-bake")
    while True:
        for pid in processes(settings):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for target in mounts_below(settings.state):
            with contextlib.suppress(OSError):
                kernel.unmount(target)
        if not processes(settings):
            for loop in loops_of(settings):  # normally gone with its last user
                run(["losetup", "-d", f"/dev/{loop.split()[0]}"], check=False)
        group = group_of(settings)
        if group:
            kill_group(group)
            remove_group(group)
        left = everything(settings)
        if not left:
            break
        if time.monotonic() > until:
            raise LabError(f"cannot clear the lab {settings.name}: because these stay: {'; '.join(left)}")
        time.sleep(0.02)
    run(["rm", "-rf", "--one-file-system", settings.run, settings.disks, settings.state / "lab.json"])
