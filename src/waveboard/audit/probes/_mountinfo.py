"""One mount table as the kernel prints it. Source: proc_pid_mountinfo(5)."""

import re
from functools import lru_cache

from waveboard.model.errors import EvidenceError
from waveboard.model.facts import Mount

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
MOUNTS_MAX = 20000
_LINE = re.compile(r"^([0-9]{1,10}) ([0-9]{1,10}) ([0-9]{1,10}:[0-9]{1,10}) (.*)$", re.MULTILINE)
_KEPT_CHARS = 512  # longer lines (overlays) are nobody else's; a hostile host must not fill the cache with them
_Parts = tuple[str, str, tuple[str, ...], str, str, tuple[str, ...], str | None]  # of a Mount, from its root on


def unescape(text: str) -> str:
    """Undo the kernel's octal escapes (space, tab, newline, backslash, #)."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


def table(text: str, of: str) -> tuple[Mount, ...]:
    """Every line of a mountinfo text. Raises: EvidenceError when one does not fit."""
    try:
        return _table(text)
    except ValueError as error:
        raise EvidenceError("read the mount table", f"{of}: {error}") from None


@lru_cache(maxsize=4)  # pid 1's table and the auditor's own are mostly the same text, and two probes read each
def _table(text: str) -> tuple[Mount, ...]:
    """Raises: ValueError saying what does not fit."""
    if not text:
        return ()
    lines = text.count("\n")
    if text[-1] != "\n" or lines >= MOUNTS_MAX:
        raise ValueError("cut or far too long")
    found = _LINE.findall(text)  # a line gives one match at most
    try:
        if len(found) == lines:
            return tuple(
                [
                    Mount(int(mount), int(parent), devno, *(_kept(rest) if len(rest) <= _KEPT_CHARS else _parts(rest)))
                    for mount, parent, devno, rest in found
                ]
            )
    except ValueError:
        pass
    unfit = next(line for line in text.split("\n") if not _fits(line))
    raise ValueError(f"a line does not fit: {unfit[:80]!r}")


def _fits(line: str) -> bool:
    match = _LINE.fullmatch(line)
    try:
        return match is not None and bool(_parts(match[4]))
    except ValueError:
        return False


def _parts(rest: str) -> _Parts:
    """What stands behind the numbers of a line. Raises: ValueError."""
    fields = rest.split(" ")
    dash = fields.index("-", 3)
    root, target, options = fields[:3]
    fstype, source, super_options = fields[dash + 1 : dash + 4]
    if not target.startswith("/"):
        raise ValueError(target)
    shared = next((tag[7:] for tag in fields[3:dash] if tag.startswith("shared:")), None) if dash > 3 else None
    supers = tuple(super_options.split(","))
    if "\\" in rest:
        root, target, source, supers = unescape(root), unescape(target), unescape(source), tuple(map(unescape, supers))
    return root, target, tuple(options.split(",")), fstype, source, supers, shared


_kept = lru_cache(maxsize=2048)(_parts)  # /proc, /sys and the like are the same on every host and in every container
