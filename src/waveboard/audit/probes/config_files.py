"""The files a plan may edit: fstab, daemon.json and the compose files that containers name; lines that may hold secrets masked.

Masking happened on the host, in the reader, by a list of what is known to be harmless; the digest is over the real bytes.
"""

import re
from typing import Any

from msgspec import Struct

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents
from waveboard.model.errors import EvidenceError
from waveboard.model.facts import ConfigFile, ConfigFiles, Unavailable

_SHA256 = re.compile(r"[0-9a-f]{64}")


class _File(Struct):
    path: str
    absent: Any = None
    sha256: str = ""
    lines: list[str | None] | None = None


def parse(sections: Sections) -> ConfigFiles | Unavailable:
    """A file that does not exist is not in it. Raises: EvidenceError for a document that does not fit."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    if "reader" not in documents:
        return Unavailable("config files: only the reader reads them")
    found: dict[str, ConfigFile] = {}
    for told in documents.each("host.file", _File):
        if told.absent is True:
            continue
        if not _SHA256.fullmatch(told.sha256):
            raise EvidenceError("read the configuration files", f"docker: the digest of {told.path} is none")
        found[told.path] = ConfigFile(told.path, told.sha256, tuple(told.lines or ()))
    return ConfigFiles(found)


PROBE = Probe(ConfigFiles, ("docker",), parse)
