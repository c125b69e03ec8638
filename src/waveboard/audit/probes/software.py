"""Tools and versions that decide what a plan may use: kernel, distribution, docker; for other tools, where they are."""

from typing import Any

from waveboard.audit.probe import Probe, Sections, lines, refused
from waveboard.audit.probes import _documents
from waveboard.audit.probes._documents import Shape
from waveboard.model.facts import Software, Unavailable


class _Version(Shape):
    version: Any = None


def parse(sections: Sections) -> Software | Unavailable:
    """`kernel`, `os` (`debian 13`), `docker` as versions; every tool found as its path."""
    if (why := refused(sections["meta"])) is not None:
        return why
    versions: dict[str, str] = {}
    os: dict[str, str] = {}
    for line in lines(sections["meta"]):
        key, _, value = line.partition(" ")
        if key == "kernel":
            versions["kernel"] = value
        elif key == "os":
            name, _, quoted = value.partition("=")
            os[name] = quoted.strip("\"'")
        elif key == "tool":
            name, _, path = value.partition(" ")
            versions[name] = path
    if os:
        versions["os"] = f"{os.get('ID', '')} {os.get('VERSION_ID', '')}".strip()
    if "docker" in sections:
        documents = _documents.documents(sections["docker"])
        if not isinstance(documents, Unavailable):
            told = documents.one("docker.version", _Version)
            if not isinstance(told, Unavailable) and isinstance(told.version, str):
                versions["docker"] = told.version
    return Software(versions)


PROBE = Probe(Software, ("meta",), parse, ("docker",))
