"""mount_data by the hand in a sandbox whose data disk is mounted already: what it writes comes back byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hand import driver
from tests.hand.conftest import DISK_UUID, Sandbox


@pytest.mark.parametrize("before", ["", "LABEL=rootfs / ext4 defaults 0 1"])
def test_an_fstab_comes_back_byte_for_byte_also_an_empty_one(sandbox: Sandbox, data_disk: Path, before: str) -> None:
    fstab = sandbox.root / "etc/fstab"
    fstab.write_text(before)
    for name in ("findmnt", "systemctl", "umount"):
        sandbox.stub(name, "exit 0")
    args = {
        "uuid": DISK_UUID,
        "target": "/mnt/data",
        "fstype": "ext4",
        "options": "nofail",
        "fstab_before_sha256": driver.sha(before),
    }
    args |= {"docker_dropin": True, "containerd_dropin": False}
    controller = sandbox.controller(sandbox.plan([driver.step("s0", "mount_data", args)]))
    assert controller.open()["ok"]
    told = controller.run("do", "s0")
    assert told["state"] == "done" and fstab.read_text().endswith(f"UUID={DISK_UUID} /mnt/data ext4 nofail 0 2\n"), told
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and fstab.read_text() == before, told
