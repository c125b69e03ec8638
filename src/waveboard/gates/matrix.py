"""Is data of this tier allowed to live there? One table, asked by every placement gate. Does not find out where data lives.

Rules:
- A cell that forbids fails the gate whatever the confidence; a cell that allows clears it only when the placement was observed.
- What cannot be known is a Doubt, in every tier.
- Data in a container's layer or in memory violates every tier; an anonymous volume violates every tier but boot-only, where it
  is told at medium severity.
- `tank-docker` is a dataset over NFS or a zvol: a local data disk is right there when the contract names it as data_mount.
- The hypervisor's pool behind a virtual disk cannot be seen from inside the guest and is not judged here.
"""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from waveboard.gates.gate import Deviation, Doubt
from waveboard.model.contract import HostPolicy
from waveboard.model.finding import Severity
from waveboard.model.graph import Confidence, Placement, PlacementClass

P = PlacementClass
Cell = tuple[str, Severity] | None  # None: allowed

COLUMNS = {
    "boot-only": "boot-only",
    "tank-vms": "data-disk",
    "tank-docker": "nfs",
    "nfs-media": "nfs",
    "local-ext4": "local",
}
LOCAL_FILESYSTEMS = frozenset({"ext4", "xfs", "btrfs"})

_DRIFT: Cell = ("unexpected-non-boot", Severity.MEDIUM)
_BOOT: Cell = ("boot-backed", Severity.HIGH)
_TIER: Cell = ("wrong-tier", Severity.HIGH)
CELLS: dict[str, dict[PlacementClass, Cell]] = {
    "boot-only": {P.BOOT: None, P.MIXED: _DRIFT, P.DATA: _DRIFT, P.NET: _DRIFT, P.NETDISK: _DRIFT},
    "data-disk": {
        P.BOOT: _BOOT,
        P.MIXED: ("mixed-disks", Severity.HIGH),
        P.DATA: None,
        P.NET: _TIER,
        P.NETDISK: ("network-disk", Severity.MEDIUM),
    },
    "nfs": {P.BOOT: _BOOT, P.MIXED: ("mixed-disks", Severity.HIGH), P.DATA: _TIER, P.NET: None, P.NETDISK: _TIER},
    "local": {
        P.BOOT: None,
        P.MIXED: ("mixed-disks", Severity.MEDIUM),
        P.DATA: None,
        P.NET: ("network-backed", Severity.HIGH),
        P.NETDISK: ("network-disk", Severity.MEDIUM),
    },
}
EVERYWHERE: dict[PlacementClass, tuple[str, Severity]] = {
    P.VOLATILE: ("volatile", Severity.CRITICAL),
    P.LAYER: ("no-mount", Severity.CRITICAL),
}
UNSEEN = {
    "PATH_MISSING": "the path does not exist, so where its data is cannot be known",
    "AUTOFS_PENDING": "an automount there has not been triggered, and looking would trigger it",
}
FLAGS: dict[str, tuple[str, Severity]] = {
    "FSTAB_NOT_MOUNTED": ("not-mounted", Severity.CRITICAL),
    "LATE_MOUNT": ("late-mount", Severity.HIGH),
    "READ_ONLY": ("read-only", Severity.HIGH),
    "NOT_PERSISTED": ("not-persisted", Severity.MEDIUM),
    "DEGRADED": ("degraded", Severity.MEDIUM),
    "FSTAB_OTHER_DEVICE": ("fstab-other-device", Severity.HIGH),
    "DUPLICATE_UUID": ("duplicate-uuid", Severity.MEDIUM),
    "VG_SHARED_WITH_BOOT": ("vg-shared-with-boot", Severity.LOW),
    "SHADOWED": ("shadowed-mount", Severity.LOW),
}
CODES = {
    "boot-backed": "the data is on the boot disk although its tier is not boot-only",
    "boot-disk-partition": "the data is on another filesystem of the boot disk; `boundary: filesystem` accepts that",
    "mixed-disks": "the data needs the boot disk as well as another one",
    "unexpected-non-boot": "the tier is boot-only and the data is elsewhere",
    "wrong-tier": "the data is on a kind of storage its tier does not mean",
    "wrong-export": "the data is on another network export than the contract names",
    "wrong-prefix": "the data is on the boot disk outside the declared prefix, or not on a local filesystem",
    "network-backed": "the data is on a network filesystem where the tier asks for a local one",
    "database-on-network": "a database keeps its files on a network filesystem",
    "network-disk": "the data is on a block device over the network, which the contract does not allow",
    "volatile": "the data is in memory",
    "no-mount": "the data is in the container's writable layer: recreating the container destroys it",
    "anonymous-volume": "the data is in a volume nobody named: recreating the container loses it",
    "not-mounted": "fstab names a mount there that is not mounted: writes go to the disk under the mount point",
    "late-mount": "the source was mounted after the container started: the container still writes below the mount",
    "read-only": "the filesystem is read-only",
    "not-persisted": "no fstab line or mount unit brings the mount back at boot: it is gone after a reboot",
    "degraded": "an array or pool below the data is degraded",
    "fstab-other-device": "fstab names another device for the mount than the one mounted, or none there is: a reboot changes where the data is",
    "duplicate-uuid": "two filesystems carry the same UUID: which one is mounted after a reboot is chance",
    "vg-shared-with-boot": "the volume group also holds the boot disk: extending the volume may silently use it",
    "shadowed-mount": "a later mount hides the one that the path suggests",
}
_FIXES = {
    "late-mount": "restart the container so that it sees the mount",
    "not-persisted": "write the mount to /etc/fstab by UUID and prove the line by mounting it",
    "not-mounted": "mount it, then move what was written below the mount point; start docker only after the mount",
    "no-mount": "give the path a named volume or a bind mount on the tier's storage",
    "anonymous-volume": "move the data to a named volume or a bind mount, by copy with the container stopped",
    "boot-disk-partition": "move the data to a disk of its own, or declare `boundary: filesystem`",
}


class Kind(Enum):
    """What the bytes are. An image store holds image and writable layers: a violation there is medium at most."""

    PERSISTENT = "persistent"
    IMAGE_STORE = "image-store"


class Question(NamedTuple):
    """What is judged. label: how a person calls it. host_path: bind source or volume mount point on the host, None: nobody told.

    database: an engine that must not write over a network filesystem.
    """

    subject: str
    label: str
    placement: Placement
    kind: Kind = Kind.PERSISTENT
    host_path: str | None = None
    database: bool = False


def judge(question: Question, policy: HostPolicy) -> Iterator[Deviation | Doubt]:
    """Every deviation of one placement from the host's tier, or why it cannot be told. Nothing yielded: allowed and observed."""
    placement = question.placement
    unseen = [UNSEEN[flag] for flag in placement.flags if flag in UNSEEN]
    if unseen or placement.placement is P.UNKNOWN:
        yield Doubt(question.subject, "; ".join(unseen) or f"{question.label}: {placement.why}")
        return
    told = [FLAGS[flag] for flag in placement.flags if flag in FLAGS]
    for code, severity in told:
        yield _deviation(question, code, severity)
    if "ANONYMOUS" in placement.flags:
        boot_only = policy.tier is not None and policy.tier.value == "boot-only"
        yield _deviation(question, "anonymous-volume", Severity.MEDIUM if boot_only else Severity.HIGH)
    if "PERSISTENCE_UNKNOWN" in placement.flags:
        yield Doubt(question.subject, f"{question.label}: whether its mount comes back after a reboot is not known")
    explained = any(code in ("not-mounted", "late-mount") for code, _ in told)  # the class is their consequence
    verdict = None if explained else _cell(question, policy)
    if isinstance(verdict, Doubt):
        yield verdict
    elif verdict is not None:
        yield _deviation(question, *verdict)
    elif not explained and placement.confidence is not Confidence.OBSERVED:
        known = placement.confidence.value
        yield Doubt(question.subject, f"{question.label}: its place is only {known}, which clears nothing: {placement.why}")


def _cell(question: Question, policy: HostPolicy) -> Cell | Doubt:
    placement = question.placement
    if placement.placement in EVERYWHERE:
        return EVERYWHERE[placement.placement]
    if policy.tier is None:
        return Doubt(question.subject, f"{question.label}: no contract declares a storage tier for this host")
    column = COLUMNS.get(policy.tier.value)
    if column is None:
        return Doubt(question.subject, f"{question.label}: tier {policy.tier.value!r} is not one of {', '.join(sorted(COLUMNS))}")
    if question.database and placement.placement is P.NET:
        return ("database-on-network", Severity.HIGH)
    if column == "data-disk":
        return _data_disk(placement, policy)
    if column == "nfs":
        return _network(question, policy)
    if column == "local" and placement.placement is P.BOOT:
        return _local_prefix(question, policy)
    return CELLS[column][placement.placement]


def _data_disk(placement: Placement, policy: HostPolicy) -> Cell:
    if placement.placement is P.BOOT and "BOOT_DISK_OTHER_FS" in placement.flags:
        return None if policy.boundary == "filesystem" else ("boot-disk-partition", Severity.HIGH)
    if placement.placement is P.NETDISK and policy.allow_network_block:
        return None
    return CELLS["data-disk"][placement.placement]


def _network(question: Question, policy: HostPolicy) -> Cell | Doubt:
    placement = question.placement
    if placement.placement is P.DATA and policy.tier is not None and policy.tier.value == "tank-docker" and policy.data_mount:
        at = question.host_path or placement.path
        return None if below(at, policy.data_mount.value) else _TIER
    if placement.placement is not P.NET:
        return CELLS["nfs"][placement.placement]
    if not policy.nfs_mounts:
        return Doubt(question.subject, f"{question.label}: no contract names the export it should come from")
    exports = {source.rstrip("/") for _, source in policy.nfs_mounts}
    return None if (placement.mount_source or "").rstrip("/") in exports else ("wrong-export", Severity.HIGH)


def _local_prefix(question: Question, policy: HostPolicy) -> Cell | Doubt:
    if policy.data_mount is None:
        return Doubt(
            question.subject, f"{question.label}: tier local-ext4 needs a declared prefix (data_mount) and none is given"
        )
    at = question.host_path or question.placement.path
    right = below(at, policy.data_mount.value) and question.placement.mount_fstype in LOCAL_FILESYSTEMS
    return None if right else ("wrong-prefix", Severity.HIGH)


def below(path: str, prefix: str) -> bool:
    """True when path is prefix or lies under it, by whole components."""
    root = prefix.rstrip("/")
    return path == root or path.startswith(root + "/")


def _deviation(question: Question, code: str, severity: Severity) -> Deviation:
    placement = question.placement
    if question.kind is Kind.IMAGE_STORE and severity in (Severity.CRITICAL, Severity.HIGH):
        severity = Severity.MEDIUM
    disks = ", ".join(placement.disks)
    return Deviation(
        code=code,
        subject=question.subject,
        severity=severity,
        message=f"{question.label}: {CODES[code]} ({placement.placement.value}{': ' + disks if disks else ''}; {placement.why})",
        fix=_FIXES.get(code, "move the data to the storage its tier names"),
        measured=(("class", placement.placement.value), ("disks", disks), ("confidence", placement.confidence.value)),
    )
