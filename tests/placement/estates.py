"""Hosts written as small tables: raw mountinfo and one line a block device become HostFacts."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from waveboard.audit.probes import _mountinfo
from waveboard.model.evidence import Identity
from waveboard.model.facts import (
    Addresses,
    BlockDevice,
    BlockDevices,
    Container,
    ContainerMount,
    DeviceLinks,
    DevicePool,
    Docker,
    Fstab,
    FstabEntry,
    HostFacts,
    Mount,
    Mounts,
    PathFact,
    Paths,
    Unavailable,
    Volume,
)

AT = datetime(2026, 2, 26, tzinfo=UTC)
BUSES = {
    "pci": "/devices/pci0000:00/0000:00:05.0/virtio2/block/{name}",
    "usb": "/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/{name}",
    "iscsi": "/devices/platform/host3/session{n}/target3:0:0/3:0:0:{n}/block/{name}",
    "virtual": "/devices/virtual/block/{name}",
    "nvme": "/devices/pci0000:00/0000:00:1d.0/0000:02:00.0/nvme/nvme0/{name}",
    "nvmeof": "/devices/virtual/nvme-fabrics/ctl/nvme{n}/{name}",
    "nvmehead": "/devices/virtual/nvme-subsystem/nvme-subsys0/{name}",
    "css": "/devices/css0/0.0.0002/0.0.0100/block/{name}",
    "mmc": "/devices/platform/soc/fe340000.mmc/mmc_host/mmc0/mmc0:0001/block/{name}",
    "old": "/block/{name}",
}


def table(text: str) -> tuple[Mount, ...]:
    """Raw mountinfo, through the parser the product uses."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return _mountinfo.table("\n".join(lines) + "\n", "a case") if lines else ()


def devices(text: str) -> dict[str, BlockDevice]:
    """Lines `NAME MAJ:MIN BUS [part=WHOLE] [slaves=a,b] [dm=NAME] [uuid=DMUUID] [md=LEVEL] [file=PATH] [behind=MAJ:MIN] [address=A,B] …`."""
    found: dict[str, BlockDevice] = {}
    for line in text.strip().splitlines():
        name, devno, bus, *rest = line.split()
        words = dict(word.split("=", 1) for word in rest)
        parent = words.get("part")
        below = words.get("in") or parent
        sysfs = f"{found[below].sysfs}/{name}" if below in found else BUSES.get(bus, bus).format(name=name, n=len(found) + 1)
        found[name] = BlockDevice(
            name=name,
            devno=devno,
            size_bytes=int(words.get("size", 10**10)),
            sysfs=sysfs,
            parent=parent,
            slaves=tuple(words["slaves"].split(",")) if "slaves" in words else (),
            dm_name=words.get("dm"),
            dm_uuid=words.get("uuid"),
            md_level=words.get("md"),
            loop_file=words["file"].replace("_", " ") if "file" in words else None,
            loop_devno=words.get("behind"),
            wwid=words.get("wwid"),
            transport=words.get("transport"),
            degraded=int(words.get("degraded", 0)),
            addresses=tuple(words["address"].split(",")) if "address" in words else (),
        )
    return found


def pools(text: str) -> tuple[DevicePool, ...]:
    """Lines `FSTYPE ID member,member [missing=N]`."""
    found = []
    for line in text.strip().splitlines():
        fstype, name, members, *rest = line.split()
        missing = int(rest[0].removeprefix("missing=")) if rest else 0
        found.append(DevicePool(fstype, name, tuple(members.split(",")), missing))
    return tuple(found)


def fstab(text: str) -> Fstab:
    """fstab lines; a fifth word names another origin."""
    entries = []
    for line in text.strip().splitlines():
        spec, target, fstype, options, *origin = line.split()
        entries.append(FstabEntry(spec, target, fstype, tuple(options.split(",")), origin[0] if origin else "/etc/fstab"))
    return Fstab(tuple(entries))


def answered(path: str, given: Mapping[str, Any] | None) -> PathFact:
    """What the host says of a path; without anything special that it exists as it is spelled."""
    fact = PathFact(path, path, True, None)
    return replace(fact, **given) if given else fact


def container(given: Mapping[str, Any]) -> Container:
    """A container; `mounts` are `TYPE DESTINATION SOURCE [name=] [driver=] [ro]`."""
    mounts = []
    for line in given.get("mounts", []):
        kind, destination, source, *rest = line.split()
        words = dict(word.split("=", 1) for word in rest if "=" in word)
        mounts.append(
            ContainerMount(
                kind,
                destination,
                "" if source == "-" else source,
                words.get("name", ""),
                words.get("driver", "local" if kind == "volume" else ""),
                "ro" not in rest,
            )
        )
    raw = given.get("table")
    return Container(
        id=given.get("id", "c" * 64),
        name=given["name"],
        image="image:1",
        image_id="sha256:" + "0" * 64,
        state="running" if raw else given.get("state", "exited"),
        pid=4242 if raw else 0,
        labels={},
        mounts=tuple(mounts),
        tmpfs=tuple(given.get("tmpfs", ())),
        table=table(raw) if raw else None,
        upper_dir=given.get("upper"),
        links=given.get("links"),
    )


def docker(given: Mapping[str, Any]) -> Docker:
    """Docker's answers as far as placement needs them."""
    volumes = tuple(
        Volume(name, v.get("driver", "local"), v.get("mountpoint", ""), v.get("options", {}), v.get("labels", {}))
        for name, v in given.get("volumes", {}).items()
    )
    return Docker(
        root_dir=given.get("root", "/var/lib/docker"),
        driver=given.get("driver", "overlay2"),
        driver_status=given.get("driver_status", {}),
        security_options=(),
        version="26.1.5",
        live_restore=False,
        containers=tuple(container(one) for one in given.get("containers", [])),
        volumes=volumes,
        containerd_root=given.get("containerd_root"),
    )


def facts(case: Mapping[str, Any], asked: Iterable[str] = ()) -> HostFacts:
    """A case's host. asked: paths the host answers for; `unasked` in the case takes them out again."""
    given = case.get("paths", {})
    wanted = {path: answered(path, given.get(path)) for path in (*asked, *given) if path not in case.get("unasked", ())}
    nouns: dict[type, object] = {
        Mounts: Mounts(table(case["mounts"]), "1", table(case["dockerd"]) if "dockerd" in case else None),
        BlockDevices: BlockDevices(devices(case.get("blocks", "")), pools(case.get("pools", ""))),
        Paths: Paths(wanted, case.get("recorded", False)),
        Fstab: fstab(case.get("fstab", "")),
        DeviceLinks: DeviceLinks(case.get("links", {}), {k: tuple(v) for k, v in case.get("claims", {}).items()}),
        Addresses: Addresses(frozenset(case.get("own", ["127.0.0.1", "10.0.0.5"]))),
    }
    if "docker" in case:
        nouns[Docker] = docker(case["docker"])
    for noun in (Mounts, BlockDevices, Paths, Fstab, DeviceLinks, Addresses, Docker):
        if noun.__name__ in case.get("without", ()):
            nouns[noun] = Unavailable("not collected")
    return HostFacts("case", AT, Identity(), "sha256:" + "0" * 64, nouns)
