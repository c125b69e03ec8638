"""Files of 1 MB and more below /tmp, two levels deep, on its own filesystem. Source: the reader's walk, else find(1).

Without the reader, a directory the auditor may not enter makes the whole answer unavailable: what was not seen is not absent.
"""

import re

from waveboard.audit.probe import Probe, Sections, refused, text
from waveboard.audit.probes import _documents
from waveboard.model.errors import EvidenceError
from waveboard.model.facts import LargeFiles, Unavailable

FLOOR_BYTES = 1_000_000
_LINE = re.compile(r"([0-9]{1,19}) (/tmp/.*)")


def parse(sections: Sections) -> LargeFiles | Unavailable:
    """Raises: EvidenceError for a document that does not fit."""
    if "docker" in sections:
        documents = _documents.documents(sections["docker"])
        if not isinstance(documents, Unavailable) and (bodies := documents.each("host.tmp")):
            return _seen_by_reader(bodies[0])
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
    return LargeFiles(tuple(sorted(file for file in found if file[1] >= FLOOR_BYTES)))


def _seen_by_reader(body: object) -> LargeFiles | Unavailable:
    if _documents.member(body, "complete") is not True:
        return Unavailable("tmp: more entries than the reader may walk")
    files: list[tuple[str, int]] = []
    for item in _documents.items(_documents.member(body, "files"), "the files below /tmp"):
        if not isinstance(item, list) or len(item) != 2 or type(item[1]) is not int:
            raise EvidenceError("read the files below /tmp", "docker: a file is no pair of name and size")
        files.append((_documents.string(item[0], "a file below /tmp"), item[1]))
    return LargeFiles(tuple(sorted(file for file in files if file[1] >= FLOOR_BYTES)))


PROBE = Probe(LargeFiles, ("tmp",), parse, ("docker",))
