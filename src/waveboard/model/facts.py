"""What evidence says, as nouns. A fact is a noun or Unavailable(reason); there are no defaults and no empty strings for "unknown"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

from waveboard.model.evidence import Identity
from waveboard.model.logs import LogSettings
from waveboard.model.mounts import Mount as Mount
from waveboard.model.mounts import rows_at

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The fact could not be had, and why: `permission denied`, `not installed`, `timed out`, `truncated`, `unreachable` …"""

    reason: str


_NOT_GIVEN = Unavailable("no probe gave it")


class MissingFact(LookupError):
    """A room asked for a fact that is unavailable: the caller turns this into unknown."""

    def __init__(self, noun: type, reason: str) -> None:
        super().__init__(f"{noun.__name__}: {reason}")
        self.noun, self.reason = noun, reason


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Everything known of one host at one instant. `facts[Mounts]` gives the noun or raises MissingFact."""

    host: str
    at: datetime
    identity: Identity
    bundle: str  # digest of the bundle the facts came from
    nouns: Mapping[type, object] = field(default_factory=dict)

    def get(self, noun: type[T]) -> T | Unavailable:
        """The noun, or Unavailable with its reason."""
        return cast("T | Unavailable", self.nouns.get(noun, _NOT_GIVEN))

    def __getitem__(self, noun: type[T]) -> T:
        found = self.get(noun)
        if isinstance(found, Unavailable):
            raise MissingFact(noun, found.reason)
        return found


# -- storage ---------------------------------------------------------------------------------------------------------


MOUNTS_ALONE = "mounts"


@dataclass(frozen=True, slots=True)
class Mounts:
    """The host's own mount table (pid 1's where it could be read, else the auditor's; `of` says which). A recording may hold some
    other process's alone: its number.

    MOUNTS_ALONE: a recording's /proc/mounts, which tells a device by its name at best: nothing in it is observed.
    """

    table: Sequence[Mount]
    of: str = "self"  # "1" | "self" | another number | MOUNTS_ALONE
    dockerd: Sequence[Mount] | None = None  # dockerd's own table when it lives in another mount namespace

    def at(self, target: str) -> Sequence[Mount]:
        """What is mounted at exactly this mount point, oldest first."""
        return rows_at(self.table, target)


# Directories of all devices, below /sys. A tree may hold them as directories of directories instead of links: lying in one says nothing
# of what a device is a part of.
DEVICE_LISTS = ("/block", "/class/block", "/dev/block")


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One entry of /sys/class/block. Sizes in bytes. `sysfs` is the resolved device path below /sys."""

    name: str
    devno: str  # "" for a path of native NVMe multipath, which nobody can open, and where a recorded tree does not tell it
    size_bytes: int
    sysfs: str
    read_only: bool = False
    parent: str | None = None  # set for a partition: the whole disk's name
    slaves: tuple[str, ...] = ()
    dm_name: str | None = None
    dm_uuid: str | None = None
    md_level: str | None = None
    loop_file: str | None = None  # backing file as the kernel tells it, " (deleted)" included
    loop_devno: str | None = None  # device of the backing file's filesystem (losetup BACK-MAJ:MIN)
    serial: str | None = None
    wwid: str | None = None
    rotational: bool | None = None
    transport: str | None = None  # what the driver says: "nvme" controllers tell pcie | tcp | rdma | fc
    degraded: int = 0  # md members missing
    addresses: tuple[str, ...] = ()  # where its server answers, as an iSCSI connection or an NVMe controller tells it


@dataclass(frozen=True, slots=True)
class BlockDevices:
    """All block devices by kernel name, multi-device filesystems and pools beside them."""

    devices: Mapping[str, BlockDevice]
    pools: tuple["DevicePool", ...] = ()


@dataclass(frozen=True, slots=True)
class DevicePool:
    """A filesystem that spans devices by itself: btrfs, bcachefs (sysfs) or a ZFS pool (zpool status -PL); or a UBI device."""

    fstype: str  # "btrfs" | "bcachefs" | "zfs" | "ubi"
    id: str  # filesystem uuid, pool name for zfs, "ubi0"
    members: tuple[str, ...]  # kernel names; of ZFS also paths and names of /dev/disk
    missing: int = 0
    by_udev: bool = False  # as its members say of themselves; one that says nothing is not among them


@dataclass(frozen=True, slots=True)
class FstabEntry:
    """One fstab(5) or mount-unit line; `origin` is the file it came from."""

    spec: str
    target: str
    fstype: str
    options: tuple[str, ...]
    origin: str = "/etc/fstab"

    @property
    def at_boot(self) -> bool:
        """Whether a boot mounts it, or the first look at it after one (systemd.mount(5), fstab)."""
        return "noauto" not in self.options or "x-systemd.automount" in self.options


@dataclass(frozen=True, slots=True)
class Fstab:
    """What is to be mounted at boot."""

    entries: tuple[FstabEntry, ...]


@dataclass(frozen=True, slots=True)
class DeviceLinks:
    """/dev/disk/by-* and /dev/mapper: link path -> kernel name. claims: link -> every device that claims it, when several do."""

    links: Mapping[str, str]
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Swaps:
    """/proc/swaps: paths of swap files and partitions."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Addresses:
    """The host's own IP addresses (to recognise an NFS server that is this very host)."""

    own: frozenset[str]


@dataclass(frozen=True, slots=True)
class FilesystemUsage:
    """df of one mount point, in bytes and inodes."""

    target: str
    source: str
    size_bytes: int
    used_bytes: int
    available_bytes: int
    inodes: int | None = None
    inodes_used: int | None = None

    @property
    def used_pct(self) -> float:
        """Used share of what an unprivileged writer could have (df's Use%), 0..100."""
        room = self.used_bytes + self.available_bytes
        return 100.0 * self.used_bytes / room if room else 100.0


@dataclass(frozen=True, slots=True)
class Usage:
    """df by mount point."""

    filesystems: Mapping[str, FilesystemUsage]


@dataclass(frozen=True, slots=True)
class PathFact:
    """One path as the target itself resolves it. mount_id: the kernel's own (fdinfo) for the path, or for `ancestor` when the
    path does not exist; None when it could not be asked."""

    path: str
    canonical: str | None
    exists: bool
    ancestor: str | None  # nearest existing ancestor, canonical
    mount_id: int | None = None
    blocked: str | None = None  # the ancestor that may not be traversed
    non_empty: bool | None = None
    problem: str | None = None  # timeout, autofs pending, …: the answer is unknown


@dataclass(frozen=True, slots=True)
class Paths:
    """Every path the contract or the caller asked about. recorded: answered from a recorded tree, where a path that does not
    exist may only not have been saved, and the kernel could not be asked for mount ids."""

    by_path: Mapping[str, PathFact]
    recorded: bool = False


INTERFACES = ("/run", "/var/run", "/dev", "/proc", "/sys")  # a bind of these gives a container the host, not a place for data

# -- docker ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContainerMount:
    """One entry of the Engine API's Mounts. type: bind | volume | tmpfs | npipe | cluster | image."""

    type: str
    destination: str
    source: str
    name: str = ""
    driver: str = ""
    rw: bool = True

    @property
    def keeps_data(self) -> bool:
        """Whether what a container writes there is data: a writable volume, or a bind that is no interface of the host."""
        if self.type == "bind":
            return self.rw and not any(self.source == at or self.source.startswith(at + "/") for at in INTERFACES)
        return self.rw and self.type in ("volume", "cluster")


@dataclass(frozen=True, slots=True)
class Container:
    """One container in any state. pid 0 when it is not running. writable_bytes: SizeRw, None when not asked."""

    id: str
    name: str
    image: str
    image_id: str
    state: str
    pid: int
    labels: Mapping[str, str]
    mounts: tuple[ContainerMount, ...]
    restart: str = ""
    writable_bytes: int | None = None
    tmpfs: tuple[str, ...] = ()
    table: Sequence[Mount] | None = None  # /proc/PID/mountinfo when it could be read
    upper_dir: str | None = None  # host path of the writable layer (GraphDriver UpperDir), None when not told
    links: Mapping[str, str] | None = None  # symlinks near the top and below mounts: path -> raw target; None when not looked at
    log: LogSettings | None = None  # HostConfig.LogConfig: what it was made with; None when not told
    command: tuple[str, ...] | None = None  # Config.Cmd, only where it cannot hold a secret (redis-server with known options)

    @property
    def writing(self) -> bool:
        """Whether it writes, or will again without anybody's doing: paused, or between two starts."""
        return self.state in ("running", "paused", "restarting")


@dataclass(frozen=True, slots=True)
class Volume:
    """One docker volume. anonymous: 64 hex digits, or dockerd's own label says so."""

    name: str
    driver: str
    mountpoint: str
    options: Mapping[str, str]
    labels: Mapping[str, str]
    size_bytes: int | None = None

    @property
    def anonymous(self) -> bool:
        """True when nobody named it: a recreate loses it."""
        return "com.docker.volume.anonymous" in self.labels or (
            len(self.name) == 64 and all(c in "0123456789abcdef" for c in self.name)
        )

    @property
    def bound_to(self) -> str | None:
        """The host directory that the local driver's own options bind it to; None: docker keeps its bytes itself."""
        ways = self.options.get("o", "").split(",")
        device = self.options.get("device", "")
        return device if self.driver == "local" and device.startswith("/") and ("bind" in ways or "rbind" in ways) else None


class Image(NamedTuple):
    """One image: id, tags, size in bytes, how many containers use it (-1 unknown)."""

    id: str
    tags: tuple[str, ...]
    size_bytes: int
    containers: int
    created: int = 0  # unix seconds
    digests: tuple[str, ...] | None = None  # "repo@sha256:…": where it can be pulled again; None in evidence that did not ask


class CacheRecord(NamedTuple):
    """One record of the build cache. parents: the records it builds on, which stay as long as it does; None in evidence that did
    not ask. used_at: RFC 3339 as the engine prints it, "" when it was never used again or not told."""

    id: str
    size_bytes: int
    in_use: bool
    shared: bool = False
    parents: tuple[str, ...] | None = None
    used_at: str = ""


@dataclass(frozen=True, slots=True)
class Docker:
    """The Engine's own answers. Sizes are bytes; None where /system/df was not asked or not allowed."""

    root_dir: str
    driver: str
    driver_status: Mapping[str, str]
    security_options: tuple[str, ...]
    version: str
    live_restore: bool
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    images: tuple[Image, ...] | None = None
    layers_bytes: int | None = None
    build_cache_bytes: int | None = None
    build_cache: tuple[CacheRecord, ...] = ()
    daemon_json: str | None = None  # text of /etc/docker/daemon.json, None when it could not be read
    containerd_root: str | None = None

    @property
    def in_containerd(self) -> bool:
        """Whether images and writable layers are in containerd's image store, which the data-root does not move."""
        return any("io.containerd.snapshotter" in told for told in self.driver_status.values())


# -- services and write surfaces -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RedisConfig:
    """CONFIG GET and INFO persistence by container name, as redis printed them."""

    by_container: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class LargeFiles:
    """Files below /tmp: (path, bytes). floor_bytes: smaller ones were not looked for."""

    files: tuple[tuple[str, int], ...]
    floor_bytes: int = 0


@dataclass(frozen=True, slots=True)
class WriteSurfaces:
    """Directories below the writable paths asked for, by container name: (path inside the container, bytes)."""

    by_container: Mapping[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True)
class Software:
    """Tools and versions that decide what a plan may use: name -> version text."""

    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One configuration file a plan may edit. sha256: hex of the raw bytes. lines: only lines known to hold no secret; the rest
    are None, so line numbers stay those of the file."""

    path: str
    sha256: str
    lines: tuple[str | None, ...]

    @property
    def digest(self) -> str:
        """`sha256:<hex>`, as plans and the hand spell it."""
        return "sha256:" + self.sha256


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """/etc/fstab, daemon.json and the compose files that running containers name, by path."""

    by_path: Mapping[str, ConfigFile]
