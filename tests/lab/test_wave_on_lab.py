"""W8B on real hosts: refused without a signature, carried out through crashes of the controller, proven, undone byte for byte."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import workspace
from lab.measure import config_digests, measure, root_use
from tests.lab.desk import KILLED, Desk

pytestmark = pytest.mark.lab


@pytest.fixture
def desk(running_lab: lab.Lab, fresh: lab.Host, tmp_path: Path) -> Iterator[Desk]:
    tmp_path.chmod(0o700)
    yield Desk(running_lab, workspace.make(running_lab, tmp_path / "mint"))


CRASHES = (
    "intent.before:w8b-01a",
    "intent.after:w8b-01b",
    "do.after:w8b-02",
    "do-outcome.before:w8b-03",
    "do-outcome.after:w8b-04",
)
UNDO_CRASHES = ("undo-intent.after:w8b-05", "undo.after:w8b-02", "undo-outcome.before:w8b-01b")


STEPS = ("w8b-01a", "w8b-01b", "w8b-02", "w8b-03", "w8b-04", "w8b-05")
PLACES = ("intent.before", "intent.after", "do.after", "do-outcome.before", "do-outcome.after")
EVERY = tuple(f"{place}:{step}" for step in STEPS for place in PLACES)
UNDO_PLACES = ("undo-intent.before", "undo-intent.after", "undo.after", "undo-outcome.before", "undo-outcome.after")
EVERY_UNDO = tuple(f"{place}:{step}" for step in reversed(STEPS) for place in UNDO_PLACES)


@pytest.mark.parametrize(
    ("crashes", "undo_crashes"),
    [
        pytest.param(CRASHES, UNDO_CRASHES, id="a sample"),
        pytest.param(EVERY, EVERY_UNDO, id="every boundary of every step", marks=pytest.mark.long),
    ],
)
def test_a_wave_survives_kills_of_the_controller_and_is_undone_to_the_byte(
    desk: Desk, crashes: tuple[str, ...], undo_crashes: tuple[str, ...]
) -> None:
    data, apps = desk.running.host("mint-data"), desk.running.host("mint-apps")
    before, files, foreign = measure(data), config_digests(data), apps.root_run("docker ps -aq --no-trunc | sort").stdout
    desk.planned()
    for place in crashes:
        assert desk.waveboard("apply", "w8b.plan", crash_at=place).returncode == KILLED, place
    assert "every step is applied" in desk.ok("apply", "w8b.plan")
    assert measure(data) == before and config_digests(data) != files
    # every applied step has its receipt, whatever was killed between the journal and it
    assert desk.ok("receipts", "show").count("  step ") >= len(STEPS)
    assert "boot-backed" not in desk.ok("verify", "mint-storage", code=2)
    assert "FAILS" in desk.ok("close", "w8b.plan", code=3)  # root does not shrink before the retire set
    for place in undo_crashes:
        assert desk.waveboard("undo", "w8b.plan", crash_at=place).returncode == KILLED, place
    desk.ok("undo", "w8b.plan")
    assert (measure(data), config_digests(data)) == (before, files)
    assert data.root_run("docker info -f '{{.DockerRootDir}}'").stdout.strip() == "/var/lib/docker"
    assert data.root_run("findmnt -n /mnt/data; ls -d /mnt/data").stdout == ""
    assert apps.root_run("docker ps -aq --no-trunc | sort").stdout == foreign
    desk.ok("receipts", "verify")
    desk.ok("undo", "w8b.plan", code=3)  # there is nothing left to take back


def test_rules_refuse_before_anything_happens(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    files = config_digests(data)
    desk.ok("plan", "W8B", "-o", "w8b.plan", code=2)
    assert "0 of 1 needed approvals" in desk.ok("apply", "w8b.plan", code=4)
    stranger = desk.directory / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    desk.ok("approve", "w8b.plan", "--key", str(stranger), "--as", "ronny@mint", code=4)
    desk.ok("approve", "w8b.plan", "--key", str(desk.running.keys.second), "--as", "ronny@mint", code=4)
    desk.sign("w8b.plan", desk.running.keys.approval, "ronny@mint")
    data.root_run("touch /etc/fstab.d; echo '# a person was here' >> /etc/fstab", check=True)
    assert "have changed since the plan was made" in desk.ok("apply", "w8b.plan", code=3)
    desk.ok("plan", "W8B", "-o", "other.plan", code=2)
    assert "0 of 1 needed approvals" in desk.ok("apply", "other.plan", code=4)  # an approval names one plan only
    assert config_digests(data)["/etc/docker/daemon.json"] == files["/etc/docker/daemon.json"]
    assert desk.ok("status").count("unopened") == 2


def test_a_data_disk_that_holds_a_filesystem_is_never_planned_over(desk: Desk) -> None:
    desk.running.host("mint-data").root_run("mkfs.ext4 -q -L precious /dev/sdb && udevadm settle", check=True)
    assert "never formats" in desk.ok("plan", "W8B", code=3)


def test_a_container_that_will_not_start_rolls_the_wave_back(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    before, files = measure(data), config_digests(data)
    desk.planned()
    # the image loses its name: running containers stay, but compose cannot make the new one
    data.root_run("docker image rm -f mint/redis:7", check=True)
    said = desk.ok("apply", "w8b.plan", code=6)
    assert "every step was taken back" in said
    data.wait_containers()
    assert (measure(data), config_digests(data)) == (before, files)


def test_retire_removes_exactly_what_was_set_aside(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    before = measure(data)
    desk.planned()
    desk.ok("retire", "w8b.plan", code=3)  # nothing was applied yet
    desk.ok("apply", "w8b.plan")
    desk.ok("retire", "w8b.plan", "-o", "retire.plan", code=2)
    desk.sign("retire.plan", desk.running.keys.approval, "ronny@mint")
    assert "1 of 2 needed approvals" in desk.ok("apply", "retire.plan", code=4)
    desk.sign("retire.plan", desk.running.keys.second, "dana@mint")
    desk.ok("apply", "retire.plan")
    assert root_use(data) < 60 and measure(data) == before
    assert data.root_run("ls -d /var/lib/docker.wb* /opt/mint/*.wb*").stdout == ""
    desk.ok("undo", "w8b.plan", code=3)  # what the undo would need is gone, and that is said before anything moves
