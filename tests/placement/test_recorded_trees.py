"""The cases written down as recorded trees (copies of /proc and /sys) and read back by the real collector: never a wrong disk."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.placement.estates import devices, pools
from tests.placement.test_placement_cases import load
from waveboard.audit import bundle as bundles
from waveboard.audit import facts as reading
from waveboard.audit import program
from waveboard.audit.placement import Resolver
from waveboard.audit.placement_boot import BESIDE_ROOT
from waveboard.model.facts import BlockDevice
from waveboard.wiring import read_sysroot

NONCE = "0123456789abcdef" * 2
LIVE_ONLY = {"zfs", "behind="}  # what only a running host can tell: zpool, losetup


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def link(path: Path, to: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def device(root: Path, one: BlockDevice) -> None:
    """One device as a dump of sysfs holds it: /sys/block and /sys/dev/block link into /sys/devices."""
    at = root / "sys" / one.sysfs.lstrip("/")
    write(at / "dev", one.devno + "\n")
    write(at / "size", f"{one.size_bytes // 512}\n")
    if one.parent is not None:
        write(at / "partition", "1\n")
    else:
        link(root / "sys" / "block" / one.name, ".." + one.sysfs)
    link(root / "sys" / "dev" / "block" / one.devno, "../.." + one.sysfs)
    for slave in one.slaves:
        link(at / "slaves" / slave, "../../" + slave)
    if one.dm_name:
        write(at / "dm" / "name", one.dm_name + "\n")
        write(at / "dm" / "uuid", (one.dm_uuid or "") + "\n")
    if one.md_level is not None:
        write(at / "md" / "level", one.md_level + "\n")
        write(at / "md" / "degraded", f"{one.degraded}\n")
    if one.loop_file is not None:
        write(at / "loop" / "backing_file", one.loop_file + "\n")
    if one.transport:
        write(at / "device" / "transport", one.transport + "\n")
    if "/session" in one.sysfs and one.addresses:
        number = one.sysfs.partition("/session")[2].partition("/")[0]
        for name, address in zip(("persistent_address", "address"), one.addresses, strict=False):
            write(root / f"sys/class/iscsi_connection/connection{number}:0/{name}", address + "\n")
    elif one.addresses:
        write(at.parent / "address", f"traddr={one.addresses[0]},trsvcid=4420,src_addr=10.0.0.5\n")
    if one.wwid:
        write(at / "wwid", one.wwid + "\n")


def record(root: Path, case: dict[str, Any]) -> None:
    lines = [line.strip() for line in case["mounts"].strip().splitlines()]
    write(root / "proc/self/mountinfo", "\n".join(lines) + "\n")
    write(root / "etc/fstab", case.get("fstab", ""))
    own = "".join(f"     |-- {one}\n        /32 host LOCAL\n" for one in case.get("own", ["127.0.0.1", "10.0.0.5"]))
    write(root / "proc/net/fib_trie", own)
    known = devices(case.get("blocks", ""))
    if any(one.sysfs.startswith("/block/") for one in known.values()):
        known = devices("\n".join(line for line in case["blocks"].splitlines() if not line.endswith(" old")))
    for path, told in case.get("paths", {}).items():
        if path == "/boot":
            link(root / "boot", told["canonical"].lstrip("/"))
    for one in known.values():
        device(root, one)
        names = [path for path, name in case.get("links", {}).items() if name == one.name]
        write(root / f"run/udev/data/b{one.devno}", "".join(f"S:{path.removeprefix('/dev/')}\n" for path in names))
    for pool in pools(case.get("pools", "")):
        if pool.fstype == "ubi":
            write(root / f"sys/class/ubi/{pool.id}/mtd_num", pool.members[0].removeprefix("mtdblock") + "\n")
            continue
        if pool.fstype == "zfs":
            continue  # sysfs says nothing of it
        name = f"{pool.id}0000-0000-0000-0000-000000000000"
        for member in pool.members:
            link(root / "sys/fs" / pool.fstype / name / "devices" / member, f"../../../../block/{member}")
        for number in range(pool.missing):
            write(root / "sys/fs" / pool.fstype / name / "devinfo" / str(number) / "missing", "1\n")


def read(root: Path, asked: list[str]) -> Resolver:
    text = program.with_params(NONCE, asked, str(root))
    done = subprocess.run(["/bin/sh", "-s"], input=text.encode(), capture_output=True, check=True, timeout=60)
    found = bundles.gather("recorded", done.stdout, NONCE, program.digest(), datetime(2026, 1, 1, tzinfo=UTC), None)
    assert not found.failure, found.failure
    return Resolver(reading.read(found))


@pytest.mark.parametrize("case", load("a-*.yaml"))
def test_a_recorded_tree_is_placed(case: dict[str, Any], tmp_path: Path) -> None:
    record(tmp_path, case)
    resolver = read(tmp_path, [*BESIDE_ROOT, *case["ask"]])
    live = any(word in case["blocks"] + case.get("pools", "") for word in LIVE_ONLY)
    for path, wanted in case["ask"].items():
        kind, disks, *_ = wanted.split()
        if kind == "UNKNOWN" and "behind=" in case["blocks"]:
            continue  # the number that contradicts the name cannot be recorded
        answer = resolver.where(path)
        told = f"{path}: {answer.why}"
        if answer.placement.value != kind:
            assert live and answer.placement.value == "UNKNOWN", told
        else:
            assert ",".join(answer.disks) == disks.strip("-"), told
        if kind == "NETDISK":
            assert answer.boot is (None if "boot=null" in wanted else False), told
        assert path == "/" or answer.confidence.value != "observed", told  # nobody recorded the directories themselves


def test_a_link_at_boot_is_followed_whatever_was_asked(tmp_path: Path) -> None:
    record(tmp_path, next(case for (case,) in (one.values for one in load("a-*.yaml")) if "link to a directory" in case["name"]))
    (tmp_path / "mnt/key/boot").mkdir(parents=True)
    answer = Resolver(reading.read(read_sysroot(str(tmp_path), ("/mnt/key/db",)))).where("/mnt/key/db")
    assert (answer.disks, answer.boot) == (("sdb",), True)


def older(mountinfo: Path) -> None:
    """The same table as /proc/mounts tells it, in place of mountinfo."""
    lines = [line.split(" - ") for line in mountinfo.read_text().splitlines()]
    told = [
        f"{rest.split(' ')[1]} {first.split(' ')[4]} {rest.split(' ')[0]} rw,{rest.split(' ')[2]} 0 0" for first, rest in lines
    ]
    write(mountinfo.with_name("mounts"), "\n".join(told) + "\n")
    mountinfo.unlink()


@pytest.mark.parametrize("case", load("a-*.yaml"))
def test_a_tree_with_nothing_but_the_older_table_names_no_wrong_disk(case: dict[str, Any], tmp_path: Path) -> None:
    """It knows devices by name alone, so it may know less; what it says is never more than declared, and never another disk."""
    record(tmp_path, case)
    older(tmp_path / "proc/self/mountinfo")
    for path in case["ask"]:
        (tmp_path / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    resolver = read(tmp_path, [*BESIDE_ROOT, *case["ask"]])
    for path, wanted in case["ask"].items():
        kind, disks, *_ = wanted.split()
        if kind == "UNKNOWN" and "behind=" in case["blocks"]:
            continue  # as above
        answer = resolver.where(path)
        told = f"{path}: {answer.placement.value} {','.join(answer.disks)} {answer.why}"
        assert answer.confidence.value != "observed", told
        if answer.placement.value != "UNKNOWN":
            assert ",".join(answer.disks) == disks.strip("-"), told
            assert answer.placement.value == kind or kind == "UNKNOWN", told


DISKS = "sda 8:0 pci\nsda1 8:1 pci part=sda\nsda2 8:2 pci part=sda\nsdb 8:16 pci"
TABLE = """proc /proc proc rw 0 0
/dev/sda2 / ext4 rw,relatime 0 0
/dev/sda1 /boot/efi vfat rw 0 0
/dev/sdb /mnt/with\\040space ext4 rw 0 0
/dev/sda2 /mnt/with\\040space/bound ext4 rw 0 0
/dev/root /mnt/nameless ext4 rw 0 0
"""


@pytest.mark.parametrize("file", ["proc/self/mounts", "proc/1/mounts", "proc/mounts", "etc/mtab"])
def test_the_older_table_is_read_wherever_it_was_saved(file: str, tmp_path: Path) -> None:
    for one in devices(DISKS).values():
        device(tmp_path, one)
    write(tmp_path / file, TABLE)
    paths = {
        "/srv": "BOOT sda",
        "/mnt/with space/x": "DATA sdb",
        "/mnt/with space/bound/x": "BOOT sda",
        "/mnt/nameless": "UNKNOWN ",
    }
    for path in paths:
        (tmp_path / path.lstrip("/")).mkdir(parents=True)
    resolver = read(tmp_path, list(paths))
    answers = {path: resolver.where(path) for path in paths}
    assert {path: f"{a.placement.value} {','.join(a.disks)}" for path, a in answers.items()} == paths
    assert {a.confidence.value for a in answers.values()} == {"declared", "none"}


def test_mountinfo_wins_over_the_older_table(tmp_path: Path) -> None:
    for one in devices(DISKS).values():
        device(tmp_path, one)
    write(tmp_path / "proc/self/mountinfo", "22 1 8:16 / / rw - ext4 /dev/root rw\n")
    write(tmp_path / "proc/mounts", "/dev/sda / ext4 rw 0 0\n")
    (tmp_path / "srv").mkdir()
    assert read(tmp_path, ["/srv"]).where("/srv").disks == ("sdb",)


ROOT_AND_DATA = "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n23 22 8:16 / /mnt/data rw - ext4 /dev/sdb rw\n"


def test_a_number_is_no_name_of_a_device(tmp_path: Path) -> None:
    """/sys/dev/block saved as directories instead of links: what they are called is a number."""
    for one in devices(DISKS).values():
        device(tmp_path, one)
        (tmp_path / "sys/dev/block" / one.devno).unlink()
        write(tmp_path / "sys/dev/block" / one.devno / "dev", one.devno + "\n")
    write(tmp_path / "proc/self/mountinfo", ROOT_AND_DATA)
    resolver = read(tmp_path, ["/mnt/data/x"])
    assert resolver.where("/mnt/data/x").disks == ("sdb",)
    assert resolver.boot_set == {"sda"}
    for name in ("block", "devices"):
        shutil.rmtree(tmp_path / "sys" / name)
    answer = read(tmp_path, ["/mnt/data/x"]).where("/mnt/data/x")
    assert (answer.placement.value, answer.disks, answer.boot) == ("UNKNOWN", (), None)


def test_the_process_that_recorded_itself_is_followed(tmp_path: Path) -> None:
    """A copy of /proc holds `self` as the link it is, to the number of the process that made the copy."""
    for one in devices(DISKS).values():
        device(tmp_path, one)
    write(tmp_path / "proc/4242/mountinfo", ROOT_AND_DATA)
    link(tmp_path / "proc/self", "4242")
    assert read(tmp_path, ["/mnt/data/x"]).where("/mnt/data/x").disks == ("sdb",)


def test_a_network_filesystem_of_a_recorded_tree_is_told_from_its_table(tmp_path: Path) -> None:
    """Nothing in a tree can hang, so what lies on a network is looked up like any other path."""
    for one in devices(DISKS).values():
        device(tmp_path, one)
    shares = "24 22 0:50 / /mnt/share rw - nfs4 10.0.0.1:/x rw,addr=10.0.0.1\n25 22 8:16 / /mnt/ntfs rw - fuseblk /dev/sdb rw\n"
    write(tmp_path / "proc/self/mountinfo", ROOT_AND_DATA + shares)
    for name in ("share", "ntfs"):
        (tmp_path / "mnt" / name).mkdir(parents=True)
    resolver = read(tmp_path, ["/mnt/share/a", "/mnt/ntfs/a"])
    answers = {path: resolver.where(path) for path in ("/mnt/share/a", "/mnt/ntfs/a")}
    assert {path: (one.placement.value, one.disks) for path, one in answers.items()} == {
        "/mnt/share/a": ("NET", ()),
        "/mnt/ntfs/a": ("DATA", ("sdb",)),
    }
