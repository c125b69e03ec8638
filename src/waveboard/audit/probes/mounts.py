"""The host's mount table: pid 1's where it could be read (itself or through the reader), else the auditor's own.

dockerd's table comes beside it when dockerd lives in another mount namespace: docker's paths then mean something else. A recorded tree
without either may hold another process's, or the older /proc/mounts (_mounts.py).
"""

import re

from waveboard.audit.probe import Probe, Sections, refused, text
from waveboard.audit.probes import _documents, _mountinfo, _mounts
from waveboard.model.facts import MOUNTS_ALONE, Mounts, Unavailable

_PROCESS = re.compile("/proc/([0-9]+)/mountinfo")


def parse(sections: Sections) -> Mounts | Unavailable:
    """Raises: EvidenceError for a line that is no mountinfo."""
    documents = _documents.documents(sections.get("docker")) if "docker" in sections else Unavailable("")
    dockerd, first = None, None
    if not isinstance(documents, Unavailable):
        if not isinstance(told := documents.one("host.dockerd_mountinfo", str), Unavailable):
            dockerd = _mountinfo.table(told, "dockerd") or None
        if not isinstance(told := documents.one("host.mountinfo1", str), Unavailable):
            first = _mountinfo.table(told, "mountinfo1")
    one = sections.get("mountinfo1")
    if one is not None and refused(one) is None and one.stdout:
        first = _mountinfo.table(text(one), "mountinfo1")
    if first:
        return Mounts(first, "1", dockerd)
    own = sections["mountinfo"]
    why = refused(own)
    if why is None and (found := _mountinfo.table(text(own), "mountinfo")):
        process = _PROCESS.fullmatch(own.argv[-1]) if own.argv else None
        return Mounts(found, process[1] if process else "self", dockerd)
    older = sections.get("mounts")
    if older is None or refused(older) is not None:
        return why or Unavailable("mountinfo: empty")
    known = _mounts.table(text(older))
    return Mounts(known, MOUNTS_ALONE, dockerd) if known else Unavailable("mounts: empty")


PROBE = Probe(Mounts, ("mountinfo",), parse, ("mountinfo1", "mounts", "docker"))
