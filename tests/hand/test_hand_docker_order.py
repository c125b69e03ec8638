"""docker_order by the hand in a sandbox whose data disk is mounted already: there, refused, interrupted, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import DISK_UUID, Sandbox

DROPINS = {unit: f"etc/systemd/system/{unit}.service.d/10-waveboard-data.conf" for unit in ("docker", "containerd")}
TEXT = "[Unit]\nRequiresMountsFor=/mnt/data\nAssertPathIsMountPoint=/mnt/data\n"


def ordering(sandbox: Sandbox, *units: str, uuid: str = DISK_UUID, **more: Any) -> driver.Controller:
    sandbox.stub("systemctl", f'echo "$@" >>{sandbox.root}/told')
    args = {"mount": {"target": "/mnt/data", "uuid": uuid}, "units": list(units or ("docker",))}
    return sandbox.controller(sandbox.plan([driver.step("s0", "docker_order", args, **more)]))


def opened(controller: driver.Controller) -> driver.Controller:
    told = controller.open()
    assert told["ok"], told
    return controller


@pytest.mark.parametrize("units", [("docker",), ("docker", "containerd")])
def test_there_and_back(sandbox: Sandbox, data_disk: Path, units: tuple[str, ...]) -> None:
    controller = opened(ordering(sandbox, *units))
    assert controller.holds("s0")[0] == "NOT_DONE"
    told = controller.run("do", "s0")
    assert told["state"] == "done", told
    assert {u: (sandbox.root / p).exists() for u, p in DROPINS.items()} == {u: u in units for u in DROPINS}
    assert (sandbox.root / DROPINS["docker"]).read_text() == TEXT
    assert controller.holds("s0")[0] == "DONE"
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and told["outcome"]["facts"] == {"left": []}, told
    assert not any((sandbox.root / path).parent.exists() for path in DROPINS.values())
    assert (sandbox.root / "told").read_text().splitlines() == ["daemon-reload"] * 2  # and nothing is stopped or started
    assert controller.holds("s0")[0] == "NOT_DONE"


def test_a_drop_in_that_is_there_is_nobodys_to_replace(sandbox: Sandbox, data_disk: Path) -> None:
    controller = opened(ordering(sandbox))
    file = sandbox.root / DROPINS["docker"]
    file.parent.mkdir(parents=True)
    file.write_text("[Unit]\nAfter=x\n")
    told = controller.start("do", "s0")
    assert told["error"]["code"] == "precondition" and "exists already" in told["error"]["because"]
    assert file.read_text() == "[Unit]\nAfter=x\n"


def test_what_somebody_wrote_over_it_since_stays(sandbox: Sandbox, data_disk: Path) -> None:
    controller = opened(ordering(sandbox))
    assert controller.run("do", "s0")["state"] == "done"
    file = sandbox.root / DROPINS["docker"]
    file.write_text(TEXT + "After=x\n")
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and told["outcome"]["facts"]["left"] == ["/" + DROPINS["docker"]]
    assert file.read_text() == TEXT + "After=x\n"


def test_another_filesystem_than_the_planned_one_is_refused(sandbox: Sandbox, data_disk: Path) -> None:
    controller = opened(ordering(sandbox, uuid="9" * 8 + DISK_UUID[8:]))
    assert controller.start("do", "s0")["error"]["code"] == "precondition"
    assert not (sandbox.root / DROPINS["docker"]).exists()


def test_a_second_attempt_goes_on_where_the_first_was_cut_off(sandbox: Sandbox, data_disk: Path) -> None:
    controller = opened(ordering(sandbox, "docker", "containerd"))
    sandbox.stub("systemctl", "exit 1")
    assert controller.run("do", "s0")["state"] == "failed"
    assert controller.holds("s0")[0] == "DONE"  # only systemd has not read them
    sandbox.stub("systemctl", "exit 0")
    assert controller.run("do", "s0", 2)["state"] == "done"


@pytest.mark.parametrize("units", [[], ["docker", "docker"], ["sshd"], "docker"])
def test_units_it_does_not_order(sandbox: Sandbox, units: Any) -> None:
    args = {"mount": {"target": "/mnt/data", "uuid": DISK_UUID}, "units": units}
    told = sandbox.controller(sandbox.plan([driver.step("s0", "docker_order", args)])).open()
    assert told["error"]["code"] == "bad-request"
