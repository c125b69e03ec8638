"""A sandbox root for the hand's pure parts, and a lab host of these tests' own for the rest."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lab
from hand.build import hand_file
from lab import keys as lab_keys
from tests.hand import driver
from waveboard.model.contract import HostTarget
from waveboard.world.hosts.hand_local import LocalHand
from waveboard.world.hosts.hand_ssh import SshHand

MACHINE = "0123456789abcdef0123456789abcdef"
LAB = (
    f"{own}hand" if (own := os.environ.get("WAVEBOARD_TEST_LAB")) else "wbhandlab"
)  # so that two checkouts can test on one machine


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand as a host gets it."""
    path = tmp_path_factory.mktemp("program") / "wb-hand"
    path.write_bytes(hand_file())
    return path


def new_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True, timeout=20)
    return path


class Sandbox:
    """A directory that plays a host's root, two allowed signers, and a hand that runs on it."""

    def __init__(self, root: Path, keys: Path, program: Path) -> None:
        self.root, self.keys, self.program = root, keys, program
        for name in ("etc/waveboard", "etc/docker", "etc/systemd/system", "stubs", "var/lib", "run"):
            (root / name).mkdir(parents=True)
        (root / "etc/machine-id").write_text(MACHINE + "\n")
        (root / "etc/waveboard/hand.json").write_text('{"instance": "mint", "hostname": "mint-data"}')
        signers = [
            f'{name} namespaces="waveboard-approval@v1" {(keys / f"{name}.pub").read_text()}' for name in ("ronny", "dana")
        ]
        (root / "etc/waveboard/allowed_signers").write_text("".join(signers))
        self.stub("dockerd", "exit 0")
        self.target = HostTarget(id="mint-data", address="sandbox", user=None, port=None)
        self.hand = LocalHand(program, {"mint-data": root})

    def stub(self, name: str, script: str) -> None:
        """A stand-in for a tool of the host."""
        path = self.root / "stubs" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return dict(self.hand.call(self.target, request, 60))

    def file(self, name: str) -> Path:
        return self.root / "var/lib/waveboard" / name

    def write_steps(self, count: int = 1) -> list[dict[str, Any]]:
        """write_file steps: the only verb that needs nothing but files."""
        place = "/etc/systemd/system/docker.service.d/part-{}.conf"
        made = [
            {"path": place.format(n), "before_sha256": None, "after": f"[Unit]\n# {n}\n", "mode": 0o644} for n in range(count)
        ]
        return [driver.step(f"s{n}", "write_file", args) for n, args in enumerate(made)]

    def plan(self, steps: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        made = driver.plan(self.write_steps() if steps is None else steps, instance="mint", machine_id=MACHINE)
        return made | more

    def controller(
        self, made: dict[str, Any], by: tuple[str, ...] = ("ronny",), fence: int = 1, **more: Any
    ) -> driver.Controller:
        text = driver.canonical(made)
        signed = [driver.approve(made, text, self.keys / name, name, **more) for name in by]
        return driver.Controller(self.ask, made, signed, fence)


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    for name in ("ronny", "dana", "mallory"):
        new_key(directory / name)
    return directory


@pytest.fixture
def sandbox(tmp_path: Path, signing_keys: Path, program: Path) -> Sandbox:
    if os.geteuid() != 0:
        pytest.skip("the hand runs as root only")
    return Sandbox(tmp_path / "root", signing_keys, program)


DISK_UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def data_disk(sandbox: Sandbox) -> Iterator[Path]:
    """/mnt/data of the sandbox: a bind mount that plays the disk of DISK_UUID."""
    disk = sandbox.root / "mnt/data"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "--bind", disk, disk], capture_output=True, check=False).returncode:
        pytest.skip("needs to mount")
    try:
        table = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        uevent = sandbox.root / f"sys/dev/block/{next(words[2] for words in table if words[4] == str(disk))}/uevent"
        uevent.parent.mkdir(parents=True)
        uevent.write_text("DEVNAME=vdz\n")
        sandbox.stub("blkid", f"echo {DISK_UUID}")
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


class LabHost:
    """mint-data of the lab, reached as the product reaches it, and as root for the oracles."""

    def __init__(self, running: lab.Lab) -> None:
        self.lab, self.host = running, running.host("mint-data")
        told = json.loads((running.settings.state / "lab.json").read_text())
        one = next(host for host in told["hosts"] if host["name"] == "mint-data")
        self.instance = told["name"]
        keys = lab_keys.of(running.settings)
        self.signers = {told["principal"]: keys.approval, lab_keys.SECOND: keys.second}
        self.target = HostTarget(
            id="mint-data",
            address=one["address"],
            user=None,
            port=one["port"],
            known_hosts=told["known_hosts"],
            mutate_user=one["hand_user"],
            mutate_key_file=told["keys"]["hand"],
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return dict(SshHand().call(self.target, request, 90))

    def root(self, script: str, seconds: float = 60) -> str:
        return self.host.root_run(script, seconds=seconds, check=True).stdout

    def controller(self, steps: list[dict[str, Any]], fence: int = 1, kind: str = "wave") -> driver.Controller:
        machine = self.root("cat /etc/machine-id").strip()
        made = driver.plan(steps, instance=self.instance, machine_id=machine, kind=kind)
        signed = [driver.approve(made, driver.canonical(made), key, name) for name, key in self.signers.items()]
        controller = driver.Controller(self.ask, made, signed, fence)
        told = controller.open()
        assert told["ok"], told
        return controller

    def w8b(self) -> driver.Controller:
        return self.controller(driver.w8b_steps(self.root))


@pytest.fixture(scope="session")
def hand_lab() -> Iterator[lab.Lab]:
    if os.geteuid() != 0 or not Path("/usr/bin/dpkg").exists():
        pytest.skip("the lab needs root on a Debian-like Linux")
    environment = {key: value for key, value in os.environ.items() if key == "WAVEBOARD_LAB_CACHE"}
    settings = lab.from_environment({**environment, "WAVEBOARD_LAB_NAME": LAB})
    lab.down(settings=settings)
    try:
        yield lab.up(["mint-data"], settings=settings)
    finally:
        lab.down(settings=settings)


@pytest.fixture
def lab_host(hand_lab: lab.Lab) -> LabHost:
    """mint-data as the specification found it: drifted, nothing of the hand's on it yet."""
    lab.reset(["mint-data"], settings=hand_lab.settings)
    lab.install(settings=hand_lab.settings)
    return LabHost(hand_lab)


Ask = Callable[[dict[str, Any]], dict[str, Any]]
