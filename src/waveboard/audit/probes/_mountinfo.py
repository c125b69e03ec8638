"""One mount table as the kernel prints it. Source: proc_pid_mountinfo(5)."""

import re

from waveboard.model.errors import EvidenceError
from waveboard.model.facts import Mount

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
MOUNTS_MAX = 20000


def unescape(text: str) -> str:
    """Undo the kernel's octal escapes (space, tab, newline, backslash, #)."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


def table(text: str, of: str) -> tuple[Mount, ...]:
    """Every line of a mountinfo text. Raises: EvidenceError when one does not fit."""
    if not text:
        return ()
    lines = text.split("\n")
    if lines[-1] != "" or len(lines) > MOUNTS_MAX:
        raise EvidenceError("read the mount table", f"{of}: cut or far too long")
    return tuple(_mount(line, of) for line in lines[:-1])


def _mount(line: str, of: str) -> Mount:
    fields = line.split(" ")
    try:
        dash = fields.index("-", 6)
        mount_id, parent_id, devno, root, target, options = fields[:6]
        fstype, source, super_options = fields[dash + 1 : dash + 4]
        shared = next((tag[7:] for tag in fields[6:dash] if tag.startswith("shared:")), None)
        major, _, minor = devno.partition(":")
        if not (major.isdecimal() and minor.isdecimal() and target.startswith("/")):
            raise ValueError(line)
        return Mount(
            mount_id=int(mount_id),
            parent_id=int(parent_id),
            devno=devno,
            root=unescape(root),
            target=unescape(target),
            options=tuple(options.split(",")),
            fstype=fstype,
            source=unescape(source),
            super_options=tuple(unescape(option) for option in super_options.split(",")),
            shared=shared,
        )
    except ValueError:
        raise EvidenceError("read the mount table", f"{of}: a line does not fit: {line[:80]!r}") from None
