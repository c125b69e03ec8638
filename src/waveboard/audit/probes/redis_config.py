"""Durability settings of the redis containers this host allows to be asked. Source: CONFIG GET and INFO persistence, over RESP.

A container that is not in it was not allowed or did not answer. The values are the running server's, not its file's.
"""

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents
from waveboard.model.facts import RedisConfig, Unavailable


def parse(sections: Sections) -> RedisConfig | Unavailable:
    """Raises: EvidenceError for a document that does not fit."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    found: dict[str, dict[str, str]] = {}
    for body in documents.each("redis"):
        name = _documents.string(_documents.member(body, "name"), "a redis container")
        found[name] = _documents.mapping(_documents.member(body, "values"), f"redis of {name}")
    if not found:
        why = documents.failures.get("redis")
        return Unavailable(f"redis: {why}" if why else "redis: no container may be asked (/etc/waveboard/reader.json names none)")
    return RedisConfig(found)


PROBE = Probe(RedisConfig, ("docker",), parse)
