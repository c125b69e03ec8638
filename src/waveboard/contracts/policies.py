"""What the contracts ask of each host, gathered from placement, lifecycle, guard and services into one HostPolicy."""

from collections.abc import Iterator
from typing import Any

from waveboard.contracts.estate import Estate, Section
from waveboard.contracts.formats.placement import TIERS, VmStorage
from waveboard.contracts.formats.placement import Thresholds as Numbers
from waveboard.contracts.formats.stateful import Host
from waveboard.contracts.machines import rotation_of, shares_of
from waveboard.contracts.typed import Read
from waveboard.model.contract import HostPolicy, RedisRule, S3Access, Service, Sourced, Thresholds
from waveboard.model.logs import LogRule
from waveboard.model.units import GB, MB


def policies(estate: Estate) -> dict[str, HostPolicy]:
    """One policy for every target, and for every machine that only the storage contracts name."""
    storage = {
        estate.reached_as.get(name, name): (read, name, value)
        for read in estate.placement
        for name, value in (read.value.vm_storage or {}).items()
    }
    hosts = {name: (read, value) for read in estate.services for name, value in read.value.hosts.items()}
    names = sorted({*(estate.host_ids or ()), *storage, *hosts})
    return {name: _policy(estate, name, storage.get(name), hosts.get(name)) for name in names}


def _policy(
    estate: Estate, host: str, storage: tuple[Read[Any], str, VmStorage] | None, services: tuple[Read[Any], Host] | None
) -> HostPolicy:
    section = estate.section_of(host)
    entry, own = storage[2] if storage else VmStorage(), services[1] if services else Host()
    return HostPolicy(
        host=host,
        vmid=next(iter(ids)) if len(ids := estate.vm_ids.get(host, frozenset())) == 1 else None,
        tier=_sourced(storage, "target_storage_tier") if entry.target_storage_tier in TIERS else None,
        data_mount=_sourced(storage, "data_mount"),
        boundary=own.boundary or "disk",
        allow_network_block=own.allow_network_block or False,
        nfs_mounts=tuple((mount.path, mount.source) for mount in entry.nfs_mounts or ()) or shares_of(estate, host),
        services=_services(host, services),
        required_containers=_required(section),
        write_surface_patterns=tuple(section.value.write_surface_patterns or ()) if section else (),
        redis=_redis(section),
        logs=_logs(estate, host, section),
        thresholds=_thresholds(estate, host, storage),
        container_probes=tuple(own.container_probes),
        data_disk_serial=own.data_disk_serial,
    )


def placement_thresholds(estate: Estate) -> Iterator[tuple[str, Sourced[float]]]:
    """What the placement policies call their thresholds, for conditions. Where two files differ there is no value."""
    for name in type(Numbers()).model_fields:
        given = [
            Sourced(float(value), read.at("thresholds", name))
            for read in estate.placement
            if read.value.thresholds and (value := getattr(read.value.thresholds, name)) is not None
        ]
        if len({one.value for one in given}) == 1:
            yield name, given[0]


def _sourced(storage: tuple[Read[Any], str, VmStorage] | None, key: str) -> Sourced[str] | None:
    if storage is None or (value := getattr(storage[2], key)) is None:
        return None
    return Sourced(value, storage[0].at("vm_storage", storage[1], key))


def _services(host: str, services: tuple[Read[Any], Host] | None) -> tuple[Service, ...]:
    if services is None:
        return ()
    read, own = services
    return tuple(
        Service(
            one.container,
            one.engine,
            tuple(one.data_paths),
            one.data_dir,
            read.at("hosts", host, "services", at),
            S3Access(one.s3.port, one.s3.access_env, one.s3.secret_env) if one.s3 else None,
        )
        for at, one in enumerate(own.services)
    )


def _required(section: Section | None) -> tuple[Sourced[str], ...]:
    names = section.value.required_containers or () if section else ()
    if section is None:
        return ()
    return tuple(Sourced(name, section.guard.at(section.key, "required_containers", at)) for at, name in enumerate(names))


def _redis(section: Section | None) -> RedisRule | None:
    redis = section.value.redis if section else None
    if redis is None or section is None:
        return None

    def asked(key: str) -> Any:
        value = getattr(redis, key)
        return Sourced(value, section.guard.at(section.key, "redis", key)) if value not in (None, "") else None

    return RedisRule(asked("require_appendonly"), asked("require_named_volume_prefix"), asked("require_bind_mount_prefix"))


def _logs(estate: Estate, host: str, section: Section | None) -> LogRule | None:
    if section is None or section.value.require_log_rotation is not True:
        return None
    return LogRule(section.guard.at(section.key, "require_log_rotation"), rotation_of(estate, host))


def _thresholds(estate: Estate, host: str, storage: tuple[Read[Any], str, VmStorage] | None) -> Thresholds:
    guard = estate.guard_of.get(host)
    if guard is None:
        return _placement_thresholds(storage[0]) if storage else Thresholds()
    numbers = guard.value.thresholds

    def share(key: str) -> Sourced[float]:
        return Sourced(float(getattr(numbers, key)), guard.at("thresholds", key))

    def optional(key: str) -> Sourced[float] | None:
        return None if getattr(numbers, key) is None else share(key)

    def size(key: str, unit: int) -> Sourced[int]:
        return Sourced(round(getattr(numbers, key) * unit), guard.at("thresholds", key))

    return Thresholds(
        root_warn_pct=share("root_usage_warn_pct"),
        root_fail_pct=share("root_usage_fail_pct"),
        images_warn_bytes=size("docker_images_warn_gb", GB),
        build_cache_warn_bytes=size("docker_build_cache_warn_gb", GB),
        volumes_warn_bytes=size("docker_local_volumes_warn_gb", GB),
        tmp_large_file_bytes=size("host_tmp_large_file_mb", MB),
        writable_layer_warn_bytes=size("container_rootfs_warn_mb", MB),
        data_warn_pct=optional("data_usage_warn_pct"),
        data_fail_pct=optional("data_usage_fail_pct"),
    )


def _placement_thresholds(read: Read[Any]) -> Thresholds:
    numbers = read.value.thresholds
    if numbers is None:
        return Thresholds()

    def share(key: str) -> Sourced[float] | None:
        value = getattr(numbers, key)
        return None if value is None else Sourced(float(value), read.at("thresholds", key))

    return Thresholds(root_warn_pct=share("boot_usage_warn_pct"), root_fail_pct=share("boot_usage_critical_pct"))
