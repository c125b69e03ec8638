"""Directories below /tmp of every container, two levels deep, with the bytes the writable layer holds there.

A container that is not in it could not be looked at (no writable layer was told, or its walk was cut).
"""

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents
from waveboard.model.errors import EvidenceError
from waveboard.model.facts import Unavailable, WriteSurfaces


def parse(sections: Sections) -> WriteSurfaces | Unavailable:
    """Raises: EvidenceError for a document that does not fit."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    if not documents.each("reader"):
        return Unavailable("write surfaces: only the reader can look into containers")
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for body in documents.each("container.tmp"):
        name = _documents.string(_documents.member(body, "name"), "a container")
        if _documents.member(body, "complete") is True:
            found[name] = tuple(sorted(_pair(item) for item in _documents.items(_documents.member(body, "dirs"), name)))
    return WriteSurfaces(found)


def _pair(item: object) -> tuple[str, int]:
    if not isinstance(item, list) or len(item) != 2 or type(item[1]) is not int:
        raise EvidenceError("read the write surfaces", "docker: a directory is no pair of name and size")
    return _documents.string(item[0], "a directory"), item[1]


PROBE = Probe(WriteSurfaces, ("docker",), parse)
