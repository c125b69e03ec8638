"""Files of 1 MB and more below /tmp, two levels deep, on its own filesystem. Source: the reader's walk, else find(1).

Without the reader, a directory the auditor may not enter makes the whole answer unavailable: what was not seen is not absent.
"""

import re
from typing import Any

from msgspec import Struct

from waveboard.audit.probe import Probe, Sections, refused, text
from waveboard.audit.probes import _documents
from waveboard.model.facts import LargeFiles, Unavailable

FLOOR_BYTES = 1_000_000
_LINE = re.compile(r"([0-9]{1,19}) (/tmp/.*)")


class _Walk(Struct):
    complete: Any = None
    files: list[tuple[str, int]] | None = None


def parse(sections: Sections) -> LargeFiles | Unavailable:
    """Raises: EvidenceError for a document that does not fit."""
    if "docker" in sections:
        documents = _documents.documents(sections["docker"])
        if not isinstance(documents, Unavailable) and "host.tmp" in documents:
            return _seen_by_reader(documents.one("host.tmp", _Walk))
    evidence = sections["tmp"]
    if evidence.exit == 1 and b"ermission denied" in evidence.stderr:
        return Unavailable("tmp: permission denied below /tmp")
    if (why := refused(evidence)) is not None:
        return why
    found: list[tuple[str, int]] = []
    for line in text(evidence).split("\n"):
        if match := _LINE.fullmatch(line):
            found.append((match[2], int(match[1])))
        elif line and found:  # a name with a newline in it goes on
            found[-1] = (found[-1][0] + "\\n" + line, found[-1][1])
    return LargeFiles(tuple(sorted(file for file in found if file[1] >= FLOOR_BYTES)), FLOOR_BYTES)


def _seen_by_reader(told: _Walk | Unavailable) -> LargeFiles | Unavailable:
    if isinstance(told, Unavailable):
        return told
    if told.complete is not True:
        return Unavailable("tmp: more entries than the reader may walk")
    return LargeFiles(tuple(sorted(file for file in told.files or () if file[1] >= FLOOR_BYTES)), FLOOR_BYTES)


PROBE = Probe(LargeFiles, ("tmp",), parse, ("docker",))
