"""An image that VMs can be made from on a local QEMU: Debian with cloud-init, OpenSSH, docker that has never run, and a guest agent.

No key, no user and no machine id is in it: a seed brings them (NoCloud, and no other source is asked). Nothing of the fleet is planted.
"""

from __future__ import annotations

from pathlib import Path

from lab.command import run, say
from lab.estate import MIB
from lab.golden import recipe, tree
from lab.golden.cache import directory_made
from lab.settings import Settings

UNUSED = ("docker-buildx", "python3-minimal", "xfsprogs", "zstd")
ADDED = ("cloud-init", "netplan.io", "python3", "systemd-resolved")
PACKAGES = (*(name for name in tree.PACKAGES if name not in UNUSED), *ADDED)
DISK_MIB = 2560  # a VM's boot disk is at least as large; cloud-init grows the filesystem to it
ENABLED = ("ssh.service", "systemd-networkd.service", "systemd-resolved.service", "qemu-guest-agent.service")
DOCKER = ("docker.service", "docker.socket", "containerd.service")  # started by bootstrap, once its data-root is where it belongs
MASKED = (
    *DOCKER,
    *(unit for unit in tree.MASKED if unit not in ("systemd-networkd-wait-online.service", "systemd-tmpfiles-clean.timer")),
)
# The disk has no boot loader and no partition: QEMU starts the kernel beside it. net.ifnames=0: one card, eth0.
CMDLINE = "root=LABEL=rootfs rw console=ttyS0 net.ifnames=0 apparmor=0 selinux=0 audit=0 quiet"
FILES = {
    "etc/fstab": "LABEL=rootfs / ext4 defaults,errors=remount-ro 0 1\n",
    "etc/hostname": "unborn\n",
    "etc/apt/sources.list": f"deb http://deb.debian.org/debian {tree.SUITE} main\n",
    "etc/cloud/cloud.cfg.d/90-waveboard.cfg": "datasource_list: [NoCloud]\nssh_import_id: []\n",
    "etc/machine-id": "",  # empty, not `uninitialized`: a first boot would enable what is disabled here
}


def image(settings: Settings) -> Path:
    """The directory with `disk`, `vmlinuz`, `initrd` and `cmdline`, made when the cache lacks it: minutes."""
    return directory_made(settings.cache, "cloud", _key(), lambda work, made: _build(settings.cache, work, made))


def _key() -> str:
    sources = [(recipe.LAB / name).read_text() for name in ("golden/cloud.py", "golden/tree.py")]
    return recipe.digest([tree.SUITE, *PACKAGES, *tree.UNWANTED, *sources])


def _build(cache: Path, work: Path, made: Path) -> None:
    packages = cache / "packages" / f"cloud-{recipe.digest([tree.SUITE, *PACKAGES, *tree.UNWANTED])}.tar"
    tree.fetch(tree.SUITE, PACKAGES, packages, work, cache / "build.log")
    say("furnishing the image that VMs are made from")
    root, part = work / "tree", work / "cloud"
    tree.unpack(packages, root)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    tree.settle(root, ENABLED, MASKED)
    run(["rm", "-rf", root / "var/lib/docker", root / "var/lib/containerd", root / "var/lib/cloud"], seconds=120)
    part.mkdir()
    tree.kernel_and_initrd(root, part)
    (part / "cmdline").write_text(CMDLINE + "\n")
    tree.filesystem(root, part / "disk", DISK_MIB * MIB)
    part.rename(made)
