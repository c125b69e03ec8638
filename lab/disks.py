"""Shows loop devices to a guest as SCSI disks sda, sdb with serials; it changes only the caller's own mount namespace.

A loop device in a container has no udev, no serial and sits below /sys/devices/virtual. The guest gets a made-up
/sys/devices/platform with one directory a disk, in which live attributes are bind mounts of the loop device's own.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from lab import kernel
from lab.uevents import PAD, padded

LIVE = ("inflight", "queue", "size", "stat")
COPIED = (
    "alignment_offset",
    "capability",
    "dev",
    "discard_alignment",
    "diskseq",
    "events",
    "events_async",
    "events_poll_msecs",
    "ext_range",
    "hidden",
    "range",
    "removable",
    "ro",
)
NODES = ("null", "zero", "full", "random", "urandom", "tty")


@dataclass(frozen=True, slots=True)
class Disk:
    """One presented disk: `name` as the guest sees it, `loop` the device behind it."""

    name: str
    loop: Path
    serial: str
    index: int

    @property
    def sysfs(self) -> Path:
        return Path("/sys/class/block") / self.loop.name

    @property
    def number(self) -> str:
        """major:minor"""
        return (self.sysfs / "dev").read_text().strip()

    @property
    def below_devices(self) -> str:
        """Its path under /sys/devices."""
        return f"platform/lab-scsi.0/host0/target0:0:{self.index}/0:0:{self.index}:0/block/{self.name}"


def present(view: Path, disks: list[Disk]) -> dict[str, Path]:
    """Fill `view` (a tmpfs) for these disks, replace /dev, and return each disk's made-up uevent file."""
    for part in ("platform", "block", "class", "devno", "virtual", "udev"):
        (view / part).mkdir()
    uevents = {}
    for disk in disks:
        directory = view / disk.below_devices
        directory.mkdir(parents=True)
        _attributes(disk, directory)
        target = Path("devices") / disk.below_devices
        (view / "block" / disk.name).symlink_to(".." / target)
        (view / "class" / disk.name).symlink_to("../.." / target)
        (view / "devno" / disk.number).symlink_to("../.." / target)
        uevents[f"/devices/{disk.below_devices}"] = directory / "uevent"
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


def _attributes(disk: Disk, directory: Path) -> None:
    for name in LIVE:
        source = disk.sysfs / name
        if source.is_dir():
            (directory / name).mkdir()
        else:
            (directory / name).touch()
        kernel.bind(source, directory / name)
    for name in COPIED:
        if (disk.sysfs / name).exists():
            (directory / name).write_text((disk.sysfs / name).read_text())
            (directory / name).chmod(0o444)
    (directory / "holders").mkdir()
    (directory / "slaves").mkdir()
    (directory / "serial").write_text(f"{disk.serial}\n")
    device = directory.parent.parent
    (device / "vendor").write_text("WAVEBRD \n")
    (device / "model").write_text("LAB DISK        \n")
    (device / "rev").write_text("0001\n")
    up = "../" * (len(Path(disk.below_devices).parts) + 1)
    (directory / "subsystem").symlink_to(f"{up}class/block")
    (directory / "bdi").symlink_to(f"{up}devices/virtual/bdi/{disk.number}")
    (directory / "device").symlink_to(f"../../../{device.name}")
    major, minor = disk.number.split(":")
    sequence = (disk.sysfs / "diskseq").read_text().strip()
    body = f"MAJOR={major}\nMINOR={minor}\nDEVNAME={disk.name}\nDEVTYPE=disk\nDISKSEQ={sequence}\n"
    assert len(padded(b"")) == PAD
    (directory / "uevent").write_bytes(padded(body.encode()))


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
