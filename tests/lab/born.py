"""Hosts that waveboard itself makes on a local QEMU, for tests: the workspace, a person's desk, and root on what was made."""

from __future__ import annotations

import json
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
from lab.golden.bake import container_images
from lab.golden.cache import to_itself, workshop
from lab.settings import REPOSITORY
from tests.lab.conftest import NAME, own_settings
from tests.lab.desk import Desk
from waveboard.world.clock import SystemClock
from waveboard.world.hypervisors.qemu import Qemu

VMID = 212
STACK = "/opt/stacks/mint-data"
# where the contracts say the services keep their data; redis keeps an append-only log from its first start
SETTLED = (
    ("      - pgdata:/var/lib/postgresql/data", "      - /mnt/data/mint-data/postgres:/var/lib/postgresql/data"),
    ("      - /opt/mint/minio-data:/data", "      - /mnt/data/mint-data/minio:/data"),
    (
        "    container_name: mint-modules-redis\n",
        '    container_name: mint-modules-redis\n    command: ["redis-server","--protected-mode","no","--appendonly","yes"]\n'
        "    volumes:\n      - mint-data_redis:/data\n",
    ),
    ("volumes:\n  pgdata:\n", "volumes:\n  mint-data_redis:\n    name: mint-data_redis\n"),
)


@dataclass
class Born(Desk):
    """A person's terminal in a workspace whose hosts do not exist yet."""

    def root(self, script: str, host: str = "mint-data", seconds: float = 120, given: bytes | None = None) -> str:
        """Shell text as root in the guest, which lets only the profile's own user in. given: bytes on the script's stdin."""
        there = self.running.host(host)
        words = [
            *there.ssh("ubuntu"),
            "--",
            "sudo",
            "-n",
            "sh",
            "-c",
            f"'{script.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'",
        ]
        done = subprocess.run(words, input=given or b"", capture_output=True, timeout=seconds * there.patience, check=False)
        assert done.returncode == 0, (
            f"{script[:200]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
        )
        return done.stdout.decode(errors="replace")

    def waited(self, host: str = "mint-data", seconds: float = 120) -> None:
        """Until root gets in again."""
        until = time.monotonic() + seconds * self.running.host(host).patience
        while True:
            try:
                self.root("true", host, seconds=10)
                return
            except (AssertionError, subprocess.TimeoutExpired):
                assert time.monotonic() < until, f"{host} does not come back"
                time.sleep(2)

    @property
    def kept(self) -> Path:
        """What the hypervisor keeps of mint-data."""
        return self.running.settings.disks / "vms" / str(VMID) / "vm.json"

    def powered_off(self) -> Qemu:
        """mint-data, as its power button does it."""
        here = Qemu(self.running.settings.disks, "here", SystemClock())
        here.stop(VMID, 300)
        return here

    def named(self) -> tuple[set[str], set[str]]:
        """Who speaks against mint-data now: the rules of `vm ready`, and the gates with their codes."""
        told = json.loads(self.waveboard("vm", "ready", "mint-data", "--json").stdout)
        report = json.loads(self.waveboard("verify", "mint-storage", "--json").stdout)
        found = [f for gate in report["gates"] for f in gate["findings"] if f["host"] == "mint-data"]
        rules = {check["id"] for check in told["checks"] if check["state"] == "fails"}
        assert not (told["ready"] and rules), told
        return rules, {f"{one['gate']} {one['code']}" for one in found}

    def carried_out(self, plan: str) -> None:
        """Signed by the one, applied by the other."""
        self.sign(plan, self.running.keys.approval, "ronny@mint")
        self.ok("apply", plan)

    def services(self) -> None:
        """The three stores from the lab's container images, settled where the contracts say."""
        cache, plant = self.running.settings.cache, REPOSITORY / "lab" / "plant" / "mint-data"
        (cache / "images").mkdir(exist_ok=True)
        (cache / "packages").mkdir(exist_ok=True)
        with to_itself(cache), workshop(cache) as work:
            images = container_images(cache, work, cache / "build.log")
        imports = plant.joinpath("plant.sh").read_text().split("\n\n")[0]
        self.root("mkdir -p /root/plant " + STACK)
        for name in ("postgres", "redis", "s3"):
            self.root(f"cat > /root/plant/{name}.tar", given=(images / f"{name}.tar").read_bytes(), seconds=300)
        self.root("cat > /root/plant/import.sh", given=("set -e\n" + imports).encode())
        self.root("cd /root/plant && sh import.sh && rm -r /root/plant", seconds=600)
        text = plant.joinpath("docker-compose.yml").read_text()
        for old, new in SETTLED:
            assert old in text, old
            text = text.replace(old, new)
        self.root(f"cat > {STACK}/docker-compose.yml", given=text.encode())
        self.root(f"cd {STACK} && docker compose up -d --wait --wait-timeout 900", seconds=900)


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
