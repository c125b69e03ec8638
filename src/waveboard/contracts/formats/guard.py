"""`mint.storage.guard.policy.yaml`, or any file given as `guard`: the numbers of the drift gates, and what single hosts owe.

A top-level key `<host>_contract` (host id with `-` and `.` as `_`) is that host's section. Every threshold is required: a gate
has no number of its own. Only those of the filesystem at `data_mount` may be absent; then nothing judges it.
"""

from typing import Any, Literal

from waveboard.contracts.formats.shape import Container, Gigabytes, Ignored, Megabytes, Operator, OperatorFile, Percent

SECTION = "_contract"


class Mode(Operator):
    """default_policy is the mode of packs that name none."""

    default_policy: Literal["report", "enforce"]
    active_wave: Ignored = None
    enforce_enabled: bool | None = None
    no_runtime_mutation: Ignored = None


class Thresholds(Operator):
    """GB and MB are decimal: 10**9 and 10**6 bytes. The data filesystem's shares are waveboard's own addition and optional."""

    root_usage_warn_pct: Percent
    root_usage_fail_pct: Percent
    docker_images_warn_gb: Gigabytes
    docker_build_cache_warn_gb: Gigabytes
    docker_local_volumes_warn_gb: Gigabytes
    host_tmp_large_file_mb: Megabytes
    container_rootfs_warn_mb: Megabytes
    data_usage_warn_pct: Percent | None = None
    data_usage_fail_pct: Percent | None = None


class Redis(Operator):
    """An empty prefix asks for nothing."""

    require_appendonly: bool | None = None
    require_named_volume_prefix: str | None = None
    require_bind_mount_prefix: str | None = None


class HostSection(Operator):
    """`<host>_contract`. require_log_rotation: docker's logs are held to the `log_rotation` of the VM's profile."""

    require_log_rotation: bool | None = None
    redis: Redis | None = None
    required_containers: list[Container] | None = None
    write_surface_patterns: list[str] | None = None


class Promotion(Operator):
    """Sentences: reported as rules that nothing reads."""

    prerequisites: Any = None
    rollback_trigger: Any = None


class Guard(OperatorFile):
    """The whole file; the host sections are checked by HostSection."""

    mode: Mode | None = None
    thresholds: Thresholds
    promotion_to_enforce: Promotion | None = None
