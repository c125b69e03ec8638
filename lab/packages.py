"""Debian packages the lab needs on this machine: asked of dpkg, installed through apt, and said aloud."""

from __future__ import annotations

import os
from pathlib import Path

from lab.command import logged, run, say
from lab.errors import LabError

NSPAWN = (
    "ca-certificates",
    "debian-archive-keyring",
    "e2fsprogs",
    "iproute2",
    "mmdebstrap",
    "mount",
    "openssh-client",
    "systemd-container",
    "util-linux",
)
QEMU = ("qemu-system-x86", "qemu-utils")


def missing(wanted: tuple[str, ...]) -> list[str]:
    """Which of `wanted` dpkg does not have installed, in order."""
    done = run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n", *wanted], check=False)
    have = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ii")}
    return [name for name in wanted if name not in have]


def ensure(wanted: tuple[str, ...], log: Path) -> None:
    """Install what is missing; LabError when this is not a Debian-like machine or apt fails."""
    try:
        names = missing(wanted)
    except LabError:
        raise LabError("cannot prepare the lab: because this is not a Debian-like machine (no dpkg)") from None
    if not names:
        return
    say(f"installing: {' '.join(names)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names]
    try:
        logged(install, log, seconds=900, env=env)
    except LabError:
        logged(["apt-get", "update", "-q"], log, seconds=300, env=env)
        logged(install, log, seconds=900, env=env)
