"""The files section as records: mount units and udev's own, each file's lines under its path. Source: docs/evidence.md.

Three probes read it, each for its own keys; what a line means is theirs to say.
"""

from collections.abc import Mapping
from functools import lru_cache

from waveboard.audit.probe import text
from waveboard.model.evidence import Evidence


def records(evidence: Evidence) -> Mapping[str, str]:
    """Path -> what was sent of it, in that order; a file told of twice goes on. Lines of no file are nobody's."""
    return _records(text(evidence))


def lines(sent: str) -> list[str]:
    """The lines of a file without their `L `."""
    return [line[2:] for line in sent.split("\n") if line.startswith("L ")]


def devno(path: str) -> str:
    """The device number that a record of /run/udev/data is named by (`b8:1`)."""
    return path[path.rfind("/") + 1 :].removeprefix("b")


@lru_cache(maxsize=4)  # several probes read the same section of one host
def _records(output: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for file in ("\n" + output).split("\nF ")[1:]:  # the program puts an L before whatever a file says
        path, _, sent = file.partition("\n")
        found[path] = f"{found[path]}\n{sent}" if path in found else sent
    return found
