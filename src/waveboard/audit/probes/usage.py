"""Bytes and inodes of every mounted filesystem that holds data. Source: statfs(2) through `stat -f -c '%S %b %f %a %c %d %n'`.

A filesystem that did not answer in time, or that the auditor may not reach, is simply not in it.
"""

import re

from waveboard.audit.probe import Probe, Sections, lines, refused, text
from waveboard.audit.probes import _mountinfo
from waveboard.model.facts import FilesystemUsage, Unavailable, Usage

_LINE = re.compile(r"([0-9]{1,12}) ([0-9]{1,19}) ([0-9]{1,19}) ([0-9]{1,19}) ([0-9]{1,19}) ([0-9]{1,19}) (/.*)")


def parse(sections: Sections) -> Usage | Unavailable:
    """`stat` exits 1 when one target is out of reach; what it did print still counts."""
    evidence = sections["usage"]
    if evidence.truncated or evidence.exit not in (0, 1) or (evidence.exit == 1 and not evidence.stdout):
        return refused(evidence) or Unavailable("usage: cannot be read")
    mounts = _mountinfo.table(text(sections["mountinfo"]), "mountinfo")
    told = lines(evidence)
    if "network" in sections:
        told += [line[6:] for line in lines(sections["network"]) if line.startswith("usage ")]
    found: dict[str, FilesystemUsage] = {}
    for line in told:
        if match := _LINE.fullmatch(line):
            unit, blocks, free, available, inodes, inodes_free = (int(number) for number in match.groups()[:6])
            target = match[7]
            found[target] = FilesystemUsage(
                target=target,
                source=on[-1].source if (on := mounts.at(target)) else "",
                size_bytes=blocks * unit,
                used_bytes=max(0, blocks - free) * unit,
                available_bytes=available * unit,
                inodes=inodes or None,
                inodes_used=max(0, inodes - inodes_free) if inodes else None,
            )
    return Usage(found) if found else Unavailable("usage: no filesystem answered")


PROBE = Probe(Usage, ("usage", "mountinfo"), parse, ("network",))
