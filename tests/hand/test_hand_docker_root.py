"""docker_prepare and docker_root_move by the hand in a sandbox with a scripted docker: what they refuse and what an undo leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import DISK_UUID, Sandbox

DST, STOCK = "/mnt/data/docker", "/var/lib/docker"
MOUNT = {"target": "/mnt/data", "uuid": DISK_UUID}
AFTER = json.dumps({"data-root": DST}) + "\n"
# Units are names in two files; docker.service takes its data-root from daemon.json when it starts, and makes it.
SYSTEMCTL = """
cd {root}
word=$1; shift; echo "$word $*" >>told
case $word in
is-active) grep -qx "$2" active ;;
is-enabled) grep -qx "$1" enabled && echo enabled || echo disabled ;;
show) echo MainPID=1 ;;
start) for unit; do
    if [ "$unit" = docker.service ] && ! grep -qx "$unit" active; then
      live=$(sed -n 's/.*"data-root": *"\\([^"]*\\)".*/\\1/p' etc/docker/daemon.json 2>/dev/null)
      echo "${{live:-/var/lib/docker}}" >live; mkdir -p ".$(cat live)/volumes"
    fi
    grep -qx "$unit" active || echo "$unit" >>active
  done ;;
stop) for unit; do sed -i "/^$unit\\$/d" active; done ;;
enable) for unit; do grep -qx "$unit" enabled || echo "$unit" >>enabled; done ;;
disable) sed -i "/^$1\\$/d" enabled ;;
esac
"""
DOCKER = """case "$*" in *DockerRootDir*) echo "\\"$(cat {root}/live)\\"" ;; *DriverStatus*) echo '[] false' ;; esac"""


class Ground:
    """The sandbox, its daemon.json, and which units run."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.settings = sandbox, sandbox.root / "etc/docker/daemon.json"
        for name in ("told", "active", "enabled"):
            (sandbox.root / name).touch()
        sandbox.stub("systemctl", SYSTEMCTL.format(root=sandbox.root))
        sandbox.stub("docker", DOCKER.format(root=sandbox.root))

    def path(self, name: str) -> Path:
        return self.sandbox.root / name.lstrip("/")

    def running(self, *units: str, live: str = STOCK) -> None:
        self.path("active").write_text("".join(f"{unit}\n" for unit in units))
        self.path("live").write_text(live)

    def runs(self) -> set[str]:
        return set(self.path("active").read_text().split())

    def controller(self, verb: str, **more: Any) -> driver.Controller:
        before = driver.sha(self.settings.read_text()) if self.settings.exists() else None
        args = {"dst": DST, "dst_mount": MOUNT, "daemon_json_before_sha256": before, "daemon_json_after": AFTER}
        controller = self.sandbox.controller(self.sandbox.plan([driver.step("s0", verb, args | more)]))
        told = controller.open()
        assert told["ok"], told
        return controller

    def prepare(self) -> driver.Controller:
        return self.controller("docker_prepare")

    def move(self) -> driver.Controller:
        more = {"stop_containers": [], "start_order": [], "services": [], "expected": {"containers": [], "volumes": []}}
        return self.controller("docker_root_move", src=STOCK, containerd=True, writers="stopped", **more)


@pytest.fixture
def ground(sandbox: Sandbox, data_disk: Path) -> Ground:
    return Ground(sandbox)


def test_docker_starts_on_its_root_and_all_comes_back(ground: Ground) -> None:
    ground.running("containerd.service")
    controller = ground.prepare()
    told = controller.run("do", "s0")
    assert told["state"] == "done" and ground.settings.read_text() == AFTER, told
    assert controller.holds("s0")[0] == "DONE"
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and not ground.settings.exists() and not ground.path(DST).exists(), told
    assert ground.runs() == {"containerd.service"}, "what ran before runs again, and nothing else"
    assert controller.holds("s0")[0] == "NOT_DONE"


def test_settings_that_were_right_before_are_not_taken_away(ground: Ground) -> None:
    ground.settings.write_text(AFTER)
    controller = ground.prepare()
    assert controller.holds("s0")[0] == "NOT_DONE"
    told = controller.run("do", "s0")
    assert told["state"] == "done" and ground.path(DST).is_dir(), told
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and ground.settings.read_text() == AFTER, told
    assert not ground.path(DST).exists() and controller.holds("s0")[0] == "NOT_DONE"


def test_a_step_that_wrote_nothing_takes_nothing_back(ground: Ground) -> None:
    ground.running("containerd.service", "docker.socket")
    ground.sandbox.stub("dockerd", "echo bad settings >&2; exit 1")
    controller = ground.prepare()
    assert controller.run("do", "s0")["state"] == "failed"
    ground.settings.write_text(AFTER)  # a person's
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and ground.settings.read_text() == AFTER, told
    assert ground.runs() == {"containerd.service", "docker.socket"}


@pytest.mark.parametrize("root", [DST, "/srv/docker"])
def test_a_docker_that_keeps_its_data_elsewhere_is_never_prepared(ground: Ground, root: str) -> None:
    before = json.dumps({"data-root": root}) + "\n"
    ground.settings.write_text(before)
    (ground.path(root) / "volumes").mkdir(parents=True)
    told = ground.prepare().start("do", "s0")
    assert not told["ok"] and root in told["error"]["because"], told
    assert ground.settings.read_text() == before and ground.runs() == set()


def used(ground: Ground) -> None:
    (ground.path(STOCK) / "volumes/pg/_data").mkdir(parents=True)
    (ground.path(STOCK) / "volumes/pg/_data/rows").write_text("precious")
    ground.running("containerd.service", "docker.service")


def untouched(ground: Ground) -> bool:
    whole = (ground.path(STOCK) / "volumes/pg/_data/rows").read_text() == "precious"
    return whole and "docker.service" in ground.runs() and not ground.path(DST).exists()


def test_a_root_is_moved_and_comes_back(ground: Ground) -> None:
    used(ground)
    controller = ground.move()
    told = controller.run("do", "s0")
    assert told["state"] == "done", told
    assert (ground.path(DST) / "volumes/pg/_data/rows").read_text() == "precious" and ground.settings.read_text() == AFTER
    assert controller.holds("s0")[0] == "DONE"
    told = controller.run("undo", "s0")
    assert told["state"] == "done" and untouched(ground) and not ground.settings.exists(), told
    assert controller.holds("s0")[0] == "NOT_DONE"


@pytest.mark.parametrize("named", [DST, "/srv/docker"])
def test_a_root_that_the_settings_name_already_is_not_taken_for_switched(ground: Ground, named: str) -> None:
    used(ground)
    before = AFTER.replace(DST, named)
    ground.settings.write_text(before)
    told = ground.move().start("do", "s0")
    assert not told["ok"] and f"names {named} already" in told["error"]["because"], told
    assert untouched(ground) and ground.settings.read_text() == before


def test_settings_that_somebody_wrote_between_two_attempts_are_not_taken_for_switched(ground: Ground) -> None:
    used(ground)
    (ground.path("/mnt/data") / "docker").mkdir()  # not this step's: the first attempt ends before anything is written
    controller = ground.move()
    assert controller.run("do", "s0")["state"] == "failed"
    (ground.path("/mnt/data") / "docker").rmdir()
    ground.settings.write_text(AFTER)
    told = controller.start("do", "s0", 2)
    assert not told["ok"] and told["error"]["code"] == "changed", told
    assert controller.holds("s0")[0] == "NOT_DONE"
    told = controller.run("undo", "s0")
    assert told["state"] == "failed" and "somebody else changed it since" in str(told["outcome"]), told
    assert untouched(ground) and ground.settings.read_text() == AFTER
