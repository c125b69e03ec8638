"""One virtual machine with many disks, on which tests build storage layouts this machine's kernel cannot; no host of the estate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import keys, packages
from lab.command import run
from lab.errors import LabError
from lab.estate import MIB, Machine
from lab.golden import layouts
from lab.host import Host, host
from lab.identity import files
from lab.qemu import QEMU, Drive, credentials, start
from lab.settings import Settings
from lab.sweep import sweep

GUEST = Machine("layouts", 230, (), boot_bytes=0, data_bytes=0, root_use=0)
DISKS = {"data": 512, "pv": 600, "mirror": 128}  # MiB; `data` comes with a filesystem, for docker
NEEDED = (*packages.NSPAWN, *packages.QEMU, "fdisk")


@dataclass(frozen=True, slots=True)
class Guest:
    """images: disk serial -> raw image on this machine. share: the directory the guest sees over 9p as `share`."""

    host: Host
    keys: keys.Keys
    images: dict[str, Path]
    share: Path


@contextmanager
def guest(settings: Settings) -> Iterator[Guest]:
    """The machine, booted; nothing of it is left afterwards but the cached image. Raises: LabError."""
    settings.logs.mkdir(parents=True, exist_ok=True)
    packages.ensure(NEEDED, settings.logs / "apt.log")
    made = layouts.image(settings)
    sweep(settings)  # what a killed run may have left
    try:
        yield _boot(settings, made)
    finally:
        sweep(settings)
        shutil.rmtree(settings.state)


def _boot(settings: Settings, made: Path) -> Guest:
    share = settings.run / "share"
    for directory in (settings.run, settings.disks, share):
        directory.mkdir()
    opens = keys.ensure(settings, (GUEST,))
    images = {name: settings.disks / f"{name}.img" for name in ("boot", *DISKS)}
    run(["cp", "--reflink=auto", "--sparse=always", made / "boot.img", images["boot"]], seconds=120)
    for name, size in DISKS.items():
        with images[name].open("wb") as out:
            out.truncate(size * MIB)
    run(["mkfs.ext4", "-q", "-L", "data", images["data"]])
    extra = ["-fsdev", f"local,id=share,path={share},security_model=none"]
    extra += ["-device", "virtio-9p-pci,fsdev=share,mount_tag=share"]
    drives = [Drive(image, name, "raw") for name, image in images.items()]
    start(settings, GUEST, made, drives, credentials(files(settings, GUEST, opens)), extra)
    return Guest(_reached(settings), opens, images, share)


def _reached(settings: Settings) -> Host:
    def alive() -> None:
        if not QEMU.running(settings).get(GUEST.name):
            raise LabError(f"cannot boot {GUEST.name}: because its machine ended: {QEMU.last_words(settings, GUEST)}")

    one = host(settings, GUEST, QEMU.patience)
    one.wait_ssh(check=alive)
    return one
