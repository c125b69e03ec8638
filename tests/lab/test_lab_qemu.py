"""The same golden disk in a virtual machine: real SCSI disks with serials, and power loss that loses what was not flushed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator

import pytest

import lab
from lab import leftovers
from lab.settings import Settings

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture
def own() -> Iterator[Settings]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("baking the golden images needs Linux and root")
    cache = {key: value for key, value in os.environ.items() if key == "WAVEBOARD_LAB_CACHE"}
    settings = lab.from_environment({**cache, "WAVEBOARD_LAB_NAME": "wbqemu"})
    lab.down(settings=settings)
    yield settings
    lab.down(settings=settings)
    shutil.rmtree(settings.state)


def test_the_golden_disk_boots_in_qemu_and_loses_what_was_not_flushed(own: Settings) -> None:
    running = lab.up(["mint-data"], tier="qemu", settings=own)
    host = running.host("mint-data")
    disks = json.loads(host.root_run("lsblk -J -o NAME,TYPE,SERIAL,MOUNTPOINT", check=True).stdout)["blockdevices"]
    assert {disk["name"] for disk in disks} == {"sda", "sdb"}, "in either order: the kernel probes them at once"
    assert {disk["serial"]: disk["mountpoint"] for disk in disks} == {"mint-data-boot": "/", "mint-data-data": None}
    assert host.root_run("uname -r").stdout.strip() != os.uname().release, "a kernel of its own"
    assert host.root_run("ip route show default; timeout 5 bash -c '</dev/tcp/10.0.2.2/22'").returncode != 0
    count = "docker exec mint-modules-postgres psql -AtX -U postgres mint -c 'select count(*) from quotes'"
    assert host.root_run(count, seconds=120).stdout.strip() == "20000"
    host.root_run("echo kept > /root/kept && sync && echo 0 > /proc/sys/vm/dirty_writeback_centisecs", check=True)
    host.root_run("echo lost > /root/lost", check=True)
    boot = host.boot_id()
    lab.power_cut("mint-data", settings=own)
    assert host.boot_id() != boot
    assert host.root_run("cat /root/kept").stdout == "kept\n"
    assert host.root_run("cat /root/lost").stdout != "lost\n"
    assert json.loads((own.state / "lab.json").read_text())["tier"] == "qemu"
    with pytest.raises(lab.LabError, match="the lab runs on qemu"):
        lab.up(["mint-data"], tier="nspawn", settings=own)
    lab.down(settings=own)
    assert leftovers.everything(own) == []
    assert not own.run.exists()
    assert not own.disks.exists()
