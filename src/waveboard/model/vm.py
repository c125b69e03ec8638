"""A VM as its contracts ask for it, and as a hypervisor has it. Sizes in bytes; disks are named by serial, never by a kernel's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from waveboard.model.place import Place


@dataclass(frozen=True, slots=True)
class DataDisk:
    """The disk that data belongs on. pool: where the hypervisor keeps it, chosen by tier. bus: scsi | virtio.

    serial: 1..20 characters, what both sides know the disk by (QEMU cuts longer ones); fstype: made on the whole disk; backup:
    whether backups of the VM hold it.
    """

    pool: str
    size_bytes: int
    bus: str
    serial: str
    fstype: str
    label: str
    mount: str
    backup: bool
    discard: bool = True
    iothread: bool = True


@dataclass(frozen=True, slots=True)
class LogRotation:
    """docker's json-file limits: how large one file may grow, in bytes, and how many are kept."""

    max_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Network:
    """cidr: `dhcp` or address/prefix. gateway, nameserver, search_domain: None where the profile does not say."""

    bridge: str
    cidr: str
    gateway: str | None = None
    nameserver: str | None = None
    search_domain: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """What a hypervisor lends the VM that proves a producer: an id, an address, a network. None: as the profile has it."""

    vmid: int
    address: str
    port: int
    bridge: str
    image: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """One entry of waveboard.yaml's `hypervisors:`. kind: proxmox | qemu. pools: `boot` and each tier -> pool.

    token_file, directory: paths as written. machine_id, fingerprint: what pins it, None where nothing was pinned.
    """

    id: str
    kind: str
    node: str
    pools: Mapping[str, str]
    url: str | None = None
    token_file: str | None = None
    fingerprint: str | None = None
    machine_id: str | None = None
    directory: str | None = None
    place: Place | None = None
    probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class VmSpec:
    """Everything needed to make the VM and to say that it is as asked. hypervisor: the id of waveboard.yaml's `hypervisors:`, ""
    where the workspace names none: then nothing is asked that only a hypervisor could answer.

    data: None for a tier that keeps no data here; docker_root, containerd_root: None leaves docker's own. existing: it was there before
    its contract and is never made from it; then template, bridge and pools may be "" and the sizes and vmid 0, where nobody said them.
    """

    host: str
    vmid: int
    hypervisor: str
    node: str
    template: str
    profile: str
    cores: int
    memory_bytes: int
    boot_pool: str
    boot_bytes: int
    network: Network
    ci_user: str
    ssh_keys: tuple[str, ...]
    tier: str
    agent: bool = True
    onboot: bool = True
    data: DataDisk | None = None
    docker_root: str | None = None
    containerd_root: str | None = None
    log_rotation: LogRotation | None = None
    nfs_mounts: tuple[tuple[str, str], ...] = ()  # (path, source)
    directories: tuple[str, ...] = ()  # of the declared services, below the data mount
    packages: tuple[str, ...] = ()
    backup_target: str | None = None
    backup_max_age_s: int | None = None
    place: Place | None = None
    existing: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """A place of the hypervisor that holds disks. holds_seeds: media that guests read at their first boot. away: why nothing can be
    put into it now, "" when it can."""

    name: str
    total_bytes: int
    free_bytes: int
    holds_images: bool
    holds_seeds: bool = True
    away: str = ""


@dataclass(frozen=True, slots=True)
class VmDisk:
    """One disk of a VM as the hypervisor has it. slot: `scsi1`, `virtio0`; serial: None where it has none."""

    slot: str
    pool: str
    volume: str
    size_bytes: int
    serial: str | None = None
    backup: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """What a VM is but its disks. address, gateway, nameserver reach the guest by its seed; here is what the hypervisor must know.

    forward: `address:port` of the hypervisor that leads to the guest's SSH, "" where the guest has an address of its own.
    """

    cores: int
    memory_bytes: int
    bridge: str
    agent: bool
    onboot: bool
    forward: str = ""


@dataclass(frozen=True, slots=True)
class VmState:
    """One VM as the hypervisor has it. status: running | stopped | paused …; tag: what waveboard wrote into it when it made it."""

    vmid: int
    name: str
    node: str
    status: str
    template: bool
    locked: str
    disks: tuple[VmDisk, ...]
    tag: str = ""
    addresses: tuple[str, ...] = ()
    agent: bool | None = None
    boot: str = ""  # the slot it boots from
    shape: "Shape | None" = None
    seed: str = ""  # the medium that told it who it is


@dataclass(frozen=True, slots=True)
class BackupState:
    """Whether a VM is in an enabled backup job, which of its disks backups leave out, and when the newest backup was made.

    unseen_jobs, unseen_backups: why there may be more than was seen, "" when that was everything.
    """

    enabled: bool
    jobs: tuple[str, ...]
    excluded: tuple[str, ...]  # slots
    newest: datetime | None
    unseen_jobs: str = ""
    unseen_backups: str = ""


@dataclass(frozen=True, slots=True)
class HypervisorState:
    """What is there: pools, every VM id in use, the VM asked about (None: not there), and the backups of those that were asked about.

    identity: what pins the hypervisor (machine id or certificate fingerprint), None where it cannot tell. images: what a VM can be
    made from -> bytes of its boot disk. loose: disks that no VM uses -> the VM id in their name; what they hold is not known.
    """

    node: str
    pools: Mapping[str, Pool]
    vms: Mapping[int, VmState]
    backups: Mapping[int, BackupState] = field(default_factory=dict)
    identity: str | None = None
    quorate: bool = True
    images: Mapping[str, int] = field(default_factory=dict)
    loose: Mapping[str, int] = field(default_factory=dict)
