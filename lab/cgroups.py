"""A control group of the lab's own below the caller's, in the unified hierarchy wherever that is mounted."""

from __future__ import annotations

import os
from pathlib import Path

from lab.errors import LabError


def own_group() -> Path:
    """The caller's directory in the cgroup2 tree; LabError when the machine has none."""
    root = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ")[0] == "cgroup2":
            root = Path(before.split(" ")[4])
    if root is None:
        raise LabError("cannot run systemd guests: because no cgroup2 tree is mounted; mount one on /sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return root / line[3:].lstrip("/")
    raise LabError("cannot run systemd guests: because this process is in no cgroup2 group")


def enter_group(group: Path) -> None:
    """Make the group when needed and move the calling process into it."""
    group.mkdir(parents=True, exist_ok=True)
    (group / "cgroup.procs").write_text("0")


def kill_group(group: Path) -> None:
    """SIGKILL to everything in it, however it forks (Linux 5.14 and later); nothing when the group is gone."""
    if (group / "cgroup.kill").exists():
        (group / "cgroup.kill").write_text("1")


def remove_group(group: Path) -> None:
    """Remove the group and all below it, also its namesakes in version 1 trees; those still busy stay."""
    for top in (group, *_twins(group)):
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                Path(directory).rmdir()
            except OSError:
                continue


def remove_orphans(prefix: str) -> None:
    """Groups named PREFIX.PID.* whose process is gone: a killed baker cannot remove its own."""
    for group in own_group().glob(f"{prefix}.*"):
        pid = group.name.removeprefix(f"{prefix}.").partition(".")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            remove_group(group)


def _twins(group: Path) -> list[Path]:
    """nspawn makes a namesake in the `systemd` tree of machines that mount both versions."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ")[0] == "cgroup":
            found += [path for path in Path(before.split(" ")[4]).glob(f"**/{group.name}") if path.is_dir()]
    return found
