"""`infra.storage.placement.policy.yaml` as the operator writes it: where each VM's data is and where it belongs."""

from typing import Any

from waveboard.contracts.formats.shape import (
    AbsPath,
    DataMount,
    Doc,
    Gigabytes,
    HostId,
    Ignored,
    Operator,
    OperatorFile,
    Percent,
    VmId,
)

TIERS = ("boot-only", "tank-docker", "tank-vms", "nfs-media", "local-ext4")
STATUSES = ("compliant", "partial", "violation", "accepted-risk")


class NfsMount(Operator):
    """One network mount the VM is to have."""

    path: AbsPath
    source: str
    mode: Doc = None


class VmStorage(Operator):
    """What one VM stores where. data_source is prose in the operator's file."""

    vmid: VmId | None = None
    boot_disk_gb: Gigabytes | None = None
    current_storage_tier: str | None = None
    target_storage_tier: str | None = None
    data_mount: DataMount | None = None
    data_source: str | None = None
    nfs_mounts: list[NfsMount] | None = None
    status: str | None = None
    notes: Doc = None
    gap: Any = None


class Thresholds(Operator):
    """Root usage, the oldest of the three places that say it."""

    boot_usage_warn_pct: Percent | None = None
    boot_usage_critical_pct: Percent | None = None


class Placement(OperatorFile):
    """The whole file."""

    boot_drive_acceptable: Ignored = None
    boot_drive_violations: Ignored = None
    thresholds: Thresholds | None = None
    vm_storage: dict[HostId, VmStorage] | None = None
    remediation_priority: Ignored = None
