"""containerd_root by the hand in a sandbox whose data disk is a bind mount: there, refused, interrupted, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import DISK_UUID, Sandbox

ROOT = "/mnt/data/containerd"
CONFIG, DROPIN = "etc/containerd/config.toml", "etc/systemd/system/containerd.service.d/10-waveboard-data.conf"
STOCK = 'version = 2\n[plugins]\n  root = "/opt/x"\n'
CONTAINERD = """grep '^root' "$2" || echo 'root = "/var/lib/containerd"'"""
SYSTEMCTL = 'echo "$@" >>{log}\n[ "$1" != is-active ] || [ "$3" = "$(cat {active})" ]'


class Ground:
    """The sandbox, and what systemd was told."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.log, self.active = sandbox, sandbox.root / "told", sandbox.root / "active"
        self.log.touch()
        self.active.touch()
        sandbox.stub("containerd", CONTAINERD)
        sandbox.stub("systemctl", SYSTEMCTL.format(log=self.log, active=self.active))

    def path(self, name: str) -> Path:
        return self.sandbox.root / name.lstrip("/")

    def told(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return [line for line in lines if not line.startswith("is-active")]

    def controller(self, **more: Any) -> driver.Controller:
        before = driver.sha(self.path(CONFIG).read_text()) if self.path(CONFIG).exists() else None
        args = {
            "root": ROOT,
            "root_mount": {"target": "/mnt/data", "uuid": DISK_UUID},
            "config_before_sha256": before,
            "dropin": True,
        }
        controller = self.sandbox.controller(self.sandbox.plan([driver.step("s0", "containerd_root", args | more)]))
        told = controller.open()
        assert told["ok"], told
        return controller


@pytest.fixture
def ground(sandbox: Sandbox, data_disk: Path) -> Ground:
    return Ground(sandbox)


@pytest.mark.parametrize("stock", [STOCK, None])
def test_there_and_back_byte_for_byte(ground: Ground, stock: str | None) -> None:
    if stock is not None:
        ground.path("etc/containerd").mkdir()
        ground.path(CONFIG).write_text(stock)
    ground.active.write_text("containerd.service")
    controller = ground.controller()
    assert controller.holds("s0")[0] == "NOT_DONE"
    told = controller.run("do", "s0")
    assert told["state"] == "done", told
    assert ground.path(CONFIG).read_text() == f'root = "{ROOT}"\n' + (stock or "")
    assert "RequiresMountsFor=/mnt/data" in ground.path(DROPIN).read_text()
    assert ground.path(ROOT).stat().st_mode & 0o777 == 0o711
    assert ground.told() == ["daemon-reload", "restart containerd.service"]
    assert controller.holds("s0")[0] == "DONE"
    (ground.path(ROOT) / "metadata").write_text("x")
    told = controller.run("undo", "s0")
    assert told["state"] == "done", told
    assert (ground.path(CONFIG).read_text() if ground.path(CONFIG).exists() else None) == stock
    assert ground.path("etc/containerd").exists() is (stock is not None)
    assert not ground.path(DROPIN).parent.exists() and not ground.path(ROOT).exists()
    aside = next(ground.path("/mnt/data").glob("containerd.wb-undone-*"))
    assert (aside / "metadata").read_text() == "x", "nothing is deleted"
    assert ground.told() == ["stop containerd.service", "daemon-reload", "start containerd.service"]
    assert controller.holds("s0")[0] == "NOT_DONE"


def test_a_containerd_that_did_not_run_is_not_started(ground: Ground) -> None:
    controller = ground.controller()
    assert controller.run("do", "s0")["state"] == "done" and ground.told() == ["daemon-reload"]
    assert controller.run("undo", "s0")["state"] == "done" and ground.told() == ["stop containerd.service", "daemon-reload"]


def test_a_docker_that_has_run_is_left_alone(ground: Ground) -> None:
    controller = ground.controller()
    used = ground.path("var/lib/docker/image")
    used.mkdir(parents=True)
    assert "may hold data" in controller.start("do", "s0")["error"]["because"]
    used.rmdir()
    ground.active.write_text("docker.service")
    assert "docker runs already" in controller.start("do", "s0")["error"]["because"]
    assert not ground.path(CONFIG).exists() and not ground.path(ROOT).exists()


def test_settings_that_changed_since_the_plan_are_left_alone(ground: Ground) -> None:
    controller = ground.controller()
    ground.path("etc/containerd").mkdir()
    ground.path(CONFIG).write_text(STOCK)
    assert controller.start("do", "s0")["error"]["code"] == "changed"
    assert ground.path(CONFIG).read_text() == STOCK


def test_settings_under_which_containerd_would_use_another_root_never_reach_it(ground: Ground) -> None:
    ground.sandbox.stub("containerd", "echo 'root = \"/var/lib/containerd\"'")
    controller = ground.controller()
    told = controller.run("do", "s0")
    assert told["state"] == "failed" and "would use /var/lib/containerd" in str(told["outcome"]), told
    assert not ground.path(CONFIG).exists() and not ground.path(ROOT).exists()
    assert controller.run("undo", "s0")["state"] == "done"


def test_undo_does_not_pull_the_root_from_under_docker(ground: Ground) -> None:
    controller = ground.controller()
    assert controller.run("do", "s0")["state"] == "done"
    ground.active.write_text("docker.service")
    told = controller.run("undo", "s0")
    assert told["state"] == "failed" and "docker runs on it" in str(told["outcome"])
    assert ground.path(CONFIG).exists() and ground.path(ROOT).is_dir()


def test_a_drop_in_alone_comes_back_and_the_settings_it_did_not_write_stay(ground: Ground) -> None:
    right = f'root = "{ROOT}"\n{STOCK}'
    ground.path("etc/containerd").mkdir()
    ground.path(CONFIG).write_text(right)
    ground.path(ROOT).mkdir()
    (ground.path(ROOT) / "metadata").write_text("x")
    controller = ground.controller()
    assert controller.holds("s0")[0] == "NOT_DONE"
    told = controller.run("do", "s0")
    assert told["state"] == "done" and ground.path(DROPIN).exists(), told
    assert controller.holds("s0")[0] == "DONE"
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and not ground.path(DROPIN).parent.exists(), told
    assert ground.path(CONFIG).read_text() == right and (ground.path(ROOT) / "metadata").read_text() == "x"
    assert controller.holds("s0")[0] == "NOT_DONE"


@pytest.mark.parametrize("other", ["/srv/docker", "/mnt/data/docker"])
def test_a_docker_that_keeps_its_data_elsewhere_is_left_alone(ground: Ground, other: str) -> None:
    ground.path("etc/docker/daemon.json").write_text(f'{{"data-root": "{other}"}}')
    (ground.path(other) / "volumes").mkdir(parents=True)
    told = ground.controller().start("do", "s0")
    assert not told["ok"] and other in told["error"]["because"], told
    assert not ground.path(CONFIG).exists() and not ground.path(ROOT).exists()
