"""mount_share by the hand in a virtual machine with a real NFS server: there, proven by a restart of the mount, back, refused."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import lab
from lab.host import Host
from lab.layouts import GUEST, guest
from tests.hand import driver

pytestmark = [pytest.mark.disks, pytest.mark.long]

SERVE = """set -e
mkdir -p /srv/export/below; echo kept >/srv/export/file
systemctl restart nfs-server
for _ in $(seq 60); do mount -t nfs 127.0.0.1:/srv/export /mnt 2>/dev/null && break; sleep 1; done
umount /mnt
"""
SOURCE, TARGET = "127.0.0.1:/srv/export", "/mnt/media"
OPTIONS = "defaults,noatime,_netdev,nofail,x-systemd.mount-timeout=30s"
AT_TARGET = f"findmnt -rno FSTYPE,SOURCE {TARGET}"


class InGuest:
    """The guest's hand as root, and plans of one share for it."""

    def __init__(self, one: Host, settings: lab.Settings, key: Any) -> None:
        self.one, self.instance, self.key = one, settings.name, key

    def root(self, script: str) -> str:
        return self.one.root_run(script, seconds=120, check=True).stdout

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        ran = self.one.root_run("/usr/local/libexec/waveboard/wb-hand", seconds=120, stdin=json.dumps(request))
        return dict(json.loads(ran.stdout))

    def controller(self, fence: int, **more: Any) -> driver.Controller:
        args = {"source": SOURCE, "target": TARGET, "fstype": "nfs", "options": OPTIONS, "fstab_edited_by": None}
        args |= {"fstab_before_sha256": driver.sha(self.root("cat /etc/fstab"))} | more
        machine = self.root("cat /etc/machine-id").strip()
        pin = {"host": GUEST.name, "machine_id": machine, "host_key": "SHA256:x", "evidence": driver.sha("e")}
        steps = [driver.step("s-share", "mount_share", args, host=GUEST.name)]
        second = {"source": f"{SOURCE}/below", "target": "/mnt/below", "fstab_edited_by": "s-share"}
        steps += [driver.step("s-below", "mount_share", args | second, host=GUEST.name)]
        hosts = [pin | {"facts": driver.sha("f")}]
        made = driver.plan(steps, instance=self.instance, machine_id=machine, hosts=hosts, read_only_hosts=[])
        signed = driver.approve(made, driver.canonical(made), self.key, "ronny@mint")
        controller = driver.Controller(self.ask, made, [signed], fence)
        told = controller.open()
        assert told["ok"], told
        return controller


@pytest.fixture(scope="module")
def machine() -> Iterator[InGuest]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("dpkg") is None:
        pytest.skip("making the guest's disk needs root on a Debian-like Linux")
    cache = {key: value for key, value in os.environ.items() if key == "WAVEBOARD_LAB_CACHE"}
    settings = lab.from_environment({**cache, "WAVEBOARD_LAB_NAME": "wbshare"})
    with guest(settings) as running:
        running.host.root_run(SERVE, seconds=180, check=True)
        yield InGuest(running.host, settings, running.keys.approval)


def test_a_share_there_and_back(machine: InGuest) -> None:
    fstab = machine.root("cat /etc/fstab")
    controller = machine.controller(1)
    assert controller.holds("s-share")[0] == "NOT_DONE"
    assert controller.run("do", "s-share")["state"] == "done"
    assert controller.holds("s-share")[0] == "DONE"
    assert machine.root("cat /etc/fstab") == fstab + f"{SOURCE} {TARGET} nfs {OPTIONS} 0 0\n"
    assert machine.root(AT_TARGET).split() == ["nfs4", SOURCE] and machine.root(f"cat {TARGET}/file") == "kept\n"
    assert controller.run("do", "s-below")["state"] == "done", "it follows the edit before it"
    assert machine.root("cat /etc/fstab").endswith(f"{SOURCE}/below /mnt/below nfs {OPTIONS} 0 0\n")
    assert controller.run("undo", "s-below")["state"] == "done"
    machine.root(f"umount {TARGET}")
    assert machine.one.root_run(f"touch {TARGET}/x").returncode != 0, "the bare mount point can be written to"
    assert controller.holds("s-share")[0] == "PARTIAL"
    machine.root(f"mount {TARGET}")  # as the next boot would, from fstab alone
    assert controller.run("undo", "s-share")["state"] == "done"
    assert machine.root("cat /etc/fstab") == fstab
    assert machine.one.root_run(f"ls -d {TARGET}").returncode != 0
    assert machine.root("cat /srv/export/file") == "kept\n"
    assert controller.close("rolled-back")["ok"]


def test_what_is_in_the_way_is_never_covered(machine: InGuest) -> None:
    machine.root(f"mkdir {TARGET}; echo precious >{TARGET}/file")
    controller = machine.controller(2)
    told = controller.start("do", "s-share")
    assert not told["ok"] and "not an empty directory" in told["error"]["because"], told
    machine.root(f"rm {TARGET}/file; mount --bind /srv/export {TARGET}")
    told = controller.start("do", "s-share")
    assert not told["ok"], told
    machine.root(f"umount {TARGET}; rmdir {TARGET}")
    assert controller.close("rolled-back")["ok"]


def test_an_export_that_is_not_there_changes_nothing(machine: InGuest) -> None:
    fstab = machine.root("cat /etc/fstab")
    controller = machine.controller(3, source="127.0.0.1:/srv/nowhere")
    assert controller.run("do", "s-share")["state"] == "failed"
    assert machine.root("cat /etc/fstab") == fstab, "a line that could not be mounted never reaches fstab"
    assert controller.run("undo", "s-share")["state"] == "done"
    assert machine.one.root_run(f"ls -d {TARGET}").returncode != 0
    assert controller.close("rolled-back")["ok"]
