"""Hosts that waveboard itself makes on a local QEMU, for tests: the workspace, a person's desk, and root on what was made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import lab
from lab import local_vms
from lab.local_vms import PROBE as PROBE
from tests.lab.conftest import NAME, own_settings
from tests.lab.desk import Desk
from tests.lab.drifts import as_root
from waveboard.world.clock import SystemClock
from waveboard.world.hypervisors.qemu import Qemu

VMID, USER = 212, "ubuntu"


@dataclass
class Born(Desk):
    """A person's terminal in a workspace whose hosts do not exist yet."""

    def root(self, script: str, seconds: float = 120) -> str:
        """As root in mint-data, which lets only the profile's own user in."""
        return as_root(self.running.host("mint-data"), script, seconds, user=USER)

    def powered_on(self) -> None:
        """Start mint-data where it is off."""
        os.environ.update(self.also)  # it carries the lab's mark, as what the commands start does
        try:
            self._here.start(VMID)
        finally:
            for name in self.also:
                del os.environ[name]
        self.lets_in()

    def lets_in(self) -> None:
        """Wait until root gets in: sshd may listen before cloud-init has given it its keys, and is started again then."""
        there = self.running.host("mint-data")
        until = time.monotonic() + 120 * there.patience
        while True:
            try:
                as_root(there, "true", 10, user=USER)
                return
            except (AssertionError, subprocess.TimeoutExpired):
                assert time.monotonic() < until, "mint-data does not come back"
                time.sleep(2)

    def powered_off(self) -> None:
        """As its power button does it."""
        self._here.stop(VMID, 300)

    @property
    def _here(self) -> Qemu:
        return Qemu(self.running.settings.disks, "here", SystemClock())

    @property
    def kept(self) -> Path:
        """What the hypervisor keeps of mint-data."""
        return self.running.settings.disks / "vms" / str(VMID) / "vm.json"

    def carried_out(self, plan: str) -> None:
        """Signed by the one, applied by the other."""
        self.sign(plan, self.running.keys.approval, "ronny@mint")
        self.patiently("apply", plan, tries=6)


@contextmanager
def born(directory: Path) -> Iterator[Born]:
    """Nothing of it is left afterwards but the cached image: every QEMU carries the mark of this lab, and is found by it."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("building the image needs Linux and root")
    settings = own_settings(f"{NAME[:10]}vm")
    lab.down(settings=settings)
    try:
        running = local_vms.make(settings, directory / "mint")
        yield Born(running, directory / "mint", seconds=3600, also={"WAVEBOARD_LAB_ID": settings.mark})
    finally:
        lab.down(settings=settings)
        shutil.rmtree(settings.state)
