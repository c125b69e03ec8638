"""udev's names for devices: /dev/disk/by-* and /dev/mapper -> kernel name. Source: ls -l; /run/udev/data in a tree.

A link is one device's, whoever else claims it: which device lost it only udev's own records tell (`S:` of /run/udev/data).
"""

import re
from collections.abc import Mapping, Sequence

from waveboard.audit.probe import Probe, Sections, lines, refused, text
from waveboard.audit.probes import _records
from waveboard.model.evidence import Evidence
from waveboard.model.facts import DeviceLinks, Unavailable

_LINK = re.compile(r" (/dev/[^ ]+) -> ([^ ]+)")


def parse(sections: Sections) -> DeviceLinks | Unavailable:
    """`ls` exits 2 when one of the directories does not exist, which is ordinary; no link at all on a live host is told."""
    evidence = sections["links"]
    if evidence.truncated or evidence.exit not in (0, 1, 2):
        return refused(evidence) or Unavailable("links: cannot be read")
    links: dict[str, str] = {}
    for line in lines(evidence):
        if match := _LINK.fullmatch(line, max(line.find(" /dev/"), 0)):
            links[match[1]] = match[2].rsplit("/", 1)[-1]
    recorded = _recorded(sections["files"], lines(sections["block"])) if "files" in sections and "block" in sections else {}
    links = links or {link: devices[-1] for link, devices in recorded.items()}
    if "cmdline" in sections and refused(sections["cmdline"]) is None and (root := _root(text(sections["cmdline"]), links)):
        links.setdefault("/dev/root", root)
    return DeviceLinks(
        links,
        {link: devices for link, devices in recorded.items() if len(devices) > 1},
    )


def _root(cmdline: str, links: Mapping[str, str]) -> str | None:
    """What a kernel that mounted the root itself calls /dev/root. Source: init/do_mounts.c, which takes the last `root=`."""
    told = [word[5:] for word in cmdline.split() if word.startswith("root=")]
    key, equals, value = told[-1].partition("=") if told else ("", "", "")
    if equals:
        return links.get(f"/dev/disk/by-{key.lower()}/{value}")
    return links.get(key) or (key[5:].replace("/", "!") if key.startswith("/dev/") else None)


def _recorded(udev: Evidence, block: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Link -> every device whose record claims it, in the order of the records."""
    names: dict[str, str] = {}
    name = ""
    for line in block:
        key, _, value = line.partition(" ")
        if key == "dev":
            name = value
        elif key == "number":
            names[value.strip()] = name
    links: dict[str, tuple[str, ...]] = {}
    for path, sent in _records.records(udev).items():
        device = names.get(_records.devno(path), "")
        for line in _records.lines(sent) if device else ():
            if line.startswith("S:"):
                link = "/dev/" + line[2:]
                links[link] = (*(d for d in links.get(link, ()) if d != device), device)
    return links


PROBE = Probe(DeviceLinks, ("links",), parse, ("files", "block", "cmdline"))
