"""Documents as evidence: what was read or printed, parsed, with places. Opens no file and runs no command.

A document's address is how findings and receipts name it: `calendar.yaml` of the workspace, `workbench:scripts/map.sh` of a
sibling checkout, `command:NAME` for what a command printed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from waveboard.model.facts import Unavailable

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a wanted file's bytes when they could not be had: `no such file`, `is a directory`, `leaves the workspace` …"""

    reason: str


@dataclass(frozen=True, slots=True)
class FileAsk:
    """A file, or a glob of files, below the workspace (root "") or below a declared sibling checkout."""

    root: str
    pattern: str
    limit_bytes: int

    @property
    def glob(self) -> bool:
        """Whether the pattern may name several files."""
        return "*" in self.pattern or "?" in self.pattern

    def address(self, path: str) -> str:
        """How a file found by this ask is named."""
        return f"{self.root}:{path}" if self.root else path


@dataclass(frozen=True, slots=True)
class CommandAsk:
    """A command to be run once a run: no shell, no terminal, cut at its limits. Two equal asks are one probe."""

    argv: tuple[str, ...]
    timeout_s: float
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a command said. exit: None when it never ended by itself. failure: "" unless its answer cannot be used."""

    argv: tuple[str, ...]
    exit: int | None
    stdout: bytes
    stderr: bytes
    at: datetime
    failure: str = ""


Found = tuple[tuple[str, bytes | Unreadable], ...]  # path below the root -> bytes, in path order


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one run was given, as it was read and as it was said."""

    files: Mapping[FileAsk, Found] = field(default_factory=dict)
    answers: tuple[CommandAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed YAML or JSON document. value: dicts, lists and scalars. place: `file:line:col` of a path inside it."""

    value: object
    place: Callable[[Loc], str]


@dataclass(frozen=True, slots=True)
class Prose:
    """A text document."""

    text: str


@dataclass(frozen=True, slots=True)
class Sight:
    """One document as a gate sees it. seen: Unavailable carries the reason; absent: it is certain that there is no such file."""

    address: str
    seen: Tree | Prose | Unavailable
    absent: bool = False
    exit: int | None = None  # of the command that printed it
    said: str = ""  # the command's last words, for the reader


Desk = Mapping[str, tuple[Sight, ...]]  # alias of a gate -> its documents; a glob may give several


@dataclass(frozen=True, slots=True)
class Papers:
    """Everything the declared gates of one run were given. digest: of the kept evidence; sums: address -> sha256."""

    desks: Mapping[str, Desk] = field(default_factory=dict)
    digest: str = ""
    sums: tuple[tuple[str, str], ...] = ()
