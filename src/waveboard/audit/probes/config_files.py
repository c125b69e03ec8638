"""The files a plan may edit: fstab, daemon.json and the compose files that containers name; lines that may hold secrets masked.

Masking happened on the host, in the reader, by a list of what is known to be harmless; the digest is over the real bytes.
"""

import re

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents
from waveboard.model.errors import EvidenceError
from waveboard.model.facts import ConfigFile, ConfigFiles, Unavailable

_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse(sections: Sections) -> ConfigFiles | Unavailable:
    """A file that does not exist is not in it. Raises: EvidenceError for a document that does not fit."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    if not documents.each("reader"):
        return Unavailable("config files: only the reader reads them")
    found: dict[str, ConfigFile] = {}
    for body in documents.each("host.file"):
        path = _documents.string(_documents.member(body, "path"), "a file's path")
        if _documents.member(body, "absent") is True:
            continue
        digest = _documents.string(_documents.member(body, "sha256"), f"the digest of {path}")
        if not _SHA256.fullmatch(digest):
            raise EvidenceError("read the configuration files", f"docker: the digest of {path} is none")
        lines = _documents.items(_documents.member(body, "lines"), f"the lines of {path}")
        found[path] = ConfigFile(path, digest, tuple(None if x is None else _documents.string(x, path) for x in lines))
    return ConfigFiles(found)


PROBE = Probe(ConfigFiles, ("docker",), parse)
