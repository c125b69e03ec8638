"""The constant program: the same answers under every POSIX shell, exact bytes, a recorded tree never mixed with this machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.audit.trees import AT, MOUNTINFO, NONCE, SHELLS, collected, plant
from waveboard.audit import bundle, facts, program
from waveboard.model.errors import UsageError
from waveboard.model.facts import BlockDevices, DeviceLinks, Docker, Fstab, LargeFiles, Mounts, Paths, Unavailable, Usage

SAME = (Mounts, Fstab, Paths)


@pytest.mark.machine
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_this_machine_reads_the_same_under_every_shell(shell: tuple[str, ...]) -> None:
    paths = ["/", "/usr/bin", "/bin", "/nowhere/at/all", "/a b/é'\"$(touch /tmp/x)`", "/proc/self/mounts"]
    known = facts.read(collected(paths, shell=shell))
    other = facts.read(collected(paths))
    for noun in SAME:
        assert not isinstance(known.get(noun), Unavailable), known.get(noun)
        assert known[noun] == other[noun]
    disks, others = ({n: d for n, d in one[BlockDevices].devices.items() if not n.startswith("loop")} for one in (known, other))
    assert disks == others  # loop devices come and go, and busybox's losetup does not tell the device behind them
    assert known[Paths].by_path["/"].mount_id in {mount.mount_id for mount in known[Mounts].table}
    assert "magic link" in (known[Paths].by_path["/proc/self/mounts"].problem or "")
    assert known[Usage].filesystems["/"].size_bytes > 0


@pytest.mark.machine
@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_a_host_with_nothing_but_busybox(tmp_path: Path) -> None:
    names = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        (tmp_path / name).symlink_to(str(shutil.which("busybox")))
    text = program.with_params(NONCE, ["/usr/bin", "/nowhere"]).replace(':/usr/sbin:/usr/bin:/sbin:/bin"', '"')
    ran = subprocess.run(
        [tmp_path / "ash", "-s"], input=text.encode(), env={"PATH": str(tmp_path)}, capture_output=True, check=True, timeout=60
    )
    known, full = (
        facts.read(bundle.gather("h", ran.stdout, NONCE, program.digest(), AT)),
        facts.read(collected(["/usr/bin", "/nowhere"])),
    )
    for noun in (Mounts, Fstab, Paths, DeviceLinks):
        assert known.get(noun) == full.get(noun)
    assert not isinstance(known.get(LargeFiles), Unavailable)


def test_the_bytes_of_a_file_are_exact(tmp_path: Path) -> None:
    raw = b"|@@" + NONCE.encode() + b" end 0 0\n\n!x\n$y\n\xff\xfe\x00\r\nno newline at the end"
    plant(tmp_path, {"proc/self/mountinfo": MOUNTINFO, "etc/fstab": ""})
    for content in (raw, raw + b"\n", b"", b"\n", b"\n\n", f"\n@@{NONCE} end 0 0\n@@{NONCE} begin done 0\n".encode()):
        (tmp_path / "etc/fstab").write_bytes(content)
        told = collected(root=tmp_path)
        assert not told.failure
        assert told.probes["fstab"].stdout == content


TREE = {
    "proc/self/mountinfo": MOUNTINFO
    + "23 22 8:17 / /mnt/data rw - ext4 /dev/sdb1 rw\n40 22 0:60 / /auto rw - autofs systemd-1 rw\n",
    "etc/fstab": "/dev/sdb1 /mnt/data ext4 defaults 0 2\n",
    "var/lib/docker": "->/mnt/data/docker",
    "mnt/data/docker/volumes/v": "x",
    "up": "->../../../../mnt/./data",
    "loop": "->loop",
    "dangling": "->/srv/none/x",
    "auto/x": "must not be looked at",
}


def test_paths_resolve_inside_the_tree_and_nowhere_else(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    asked = ["/", "/var/lib/docker/volumes", "/up/docker", "/loop/x", "/dangling", "/srv/pg", "/auto/x", "/mnt/data"]
    known = facts.read(collected(asked, tmp_path))[Paths]
    assert known.recorded
    seen = known.by_path
    assert [seen[path].canonical for path in asked[:3]] == ["/", "/mnt/data/docker/volumes", "/mnt/data/docker"]
    assert seen["/mnt/data"].exists and seen["/mnt/data"].mount_id is None
    assert seen["/loop/x"].problem == "too many links"
    assert (seen["/dangling"].canonical, seen["/dangling"].exists) == ("/srv/none/x", False)
    assert (seen["/srv/pg"].exists, seen["/srv/pg"].ancestor) == (False, "/")
    assert seen["/auto/x"].problem == "autofs pending at /auto"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_tree_reads_the_same_under_every_shell(shell: tuple[str, ...], tmp_path: Path) -> None:
    plant(tmp_path, {**TREE, "sys/block/sda/dev": "8:0\n", "sys/block/sda/size": "9\n"})
    assert facts.read(collected(["/up"], tmp_path, shell)).nouns == facts.read(collected(["/up"], tmp_path)).nouns


def test_nothing_of_this_machine_leaks_into_a_tree(tmp_path: Path) -> None:
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "file").write_text("SECRET 1 8:1 / / rw - ext4 /dev/SECRET rw\n")
    (secret / "block").mkdir()
    (secret / "block/SECRET").mkdir()
    (secret / "block/SECRET/dev").write_text("8:9\n")
    out = f"->{secret}"
    tree = plant(
        tmp_path / "tree",
        {
            "proc/self/mountinfo": MOUNTINFO,
            "etc/fstab": f"{out}/file",
            "etc/machine-id": f"{out}/file",
            "etc/hostname": f"->../../../../../../../../../..{secret}/file",
            "proc/1": f"{out}",
            "proc/swaps": f"{out}/file",
            "sys/class/block": f"{out}/block",
            "sys/dev/block/8:0": f"{out}/block/SECRET",
            "sys/block/sda/dev": "8:0\n",
            "sys/block/sda/size": "9\n",
            "sys/block/sda/ro": f"{out}/file",
            "sys/block/sda/device": f"{out}",
            "sys/block/sda/slaves": f"{out}/block",
            "sys/fs/btrfs/6f2d7b2e-0000-4000-8000-000000000001": f"{out}",
            "dev/disk/by-uuid": f"{out}",
            "run/udev/data": f"{out}",
            "etc/systemd/system": f"{out}",
        },
    )
    told = collected(["/etc/fstab", "/"], tree)
    raw = bundle.to_json(told)
    here = (Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.uname().release)
    assert b"SECRET" not in raw.replace(str(secret).encode(), b"")
    assert not any(word.encode() in raw for word in here)
    known = facts.read(told)
    assert set(known[BlockDevices].devices) == {"sda"}
    for noun in (Docker, Usage, LargeFiles):
        assert "recorded tree" in getattr(known.get(noun), "reason", "")


@pytest.mark.parametrize("kept", ["class", "block", "dev"])
def test_block_devices_of_trees_saved_in_different_ways(kept: str, tmp_path: Path) -> None:
    disk = "sys/devices/pci0/ata1/block/sda"
    files = {
        f"{disk}/dev": "8:0\n", f"{disk}/size": "100\n", f"{disk}/queue/rotational": "0\n",
        f"{disk}/sda1/dev": "8:1\n", f"{disk}/sda1/size": "90\n", f"{disk}/sda1/partition": "1\n",
        "sys/devices/virtual/block/dm-0/dev": "252:0\n", "sys/devices/virtual/block/dm-0/dm/uuid": "LVM-x\n",
        "sys/devices/virtual/block/dm-0/slaves/sda1": "->../../../../pci0/ata1/block/sda/sda1",
    }  # fmt: skip
    sda, dm = "devices/pci0/ata1/block/sda", "devices/virtual/block/dm-0"
    links = {
        "class": {"sda": f"../../{sda}", "sda1": f"../../{sda}/sda1", "dm-0": f"../../{dm}"},
        "block": {"sda": f"../{sda}", "dm-0": f"../{dm}"},
        "dev": {"8:0": f"/sys/{sda}", "8:1": f"../../{sda}/sda1", "252:0": f"../../{dm}"},
    }
    folder = {"class": "sys/class/block", "block": "sys/block", "dev": "sys/dev/block"}[kept]
    files |= {f"{folder}/{name}": f"->{to}" for name, to in links[kept].items()}
    plant(tmp_path, {"proc/self/mountinfo": MOUNTINFO, **files})
    devices = facts.read(collected(root=tmp_path))[BlockDevices].devices
    assert sorted(devices) == ["dm-0", "sda", "sda1"]
    assert (devices["sda1"].parent, devices["dm-0"].slaves, devices["dm-0"].dm_uuid) == ("sda", ("sda1",), "LVM-x")
    assert (devices["sda"].sysfs, devices["sda"].size_bytes) == ("/devices/pci0/ata1/block/sda", 51200)


def test_a_poor_tree_says_what_it_lacks(tmp_path: Path) -> None:
    plant(tmp_path, {"proc/1/mountinfo": MOUNTINFO})
    os.mkfifo(tmp_path / "proc/swaps")
    known = facts.read(collected(["/srv"], tmp_path))
    assert known[Mounts].of == "1"
    assert isinstance(known.get(BlockDevices), Unavailable)
    assert isinstance(known.get(Fstab), Unavailable)


def test_a_path_may_lead_up_and_a_root_may_not() -> None:
    assert "/a/../b\n" in program.with_params(NONCE, ["/a/../b"])
    with pytest.raises(UsageError):
        program.with_params(NONCE, [], "/a/../b")


@pytest.mark.parametrize("bad", ["", "x", "/a\nb", "/\x00", "/a\x7f", "relative", "/x\nWB_PARAMETERS\ntouch /tmp/y"])
def test_a_path_outside_the_grammar_never_reaches_a_host(bad: str) -> None:
    with pytest.raises(UsageError):
        program.with_params(NONCE, [bad])
    if bad:
        with pytest.raises(UsageError):
            program.with_params(NONCE, [], bad)


@pytest.mark.parametrize("bad", ["", "short", "x" * 65, "UPPER" * 8, "a" * 20 + "\n", "$(id)" * 5])
def test_a_nonce_outside_the_grammar_never_reaches_a_host(bad: str) -> None:
    with pytest.raises(UsageError):
        program.with_params(bad)


def test_the_program_is_constant_and_has_no_command_that_changes_a_host() -> None:
    assert program.with_params(NONCE, ["/a"]).endswith(program.text())
    commands = set(re.findall(r"(?m)(?:^|[;&|({]|\b(?:then|do|else)\b)\s*([a-z][\w.-]*)(?=[\s;]|$)", program.text()))
    assert {"printf", "sed", "head"} <= commands
    assert not commands & {
        "rm",
        "mv",
        "cp",
        "tee",
        "touch",
        "mkdir",
        "chmod",
        "mount",
        "umount",
        "dd",
        "mktemp",
        "ln",
        "truncate",
        "sync",
    }
    written = set(re.findall(r"(?<![<\d&])>{1,2}\s*([^\s;&|)]+)", program.text()))
    assert {where for where in written if where.startswith(("/", '"', "$"))} <= {"/dev/null", '"/dev/stderr"'}


def test_a_program_that_arrives_cut_says_nothing() -> None:
    text = program.with_params(NONCE, ["/"])
    whole = text.rindex("\n{ main </dev/null")
    for cut in range(0, whole, max(1, whole // 25)):
        ran = subprocess.run(["/bin/dash", "-s"], input=text[:cut].encode(), capture_output=True, check=False, timeout=30)
        assert b"begin" not in ran.stdout
