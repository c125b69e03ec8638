"""Directories below /tmp of every container, two levels deep, with the bytes the writable layer holds there.

A container that is not in it could not be looked at (no writable layer was told, or its walk was cut).
"""

from typing import Any

from msgspec import Struct

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents
from waveboard.model.facts import Unavailable, WriteSurfaces


class _Walk(Struct):
    name: str
    complete: Any = None
    dirs: list[tuple[str, int]] | None = None


def parse(sections: Sections) -> WriteSurfaces | Unavailable:
    """Raises: EvidenceError for a document that does not fit."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    if "reader" not in documents:
        return Unavailable("write surfaces: only the reader can look into containers")
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for told in documents.each("container.tmp", _Walk):
        if told.complete is True:
            found[told.name] = tuple(sorted(told.dirs or ()))
    return WriteSurfaces(found)


PROBE = Probe(WriteSurfaces, ("docker",), parse)
