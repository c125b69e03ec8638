"""Bad days on a real host of the lab: nobody confirms, the data disk is gone at boot, the data disk fills up in the middle of a copy."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import lab
from tests.hand.conftest import LabHost
from tests.hand.test_hand_on_lab import back, forward, held, shape

pytestmark = [pytest.mark.lab, pytest.mark.long]

HAND = "/usr/local/libexec/waveboard/wb-hand"


def until(what: str, seconds: float, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def instead(host: LabHost, name: str, script: str) -> None:
    """A tool of the host with something before it; the hand looks into /usr/sbin first."""
    text = f'#!/bin/sh\n{script}\nexec /usr/bin/{name} "$@"\n'
    host.root(f"test ! -e /usr/sbin/{name} && cat > /usr/sbin/{name} << 'END'\n{text}END\nchmod 755 /usr/sbin/{name}")


def test_the_undo_timer_takes_back_what_nobody_confirmed(lab_host: LabHost) -> None:
    before, kept = shape(lab_host), held(lab_host)
    lab_host.root(f"sed -i 's/^UNDO_TIMER_S = 600$/UNDO_TIMER_S = 8/' {HAND} && grep -qx 'UNDO_TIMER_S = 8' {HAND}")
    controller = lab_host.w8b()
    forward(controller, ("s-format",))
    instead(lab_host, "mount", 'case "$*" in /mnt/data) sleep 600 ;; esac')  # hangs after fstab was changed
    assert controller.start("do", "s-mount")["ok"]
    unit = f"wb-{controller.digest[7:15]}-s-mount-do-1.service"
    until("fstab is changed", 90, lambda: lab_host.root("sha256sum /etc/fstab").split()[0] not in before["files"])
    lab_host.root(f"systemctl kill -s KILL --kill-whom=all {unit}; rm /usr/sbin/mount")
    assert controller.status("do", "s-mount")["state"] == "unknown"
    until("the timer fired", 120, lambda: controller.status("undo", "s-mount")["state"] == "done")
    assert controller.holds("s-mount")[0] == "NOT_DONE"
    assert controller.start("do", "s-mount", 2)["error"]["code"] == "plan-undone"
    assert lab_host.root("systemctl list-units --all --no-legend 'wb-*-timer.timer'").strip() == ""
    back(controller, ("s-format",))
    assert controller.close("rolled-back")["ok"]
    assert shape(lab_host) == {**before, "places": shape(lab_host)["places"]} and held(lab_host) == kept


def test_docker_is_held_back_when_the_data_disk_is_missing_at_boot(lab_host: LabHost) -> None:
    kept, controller = held(lab_host), lab_host.w8b()
    forward(controller)
    disk = "/dev/sdb"
    uuid = lab_host.root(f"blkid -p -s UUID -o value {disk}").strip()
    lab_host.root(
        "systemctl stop docker.socket docker.service containerd.service && umount /mnt/data && "
        f"e2fsck -fp {disk} > /dev/null; tune2fs -U 00000000-1111-2222-3333-444444444444 {disk} > /dev/null && sync",
        120,
    )
    lab.reboot("mint-data", settings=lab_host.lab.settings)
    until(
        "the host settled", 180, lambda: lab_host.root("systemctl is-system-running || true").strip() in ("running", "degraded")
    )
    assert lab_host.root("systemctl is-active docker.service || true").strip() != "active"
    lab_host.root("systemctl start docker.service > /dev/null 2>&1; true", 120)
    assert lab_host.root("systemctl is-active docker.service || true").strip() != "active"
    assert lab_host.root("find /var/lib/docker /mnt/data -mindepth 1 | head -3") == "", (
        "nothing was written to the boot disk instead"
    )
    lab_host.root(f"tune2fs -U {uuid} {disk} > /dev/null && mount /mnt/data && systemctl start docker.service", 120)
    lab_host.host.wait_containers()
    assert held(lab_host) == kept


def test_a_data_disk_that_fills_up_in_the_middle_of_the_copy_is_rolled_back(lab_host: LabHost) -> None:
    before, kept = shape(lab_host), held(lab_host)
    controller = lab_host.w8b()
    forward(controller, ("s-format", "s-mount"))
    # there was room when the step looked; somebody else takes it while the copy begins
    instead(lab_host, "rsync", "fallocate -l $(($(df --output=avail -B1 /mnt/data | tail -1) - 1048576)) /mnt/data/theirs")
    told = controller.run("do", "s-root")
    assert told["state"] == "failed", told
    error = told["outcome"]["error"]
    assert error["code"] in ("no-space", "tool-failed") and "space" in error["because"].lower(), error
    lab_host.root("rm /usr/sbin/rsync")
    assert lab_host.root("docker info -f '{{.DockerRootDir}}'").strip() == "/var/lib/docker"
    assert held(lab_host) == kept, "the original was not touched"
    assert lab_host.root("stat -c %s /mnt/data/theirs").strip() != "0", "what is not ours stays"
    lab_host.root("rm /mnt/data/theirs")
    back(controller, ("s-format", "s-mount", "s-root"))
    assert controller.close("rolled-back")["ok"]
    assert shape(lab_host) == {**before, "places": shape(lab_host)["places"]} and held(lab_host) == kept
