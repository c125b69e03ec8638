"""Swap files and partitions. Source: /proc/swaps, proc(5): a header line, then one line a swap with the path first."""

from waveboard.audit.probe import Probe, Sections, lines, refused
from waveboard.audit.probes._mountinfo import unescape
from waveboard.model.facts import Swaps, Unavailable


def parse(sections: Sections) -> Swaps | Unavailable:
    """Paths as the kernel prints them, escapes undone."""
    if (why := refused(sections["swaps"])) is not None:
        return why
    told = [line.split() for line in lines(sections["swaps"])[1:]]
    return Swaps(tuple(unescape(fields[0]) for fields in told if fields))


PROBE = Probe(Swaps, ("swaps",), parse)
