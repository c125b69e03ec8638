"""Where data lives: nodes, edges and the answer to one question. Building and walking happen in audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class PlacementClass(Enum):
    """The classes of notes on storage, section 1.1, under DESIGN's names."""

    BOOT = "BOOT"
    MIXED = "MIXED"
    DATA = "DATA"
    NET = "NET"
    NETDISK = "NETDISK"
    VOLATILE = "VOLATILE"
    LAYER = "LAYER"
    UNKNOWN = "UNKNOWN"


class Confidence(Enum):
    """How the answer is known. `declared` and `lexical` may fail a gate, never clear one."""

    OBSERVED = "observed"
    DECLARED = "declared"
    LEXICAL = "lexical"
    NONE = "none"


class Node(NamedTuple):
    """One link of the chain. kind: path | container | volume | mount | filesystem | subvolume | pool | lv | md | crypt | dm | bcache |
    drbd | zvol | loop | multipath | partition | disk | net | ram | overlay | unknown. name is the kernel's or the mount's own."""

    kind: str
    name: str
    detail: str = ""


class Placement(NamedTuple):
    """The one answer to "is this data on the boot disk?".

    disks: kernel names of the leaf disks, sorted. boot: None when it cannot be known. predicted: for a path that does not
    exist yet, the class it would get. flags: BOOT_DISK_OTHER_FS, FSTAB_NOT_MOUNTED, FSTAB_OTHER_DEVICE, NOT_PERSISTED,
    PERSISTENCE_UNKNOWN, READ_ONLY, SHADOWED, LATE_MOUNT, ANONYMOUS, PATH_MISSING, BLOCKED, AUTOFS_PENDING, VG_SHARED_WITH_BOOT,
    DEGRADED, DUPLICATE_UUID, LOWER_ELSEWHERE, LAYERS_ELSEWHERE.
    """

    path: str
    mount_target: str | None
    mount_source: str | None
    mount_fstype: str | None
    chain: tuple[Node, ...]
    disks: tuple[str, ...]
    placement: PlacementClass
    boot: bool | None
    confidence: Confidence
    why: str
    flags: tuple[str, ...] = ()
    container: str | None = None
    predicted: PlacementClass | None = None


@dataclass(frozen=True, slots=True)
class HostPlacements:
    """Every placement the gates may need for one host, computed once.

    paths: host paths asked for by the contract. containers: container name -> path inside it -> placement, for every mount
    destination and every declared data path.
    """

    boot_disks: tuple[str, ...]
    docker_root: Placement | None
    paths: Mapping[str, Placement]
    containers: Mapping[str, Mapping[str, Placement]]
