"""A workspace for the running lab: the Mint example's own contracts, with the lab's addresses, keys and an open change window."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.errors import LabError
from lab.instance import Lab
from lab.settings import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "mint"


def make(lab: Lab, directory: Path, *, fresh: bool = True) -> Path:
    """Write the workspace into `directory`; fresh: begin without any state of an earlier run."""
    if fresh and directory.exists():
        shutil.rmtree(directory)
    shutil.copytree(EXAMPLE, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("fleet", ".waveboard"))
    trust = directory / "trust"
    trust.mkdir(exist_ok=True)
    shutil.copy(lab.settings.known_hosts, trust / "known_hosts")
    shutil.copy(lab.settings.state / "allowed_signers", trust / "allowed_signers")
    _access(lab, directory / "waveboard.yaml")
    _targets(lab, directory / "ssh.targets.yaml")
    _windows(lab, directory / "windows.yaml")
    state = directory / ".waveboard"
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "instance").write_text(lab.settings.name + "\n")
    for path in (directory, directory / "waveboard.yaml"):
        path.chmod(path.stat().st_mode & ~0o022)
    return directory


def _access(lab: Lab, path: Path) -> None:
    """Replace the example's `access:` block: how the lab's hosts are reached. Its hypervisors are nobody's here: left out."""
    kept, skipping = [], False
    for line in path.read_text().splitlines():
        skipping = line.startswith(("access:", "hypervisors:")) or (
            skipping and (line.startswith((" ", "#")) or not line.strip())
        )
        if not skipping:
            kept.append(line)
    access = {
        "audit_user": "wbaudit",
        "audit_key": str(lab.keys.audit),
        "mutate_user": "wbhand",
        "mutate_key": str(lab.keys.hand),
        "known_hosts": "trust/known_hosts",
        "hosts": {one.name: {"address": one.address, "port": one.port} for one in lab.hosts},
    }
    path.write_text("\n".join(kept).rstrip() + "\naccess: " + json.dumps(access) + "\n")


def _targets(lab: Lab, path: Path) -> None:
    """Only the lab's hosts stay reachable: the example's other addresses belong to nobody here, and nothing may knock on them."""
    names = {one.name for one in lab.hosts}
    text = path.read_text()
    head, mark, rest = text.partition("  targets:\n")
    entries = re.split(r"(?m)^(?=    - id:)", rest)
    kept = [entry for entry in entries[1:] if (found := re.match(r"    - id:\s*(\S+)", entry)) and found[1] in names]
    if not mark or len(kept) != len(names):
        raise LabError(f"cannot write {path}: because the example's targets are not where they were")
    path.write_text(head + mark + "".join(kept))


def _windows(lab: Lab, path: Path) -> None:
    """One allow window around now for every host of the lab."""
    now = datetime.now(UTC).replace(microsecond=0)
    window = {
        "id": "LAB-WINDOW",
        "kind": "allow",
        "hosts": [one.name for one in lab.hosts],
        "not_before": (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "not_after": (now + timedelta(hours=12)).isoformat().replace("+00:00", "Z"),
        "reason": "the lab is always open",
    }
    path.write_text(json.dumps({"schema": "waveboard.windows/1", "windows": [window]}, indent=2) + "\n")
