"""Every block device and what it stands on, from sysfs; pools that span devices beside them.

Source: Documentation/ABI/{stable,testing}/sysfs-block; losetup(8) and LOOP_GET_STATUS64 for the device behind a loop file.
The device behind a loop file is the one row that needs root; without it only the path is known.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from waveboard.audit.probe import Probe, Sections, lines, recorded, refused
from waveboard.audit.probes import _documents, _pools, _records
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence
from waveboard.model.facts import DEVICE_LISTS, BlockDevice, BlockDevices, Unavailable

_SECTOR_BYTES = 512  # sysfs counts in these whatever the device's own block size is
_DEVNO = re.compile(r"[0-9]+:[0-9]+")
_HIDDEN = re.compile(r"nvme[0-9]+c[0-9]+n[0-9]+")  # one path of a multipath namespace: nobody can open it, so it has no number
_SERIAL_KEYS = ("ID_SCSI_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL")  # the first that is there
_ARRAY = re.compile(r"(md\S+) : active (.*)")
_MEMBER = re.compile(r"(\S+)\[[0-9]+\]")


def parse(sections: Sections) -> BlockDevices | Unavailable:
    """Raises: EvidenceError for a device without a name, number or size."""
    if (why := refused(sections["block"])) is not None:
        return why
    behind, serials = _behind_loops(sections), _serials(sections.get("files"))
    in_tree = "meta" in sections and recorded(sections)
    found = _merged(_devices(lines(sections["block"])))
    for name, members in _arrays(sections.get("mdstat")).items():
        if in_tree and name in found:  # some links, or all, may not have been saved
            found[name]["slave"] = [*dict.fromkeys((*found[name].get("slave", ()), *members))]
    names = {name: _device(fields, behind, serials, in_tree) for name, fields in found.items()}
    pools = [*_pools.of_sysfs(sections.get("pools")), *_pools.of_zpool(sections.get("zpool"))]
    if in_tree:
        known = {pool.fstype for pool in pools}
        numbers = {device.devno: name for name, device in names.items()}
        pools += [pool for pool in _pools.of_udev(sections.get("files"), numbers) if pool.fstype not in known]
    return BlockDevices(names, tuple(pools)) if names else Unavailable("block: no device was seen")


def _devices(output: Sequence[str]) -> Iterator[dict[str, list[str]]]:
    record: dict[str, list[str]] = {}
    for line in output:
        key, _, value = line.partition(" ")
        if key == "dev":
            if record:
                yield record
            record = {}
        record.setdefault(key, []).append(value.strip())
    if record:
        yield record


def _merged(records: Iterator[dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """One record a name. A tree may hold a device as a link, as a directory in a list and inside its disk, each with a part of it:
    the one whose place says most goes first."""
    found: dict[str, list[dict[str, list[str]]]] = {}
    for record in records:
        found.setdefault(record["dev"][0] if "dev" in record else "", []).append(record)
    return {name: _joined(parts) if len(parts) > 1 else parts[0] for name, parts in found.items()}


def _joined(parts: Sequence[dict[str, list[str]]]) -> dict[str, list[str]]:
    whole: dict[str, list[str]] = {}
    for part in sorted(parts, key=lambda one: _said(*one.get("at", ()))):
        for key, values in part.items():
            whole.setdefault(key, values)
    return whole


def _said(sysfs: str = "") -> int:
    return 0 if sysfs.startswith("/devices/") else 2 if sysfs.rpartition("/")[0] in DEVICE_LISTS else 1


def _part_of(name: str, sysfs: str, number: str | None) -> str | None:
    """The disk of a partition: the directory it lies in or, in a directory of all devices, the one it is called after. Source: the
    kernel's disk_name(), which puts a `p` between a digit and the number."""
    directory = sysfs.rpartition("/")[0]
    above = directory.rpartition("/")[2]
    between = "p" if above[-1:].isdigit() else ""
    if above and re.fullmatch(re.escape(above + between) + "[0-9]+", name):
        return above
    if number is None or directory not in DEVICE_LISTS or not name.endswith(number):
        return above if number is not None else None
    stem = name.removesuffix(number)
    return stem[:-1] if re.search("[0-9]p$", stem) else above if stem[-1:].isdigit() else stem


def _device(fields: Mapping[str, list[str]], behind: Mapping[str, str], serials: Mapping[str, str], in_tree: bool) -> BlockDevice:
    def first(key: str) -> str | None:
        values = fields.get(key)
        return values[0] or None if values else None

    name, sysfs, devno, sectors = (first(key) for key in ("dev", "at", "number", "size"))
    if devno is None and (in_tree or _HIDDEN.fullmatch(name or "")):
        devno = ""  # in a tree it may not have been saved
    elif not devno or not _DEVNO.fullmatch(devno):
        sysfs = None
    if not name or not sysfs or devno is None:
        raise EvidenceError("read the block devices", f"block: {name or 'a device'} has no name, place or number")
    parent = _part_of(name, sysfs, first("partition"))
    return BlockDevice(
        name=name,
        devno=devno,
        size_bytes=(_count(sectors) or 0) * _SECTOR_BYTES,
        sysfs=sysfs,
        read_only=first("ro") == "1",
        parent=parent,
        slaves=tuple(fields.get("slave", ())),
        dm_name=first("dm_name"),
        dm_uuid=first("dm_uuid"),
        md_level=first("md_level"),
        loop_file=first("loop_file"),
        loop_devno=behind.get(name),
        serial=first("serial") or (serials.get(devno) if parent is None else None),
        wwid=first("wwid"),
        rotational={"0": False, "1": True}.get(first("rotational") or ""),
        transport=first("transport"),
        degraded=_count(first("md_degraded")) or 0,
        addresses=tuple(dict.fromkeys(filter(None, map(_address, fields.get("address", ()))))),
    )


def _address(told: str) -> str:
    """`10.0.0.9`, or of `traddr=[fd00::9%eth0],trsvcid=4420` the address alone."""
    values = [item[7:] for item in told.split(",") if item.startswith("traddr=")]
    return (values[0] if values else told).strip("[] ").partition("%")[0].lower()


def _count(digits: str | None) -> int | None:
    return int(digits) if digits and digits.isascii() and digits.isdecimal() and len(digits) < 20 else None


def _serials(evidence: Evidence | None) -> dict[str, str]:
    """Serial by device number as udev recorded it: what the hypervisor was given, before spellings that hold the model."""
    if evidence is None or refused(evidence) is not None or b"\nL E:ID_" not in evidence.stdout:
        return {}
    found: dict[str, str] = {}
    for path, sent in _records.records(evidence).items():
        if "L E:ID_" not in sent:
            continue
        properties = [line[2:].partition("=") for line in _records.lines(sent) if line.startswith("E:ID_")]
        told = {key: value for key, _, value in properties}
        for key in _SERIAL_KEYS:
            if key in told:
                found[_records.devno(path)] = told[key]
                break
    return found


def _behind_loops(sections: Sections) -> dict[str, str]:
    """Loop device -> number of the device that holds its file."""
    found: dict[str, str] = {}
    losetup = sections.get("losetup")
    if losetup is not None and refused(losetup) is None:
        for line in lines(losetup):
            device, _, rest = line.partition(" ")
            number = rest.split(maxsplit=1)[0] if rest.strip() else ""
            if _DEVNO.fullmatch(number):
                found[device.removeprefix("/dev/")] = number
    documents = _documents.documents(sections.get("docker")) if "docker" in sections else Unavailable("")
    if not isinstance(documents, Unavailable):
        for told in documents.each("host.loops", dict[str, str]):
            found.update({loop: number for loop, number in told.items() if _DEVNO.fullmatch(number)})
    return found


def _arrays(evidence: Evidence | None) -> dict[str, list[str]]:
    """Members of running arrays, for a tree that may not hold the links to them. Source: /proc/mdstat (`md0 : active raid1 sdb1[1] sda1[0](F)`)."""
    if evidence is None or refused(evidence) is not None:
        return {}
    told = [match for line in lines(evidence) if (match := _ARRAY.match(line))]
    return {match[1]: [name.replace("/", "!") for name in _MEMBER.findall(match[2])] for match in told}


PROBE = Probe(BlockDevices, ("block",), parse, ("meta", "pools", "losetup", "zpool", "files", "mdstat", "docker"))
