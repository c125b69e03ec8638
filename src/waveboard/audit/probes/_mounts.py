"""The mount table as programs of old read it: no ids, no parents, no device numbers, no roots of binds. Source: proc_mounts(5), fstab(5).

It is read from recorded trees that hold no mountinfo. Ids and parents are made up here: a line lies on the last one before it whose
mount point is above its own. Which device a line is on is for the block devices to say, by the name it gives.
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
    found: list[Mount] = []
    at: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split(" ")
        if len(fields) < 4 or not fields[1].startswith("/"):
            raise EvidenceError("read the mount table", f"mounts: a line does not fit: {line[:80]!r}")
        source, target = unescape(fields[0]), unescape(fields[1])
        options = tuple(fields[3].split(","))
        found.append(Mount(number, _above(target, at), NOWHERE, "/", target, options, fields[2], source, options))
        at[target] = number
    return tuple(found)


def _above(target: str, at: dict[str, int]) -> int:
    """The number of the line a mount point lies on, 0 for none."""
    while target not in at:
        if target == "/":
            return 0
        target = target.rpartition("/")[0] or "/"
    return at[target]
