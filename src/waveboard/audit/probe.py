"""What a probe is: the evidence sections a noun is read from, and the pure reading. The shelf is the package `probes`.

One noun, one probe, one file; its docstring is its documentation. A probe never asks a host: the constant program already did.
"""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from waveboard.model.evidence import Evidence
from waveboard.model.facts import Unavailable

Sections = Mapping[str, Evidence]


@dataclass(frozen=True, slots=True)
class Probe:
    """gives: the noun. needs: sections that must be present (their exit is the parser's business). also: read when present.

    parse returns the noun, or Unavailable with the reason; it raises nothing but EvidenceError whatever the bytes are.
    """

    gives: type
    needs: tuple[str, ...]
    parse: Callable[[Sections], object]
    also: tuple[str, ...] = ()


@cache
def shelf() -> tuple[Probe, ...]:
    """Every probe, by module name."""
    package = import_module("waveboard.audit.probes")
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_"))
    return tuple(import_module(f"{package.__name__}.{name}").PROBE for name in names)


def sections() -> tuple[str, ...]:
    """The name of every section that some probe reads."""
    return tuple(sorted({name for probe in shelf() for name in (*probe.needs, *probe.also)}))


def text(evidence: Evidence) -> str:
    """Output as text. Bytes that are not UTF-8 become \\xNN, so that no noun holds what cannot be written down again."""
    return evidence.stdout.decode("utf-8", "backslashreplace")


def lines(evidence: Evidence) -> list[str]:
    """Its lines as the host made them. What Python also takes for the end of a line (form feed, U+2028) may stand in a serial or a name."""
    told = text(evidence)
    return told.removesuffix("\n").split("\n") if told else []


def refused(evidence: Evidence) -> Unavailable | None:
    """Why this section cannot be relied on at all: it failed, was killed or was cut. None when it is whole."""
    if evidence.truncated:
        return Unavailable(f"{evidence.name}: truncated")
    if evidence.exit in (124, 137):
        return Unavailable(f"{evidence.name}: timed out")
    if evidence.exit:
        return Unavailable(f"{evidence.name}: {_reason(evidence)}")
    return None


def recorded(sections: Sections) -> bool:
    """Whether the program read a recorded tree: absence of a file then only means that it was not saved."""
    return any(line.startswith(b"sysroot ") for line in sections["meta"].stdout.splitlines())


def _reason(evidence: Evidence) -> str:
    """The first line of stderr, shortened and without control characters."""
    first = evidence.stderr.decode("utf-8", "backslashreplace").strip().partition("\n")[0]
    return "".join(c if c.isprintable() else "?" for c in first[:200]) or f"exit {evidence.exit}"
