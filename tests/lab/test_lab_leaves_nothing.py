"""However a lab ends, nothing of it stays on the machine: processes, mounts, loop devices, namespaces, links, groups."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lab
from lab import instance, leftovers
from lab.control import ask
from lab.errors import LabError
from lab.estate import Machine
from lab.settings import REPOSITORY, Settings

pytestmark = pytest.mark.lab

HOST = ["mint-data"]


def settings_of_own(name: str) -> Settings:
    cache = {key: value for key, value in os.environ.items() if key == "WAVEBOARD_LAB_CACHE"}
    return lab.from_environment({**cache, "WAVEBOARD_LAB_NAME": name})


@pytest.fixture
def own() -> Iterator[Settings]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("the lab needs Linux and root")
    settings = settings_of_own("wbgone")
    lab.down(settings=settings)
    yield settings
    lab.down(settings=settings)
    shutil.rmtree(settings.state)


def lines(*argv: str) -> list[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()


def on_machine(settings: Settings) -> set[str]:
    """What the machine as a whole shows that could be ours: links, named namespaces, mounts, groups, loop images."""
    found = {f"link {line.split()[1]}" for line in lines("ip", "-o", "link")}
    found |= {f"namespace {line}" for line in lines("ip", "netns")}
    found |= {f"mount {line}" for line in lines("findmnt", "-nro", "TARGET,FSTYPE")}
    found |= {f"group {line}" for line in lines("find", "/sys/fs/cgroup", "-name", f"waveboard-lab.{settings.name}")}
    found |= {f"loop {line}" for line in lines("losetup", "-nlO", "BACK-FILE") if str(settings.state) in line}
    return found


def family(settings: Settings) -> tuple[set[int], set[str]]:
    """Every process descended from the instance's, guests included, and the network namespaces they live in."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    ours = set(leftovers.processes(settings))
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    spaces = set()
    for pid in ours:
        try:
            spaces.add(str(Path(f"/proc/{pid}/ns/net").readlink()))
        except OSError:
            continue
    return ours, spaces - {str(Path("/proc/self/ns/net").readlink())}


def assert_gone(settings: Settings, before: set[str], pids: set[int], spaces: set[str]) -> None:
    assert leftovers.everything(settings) == []
    assert {line for line in on_machine(settings) - before if settings.name in line or "link" in line} == set()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists() and is_the_same(pid, settings)] == []
    numbers = {space.strip("net:[]") for space in spaces}
    assert numbers.isdisjoint(lines("lsns", "-t", "net", "-nro", "NS"))
    assert not settings.run.exists()
    assert not settings.disks.exists() or list(settings.disks.iterdir()) == []


def is_the_same(pid: int, settings: Settings) -> bool:
    """A recycled process id is not a leftover."""
    try:
        return settings.name in Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return False


def test_down_leaves_nothing_and_keeps_the_keys(own: Settings) -> None:
    before = on_machine(own)
    lab.up(HOST, wait=False, settings=own)
    pids, spaces = family(own)
    assert len(pids) > 10, "the guest's processes belong to the family"
    assert len(spaces) >= 2, "the lab's network and the guest's"
    assert on_machine(own) - before, "a running lab shows on the machine"
    lab.down(settings=own)
    assert_gone(own, before, pids, spaces)
    assert (own.keys / "approval").is_file()


def test_down_of_what_never_was_is_quiet(own: Settings) -> None:
    lab.down(settings=own)
    assert lab.status(settings=own) == {"name": "wbgone", "up": False, "hosts": {}, "on_this_machine": []}


def test_a_killed_keeper_takes_its_machines_along(own: Settings) -> None:
    before = on_machine(own)
    lab.up(HOST, wait=False, settings=own)
    pids, spaces = family(own)
    keeper = min(leftovers.processes(own))
    os.kill(keeper, signal.SIGKILL)
    until = time.monotonic() + 20
    while leftovers.loops_of(own) or leftovers.processes(own):
        assert time.monotonic() < until, leftovers.everything(own)
        time.sleep(0.05)
    lab.down(settings=own)  # only files are left to remove
    assert_gone(own, before, pids, spaces)


def test_a_killed_keeper_is_no_obstacle_to_the_next_start(own: Settings) -> None:
    lab.up(HOST, wait=False, settings=own)
    os.kill(min(leftovers.processes(own)), signal.SIGKILL)
    again = lab.up(HOST, wait=False, settings=own)
    assert again.host("mint-data").root_run("hostname").stdout == "mint-data\n"


def test_a_killed_machine_process_leaves_no_disk_attached(own: Settings) -> None:
    lab.up(HOST, wait=False, settings=own)
    assert leftovers.loops_of(own)
    unshare = next(pid for pid in leftovers.processes(own) if "unshare" in Path(f"/proc/{pid}/comm").read_text())
    os.kill(unshare, signal.SIGKILL)
    until = time.monotonic() + 20
    while leftovers.loops_of(own):
        assert time.monotonic() < until, leftovers.everything(own)
        time.sleep(0.05)
    assert ask(own, "status")["hosts"] == {"mint-data": False}


def broken_second_host(settings: Settings, machines: list[Machine], real: Callable[..., dict[str, Path]]) -> dict[str, Path]:
    images = dict(real(settings, machines))
    garbage = settings.state / "garbage.img"
    garbage.write_bytes(bytes(1 << 20))
    return images | {"mint-apps": garbage}


def test_a_start_that_fails_half_way_leaves_nothing(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = on_machine(own)
    real = instance.goldens
    monkeypatch.setattr(instance, "goldens", lambda settings, wanted: broken_second_host(settings, list(wanted), real))
    with pytest.raises(LabError, match="cannot boot mint-apps: because its machine ended"):
        lab.up(settings=own)
    assert_gone(own, before, set(), set())


def test_a_host_that_cannot_join_takes_only_itself_down(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab.up(HOST, wait=False, settings=own).host("mint-data")
    boot = first.boot_id()
    real = instance.goldens
    monkeypatch.setattr(instance, "goldens", lambda settings, wanted: broken_second_host(settings, list(wanted), real))
    with pytest.raises(LabError, match="cannot boot mint-apps"):
        lab.up(settings=own)
    assert first.boot_id() == boot
    assert [path.name for path in sorted(own.disks.iterdir())] == ["mint-data-boot.img", "mint-data-data.img"]


def test_a_taken_address_is_said_and_leaves_nothing(own: Settings) -> None:
    before = on_machine(own)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((own.address(213), 2222))
        taken.listen()
        with pytest.raises(LabError, match=r"cannot listen on 127\.0\.\d+\.213:2222"):
            lab.up(HOST, wait=False, settings=own)
    assert_gone(own, before, set(), set())


def test_a_start_killed_half_way_is_cleared_by_down(own: Settings) -> None:
    before = on_machine(own)
    environment = {**os.environ, "WAVEBOARD_LAB_NAME": own.name, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "lab", "up"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
        until = time.monotonic() + 120
        while not leftovers.loops_of(own):
            assert time.monotonic() < until
            assert starting.poll() is None
            time.sleep(0.02)
        starting.kill()
    pids, spaces = family(own)
    assert pids
    lab.down(settings=own)
    assert_gone(own, before, pids, spaces)


def test_one_lab_never_counts_or_sweeps_another(own: Settings) -> None:
    lab.up(HOST, wait=False, settings=own)
    other = settings_of_own("wbgonetoo")
    lab.down(settings=other)
    shutil.rmtree(other.state)
    assert leftovers.loops_of(own)
    shorter = Settings(own.name[:-1], own.state.with_name(own.state.name[:-1]), own.cache, own.octet)
    assert str(own.state).startswith(str(shorter.state))
    assert leftovers.everything(shorter) == []
    assert lab.status(settings=own)["hosts"] == {"mint-data": True}
