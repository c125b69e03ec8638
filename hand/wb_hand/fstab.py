"""The table of mounts, changed by one line and checked by findmnt."""

from __future__ import annotations

import os
import re

from .refused import Refused

FSTAB = "/etc/fstab"


def fstab_fields(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def fstab_with(text: str, line: str) -> str:
    """fstab with one more line at its end. Raises: Refused when its mount point or source is named already."""
    source, target = line.split()[:2]
    for fields in fstab_fields(text):
        if fields[0] == source or (len(fields) > 1 and os.path.normpath(fields[1]) == target):
            raise Refused(
                "precondition",
                "add the fstab line",
                f"{' '.join(fields)[:200]} is there already",
                "plan again from fresh evidence",
            )
    return text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"


def fstab_without(text: str, line: str) -> str:
    """fstab without exactly our line; everything else byte for byte."""
    return "".join(one for one in text.splitlines(keepends=True) if one.rstrip("\n") != line)


def fstab_complaints(verified: str, target: str) -> list[str]:
    """What `findmnt --verify` says below the heading of one target; warnings count."""
    found, ours = [], False
    for line in verified.splitlines():
        if line and not line[0].isspace():
            ours = line.strip() == target
        elif ours and re.match(r"\s+\[[EW]\]", line):
            found.append(line.strip())
    return found
