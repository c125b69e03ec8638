"""Shows loop devices to a guest as disks sda, sdb with serials; it changes only the caller's own mount namespace.

A loop device in a container has no udev, no serial, and a path below /sys/devices/virtual. The guest gets a made-up
/sys/devices/platform with one directory a disk: the loop device's own (libudev insists on real sysfs), without what
tells a loop, and with a uevent file the relay listens to. The serial comes through udev, as it does for SCSI disks.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from lab import kernel
from lab.uevents import padded

NODES = ("null", "zero", "full", "random", "urandom", "tty")


@dataclass(frozen=True, slots=True)
class Disk:
    """One presented disk: `name` as the guest sees it, `loop` the device behind it."""

    name: str
    loop: Path
    serial: str

    @property
    def sysfs(self) -> Path:
        return Path("/sys/class/block") / self.loop.name

    @property
    def number(self) -> str:
        """major:minor"""
        return (self.sysfs / "dev").read_text().strip()

    @property
    def below_devices(self) -> str:
        """Its path under /sys/devices: as deep as a loop device's, so that the links in it lead where they should."""
        return f"platform/lab-scsi.0/{self.name}"


def present(view: Path, disks: list[Disk]) -> dict[str, Path]:
    """Fill `view` (a tmpfs) for these disks, replace /dev, and return each disk's made-up uevent file."""
    for part in ("platform", "block", "class", "devno", "virtual", "udev"):
        (view / part).mkdir()
    (view / "platform" / "bdi").symlink_to("../virtual/bdi")
    uevents = {}
    for disk in disks:
        directory = view / disk.below_devices
        directory.mkdir(parents=True)
        uevents[f"/devices/{disk.below_devices}"] = _attributes(disk, directory, view)
        target = Path("devices") / disk.below_devices
        (view / "block" / disk.name).symlink_to(".." / target)
        (view / "class" / disk.name).symlink_to("../.." / target)
        (view / "devno" / disk.number).symlink_to("../.." / target)
    _device_nodes(view / "dev", disks)
    return uevents


def binds(view: Path) -> list[str]:
    """The nspawn options that put the view into the guest."""
    places = {
        "platform": "/sys/devices/platform",
        "virtual": "/sys/devices/virtual/block",
        "block": "/sys/block",
        "class": "/sys/class/block",
        "devno": "/sys/dev/block",
        "udev": "/run/udev",
    }
    return [f"--bind={view / part}:{place}" for part, place in places.items()]


def announce(view: Path, disks: list[Disk]) -> None:
    """A fresh /run/udev for one boot: each disk's properties, and the file that makes PID 1 listen for uevents."""
    shutil.rmtree(view / "udev")
    (view / "udev").mkdir()
    (view / "udev" / "control").touch()
    for disk in disks:
        told = {"ID_BUS": "lab", "ID_SERIAL": disk.serial, "ID_SERIAL_SHORT": disk.serial, "ID_SCSI_SERIAL": disk.serial}
        (view / "udev" / f"lab.{disk.name}").write_text("".join(f"{name}={value}\n" for name, value in told.items()))


def _attributes(disk: Disk, directory: Path, files: Path) -> Path:
    """Bind the loop device's directory, hide what tells a loop, and give it the uevent file, which is returned."""
    kernel.bind(disk.sysfs.resolve(), directory)
    kernel.bind(directory / "slaves", directory / "loop")
    major, minor = disk.number.split(":")
    sequence = (disk.sysfs / "diskseq").read_text().strip()
    body = f"MAJOR={major}\nMINOR={minor}\nDEVNAME={disk.name}\nDEVTYPE=disk\nDISKSEQ={sequence}\n"
    uevent = files / f"uevent.{disk.name}"
    uevent.write_bytes(padded(body.encode()))
    kernel.bind(uevent, directory / "uevent")
    return uevent


def _device_nodes(dev: Path, disks: list[Disk]) -> None:
    """A /dev in which the mount source of the root really is /dev/sda, so df and mountinfo in the guest say so."""
    dev.mkdir()
    for disk in disks:
        major, minor = (int(part) for part in disk.number.split(":"))
        os.mknod(dev / disk.name, 0o660 | stat.S_IFBLK, os.makedev(major, minor))
    for name in NODES:
        (dev / name).touch()
        kernel.bind(Path("/dev") / name, dev / name)
    (dev / "fd").symlink_to("/proc/self/fd")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "shm").mkdir()
    (dev / "pts").mkdir()
    kernel.bind(Path("/dev/pts"), dev / "pts", recursive=True)
    kernel.bind(dev, Path("/dev"), recursive=True)
