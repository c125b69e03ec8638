"""The guest's root filesystem: Debian packages by mmdebstrap, then users, keys' places and units; no fleet is planted here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.command import logged, run, say
from lab.errors import LabError
from lab.golden.mirror import apt_options, debian_mirror

SUITE = "trixie"
PACKAGES = (
    "acl",
    "attr",
    "ca-certificates",
    "curl",
    "dbus",
    "docker-buildx",
    "docker-cli",
    "docker-compose",
    "docker.io",
    "e2fsprogs",
    "fdisk",
    "initramfs-tools",
    "iproute2",
    "iptables",
    "kmod",
    "less",
    "linux-image-cloud-amd64",
    "openssh-server",
    "procps",
    "python3-minimal",
    "qemu-guest-agent",
    "rsync",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
    "xfsprogs",
    "zstd",
)
IMAGE_SUITE = "bookworm"
IMAGE_PACKAGES = ("busybox-static", "postgresql-15", "postgresql-client-15", "redis-server", "tzdata")
UNWANTED = ("doc", "man", "locale", "info")  # below /usr/share
ENABLED = ("docker.service", "ssh.service", "systemd-networkd.service")
MASKED = (
    "apparmor.service",
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "ldconfig.service",
    "modprobe@drm.service",
    "sshd-keygen.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
    "systemd-tmpfiles-clean.timer",  # would age the planted files in /tmp
    "systemd-tpm2-setup-early.service",
    "systemd-tpm2-setup.service",
    "tmp.mount",  # the specification's junk lies in /tmp on the boot disk
    "xfs_scrub_all.timer",
)
GUEST = Path(__file__).resolve().parent.parent / "guest"


def fetch(suite: str, packages: tuple[str, ...], out: Path, work: Path, log: Path, *, extract_only: bool = False) -> None:
    """A tar of the packages from the machine's own mirror; `extract_only` runs no maintainer scripts."""
    if out.exists():
        return
    say(f"fetching Debian {suite} packages for {out.stem} (log: {log})")
    part = work / out.name
    argv = ["unshare", "--mount", "--propagation", "private", "mmdebstrap", "--mode=root"]
    argv += ["--variant=extract" if extract_only else "--variant=minbase", f"--include={','.join(packages)}"]
    argv += ["--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"', *apt_options()]
    if not extract_only:
        argv += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED]
    logged([*argv, suite, str(part), debian_mirror()], log, seconds=1800, env={**os.environ, "TMPDIR": str(work)})
    part.rename(out)


def unpack(archive: Path, tree: Path) -> None:
    tree.mkdir(parents=True)
    run(["tar", "-xf", archive, "-C", tree, "--numeric-owner", "--xattrs", "--xattrs-include=*"], seconds=600)


def furnish(tree: Path) -> None:
    """Turn the bare packages into a lab guest, in place."""
    shutil.copytree(GUEST, tree, dirs_exist_ok=True)
    (tree / "etc/sudoers.d/waveboard").chmod(0o440)
    for user in ("wbaudit", "wbhand"):
        run(["chroot", tree, "useradd", "--create-home", "--shell", "/bin/sh", user])
    run(["chroot", tree, "visudo", "--check", "--quiet"])
    (tree / "etc/ssh/authorized_keys.d").mkdir(mode=0o755)
    settle(tree, ENABLED, MASKED)
    (tree / "etc/machine-id").write_text("uninitialized\n")


def settle(tree: Path, enabled: tuple[str, ...], masked: tuple[str, ...]) -> None:
    """No host keys, these units enabled and those masked, nothing left for a first boot to catch up with."""
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    units = tree / "etc/systemd/system"
    run(["systemctl", f"--root={tree}", "enable", *enabled])
    for unit in masked:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    for stamp in ("etc/.updated", "var/.updated"):
        (tree / stamp).touch()
    (tree / "etc/default/locale").touch()


def filesystem(tree: Path, image: Path, size: int, label: str = "rootfs") -> None:
    """An ext4 image with the tree in it, made without mounting anything."""
    with image.open("wb") as out:
        out.truncate(size)
    options = "lazy_itable_init=0,lazy_journal_init=0"
    run(["mkfs.ext4", "-q", "-F", "-m", "1", "-E", options, "-L", label, "-d", tree, image], seconds=600)


def kernel_and_initrd(tree: Path, out: Path) -> None:
    """Copy what the QEMU tier boots from."""
    for kind in ("vmlinuz", "initrd.img"):
        found = sorted((tree / "boot").glob(f"{kind}-*"))
        if not found:
            raise LabError(f"cannot prepare the guest's kernel: because its /boot holds no {kind}")
        shutil.copyfile(found[-1], out / kind.split(".")[0])
