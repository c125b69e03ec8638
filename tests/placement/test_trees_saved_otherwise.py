"""Trees that savers and kernels of other kinds made: lists of directories in place of links, links to nowhere, another process's table."""

import re
from pathlib import Path

import pytest

from tests.audit.trees import plant
from tests.placement.estates import devices
from tests.placement.test_recorded_trees import device, link, read, write
from waveboard.model.facts import BlockDevice

DISKS = """
sda 8:0 pci
sda1 8:1 pci part=sda
sda2 8:2 pci part=sda
sdb 8:16 pci
sdb1 8:17 pci part=sdb
nvme0n1 259:0 nvme
nvme0n1p1 259:1 nvme part=nvme0n1
md127 9:127 virtual slaves=sdb1,nvme0n1p1 md=raid1
md127p1 259:2 virtual part=md127
dm-0 253:0 virtual slaves=md127p1 dm=vg-data uuid=LVM-x
"""
TABLE = """20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 8:2 / /m/same rw - ext4 /dev/sda2 rw
22 20 253:0 / /m/data rw - ext4 /dev/mapper/vg-data rw
23 20 8:17 / /m/part rw - ext4 /dev/sdb1 rw
"""
ANSWERS = {"/": "BOOT sda", "/m/same": "BOOT sda", "/m/data": "DATA nvme0n1,sdb", "/m/part": "DATA sdb"}
UNSAID = {**ANSWERS, "/m/data": "UNKNOWN "}


def answers(root: Path, paths: list[str]) -> dict[str, str]:
    resolver = read(root, paths)
    found = {path: resolver.where(path) for path in paths}
    return {path: f"{one.placement.value} {','.join(one.disks)}" for path, one in found.items()}


def flat(at: Path, one: BlockDevice) -> None:
    """A device as a directory where others keep a link."""
    write(at / "dev", one.devno + "\n")
    write(at / "size", f"{one.size_bytes // 512}\n")
    for slave in one.slaves:
        write(at / "slaves" / slave / "size", "9\n")


def numbered(at: Path, one: BlockDevice) -> None:
    flat(at, one)
    if one.parent is not None:
        write(at / "partition", one.name[len(one.parent) :].removeprefix("p") + "\n")


def as_links(root: Path, one: BlockDevice) -> None:
    """Links to where /sys/devices was, which was not saved."""
    link(root / "sys/dev/block" / one.devno, "../.." + one.sysfs)
    link(root / "sys/class/block" / one.name, "../.." + one.sysfs)


def without_numbers(root: Path, one: BlockDevice) -> None:
    device(root, one)
    (root / "sys" / one.sysfs.lstrip("/") / "dev").unlink()


def by_number(root: Path, one: BlockDevice) -> None:
    at = root / "sys/dev/block" / one.devno
    numbered(at, one)
    write(at / "uevent", f"MAJOR=8\nMINOR=1\nDEVNAME={one.name}\nDEVTYPE=x\n")


def in_its_disk(root: Path, one: BlockDevice) -> None:
    """Kernels of old: /sys/block is no list of links, and partitions lie in their disks without a number."""
    at = root / "sys/block" / (one.parent or "") / one.name
    flat(at, one)
    if one.parent is not None:
        write(at / "start", "63\n")


def twice(root: Path, one: BlockDevice) -> None:
    """Links followed: what is in the one list without its disk is in the other inside it."""
    numbered(root / "sys/class/block" / one.name, one)
    in_its_disk(root, one)


def in_part(root: Path, one: BlockDevice) -> None:
    """The place in one list, everything else in the other."""
    as_links(root, one)
    flat(root / "sys/block" / one.name, one)


WAYS = {
    "one list": lambda root, one: numbered(root / "sys/class/block" / one.name, one),
    "in its disk": in_its_disk,
    "two lists": twice,
    "in part": in_part,
    "without numbers": without_numbers,
    "by number": by_number,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_tree_is_read_however_sysfs_was_saved(way: str, tmp_path: Path) -> None:
    write(tmp_path / "proc/self/mountinfo", TABLE)
    for one in devices(DISKS).values():
        WAYS[way](tmp_path, one)
    assert answers(tmp_path, list(ANSWERS)) == ANSWERS


def test_devices_without_numbers_go_by_the_names_of_their_mounts(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/mountinfo", TABLE)
    for one in devices(DISKS).values():
        without_numbers(tmp_path, one)
        (tmp_path / "sys/dev/block" / one.devno).unlink()
    (tmp_path / "m/part").mkdir(parents=True)
    assert answers(tmp_path, list(ANSWERS)) == ANSWERS
    assert read(tmp_path, ["/m/part"]).where("/m/part").confidence.value == "lexical"
    write(tmp_path / "sys/devices/pci0/block/sdq/dev", "8:17\n")  # the number is another's, whatever the mount calls it
    link(tmp_path / "sys/block/sdq", "../devices/pci0/block/sdq")
    assert answers(tmp_path, ["/m/part"]) == {"/m/part": "DATA sdq"}
    older(tmp_path, "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /m/part ext4 rw 0 0\n", "", [])
    (tmp_path / "proc/self/mountinfo").unlink()
    assert answers(tmp_path, ["/m/part"]) == {"/m/part": "DATA sdb"}


def test_links_to_nowhere_tell_the_disk_of_a_partition_and_no_more(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/mountinfo", TABLE)
    for one in devices(DISKS).values():
        as_links(tmp_path, one)
    assert answers(tmp_path, list(UNSAID)) == UNSAID


def test_the_disk_of_a_partition_is_not_guessed_from_its_name_alone(tmp_path: Path) -> None:
    """Xen gives a guest xvda1 without a disk; what has a queue of its own is a whole disk, what has neither may be either."""
    plant(tmp_path, {"proc/self/mountinfo": TABLE, "sys/block/sda2/dev": "8:2\n", "sys/block/sda1/dev": "8:1\n"})
    assert answers(tmp_path, ["/", "/m/same"]) == {"/": "UNKNOWN ", "/m/same": "UNKNOWN "}
    for name in ("sda1", "sda2"):
        write(tmp_path / "sys/block" / name / "queue/rotational", "0\n")
    assert answers(tmp_path, ["/", "/m/same"]) == {"/": "BOOT sda1", "/m/same": "DATA sda2"}


def test_a_disk_in_a_list_tells_by_its_device_what_it_is(tmp_path: Path) -> None:
    for one in devices(DISKS).values():
        in_its_disk(tmp_path, one)
    link(tmp_path / "sys/block/sdb/device", "../../devices/platform/host3/session1/target3:0:0/3:0:0:0")
    write(tmp_path / "sys/class/iscsi_connection/connection1:0/address", "10.0.0.9\n")
    write(tmp_path / "proc/self/mountinfo", TABLE)
    assert answers(tmp_path, ["/m/part"]) == {"/m/part": "NETDISK sdb"}
    assert read(tmp_path, ["/m/part"]).where("/m/part").boot is None
    write(tmp_path / "proc/net/fib_trie", "     |-- 10.0.0.5\n        /32 host LOCAL\n")
    assert read(tmp_path, ["/m/part"]).where("/m/part").boot is False


def test_a_hardware_partition_of_a_card_in_a_list_is_on_the_card(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/mountinfo", "20 1 179:1 / / rw - ext4 /dev/mmcblk0p1 rw\n21 20 179:8 / /hw rw - ext4 /dev/x rw\n")
    for name, number in {"mmcblk0": "179:0", "mmcblk0/mmcblk0p1": "179:1", "mmcblk0boot0": "179:8"}.items():
        write(tmp_path / "sys/block" / name / "dev", number + "\n")
    write(tmp_path / "sys/block/mmcblk0/mmcblk0p1/start", "1\n")
    assert answers(tmp_path, ["/hw"]) == {"/hw": "BOOT mmcblk0"}


@pytest.mark.parametrize("name", ["/m/part\nx/img", "/m/part/img\n", "/m/part/a\n\n/b"])
def test_a_loops_file_with_a_line_break_in_its_name_is_not_cut_there(name: str, tmp_path: Path) -> None:
    for one in devices(DISKS + "loop0 7:0 virtual file=/m/part/plain\n").values():
        device(tmp_path, one)
    write(tmp_path / "proc/self/mountinfo", TABLE + "30 20 7:0 / /l rw - ext4 /dev/loop0 rw\n")
    assert answers(tmp_path, ["/l"]) == {"/l": "DATA sdb"}
    write(tmp_path / "sys/devices/virtual/block/loop0/loop/backing_file", name + "\n")
    assert answers(tmp_path, ["/l"]) == {"/l": "UNKNOWN "}


# -- tables ----------------------------------------------------------------------------------------------------------


def test_some_other_processs_table_is_taken_when_there_is_none_else(tmp_path: Path) -> None:
    for one in devices(DISKS).values():
        device(tmp_path, one)
    for process, table in {"77": TABLE, "812": TABLE.replace("/m/data", "/m/elsewhere"), "self": "", "1": ""}.items():
        write(tmp_path / "proc" / process / "mountinfo", table)
    (tmp_path / "m/data").mkdir(parents=True)
    found = read(tmp_path, ["/m/data"]).where("/m/data")
    assert (found.disks, found.confidence.value) == (("nvme0n1", "sdb"), "declared"), found.why
    assert "process 77's own" in found.why
    write(tmp_path / "proc/1/mountinfo", TABLE.replace("/m/data", "/m/else"))
    assert read(tmp_path, ["/m/data"]).where("/m/data").disks == ("sda",)


def test_an_empty_table_is_none(tmp_path: Path) -> None:
    """What may not be read is often saved as a file without content."""
    for one in devices(DISKS).values():
        device(tmp_path, one)
    plant(tmp_path, {"proc/self/mountinfo": "", "proc/1/mountinfo": "", "proc/mounts": "/dev/sda1 / ext4 rw 0 0\n"})
    assert answers(tmp_path, ["/srv"]) == {"/srv": "BOOT sda"}


OLDER = """rootfs / rootfs rw 0 0
proc /proc proc rw 0 0
tmpfs /run tmpfs rw 0 0
/dev/root / ext4 rw 0 0
tmpfs /run/lock tmpfs rw 0 0
/dev/sdb1 /m/part ext4 rw 0 0
"""


def older(root: Path, table: str, cmdline: str, paths: list[str]) -> dict[str, str]:
    for one in devices(DISKS).values() if not (root / "sys").exists() else ():
        device(root, one)
    link(root / "dev/disk/by-partuuid/9-01", "../../sda1")
    write(root / "proc/mounts", table)
    write(root / "proc/cmdline", cmdline + "\n")
    return answers(root, paths)


@pytest.mark.parametrize("cmdline", ["quiet root=/dev/sda1 ro", "root=/dev/sdb1 root=PARTUUID=9-01"])
def test_what_an_initramfs_mounted_lies_on_the_root_it_was_moved_to(cmdline: str, tmp_path: Path) -> None:
    wanted = {"/srv": "BOOT sda", "/run/x": "VOLATILE ", "/run/lock/x": "VOLATILE ", "/proc/x": "UNKNOWN ", "/m/part": "DATA sdb"}
    assert older(tmp_path, OLDER, cmdline, list(wanted)) == wanted


@pytest.mark.parametrize("cmdline", ["quiet", "root=/dev/sdz1", "root=PARTUUID=8", "root="])
def test_a_root_that_nothing_names_is_not_known(cmdline: str, tmp_path: Path) -> None:
    assert older(tmp_path, OLDER, cmdline, ["/srv", "/m/part"]) == {"/srv": "UNKNOWN ", "/m/part": "UNKNOWN sdb"}


def test_of_two_roots_in_the_older_table_nobody_knows_the_upper_one(tmp_path: Path) -> None:
    table = re.sub("(?m)^/dev/root.*$", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 / ext4 rw 0 0", OLDER)
    assert older(tmp_path, table, "", ["/srv", "/m/part"]) == {"/srv": "UNKNOWN ", "/m/part": "UNKNOWN "}


# -- members that only udev names ------------------------------------------------------------------------------------


def test_a_tree_without_sys_fs_has_what_its_members_say_of_themselves(tmp_path: Path) -> None:
    """And that is less than the kernel's word: a member that says nothing would not be seen."""
    plant(tmp_path, {"proc/self/mountinfo": "20 1 0:30 / / rw - btrfs /dev/sda1 rw\n21 20 0:31 / /tank rw - zfs tank/x rw\n"})
    for one in devices(DISKS).values():
        device(tmp_path, one)
    for number, uuid, part in (("8:1", "a", "1"), ("8:17", "b", "1"), ("8:2", "a", "2")):
        plant(tmp_path, {f"run/udev/data/b{number}": f"E:ID_FS_TYPE=btrfs\nE:ID_FS_UUID={uuid}\nE:ID_FS_UUID_SUB={part}\n"})
    assert answers(tmp_path, ["/", "/tank"]) == {"/": "BOOT sda", "/tank": "UNKNOWN "}
    plant(tmp_path, {"run/udev/data/b259:0": "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\nE:ID_FS_UUID=9\n"})
    (tmp_path / "tank").mkdir()
    found = read(tmp_path, ["/tank"]).where("/tank")
    assert (found.disks, found.placement.value, found.confidence.value) == (("nvme0n1",), "DATA", "lexical")


def test_a_pool_that_only_udev_knows_is_nobodys_but_its_members(tmp_path: Path) -> None:
    """It need not be mounted at all, unlike what the kernel lists."""
    plant(tmp_path, {"proc/self/mountinfo": "20 1 0:30 / / rw - btrfs /dev/root rw\n"})
    for one in devices(DISKS).values():
        device(tmp_path, one)
    plant(tmp_path, {"run/udev/data/b8:17": "E:ID_FS_TYPE=btrfs\nE:ID_FS_UUID=b\nE:ID_FS_UUID_SUB=1\n"})
    assert answers(tmp_path, ["/"]) == {"/": "UNKNOWN "}
