"""What a first contract of an existing host would say, from what is there: facts and placements -> nouns of a draft. Judges nothing.

The draft is what should be: a blank second disk is proposed as the data disk, and data that lies on the boot disk is given a place on
it. What the host cannot show and nobody said is a question, never a guess.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from posixpath import normpath

from waveboard.model.contract import Service
from waveboard.model.errors import UsageError
from waveboard.model.facts import Container, ContainerMount, Docker, HostFacts, Mounts, RedisConfig, Unavailable
from waveboard.model.graph import HostPlacements, Placement, PlacementClass
from waveboard.model.logs import daemon_settings, size_bytes
from waveboard.model.vm import DataDisk, LogRotation
from waveboard.vms.adopt_disk import Disks, Told, disks

DATA_MOUNT = "/mnt/data"  # proposed for a disk that is mounted nowhere yet
ENGINES: Mapping[str, frozenset[str]] = {  # by the last word of an image's name; anything else is `other`
    "postgres": frozenset({"postgres", "postgresql", "postgis", "timescaledb", "pgvector"}),
    "redis": frozenset({"redis", "valkey", "keydb", "redis-stack-server"}),
    "s3": frozenset({"minio", "s3", "seaweedfs", "garage"}),
}
_NAME, _PATH = (
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"),
    re.compile(r"/[^\x00-\x1f\x7f]{0,4000}"),
)  # what a contract can hold
ON_A_DISK = frozenset({"tank-vms", "tank-docker"})
ON_BOOT = frozenset({PlacementClass.BOOT, PlacementClass.MIXED})


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person, or a contract that is there already, says of the host; None: nobody said. disk: a serial. shared: its data belongs
    on a network share, so no disk is looked for."""

    vmid: int | None = None
    tier: str | None = None
    disk: str | None = None
    mount: str | None = None
    shared: bool = False


@dataclass(slots=True)
class Draft:
    """tier: None when it cannot be told; then nothing is asked of the host's storage. unknown: what could not be seen; questions: what
    a person must choose; proposed: what the draft chose that nobody said, each with its reason."""

    host: str
    vmid: int | None
    boot_gb: float | None = None
    tier: str | None = None
    disk: DataDisk | None = None
    docker_root: str | None = None
    containerd_root: str | None = None
    log_rotation: LogRotation | None = None
    shares: tuple[tuple[str, str], ...] = ()  # (path, source)
    data_at: str | None = (
        None  # where data belongs without a disk of its own: a share, or a directory of the boot disk (local-ext4)
    )
    services: tuple[Service, ...] = ()
    probes: tuple[str, ...] = ()
    unknown: list[Told] = field(default_factory=list)
    questions: list[Told] = field(default_factory=list)
    proposed: list[Told] = field(default_factory=list)


def draft(facts: HostFacts, places: HostPlacements | None, choice: Choice) -> Draft:
    """Raises: UsageError when the choice names a disk that is not there, or one beside a tier that has none."""
    made = Draft(facts.host, choice.vmid)
    if choice.vmid is None:
        made.questions.append(Told("id", "its hypervisor's number for it cannot be seen from inside: --vmid, or `id:` by hand"))
    made.shares = tuple(_shares(facts, made))
    found = disks(facts, places, choice.disk)
    made.unknown += found.unknown
    made.questions += found.questions
    made.boot_gb = found.boot_gb
    docker = _docker(facts, made)
    kept = {c.name: [m for m in c.mounts if m.keeps_data] for c in docker.containers} if docker else {}
    made.tier = _tier(made, choice, found, kept if docker else None, places)
    if made.tier in ON_A_DISK and not choice.shared and found.disk is not None:
        made.disk = _disk(made, found, choice)
    elif choice.disk is not None and (made.tier not in ON_A_DISK or choice.shared):
        why = "its data belongs on a share" if choice.shared else f"tier {made.tier} keeps no data on a disk of its own"
        raise UsageError(
            f"take {choice.disk} as the data disk of {facts.host}", why, "leave --data-disk out, or choose another tier"
        )
    elif choice.shared or made.tier == "local-ext4":
        made.data_at = choice.mount
    if docker is not None:
        _of_docker(made, facts, docker, places)
    return made


def _docker(facts: HostFacts, made: Draft) -> Docker | None:
    docker = facts.get(Docker)
    if isinstance(docker, Unavailable):
        why = f"{docker.reason}: containers, volumes, data-root and log limits are not in the draft"
        made.unknown.append(Told("docker", why))
        return None
    return docker


def _tier(
    made: Draft, choice: Choice, found: Disks, kept: Mapping[str, list[ContainerMount]] | None, places: HostPlacements | None
) -> str | None:
    if choice.tier is not None:
        return choice.tier
    if found.disk is not None and not choice.shared:
        made.proposed.append(Told("tier", "tank-vms: the host has a second disk of its own"))
        return "tank-vms"
    if kept is None:
        made.questions.append(
            Told("tier", "no data disk was found and docker could not be seen: --tier says where its data belongs")
        )
        return None
    on_share = {p.mount_target for c in (places.containers if places else {}).values() for p in c.values() if p.mount_target}
    made.data_at = next((path for path, _ in made.shares if path in on_share), None)
    if made.data_at is not None:
        made.proposed.append(Told("tier", f"nfs-media: containers keep data on the share at {made.data_at}"))
        return "nfs-media"
    if any(kept.values()):
        why = "tank-vms without a data disk: containers keep data, and there is no disk for it but the boot disk"
        made.proposed.append(Told("tier", why))
        ask = "attach a disk with a serial and adopt again, or say that its data may stay: --tier boot-only"
        made.questions.append(Told("data_disk", ask))
        return "tank-vms"
    made.proposed.append(Told("tier", "boot-only: no container keeps data, and there is no second disk"))
    return "boot-only"


def _disk(made: Draft, found: Disks, choice: Choice) -> DataDisk | None:
    """The data disk as the profile asks for it; None, with a question, for one that a profile cannot describe."""
    disk = found.disk
    assert disk is not None
    serial = disk.serial or disk.wwid or ""
    bus = {"sd": "scsi", "vd": "virtio"}.get(disk.name[:2])
    if bus is None or found.fstype not in (None, "ext4"):
        what = f"its filesystem is {found.fstype}" if bus else f"{disk.name} is on a bus that a profile has no word for"
        made.questions.append(Told("data_disk", f"{serial}: {what}; a profile asks for ext4 on scsi or virtio"))
        return None
    if found.target is None and choice.mount is None:
        made.proposed.append(Told("mount", f"{DATA_MOUNT}: the disk is blank and mounted nowhere; --mount says another place"))
    made.proposed.append(Told("backup", "true: what is kept on the data disk belongs into the VM's backups"))
    return DataDisk(
        pool="",
        size_bytes=disk.size_bytes,
        bus=bus,
        serial=serial,
        fstype="ext4",
        label=found.label or made.host[:16],
        mount=choice.mount or found.target or DATA_MOUNT,
        backup=True,
    )


def _of_docker(made: Draft, facts: HostFacts, docker: Docker, places: HostPlacements | None) -> None:
    if made.disk is not None and docker.root_dir == made.disk.mount:
        why = f"the disk is mounted at docker's data-root {docker.root_dir} itself; a profile asks for a place below its mount"
        made.questions.append(Told("docker_data_root", why))
    elif made.disk is not None:
        there = docker.root_dir.startswith(made.disk.mount + "/")
        made.docker_root = docker.root_dir if there else f"{made.disk.mount}/docker"
        if not there:
            made.proposed.append(Told("docker_data_root", f"{made.docker_root}: it is {docker.root_dir} now"))
    _of_containerd(made, docker)
    made.log_rotation = _limits(docker.daemon_json)
    if docker.daemon_json is None:
        made.unknown.append(Told("log_rotation", "/etc/docker/daemon.json could not be read"))
    elif made.log_rotation is None:
        ask = "docker rotates no logs; nobody has said how large one may grow: add `log_rotation: {max_size_mb: …, files: …}`"
        made.questions.append(Told("log_rotation", ask))
    services = [s for c in docker.containers if (s := _service(made, c, places)) is not None]
    made.services = tuple(_apart(made, sorted(services, key=lambda s: s.container)))
    told = facts.get(RedisConfig)
    redis = [s.container for s in made.services if s.engine == "redis"]
    if redis and isinstance(told, RedisConfig) and any(name in told.by_container for name in redis):
        made.probes = ("redis",)
    elif redis:
        why = told.reason if isinstance(told, Unavailable) else "it was not asked"
        made.unknown.append(Told("container_probes", f"how durable {', '.join(redis)} is: {why}"))


def _of_containerd(made: Draft, docker: Docker) -> None:
    """Where docker keeps images in containerd, its root is data too; one below docker's own root goes where that goes."""
    root = docker.containerd_root
    if made.disk is None or not docker.in_containerd or (root or "").startswith(docker.root_dir + "/"):
        return
    if root is None:
        made.unknown.append(
            Told("containerd_root", "docker keeps its images in containerd, and where that has its root was not told")
        )
        return
    there = root.startswith(made.disk.mount + "/")
    made.containerd_root = root if there else f"{made.disk.mount}/containerd"
    if not there:
        why = f"{made.containerd_root}: it is {root} now, and no step moves what a containerd holds"
        made.proposed.append(Told("containerd_root", why))


def _limits(text: str | None) -> LogRotation | None:
    """The limits a daemon.json sets for docker's own log driver; None where it sets no two that can be read."""
    told = daemon_settings(text or "")
    if told is None or told.driver != "json-file" or not told.max_size or not told.max_file:
        return None
    size = size_bytes(told.max_size)
    return LogRotation(size, int(told.max_file)) if size and told.max_file.isdigit() and int(told.max_file) else None


def _service(made: Draft, container: Container, places: HostPlacements | None) -> Service | None:
    """The container with its data paths, the one that needs moving first; None when it keeps nothing."""
    mounts = []
    for mount in container.mounts:
        if mount.keeps_data and not (_NAME.fullmatch(container.name) and _sayable(mount)):
            why = f"it keeps data at {mount.destination}: no contract can name it or that place, so the draft does not"
            made.unknown.append(Told(container.name, why))
        elif mount.keeps_data and mount.type == "bind" and "." in mount.source.rpartition("/")[2]:
            why = f"{mount.source} looks like a single file: add its path to the service if it is data"
            made.questions.append(Told(f"{container.name}:{mount.destination}", why))
        elif mount.keeps_data:
            mounts.append(mount)
    if not mounts:
        return None
    known = places.containers.get(container.name, {}) if places else {}
    wrong = [m for m in mounts if _to_move(m, known)]
    if made.disk is not None and len(wrong) > 1:
        why = "more than one of its paths needs another place, and a step moves the first: " + ", ".join(
            m.destination for m in wrong
        )
        made.questions.append(Told(container.name, why))
    ordered = [*wrong, *(m for m in mounts if m not in wrong)]
    paths = tuple(m.destination for m in ordered)
    return Service(container.name, engine_of(container.image), paths, _place(made, container, ordered[0], wrong))


def _sayable(mount: ContainerMount) -> bool:
    """Whether a contract can hold its place in the container, and on the host where that is asked for."""
    paths = (mount.destination, mount.source) if mount.type == "bind" else (mount.destination,)
    return all(_PATH.fullmatch(path) and "//" not in path and (path.rstrip("/") or "/") == normpath(path) for path in paths)


def _apart(made: Draft, services: list[Service]) -> Iterator[Service]:
    """Two containers of one compose service's name get places by their own names."""
    places = Counter(s.data_dir for s in services if s.data_dir)
    for one in services:
        if one.data_dir and places[one.data_dir] > 1 and made.disk is not None:
            yield replace(one, data_dir=f"{made.disk.mount}/{made.host}/{one.container}")
        else:
            yield one


def _to_move(mount: ContainerMount, known: Mapping[str, Placement]) -> bool:
    """A bind on the boot disk, or a volume nobody named. A volume with a name goes where docker's data-root goes."""
    found = known.get(mount.destination)
    if mount.type == "volume":
        return found is not None and "ANONYMOUS" in found.flags
    return found is not None and found.placement in ON_BOOT


def _place(made: Draft, container: Container, mount: ContainerMount, wrong: list[ContainerMount]) -> str | None:
    """Where the service's first data path belongs on the host, None where it need not move."""
    if made.disk is None:
        return None
    if mount in wrong:
        told = container.labels.get("com.docker.compose.service", "")
        name = told if _NAME.fullmatch(told) else container.name
        return f"{made.disk.mount}/{made.host}/{name}"
    return mount.source if mount.type == "bind" and mount.source.startswith(made.disk.mount + "/") else None


def engine_of(image: str) -> str:
    """postgres | redis | s3 | other, by the image's own name without registry and tag."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0].casefold()
    return next((engine for engine, names in ENGINES.items() if name in names), "other")


def _shares(facts: HostFacts, made: Draft) -> Iterator[tuple[str, str]]:
    mounts = facts.get(Mounts)
    if isinstance(mounts, Unavailable):
        made.unknown.append(Told("nfs_mounts", mounts.reason))
        return
    found = {m.target: m.source for m in mounts.table if m.fstype in ("nfs", "nfs4")}
    yield from sorted(found.items())
