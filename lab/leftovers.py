"""What a lab instance has on this machine right now: processes, loop devices, mounts, groups. It removes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from lab.settings import Settings


def processes(settings: Settings) -> list[int]:
    """Processes that carry this instance's mark in their environment, except the caller."""
    mark = f"WAVEBOARD_LAB_ID={settings.mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


def loops_of(settings: Settings, host: str = "") -> list[str]:
    """Loop devices on the instance's disks, or on one host's."""
    prefix = f"{settings.disks}/{host}"
    found = []
    for entry in Path("/sys/class/block").glob("loop*"):
        try:
            image = (entry / "loop" / "backing_file").read_text().strip()
        except OSError:
            continue
        if image.startswith(prefix):
            found.append(f"{entry.name} {image}")
    return sorted(found)


def mounts_below(prefix: Path) -> list[Path]:
    """Mount points at or below `prefix` in the caller's mount namespace, deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        target = Path(line.split(" ")[4].encode().decode("unicode_escape"))
        if target == prefix or prefix in target.parents:
            found.append(target)
    return sorted(found, reverse=True)


def group_of(settings: Settings) -> Path | None:
    """The instance's control group, when one was made and still exists."""
    try:
        group = Path((settings.run / "group").read_text())
    except OSError:
        return None
    return group if group.name == f"waveboard-lab.{settings.name}" and group.is_dir() else None


def everything(settings: Settings) -> list[str]:
    """One line per thing; empty when nothing of the instance runs or is mounted."""
    lines = [f"process {pid}" for pid in processes(settings)]
    lines += [f"loop device {loop}" for loop in loops_of(settings)]
    lines += [f"mount {target}" for target in mounts_below(settings.state)]
    group = group_of(settings)
    return [*lines, f"control group {group}"] if group else lines
