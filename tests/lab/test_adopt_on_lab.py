"""A drifted host nobody wrote a contract for: adopted, the drafts merged, brought up to them by one signed plan, with its data as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import workspace
from lab.measure import measure
from tests.cli.test_adopt import merged
from tests.lab.desk import Desk
from waveboard.contracts.dump import dump
from waveboard.contracts.nodes import plain
from waveboard.contracts.text import read

pytestmark = pytest.mark.lab

KEPT = ("schema", "name", "owner", "windows", "approvals", "access")


@pytest.fixture
def desk(running_lab: lab.Lab, fresh: lab.Host, tmp_path: Path) -> Iterator[Desk]:
    """A workspace that knows how to reach the hosts and who may approve, and nothing else of them."""
    tmp_path.chmod(0o700)
    made = workspace.make(running_lab, tmp_path / "mint")
    document, _ = read("waveboard.yaml", (made / "waveboard.yaml").read_bytes())
    assert document is not None
    whole = plain(document.root)
    assert isinstance(whole, dict)
    (made / "waveboard.yaml").write_text(dump({"contracts": {"hosts": "ssh.targets.yaml"}, **{k: whole[k] for k in KEPT}}))
    yield Desk(running_lab, made)


def test_an_old_host_is_adopted_and_brought_up_to_its_contract(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    before = measure(data)
    state = "cat /etc/fstab /etc/docker/daemon.json; docker ps -aq --no-trunc | sort; ls -la --time-style=full-iso /etc /opt/mint /mnt"
    untouched = data.root_run(state, check=True).stdout
    told = json.loads(desk.ok("adopt", "mint-data", "--vmid", "212", "--json", code=2).partition("\n[")[0])
    assert data.root_run(state, check=True).stdout == untouched  # adoption reads
    merged(desk.directory, told["waveboard_yaml"])
    desk.ok("contracts", "check")
    report = json.loads(desk.waveboard("verify", "adopted-mint-data", "--json").stdout)
    found = {f["fingerprint"] for gate in report["gates"] for f in gate["findings"]}
    assert found == {p["fingerprint"] for p in told["proposals"]} and len(found) == 6
    assert "not ready" in desk.ok("vm", "ready", "mint-data", code=2)
    desk.ok("vm", "bootstrap", "mint-data", "-o", "boot.plan", code=2)
    desk.sign("boot.plan", desk.running.keys.approval, "ronny@mint")
    desk.ok("apply", "boot.plan")
    data.wait_containers()
    assert measure(data) == before
    assert data.root_run("docker info -f '{{.DockerRootDir}}'").stdout.strip() == "/mnt/data/docker"
    where = "docker inspect -f '{{range .Mounts}}{{.Type}} {{.Source}}{{end}}' mint-modules-redis mint-modules-minio"
    assert data.root_run(where).stdout.split() == ["bind", "/mnt/data/mint-data/redis", "bind", "/mnt/data/mint-data/minio"]
    after = json.loads(desk.waveboard("verify", "adopted-mint-data", "--json").stdout)
    left = {f["code"] for gate in after["gates"] for f in gate["findings"]}
    assert left <= {"stale-docker-tree"}, left
    assert "mint-data: ready" in desk.ok("vm", "ready", "mint-data")
    desk.ok("vm", "bootstrap", "mint-data", "-o", "again.plan")  # exit 0: nothing is left to do
    desk.ok("receipts", "verify")
