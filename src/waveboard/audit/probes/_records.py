"""The files section as records: mount units and udev's own, each file's lines under its path. Source: docs/evidence.md.

Three probes read it, each for its own keys; what a line means is theirs to say.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from waveboard.audit.probe import text
from waveboard.model.evidence import Evidence


def records(evidence: Evidence) -> Mapping[str, Sequence[str]]:
    """Path -> its lines without their `L `, in the order sent; a file told of twice goes on. Lines of no file are nobody's."""
    return _records(text(evidence))


def devno(path: str) -> str:
    """The device number that a record of /run/udev/data is named by (`b8:1`)."""
    return path.rsplit("/", 1)[-1].removeprefix("b")


@lru_cache(maxsize=4)  # several probes read the same section of one host
def _records(output: str) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in output.splitlines():
        if line.startswith("L "):
            current.append(line[2:])
        elif line.startswith("F "):
            current = found.setdefault(line[2:], [])
    return found
