"""Local QEMU: real machines without a system, made, started, stopped and removed; nothing that is not ours is touched."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest

from tests.hypervisors.estate import DISK, SHAPE, SPEC, Yard
from waveboard.app.apply import undo
from waveboard.model.errors import RefusedError, StepError
from waveboard.model.units import GIB, MIB
from waveboard.world.clock import SystemClock
from waveboard.world.hypervisors import acceleration, qemu_command
from waveboard.world.hypervisors.qemu import Qemu

TAG = "wb-i-0123456789ab"
SMALL = replace(SHAPE, memory_bytes=64 * MIB, bridge="user", forward="127.0.0.1:0")


def directory(tmp: Path) -> Path:
    for name in ("images", "local-lvm", "tank"):
        (tmp / name).mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp / "images" / "9000", str(8 * GIB)], check=True)
    return tmp


@pytest.fixture
def makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Qemu]:
    if subprocess.run(["which", "qemu-img", acceleration.BINARY], capture_output=True, check=False).returncode:
        pytest.skip("QEMU is not installed")
    monkeypatch.setattr(qemu_command, "acceleration", lambda: acceleration.EMULATED)
    made = Qemu(directory(tmp_path / "q" if (tmp_path / "q").mkdir() is None else tmp_path), "pve1", SystemClock())
    yield made
    for vmid in made.look().vms:
        made.stop(vmid, 0)


def test_a_machine_runs_and_is_ended(makes: Qemu) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    makes.configure(212, SMALL)
    makes.grow(212, 9 * GIB)
    makes.attach(212, DISK)
    makes.seed(212, "directory", {"user-data": b"#cloud-config\n", "meta-data": b"{}"})
    assert makes.blank(212, DISK.serial) is True
    makes.start(212)
    vm = makes.look().vms[212]
    assert (vm.status, vm.shape, [d.size_bytes for d in vm.disks]) == ("running", SMALL, [9 * GIB, 8 * GIB])
    assert makes.blank(212, DISK.serial) is None
    with pytest.raises(RefusedError, match="it is running"):
        makes.destroy(212, "new-1", TAG)
    makes.stop(212, 0)
    assert makes.look().vms[212].status == "stopped"
    makes.destroy(212, "new-1", TAG)
    state = makes.look()
    assert state.vms == {} and state.loose == {}


def test_the_command_that_is_told_removes_the_vm_and_nothing_else(makes: Qemu) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    makes.attach(212, DISK)
    makes.create(213, "new-2", "9000", "local-lvm", TAG)
    (makes._root / "images" / "vm-212-boot.qcow2").write_bytes(b"an image of that name")
    subprocess.run(makes.by_hand(212), shell=True, check=True)
    state = makes.look()
    assert list(state.vms) == [213] and state.loose == {} and (makes._root / "images" / "vm-212-boot.qcow2").exists()
    assert "rm -r" in makes.by_hand(999)


def test_a_disk_that_was_written_to_is_not_blank(makes: Qemu) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    makes.attach(212, DISK)
    file = next((makes._root / "tank").glob("*.qcow2"))
    subprocess.run(["qemu-io", "-c", "write -P 7 1M 4k", file], check=True, capture_output=True)
    assert makes.blank(212, DISK.serial) is False


def test_a_file_that_may_hold_data_is_never_taken(makes: Qemu) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    file = makes._root / "tank" / f"vm-212-{DISK.serial}.qcow2"
    file.write_bytes(b"somebody's")
    assert makes.look().loose == {f"tank:{file.name}": 212}
    with pytest.raises(RefusedError, match="may hold data"):
        makes.attach(212, DISK)
    makes.destroy(212, "new-1", TAG)
    assert file.read_bytes() == b"somebody's"


def test_a_copy_cut_off_is_known_and_taken_back(makes: Qemu) -> None:
    (makes._root / "images" / "bad").mkdir()
    with pytest.raises(StepError):
        makes.create(212, "new-1", "bad", "local-lvm", TAG)
    (makes._root / "local-lvm" / "vm-212-boot.part").write_bytes(b"half")
    assert makes.look().vms[212].tag == TAG and makes.look().vms[212].disks == ()
    makes.destroy(212, "new-1", TAG)
    assert makes.look().vms == {} and list((makes._root / "local-lvm").iterdir()) == []


def test_a_stranger_with_our_pid_is_not_ended(makes: Qemu) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (makes._root / "vms" / "212" / "pid").write_text(str(stranger.pid))
        makes.stop(212, 0)
        sleep(0.05)
        assert stranger.poll() is None
        stranger.kill()


AGENT = """
import json, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("up", flush=True)
line = server.accept()[0].makefile("rwb", buffering=0)
line.write(b'{"return": 7}\\n{"error": {"class": "GenericError"}}\\n')
for asked in map(json.loads, line):
    card = {"name": "eth0", "ip-addresses": [{"ip-address": "10.0.2.15"}, {"ip-address": "fe80::1"}]}
    told = asked["arguments"]["id"] if asked["execute"] == "guest-sync" else [card]
    line.write(json.dumps({"return": told}).encode() + b"\\n")
"""


def test_an_agent_is_heard_past_the_answers_to_others(makes: Qemu) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    assert makes.guest(212) == (False, ())
    argv = [sys.executable, "-c", AGENT, makes._root / "vms" / "212" / "agent.sock"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as agent:
        assert agent.stdout and agent.stdout.readline() == b"up\n"
        assert makes.guest(212) == (True, ("10.0.2.15",))
        agent.kill()


def test_what_qemu_says_is_told(makes: Qemu) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    makes.configure(212, replace(SMALL, forward="203.0.113.7:1"))
    with pytest.raises(StepError, match="QEMU ended with"):
        makes.start(212)


def test_the_signed_plan_makes_and_takes_back_a_machine(makes: Qemu, tmp_path: Path) -> None:
    spec = replace(SPEC, memory_bytes=64 * MIB, network=replace(SPEC.network, bridge="user"))
    yard = Yard(tmp_path, spec=spec)
    target = yard.site.contract.targets[-1]
    contract = replace(yard.site.contract, targets=(replace(target, address="127.0.0.1", port=0),))
    local = {name: replace(one, kind="qemu") for name, one in contract.hypervisors.items()}
    yard.site = replace(yard.site, contract=replace(contract, hypervisors=local))
    yard.makes = makes  # type: ignore[assignment]
    yard.ground.presented = lambda address, port: yard.ground.answers  # type: ignore[method-assign]
    yard.born()
    import waveboard.world.hypervisors.verbs as verbs

    assert verbs.GRACE_S == 120
    verbs.GRACE_S = 0
    try:
        known = yard.signed()
        yard.applied(known)
        assert yard.proposed().plan.steps == ()
        os.kill(int((makes._root / "vms" / "212" / "pid").read_text()), 0)
        makes.stop(212, 0)
        undo(yard.site, known)  # the disk is blank and can be seen to be
    finally:
        verbs.GRACE_S = 120
    assert makes.look().vms == {} and list((makes._root / "tank").iterdir()) == []
