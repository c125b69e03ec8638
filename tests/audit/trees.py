"""Small recorded trees and one way to read them, for the tests of the program. Builds files; judges nothing."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from waveboard.audit import bundle, program
from waveboard.model.errors import HostError
from waveboard.model.evidence import Ask, Bundle
from waveboard.world.hosts.local import LocalReader

NONCE = "5eed" * 8
AT = datetime(2026, 3, 1, tzinfo=UTC)
SHELLS = [shell for shell in (("/bin/dash",), ("/bin/bash", "--posix"), ("/bin/busybox", "ash")) if shutil.which(shell[0])]
MOUNTINFO = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Files below root; a value that starts with `->` is a symlink to the rest."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("->"):
            path.symlink_to(content[2:])
        else:
            path.write_text(content)
    return root


def collected(paths: Sequence[str] = (), root: Path | None = None, shell: Sequence[str] = ("/bin/sh",)) -> Bundle:
    """The bundle of this machine, or of a tree."""
    text = program.with_params(NONCE, paths, str(root) if root else "")
    answer = LocalReader(shell=shell).collect([Ask("h", text)], {})["h"]
    assert not isinstance(answer, HostError), answer
    return bundle.gather("h", answer.raw, NONCE, program.digest(), AT)
