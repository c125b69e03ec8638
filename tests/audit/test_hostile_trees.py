"""What a recorded tree, or a host, may hold to lead astray: each was read wrongly, never ended or crashed once."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.audit.trees import MOUNTINFO, SHELLS, collected, plant
from waveboard.audit import facts, program
from waveboard.audit.placement import Resolver
from waveboard.audit.placement_blocks import DEEPEST, BlockGraph
from waveboard.model.errors import UsageError
from waveboard.model.facts import BlockDevice, BlockDevices

DISK = {"dev": "8:{}\n", "size": "99\n", "{name}1/dev": "8:{next}\n", "{name}1/size": "9\n", "{name}1/partition": "1\n"}
TWO = {
    f"sys/block/{name}/{key.format(name=name)}": value.format(number, next=number + 1)
    for name, number in (("sda", 0), ("sdb", 16))
    for key, value in DISK.items()
}


@pytest.mark.parametrize("serial", ["\fslave sdb", "\u2028slave sdb", "\x85slave sdb", "\x1cslave sdb"])
def test_a_serial_adds_no_line(tmp_path: Path, serial: str) -> None:
    """What Python takes for the end of a line and the host does not: a disk's own word would move the boot disk."""
    plant(tmp_path, {**TWO, "proc/self/mountinfo": MOUNTINFO, "sys/block/sda/serial": serial + "\n"})
    found = Resolver(facts.read(collected(["/"], tmp_path))).where("/")
    assert found.disks == ("sda",), found.why


def test_a_link_in_a_disk_is_no_partition_of_it(tmp_path: Path) -> None:
    plant(tmp_path, {**TWO, "proc/self/mountinfo": MOUNTINFO, "sys/block/sdb/alias": "->../sda/sda1"})
    assert Resolver(facts.read(collected(["/"], tmp_path))).where("/").disks == ("sda",)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_pipe_in_the_place_of_the_mount_table_is_not_waited_for(tmp_path: Path, shell: tuple[str, ...]) -> None:
    plant(tmp_path, TWO)
    (tmp_path / "proc/self").mkdir(parents=True)
    os.mkfifo(tmp_path / "proc/self/mountinfo")
    assert not collected(["/"], tmp_path, shell).failure


def test_a_directory_of_wants_that_leads_out_of_the_tree_is_not_listed(tmp_path: Path) -> None:
    """Its own directories are; every name outside would be walked one by one."""
    plant(tmp_path, {"out/mnt-out.mount": "[Mount]\n", "tree/etc/systemd/system/in.wants/mnt-in.mount": "[Mount]\n"})
    (tmp_path / "tree/etc/systemd/system/x.wants").symlink_to(tmp_path / "out")
    text = program.with_params("5eed" * 8, (), str(tmp_path / "tree"))
    traced = subprocess.run(["/bin/sh", "-x", "-s"], input=text, capture_output=True, check=True, timeout=60, text=True).stderr
    assert "mnt-in.mount" in traced and "mnt-out" not in traced


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="is not an absolute path"):
        program.parameters("5eed" * 8, [os.fsdecode(b"/mnt/\xff")])


def device(name: str, *slaves: str) -> BlockDevice:
    sysfs = f"/devices/virtual/block/{name}" if slaves else f"/devices/pci0/block/{name}"
    return BlockDevice(name, f"252:{int(name[3:]) % 2**20}", 9, sysfs, slaves=slaves)


def test_devices_that_share_what_they_stand_on_are_worked_out_once() -> None:
    """Thirty floors of two, each on both below: two to the thirtieth ways down."""
    floors = [
        device(f"dm-{100 + 2 * n + side}", *((f"dm-{98 + 2 * n}", f"dm-{99 + 2 * n}") if n else ("sda0",)))
        for n in range(30)
        for side in (0, 1)
    ]
    graph = BlockGraph(BlockDevices({one.name: one for one in (device("sda0"), *floors)}, ()), None)
    assert graph.leaves("dm-159").leaves == {"sda0"}


def test_devices_stacked_without_end_are_not_known() -> None:
    tower = [device(f"dm-{n}", f"dm-{n + 1}" if n < 500 else "sda0") for n in range(501)]
    graph = BlockGraph(BlockDevices({one.name: one for one in (device("sda0"), *tower)}, ()), None)
    found = graph.leaves("dm-0")
    assert not found.leaves and f"below more than {DEEPEST} others" in found.unknown[0]
    assert graph.leaves("dm-490").leaves == {"sda0"}  # what was cut off is not remembered as an answer
