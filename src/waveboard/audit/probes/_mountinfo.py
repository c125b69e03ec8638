"""One mount table as the kernel prints it. Source: proc_pid_mountinfo(5).

Every line is checked when the table is read; the row of a line is made when somebody asks for it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from waveboard.model.errors import EvidenceError
from waveboard.model.mounts import Mount, MountTable

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
MOUNTS_MAX = 20000
# Id, parent, device, root, mount point, options, tags up to a dash, type, source, options of the filesystem. A field that runs over
# the end of its line makes two lines one match, which the count of lines tells; that is cheaper than to forbid it. Tags alone end with
# their line: there may be many, and a table without a dash would be read to its end from each of its lines. Their group is no possessive
# one, although it never gives anything back: Python before 3.11.5 would match none.
_LINE = re.compile(
    r"^N N N:N [^ ]*+ (/[^ ]*+) [^ ]*+ (?:(?!- )[^ \n]*+ )*- [^ ]*+ [^ ]*+ [^\n]*+\n".replace("N", "(?:0|[1-9][0-9]{0,9}+)"),
    re.MULTILINE,
)
_KEPT_CHARS = 128  # longer lines name somebody's own ids; a hostile host must not fill the cache
_Parts = tuple[str, str, tuple[str, ...], str, str, tuple[str, ...], str | None]  # of a Mount, from its root on


def unescape(text: str) -> str:
    """Undo the kernel's octal escapes (space, tab, newline, backslash, #)."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


class Table(MountTable):
    """The text of a table that was checked."""

    __slots__ = ("_ids", "_lines", "_text")

    def __init__(self, text: str, targets: Sequence[str]) -> None:
        super().__init__(targets)
        self._text = text
        self._lines: list[str] = []
        self._ids: dict[str, int] = {}

    def number_of(self, mount_id: int) -> int | None:
        if self._text and not self._text.startswith(f"{mount_id} ") and f"\n{mount_id} " not in self._text:
            return None  # as of what a container's root hangs on: nothing else is asked of most tables by number
        if not self._ids:  # as they are spelled, which is in one way only
            self._ids = {line.partition(" ")[0]: number for number, line in enumerate(self._cut())}
        return self._ids.get(str(mount_id))

    def _make(self, number: int) -> Mount:
        line = (
            self._cut()[number] if number or not self._text else self._text[: self._text.index("\n")]
        )  # a root is the first line
        mount, parent, devno, rest = line.split(" ", 3)
        return Mount(int(mount), int(parent), devno, *(_kept(rest) if len(rest) <= _KEPT_CHARS else _parts(rest)))

    def _cut(self) -> list[str]:
        if self._text:  # held once, whole or cut
            self._lines, self._text = self._text.split("\n")[:-1], ""
        return self._lines


def table(text: str, of: str, alone: bool = False) -> MountTable:
    """Every line of a mountinfo text. alone: nobody else will ask for it. Raises: EvidenceError when one does not fit."""
    try:
        return _checked(text) if alone else _table(text)
    except ValueError as error:
        raise EvidenceError("read the mount table", f"{of}: {error}") from None


def _checked(text: str) -> Table:
    """Raises: ValueError saying what does not fit."""
    lines = text.count("\n")
    if lines >= MOUNTS_MAX or (text and text[-1] != "\n"):
        raise ValueError("cut or far too long")
    targets = _LINE.findall(text)
    if len(targets) != lines:
        unfit = next(line for line in text.split("\n") if not _LINE.fullmatch(line + "\n"))
        raise ValueError(f"a line does not fit: {unfit[:80]!r}")
    return Table(text, [unescape(target) for target in targets] if "\\" in text else targets)


_table = lru_cache(maxsize=4)(_checked)  # pid 1's and the auditor's own are mostly the same text, and two probes read each


def _parts(rest: str) -> _Parts:
    """What stands behind the numbers of a line that was checked."""
    root, target, options, tail = rest.split(" ", 3)
    tags, _, told = ("", "", tail[2:]) if tail.startswith("- ") else tail.partition(" - ")
    fstype, source, super_options = told.split(" ", 3)[:3]
    shared = next((tag[7:] for tag in tags.split(" ") if tag.startswith("shared:")), None) if tags else None
    supers = tuple(super_options.split(","))
    if "\\" in rest:
        root, target, source, supers = unescape(root), unescape(target), unescape(source), tuple(map(unescape, supers))
    return root, target, tuple(options.split(",")), fstype, source, supers, shared


_kept = lru_cache(maxsize=2048)(_parts)  # /proc, /sys and the like are the same on every host and in every container
