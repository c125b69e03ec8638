"""A blank host made what its contracts ask, on a real machine: signed, applied through a real restart, judged, drifted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import workspace
from tests.lab.desk import Desk
from tests.lab.drifts import DRIFTS, REFORMATTED, Table, services

pytestmark = pytest.mark.lab

BLANK = """set -e
docker ps -aq | xargs -r docker rm -f >/dev/null
systemctl disable --now docker.socket docker.service containerd.service
grep -o ' /var/lib/\\(docker\\|containerd\\)[^ ]*' /proc/self/mounts | sort -r | xargs -r umount -l || true
rm -rf /var/lib/docker /var/lib/containerd /etc/docker/daemon.json /opt/mint /run/docker* /var/run/docker.sock
"""


@pytest.fixture
def desk(running_lab: lab.Lab, fresh: lab.Host, tmp_path: Path) -> Iterator[Desk]:
    tmp_path.chmod(0o700)
    yield Desk(running_lab, workspace.make(running_lab, tmp_path / "mint"))


def test_a_blank_host_is_made_compliant_and_every_drift_is_named(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    data.root_run(BLANK, seconds=180, check=True)
    before = data.root_run("cat /proc/sys/kernel/random/boot_id", check=True).stdout
    assert "not ready" in desk.ok("vm", "ready", "mint-data", code=2)
    desk.ok("vm", "bootstrap", "mint-data", "-o", "boot.plan", code=2)
    assert data.root_run("ls /mnt/data /var/lib/docker").returncode != 0  # planning touched nothing
    assert "0 of 1 needed approvals" in desk.ok("apply", "boot.plan", code=4)
    desk.sign("boot.plan", desk.running.keys.approval, "ronny@mint")
    desk.ok("apply", "boot.plan")
    assert data.root_run("cat /proc/sys/kernel/random/boot_id", check=True).stdout != before
    assert data.root_run("docker info -f '{{.DockerRootDir}}'").stdout.strip() == "/mnt/data/docker"
    assert data.root_run("ls -A /var/lib/docker 2>/dev/null").stdout == ""
    assert "/mnt/data/containerd" in data.root_run("containerd config dump | grep '^root'", check=True).stdout
    assert "io.containerd.metadata" in data.root_run("ls /mnt/data/containerd", check=True).stdout
    assert data.root_run("ls -d /var/lib/containerd/io.containerd.*").returncode != 0  # what Debian's settings name besides stays
    guard = desk.directory / "mint.storage.guard.policy.yaml"
    guard.write_text(guard.read_text().replace("mint_data_contract:\n", "mint_data_contract:\n  require_log_rotation: true\n"))
    said = desk.ok("vm", "ready", "mint-data")
    assert "mint-data: ready" in said and "birth certificate" in said
    assert "  birth " in desk.ok("receipts", "show")
    assert "holds    vm_ready: birth certificate" in desk.ok("close", "boot.plan")
    desk.ok("vm", "bootstrap", "mint-data", "-o", "again.plan")  # exit 0: an empty plan
    services(data, desk.running.settings.cache)
    table = Table(desk)
    for name, drift, rule, gate, back in DRIFTS:
        data.root_run(f"set -e; {drift}; systemctl daemon-reload", seconds=120, check=True)
        table.asked(name, rule, gate)
        assert f"FAILS    vm_ready: {rule}" in desk.ok("close", "boot.plan", code=3), name
        data.root_run(f"set -e; {back}; systemctl daemon-reload", seconds=120, check=True)
    desk.ok("vm", "ready", "mint-data")
    desk.ok("receipts", "verify")
    name, drift, rule, gate = REFORMATTED
    data.root_run(f"set -e; {drift}", seconds=120, check=True)
    table.asked(name, rule, gate)


def test_a_bootstrap_is_taken_back(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    data.root_run(BLANK, seconds=180, check=True)
    fstab = data.root_run("cat /etc/fstab", check=True).stdout
    containerd = data.root_run("cat /etc/containerd/config.toml; ls /etc/systemd/system/containerd.service.d").stdout
    desk.ok("vm", "bootstrap", "mint-data", "-o", "boot.plan", code=2)
    desk.sign("boot.plan", desk.running.keys.approval, "ronny@mint")
    desk.ok("apply", "boot.plan")
    desk.ok("undo", "boot.plan")
    assert data.root_run("cat /etc/fstab", check=True).stdout == fstab
    assert data.root_run("cat /etc/containerd/config.toml; ls /etc/systemd/system/containerd.service.d").stdout == containerd
    assert data.root_run("findmnt -n /mnt/data; ls -d /mnt/data /etc/docker/daemon.json 2>/dev/null").stdout == ""
    assert data.root_run("systemctl is-active docker.service").stdout.strip() == "inactive"
