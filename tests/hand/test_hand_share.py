"""What mount_share refuses and leaves alone, in a sandbox. That it mounts is shown in a virtual machine (test_hand_share_in_guest)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import Sandbox

FSTAB = "LABEL=rootfs / ext4 defaults 0 1\n# by hand\n"
TARGET = "/mnt/media"


class Ground:
    """The sandbox with an fstab, and a mount that never answers."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.fstab, self.place = sandbox, sandbox.root / "etc/fstab", sandbox.root / TARGET.lstrip("/")
        self.fstab.write_text(FSTAB)
        (sandbox.root / "mnt").mkdir()
        for name in ("mount.nfs", "findmnt", "systemctl", "umount"):
            sandbox.stub(name, "exit 0")
        sandbox.stub("mount", f"cat {self.fstab} >{sandbox.root}/at-mount; echo no such export >&2; exit 32")

    def step(self, name: str = "s0", **more: Any) -> dict[str, Any]:
        args = {"source": "nas:/media", "target": TARGET, "fstype": "nfs", "options": "_netdev,nofail", "fstab_edited_by": None}
        return driver.step(name, "mount_share", args | {"fstab_before_sha256": driver.sha(FSTAB)} | more)

    def controller(self, *steps: dict[str, Any]) -> driver.Controller:
        controller = self.sandbox.controller(self.sandbox.plan(list(steps or [self.step()])))
        told = controller.open()
        assert told["ok"], told
        return controller


@pytest.fixture
def ground(sandbox: Sandbox) -> Ground:
    return Ground(sandbox)


def test_a_line_that_does_not_mount_never_reaches_fstab(ground: Ground) -> None:
    controller = ground.controller()
    told = controller.run("do", "s0")
    assert told["state"] == "failed" and "no such export" in str(told["outcome"]), told
    assert ground.fstab.read_text() == FSTAB and Path(ground.sandbox.root / "at-mount").read_text() == FSTAB
    assert controller.run("undo", "s0")["state"] == "done"
    assert ground.fstab.read_text() == FSTAB and not ground.place.exists()
    assert controller.holds("s0")[0] == "NOT_DONE"


def test_a_place_that_was_there_stays(ground: Ground) -> None:
    ground.place.mkdir()
    controller = ground.controller()
    assert controller.run("do", "s0")["state"] == "failed"
    assert controller.run("undo", "s0")["state"] == "done" and ground.place.is_dir()
    (ground.place / "writable").touch()


def test_data_is_never_covered(ground: Ground) -> None:
    ground.place.mkdir()
    (ground.place / "precious").touch()
    told = ground.controller().start("do", "s0")
    assert "not an empty directory" in told["error"]["because"] and ground.fstab.read_text() == FSTAB


def test_a_host_without_the_tool_says_so(ground: Ground) -> None:
    (ground.sandbox.root / "stubs/mount.nfs").unlink()
    if shutil.which("mount.nfs", path=f"{os.environ['PATH']}:/sbin:/usr/sbin"):
        pytest.skip("it is installed on this machine")
    assert ground.controller().start("do", "s0")["error"]["code"] == "tool-missing"


def test_another_fstab_than_the_planned_one_is_left_alone(ground: Ground) -> None:
    controller = ground.controller()
    ground.fstab.write_text(FSTAB + "x /x ext4 defaults 0 0\n")
    assert controller.start("do", "s0")["error"]["code"] == "changed"


def test_a_place_or_an_export_that_fstab_names_already_is_refused(ground: Ground) -> None:
    for line in (f"other:/x {TARGET}/ nfs defaults 0 0\n", "nas:/media /elsewhere nfs defaults 0 0\n"):
        ground.fstab.write_text(FSTAB + line)
        controller = ground.controller(ground.step(fstab_before_sha256=driver.sha(FSTAB + line)))
        assert "is there already" in controller.start("do", "s0")["error"]["because"]
        assert controller.close("rolled-back")["ok"]


def test_a_step_that_follows_another_comes_after_it(ground: Ground) -> None:
    second = ground.step("s1", source="nas:/books", target="/mnt/books", fstab_edited_by="s0")
    controller = ground.controller(ground.step(), second)
    told = controller.start("do", "s1")
    assert not told["ok"] and told["error"]["code"] == "out-of-order", told
