"""How a machine process is told what to run, and the namespaces it is started in; the process itself is machine.py."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Config:
    """What a machine needs to know. `inject` maps guest paths to [octal mode, text]; `bridge` is an open descriptor."""

    name: str
    disks: list[list[str]]  # [image, serial] in the order sda, sdb
    place: str  # an empty directory for its mounts
    log: str
    group: str = ""
    bridge: int = -1
    vmid: int = 0
    address: str = ""
    inject: dict[str, list[str]] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))


def wrapped(config: Path) -> list[str]:
    """The command that runs lab.machine in fresh namespaces which die with it."""
    unshare = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
    return [*unshare, sys.executable, "-m", "lab.machine", str(config)]
