"""A directory for local QEMU VMs on this machine: the golden image, a pool for boot disks and one for data disks. It starts no VM."""

from __future__ import annotations

from pathlib import Path

from lab import packages
from lab.command import run
from lab.golden import cloud
from lab.settings import Settings

IMAGE = "debian-13"
POOLS = ("boot", "data")
FILES = ("disk", "vmlinuz", "initrd", "cmdline")


def provide(settings: Settings, directory: Path) -> str:
    """Fill the directory; what is there already stays. Returns what waveboard.yaml says of it. Raises: LabError."""
    packages.ensure((*packages.NSPAWN, *packages.QEMU), settings.cache / "apt.log")
    made, target = cloud.image(settings), directory / "images" / IMAGE
    for place in (target, *(directory / pool for pool in POOLS)):
        place.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        run(["cp", "--reflink=auto", "--sparse=always", made / name, target / f".{name}"], seconds=600)
        (target / f".{name}").replace(target / name)
    return (
        f"# {target} is filled. In waveboard.yaml:\n"
        f"hypervisors:\n  here:\n    kind: qemu\n    node: here\n    directory: {directory.resolve()}\n"
        f"    pools: {{boot: {POOLS[0]}, tank-vms: {POOLS[1]}}}\n"
        f"# and in the profile: image: {IMAGE}, bridge: user, no packages (the image has them)\n"
    )
