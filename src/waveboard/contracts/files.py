"""Which files a workspace asks for, and which of those read belong to which key. Knows paths and globs; opens nothing.

Globs: `*` and `?` within one name, `**/` for any number of directories. Names that begin with a dot must be named.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from waveboard.contracts.formats.workspace import Contracts, Workspace
from waveboard.contracts.text import CONTRACT, REGISTER, Limits, read
from waveboard.contracts.typed import fit
from waveboard.model.contract import Unreadable, Wanted

WORKSPACE = "waveboard.yaml"
REGISTERS = frozenset(
    {"hosts", "vms", "placement", "gaps", "loops", "gates", "topology", "capabilities", "backups", "profiles", "derived"}
)
# registers, waves and windows say who works on what and when; no verdict rests on them
NOT_JUDGING = frozenset(
    {"gaps", "loops", "waivers", "capabilities", "topology", "profiles", "backups", "derived", "waves", "windows"}
)
_TOP = ("services", "packs", "waves", "windows", "declared_gates")
UNJUDGED = frozenset({"backups"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One key of waveboard.yaml that names files. loc: where it stands."""

    key: str
    loc: tuple[str, ...]
    patterns: tuple[str, ...]
    limits: Limits


def asked(workspace: Workspace) -> Iterator[Asked]:
    """Every key that names files, in the order of the format."""
    for key in Contracts.model_fields:
        patterns = getattr(workspace.contracts, key)
        if patterns:
            yield Asked(key, ("contracts", key), tuple(patterns), REGISTER if key in REGISTERS else CONTRACT)
    for key in _TOP:
        patterns = getattr(workspace, key)
        if patterns:
            yield Asked(key, (key,), tuple(patterns), CONTRACT)


def absent(workspace: Workspace) -> tuple[str, ...]:
    """Keys the workspace does not give: what they would hold is not judged."""
    names = [f"contracts.{key}" for key in Contracts.model_fields if getattr(workspace.contracts, key) is None]
    names += [key for key in (*_TOP, "approvals", "access") if getattr(workspace, key) is None]
    return tuple(names)


def wanted(workspace: bytes) -> tuple[Wanted, ...]:
    """What to read for this waveboard.yaml. Empty when it cannot be used: load() then says why."""
    document, _ = read(WORKSPACE, workspace)
    value = fit(document, Workspace)[0] if document else None
    found: dict[str, Wanted] = {}
    for one in asked(value) if value else ():
        for pattern in one.patterns:
            found.setdefault(pattern, Wanted(pattern, one.limits.size_bytes, is_glob(pattern)))
    return tuple(found.values())


def is_glob(pattern: str) -> bool:
    """Whether the text names files by pattern."""
    return "*" in pattern or "?" in pattern


def matches(pattern: str, files: Mapping[str, bytes | Unreadable]) -> tuple[str, ...]:
    """The files the pattern names, in path order."""
    if not is_glob(pattern):
        return (pattern,) if pattern in files else ()
    expression = _expression(pattern)
    return tuple(sorted(path for path in files if expression.fullmatch(path)))


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    text = ""
    for part in re.split(r"((?:\*\*/)+|\*+|\?)", pattern):
        if part.startswith("**/"):
            text += "(?:[^/.][^/]*/)*"
        elif part and part.strip("*") == "":
            text += "[^/]*" if text and not text.endswith(("/", ")*")) else "(?!\\.)[^/]*"
        else:
            text += "[^/]" if part == "?" else re.escape(part)
    return re.compile(text)
