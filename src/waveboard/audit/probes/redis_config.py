"""Durability settings of the redis containers this host allows to be asked. Source: CONFIG GET and INFO persistence, over RESP.

A container that is not in it was not allowed or did not answer. The values are the running server's, not its file's.
"""

from msgspec import Struct

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents
from waveboard.model.facts import RedisConfig, Unavailable


class _Redis(Struct):
    name: str
    values: dict[str, str] | None = None


def parse(sections: Sections) -> RedisConfig | Unavailable:
    """Raises: EvidenceError for a document that does not fit."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    found: dict[str, dict[str, str]] = {}
    for told in documents.each("redis", _Redis):
        found[told.name] = told.values or {}
    if not found:
        why = documents.failures.get("redis")
        return Unavailable(f"redis: {why}" if why else "redis: no container may be asked (/etc/waveboard/reader.json names none)")
    return RedisConfig(found)


PROBE = Probe(RedisConfig, ("docker",), parse)
