"""The boot disk of the layouts guest: LVM, md, crypt, NFS and 9p tools on Debian's full kernel, with bare partitions to build on.

The hosts' own kernel is the cloud flavour, which has no 9p. No layout is made here: that is the tests' work, inside the guest.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.command import run, say
from lab.estate import MIB
from lab.golden import recipe, tree
from lab.golden.bake import container_images
from lab.golden.cache import directory_made
from lab.settings import Settings

UNUSED = ("docker-buildx", "docker-compose", "linux-image-cloud-amd64", "qemu-guest-agent")
TOOLS = ("cryptsetup-bin", "linux-image-amd64", "lvm2", "mdadm", "nfs-kernel-server", "thin-provisioning-tools")
PACKAGES = (*(name for name in tree.PACKAGES if name not in UNUSED), *TOOLS)
ROOT_MIB = 1800
# root, then what the tests build a PV, an md leg and a LUKS container on
PARTITIONS = (ROOT_MIB, 600, 128, 128)
FILES = {
    "etc/fstab": "LABEL=rootfs / ext4 defaults,errors=remount-ro 0 1\nLABEL=data /mnt/data ext4 nofail 0 2\n",
    "etc/docker/daemon.json": '{"data-root": "/mnt/data/docker"}\n',
    "etc/systemd/system/docker.service.d/data.conf": "[Unit]\nRequiresMountsFor=/mnt/data\n",
    "etc/exports": "/srv/export 127.0.0.1(rw,no_root_squash,no_subtree_check,insecure)\n",
    # clients that open a file wait until the server's grace time is over
    "etc/nfs.conf.d/lab.conf": "[nfsd]\ngrace-time=10\nlease-time=10\n",
    "etc/initramfs-tools/conf.d/lab": "MODULES=list\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_scsi\nsd_mod\next4\n",
}


def image(settings: Settings) -> Path:
    """The directory with `boot.img`, `vmlinuz` and `initrd`, made when the cache lacks it: minutes."""
    return directory_made(settings.cache, "layouts", _key(), lambda work, made: _build(settings.cache, work, made))


def _key() -> str:
    parts = [
        recipe.images_key(),
        *PACKAGES,
        *tree.UNWANTED,
        *recipe.files(tree.GUEST),
        (recipe.LAB / "golden/tree.py").read_text(),
    ]
    return recipe.digest([*parts, Path(__file__).read_text()])


def _build(cache: Path, work: Path, made: Path) -> None:
    log = cache / "build.log"
    packages = cache / "packages" / f"layouts-{recipe.digest([tree.SUITE, *PACKAGES, *tree.UNWANTED])}.tar"
    tree.fetch(tree.SUITE, PACKAGES, packages, work, log)
    images = container_images(cache, work, log)
    say("furnishing the layouts guest")
    root, part = work / "tree", work / "layouts"
    tree.unpack(packages, root)
    tree.furnish(root)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "srv/export/vol").mkdir(parents=True)
    shutil.copy(images / "busybox.tar", root / "srv")
    version = next((root / "lib/modules").iterdir()).name
    run(["chroot", root, "mkinitramfs", "-o", f"/boot/initrd.img-{version}", version], seconds=300)
    part.mkdir()
    tree.kernel_and_initrd(root, part)
    tree.filesystem(root, work / "root.img", ROOT_MIB * MIB)
    _partitioned(work / "root.img", part / "boot.img")
    part.rename(made)


def _partitioned(root: Path, disk: Path) -> None:
    """A disk with the root filesystem in its first partition and nothing in the others."""
    with disk.open("wb") as out:
        out.truncate((sum(PARTITIONS) + 2) * MIB)
    table = "label: gpt\n" + "".join(f"size={size}M\n" for size in PARTITIONS)
    run(["sfdisk", "-q", disk], stdin=table)
    run(["dd", f"if={root}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"], seconds=300)
