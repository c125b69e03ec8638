"""The JSON lines of the docker section: one document a line, from the reader or from the socket itself. Source: docs/evidence.md.

A stream without its `end` document was cut, and nothing in it is relied on.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from waveboard.audit import json_text
from waveboard.audit.probe import refused
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence
from waveboard.model.facts import Unavailable

Doc = Mapping[str, object]


class Documents:
    """Documents by name. `bodies` are those that succeeded; `failure` is the reason of the first that did not."""

    def __init__(self, lines: Sequence[Doc]) -> None:
        self.bodies: dict[str, list[object]] = {}
        self.failures: dict[str, str] = {}
        for line in lines:
            name = str(line.get("doc"))
            if line.get("ok") is True:
                self.bodies.setdefault(name, []).append(line.get("body"))
            else:
                self.failures.setdefault(name, str(line.get("error", "no reason given"))[:200])

    def one(self, name: str) -> object | Unavailable:
        """The only document of that name."""
        if bodies := self.bodies.get(name):
            return bodies[0]
        return Unavailable(f"{name}: {self.failures.get(name, 'not collected')}")

    def each(self, name: str) -> list[object]:
        """All documents of that name; empty when there are none."""
        return self.bodies.get(name, [])


def documents(evidence: Evidence | None) -> Documents | Unavailable:
    """What the docker section holds. Raises: EvidenceError when a line is no document."""
    if evidence is None:
        return Unavailable("docker: not collected")
    if (why := refused(evidence)) is not None:
        return why
    return _documents(evidence.stdout)


@lru_cache(maxsize=4)  # several probes read the same section of one host
def _documents(raw: bytes) -> Documents:
    lines: list[Doc] = []
    try:
        for line in raw.splitlines():
            document = json_text.read(line)
            if not isinstance(document, dict):
                raise ValueError("not an object")
            lines.append(document)
    except (ValueError, RecursionError) as error:
        because = f"docker: line {len(lines) + 1} is no document: {str(error)[:80]}"
        raise EvidenceError("read the docker documents", because) from None
    if not lines or lines[-1].get("doc") != "end":
        raise EvidenceError("read the docker documents", "docker: the answers were cut")
    return Documents(lines)


def member(value: object, key: str) -> object:
    """value[key] of a JSON object, None when there is no such thing."""
    return value.get(key) if isinstance(value, dict) else None


def members(value: object) -> Doc:
    """The object itself; one without members when it is none."""
    return value if isinstance(value, dict) else {}


def string(value: object, what: str) -> str:
    """A JSON string. Raises: EvidenceError naming what."""
    if not isinstance(value, str):
        raise EvidenceError("read the docker documents", f"docker: {what} is no text")
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def strings(value: object, what: str) -> tuple[str, ...]:
    """A JSON list of strings; null is an empty one, as Go prints it."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise EvidenceError("read the docker documents", f"docker: {what} is no list")
    return tuple([string(item, what) for item in value])


def mapping(value: object, what: str) -> dict[str, str]:
    """A JSON object of strings; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EvidenceError("read the docker documents", f"docker: {what} is no object")
    return {key: string(item, what) for key, item in value.items()}


def items(value: object, what: str) -> list[object]:
    """A JSON list; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise EvidenceError("read the docker documents", f"docker: {what} is no list")
    return value


def whole(value: object) -> int | None:
    """A non-negative whole number; None for anything else (Go prints -1 where it does not know)."""
    return value if type(value) is int and value >= 0 else None
