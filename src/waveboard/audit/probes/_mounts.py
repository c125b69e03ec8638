"""The mount table as programs of old read it: no ids, no parents, no device numbers, no roots of binds. Source: proc_mounts(5), fstab(5).

It is read from recorded trees that hold no mountinfo. Ids and parents are made up here: a line lies on the last one before it whose
mount point is above its own, and what was mounted before the root was, on the root, to which an initramfs has moved it. Two roots, of
which either may be the upper one, stay two. Which device a line is on is for the block devices to say, by the name it gives.
"""

from waveboard.audit.probes._mountinfo import MOUNTS_MAX, unescape
from waveboard.model.errors import EvidenceError
from waveboard.model.facts import Mount

NOWHERE = "0:0"  # no device number was told


def table(text: str) -> tuple[Mount, ...]:
    """Every line of the table. Raises: EvidenceError when one does not fit, or the text was cut."""
    if not text:
        return ()
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) >= MOUNTS_MAX:
        raise EvidenceError("read the mount table", "mounts: cut or far too long")
    rows = [_fields(line) for line in lines]
    roots = [number for number, (_, target, fstype, _) in enumerate(rows, 1) if target == "/" and fstype != "rootfs"]
    found: list[Mount] = []
    at = {"/": roots[0]} if roots else {}
    for number, (source, target, fstype, options) in enumerate(rows, 1):
        if target == "/" and roots and number not in roots:
            continue  # the kernel's own first one, below the real root
        parent = 0 if target == "/" else _above(target, at)
        found.append(Mount(number, parent, NOWHERE, "/", target, options, fstype, source, options))
        if target != "/" or not roots:
            at[target] = number
    return tuple(found)


def _fields(line: str) -> tuple[str, str, str, tuple[str, ...]]:
    fields = line.split(" ")
    if len(fields) < 4 or not fields[1].startswith("/"):
        raise EvidenceError("read the mount table", f"mounts: a line does not fit: {line[:80]!r}")
    return unescape(fields[0]), unescape(fields[1]), fields[2], tuple(fields[3].split(","))


def _above(target: str, at: dict[str, int]) -> int:
    """The number of the line a mount point lies on, 0 for none."""
    while target not in at:
        if target == "/":
            return 0
        target = target.rpartition("/")[0] or "/"
    return at[target]
