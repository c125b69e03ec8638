"""W8B on a virtual machine whose power really fails: plan, sign, apply, lose the power, apply again, judge, close; nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import workspace
from lab.measure import config_digests, measure
from tests.lab.conftest import own_settings, why_not
from tests.lab.desk import KILLED, Desk

pytestmark = [pytest.mark.lab, pytest.mark.long]
SERIALS = "lsblk -dno SERIAL,MOUNTPOINT"
FEWER = """docker exec -i mint-modules-postgres psql -q -v ON_ERROR_STOP=1 -U postgres mint <<'END'
CREATE TABLE kept AS SELECT * FROM quotes WHERE id <= 2000;
TRUNCATE quotes, quote_lines, events;
INSERT INTO quotes SELECT * FROM kept;
DROP TABLE kept;
END
sync"""
# An emulated processor has little to spare for a probe of every container each second while it starts, and each half minute after.
CALM = """cd /opt/stacks/mint-data
sed -i 's/ interval: 30s/ interval: 300s/; s/start_interval: 1s/start_interval: 10s/' docker-compose.yml
docker compose up -d --wait --wait-timeout 900"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """mint-data as a virtual machine, beside a mint-apps the wave only reads, for which a container is enough."""
    if reason := why_not():
        pytest.skip(reason)
    ours, theirs = own_settings("wbqemu"), own_settings("wbqemuapps")
    try:
        for settings in (ours, theirs):
            lab.down(settings=settings)
        data = lab.up(["mint-data"], tier="qemu", settings=ours)
        shutil.copytree(ours.keys, theirs.keys)  # one workspace: one audit key
        apps = lab.up(["mint-apps"], settings=theirs)
        both = lab.Lab(ours, (*data.hosts, *apps.hosts))
        tmp_path.chmod(0o700)
        made = workspace.make(both, tmp_path / "mint")
        with (made / "trust" / "known_hosts").open("a") as pinned:
            pinned.write(theirs.known_hosts.read_text())
        yield Desk(both, made, seconds=3600)
    finally:
        for settings in (ours, theirs):
            lab.down(settings=settings)
            shutil.rmtree(settings.state)


def test_a_wave_survives_a_power_cut(desk: Desk) -> None:
    """The power fails when docker's root has moved and nobody has been told: what the guest had not flushed is lost with it."""
    data = desk.running.host("mint-data")
    # an emulated processor copies and hashes slowly: the filler images go, and of every service some real data stays
    data.root_run("docker image rm mint/platform:2025.06 mint/platform:2025.09", seconds=300, check=True)
    data.root_run(CALM, seconds=1200, check=True)
    data.root_run(FEWER, seconds=300, check=True)
    before, files, boot = measure(data), config_digests(data), data.boot_id()
    assert (before.rows, before.objects) == (7_000, 13)
    assert before.keys > 0
    desk.patiently("plan", "W8B", "-o", "w8b.plan", code=2)
    desk.sign("w8b.plan", desk.running.keys.approval, "ronny@mint")
    desk.patiently("apply", "w8b.plan", code=KILLED, crash_at="do-outcome.before:w8b-02")
    lab.power_cut("mint-data", settings=desk.running.settings)
    data.wait_containers()
    assert data.boot_id() != boot

    said = desk.patiently("apply", "w8b.plan")
    assert "w8b-02: the outcome is not known; looking before anything else" in said
    assert "every step is applied" in said
    data.wait_containers()
    assert measure(data) == before
    assert config_digests(data) != files
    # sda and sdb change places as they like: the disk is the one with the serial the wave names
    assert ["mint-data-data", "/mnt/data"] in [line.split() for line in data.root_run(SERIALS).stdout.splitlines()]
    assert data.root_run("docker info -f '{{.DockerRootDir}}'").stdout.strip() == "/mnt/data/docker"
    assert "boot-backed" not in desk.patiently("verify", "mint-storage", code=2)
    # without the filler the root is small enough, so nothing stands in the way of the closeout
    assert "FAILS" not in desk.patiently("close", "w8b.plan")
    desk.ok("receipts", "verify")
