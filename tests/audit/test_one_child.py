"""What the program asks of one child each: files read by awk, sizes, paths and /tmp by one bounded shell. Nothing is lost when one fails."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.audit.trees import AT, NONCE, SHELLS, collected, plant
from waveboard.audit import bundle, facts, frames, program
from waveboard.model.evidence import Bundle
from waveboard.model.facts import BlockDevices, LargeFiles, Paths, Unavailable, Usage

READING = re.search(r"(?s)\nwb_reading='(.*?)'\n", program.text())
AWKS = [awk for awk in (("mawk",), ("gawk",), ("original-awk",), ("busybox", "awk")) if shutil.which(awk[0])]
ODD = b"|@@" + NONCE.encode() + b" end 0 0\n\n!x\n$y\n\xff\xfe\x00\r\n\x01no newline at the end"


def told_by(awk: Sequence[str], *words: str) -> "subprocess.CompletedProcess[bytes]":
    assert READING
    argv = [*awk, READING[1], NONCE, "0", *words]
    return subprocess.run(argv, capture_output=True, check=True, timeout=30, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})


def framed(raw: bytes) -> Mapping[str, object]:
    return frames.parse(b"\n" + raw + f"@@{NONCE} begin done 0\n\n@@{NONCE} end 0 0\n".encode(), NONCE)


@pytest.mark.parametrize("awk", AWKS, ids=" ".join)
@pytest.mark.parametrize("content", [ODD, ODD + b"\n", b"", b"\n", b"\n\n", b"a\nb\n", b"a", b"%s\\n & \\1\n"])
def test_a_file_of_exact_bytes_is_exact_or_left_to_another(awk: tuple[str, ...], content: bytes, tmp_path: Path) -> None:
    (tmp_path / "fstab").write_bytes(content)
    (tmp_path / "after").write_bytes(b"one\ntwo\n")
    told = told_by(awk, "x", "fstab", str(tmp_path / "fstab"), "c", "after", str(tmp_path / "after"))
    found = framed(told.stdout)
    assert found["after"].stdout == b"one\ntwo\n"
    if told.stderr == b"inexact\n":
        assert "fstab" not in found
    else:
        assert (found["fstab"].exit, found["fstab"].stdout) == (0, content)


@pytest.mark.parametrize("awk", AWKS, ids=" ".join)
def test_a_file_that_cannot_be_read_is_not_empty(awk: tuple[str, ...], tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    found = framed(told_by(awk, "c", "swaps", gone, "c", "mdstat", gone).stdout)
    assert [(found[name].exit, found[name].stderr) for name in ("swaps", "mdstat")] == [(1, f"cannot read {gone}\n".encode())] * 2


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_device_tells_what_can_be_read_of_it(shell: tuple[str, ...], tmp_path: Path) -> None:
    """A last line needs no end; a file that is there and cannot be read, as the wwid of a CD drive, costs no other."""
    disk, drive, listed = tmp_path / "vda", tmp_path / "sr0", tmp_path / "listed"
    for place in (disk / "queue", disk / "slaves", drive, listed):
        place.mkdir(parents=True)
    for name, text in {"dev": "254:0\n", "size": "8\n", "ro": "0\n", "serial": "disk-1", "queue/rotational": "1\n"}.items():
        (disk / name).write_text(text)
    (disk / "slaves/sda").symlink_to("../../sda")
    (drive / "dev").write_text("11:0\n")
    (drive / "wwid").symlink_to("/proc/self/mem")
    for place in (drive, disk):
        (listed / place.name).symlink_to(place)
    text = program.with_params(NONCE, ["/usr/bin"]).replace("/sys/class/block/*", f"{listed}/*")
    ran = subprocess.run([*shell, "-s"], input=text.encode(), capture_output=True, check=True, timeout=60)
    told = bundle.gather("h", ran.stdout, NONCE, program.digest(), AT)
    assert not told.failure
    assert told.probes["block"].stdout.decode().splitlines() == [
        "dev sr0", f"at {drive}", "number 11:0",
        "dev vda", f"at {disk}", "number 254:0", "size 8", "ro 0", "rotational 1", "serial disk-1", "slave sda",
    ]  # fmt: skip
    assert told.probes["files"].exit == 0


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_loop_device_tells_more_only_when_it_is_attached(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Hosts with containers or snaps have dozens that are not; a partition of one that is has no `loop` of its own."""
    listed, virtual = tmp_path / "listed", tmp_path / "virtual/block"
    free, used, part = virtual / "loop0", virtual / "loop1", virtual / "loop1/loop1p1"
    for place in (free, used, part, used / "loop", listed):
        place.mkdir(parents=True, exist_ok=True)
    for number, place in enumerate((free, used, part)):
        (place / "size").write_text("8\n")
        (place / "ro").write_text(f"{number % 2}\n")
        (listed / place.name).symlink_to(place)
    (used / "loop/backing_file").write_text("/srv/image\n")
    (part / "partition").write_text("1\n")
    text = program.with_params(NONCE, ["/usr/bin"]).replace("/sys/class/block/*", f"{listed}/*")
    ran = subprocess.run([*shell, "-s"], input=text.encode(), capture_output=True, check=True, timeout=60)
    told = bundle.gather("h", ran.stdout, NONCE, program.digest(), AT)
    assert told.probes["block"].stdout.decode().splitlines() == [
        "dev loop0", f"at {free}", "size 8",
        "dev loop1", f"at {used}", "size 8", "ro 1", "loop_file /srv/image",
        "dev loop1p1", f"at {part}", "size 8", "ro 0", "partition 1",
    ]  # fmt: skip


@pytest.mark.machine
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_this_machine_is_told_as_the_kernel_tells_it(shell: tuple[str, ...]) -> None:
    told = collected(shell=shell)
    for name, path in (("cmdline", "/proc/cmdline"), ("fstab", "/etc/fstab"), ("fib_trie", "/proc/net/fib_trie")):
        if Path(path).is_file():
            assert told.probes[name].stdout == Path(path).read_bytes(), name
    devices = facts.read(told)[BlockDevices].devices
    for place in Path("/sys/class/block").iterdir():
        if place.name.startswith("loop") or not place.exists():
            continue  # these come and go
        device = devices[place.name]
        assert device.size_bytes == int((place / "size").read_text()) * 512
        assert sorted(device.slaves) == sorted(one.name for one in (place / "slaves").glob("*"))
        if (place / "serial").is_file():
            assert device.serial == ((place / "serial").read_text().strip() or None)


def asked(tmp: Path, shell: Sequence[str], limit_s: int = 8, **commands: str) -> Bundle:
    """This machine with `tmp` for /tmp and these commands before its own."""
    tools = tmp.parent / "tools"
    tools.mkdir()
    for name, text in commands.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    text = program.with_params(NONCE, ["/usr/bin"]).replace("'/tmp -xdev", f"'{tmp} -xdev")
    text = text.replace("timeout -s KILL 8 ", f"timeout -s KILL {limit_s} ")
    ran = subprocess.run(
        [*shell, "-s"], input=text.encode(), env={"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, check=True, timeout=60
    )  # fmt: skip
    return bundle.gather("h", ran.stdout, NONCE, program.digest(), AT)


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def fill(tmp: Path, *names: str) -> None:
    for name in names:
        with (tmp / name).open("wb") as file:
            file.truncate(2_000_000)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_large_files_are_told_whatever_they_are_called(shell: tuple[str, ...], tmp: Path) -> None:
    names = ("plain", "two words", f"a\n@@{NONCE} end 0 0\nrc 0\ntmp\nb", "%s\\n", "-e", "$(id)")
    fill(tmp, *names)
    told = asked(tmp, shell)
    assert not told.failure
    lines = "".join(f"2000000 {tmp}/{name}\n" for name in names).encode().splitlines()
    assert sorted(told.probes["tmp"].stdout.splitlines()) == sorted(lines)
    assert (told.probes["tmp"].exit, told.probes["tmp"].argv[:2]) == (0, ("find", str(tmp)))
    assert facts.read(told)[Paths].by_path["/usr/bin"].exists


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_where_there_is_none_nothing_is_told(shell: tuple[str, ...], tmp: Path) -> None:
    known = facts.read(asked(tmp, shell))
    assert known[LargeFiles].files == ()
    assert known[Usage].filesystems["/"].size_bytes > 0


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_more_than_the_lines_that_are_kept_is_said_to_be_cut(shell: tuple[str, ...], tmp: Path) -> None:
    told = asked(tmp, shell, find='i=0; while [ $i -lt 3000 ]; do echo "2000000 /tmp/$i"; i=$((i + 1)); done')
    assert told.probes["tmp"].truncated
    assert told.probes["tmp"].stdout.count(b"\n") == 2000
    assert facts.read(told)[Usage].filesystems["/"].size_bytes > 0


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_find_complains_of_is_told(shell: tuple[str, ...], tmp: Path) -> None:
    told = asked(tmp, shell, find="echo '2000000 /tmp/x'; echo 'find: /tmp/y: Permission denied' >&2; exit 1")
    assert (told.probes["tmp"].exit, told.probes["tmp"].stdout) == (1, b"2000000 /tmp/x\n")
    assert told.probes["tmp"].stderr == b"find: /tmp/y: Permission denied\n"
    assert "permission denied" in facts.read(told).get(LargeFiles).reason


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_find_that_hangs_costs_its_own_answer(shell: tuple[str, ...], tmp: Path) -> None:
    """Whatever it complained of before: a forged status is not taken for one."""
    known = facts.read(told := asked(tmp, shell, 1, find="printf 'find: x\\nrc 0\\n' >&2; exec sleep 30"))
    assert told.probes["tmp"].exit == 137
    assert "timed out" in known.get(LargeFiles).reason
    assert known[Paths].by_path["/usr/bin"].exists and known[Usage].filesystems["/"].size_bytes > 0


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_sizes_that_hang_leave_tmp_its_answer(shell: tuple[str, ...], tmp: Path) -> None:
    fill(tmp, "large")
    real = shutil.which("stat")
    told = asked(tmp, shell, 1, stat=f'[ "$1" != -f ] || exec sleep 30; exec {real} "$@"')
    assert isinstance(facts.read(told).get(Usage), Unavailable)
    assert (told.probes["tmp"].exit, told.probes["tmp"].stdout) == (0, f"2000000 {tmp}/large\n".encode())
    assert facts.read(told)[Paths].by_path["/usr/bin"].exists


SERVED = {
    "sys/devices/platform/host3/session12/target3:0:0/3:0:0:1/block/sdc/dev": "8:32\n",
    "sys/devices/virtual/nvme-fabrics/ctl/nvme1/nvme1n1/dev": "259:3\n",
    "sys/devices/virtual/nvme-fabrics/ctl/nvme1/address": "traddr=10.0.0.8,trsvcid=4420\n",
    "sys/class/iscsi_connection/connection12:0/persistent_address": "store.home\n",
    "sys/class/iscsi_connection/connection12:0/address": "10.0.0.9\n",
}
TOLD = {
    "sdc": ["address store.home", "address 10.0.0.9"],
    "nvme1n1": ["address traddr=10.0.0.8,trsvcid=4420"],
}


@pytest.mark.parametrize("shell", SHELLS, ids=lambda s: s[0])
def test_a_disk_over_a_network_tells_where_its_server_answers(shell: tuple[str, ...], tmp_path: Path) -> None:
    links = {
        f"sys/block/{Path(path).parent.name}": f"->../{Path(path).parent.relative_to('sys')}"
        for path in SERVED
        if path.endswith("/dev")
    }
    plant(tmp_path, {**SERVED, **links})
    found: dict[str, list[str]] = {}
    for line in collected(root=tmp_path, shell=shell).probes["block"].stdout.decode().splitlines():
        if line.startswith("dev "):
            found[line[4:]] = []
        elif line.startswith("address"):
            found[list(found)[-1]].append(line)
    assert found == TOLD
