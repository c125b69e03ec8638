"""What changed on a host between two readings: mutations by stable names. Sizes, load and what containers write are no mutations.

Says also what could not be compared: a noun that one of the readings lacks. Who caused a change is not asked here.
"""

from collections.abc import Callable, Iterator, Mapping

from waveboard.model.claim import Difference, Mutation
from waveboard.model.facts import (
    BlockDevices,
    ConfigFiles,
    Container,
    Docker,
    Fstab,
    HostFacts,
    LargeFiles,
    Mounts,
    RedisConfig,
    Software,
    Swaps,
    Unavailable,
)

Table = Mapping[str, str]  # subject -> what it is now
_DISKLESS = frozenset(("overlay", "nsfs", "proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "securityfs",
                       "debugfs", "tracefs", "fusectl", "configfs", "pstore", "bpf", "hugetlbfs", "autofs", "binfmt_misc", "ramfs",
                       "efivarfs", "rpc_pipefs"))  # fmt: skip
_PASSING = ("loop", "ram", "zram", "sr", "fd", "nbd")  # block devices that come and go, or carry nothing
_BY_PERMISSION = (RedisConfig,)  # asked only where a contract allows it: never asked, before and after, hides nothing new
_REDIS_KEYS = ("appendonly", "save", "dir", "appendfsync", "dbfilename", "appenddirname")


def difference(before: HostFacts, after: HostFacts) -> Difference:
    """Both of the same host; an hour or a year apart."""
    host = after.host
    found = [*_identity(before, after)]
    unseen: list[str] = []
    for noun, tables in _NOUNS:
        old, new = before.get(noun), after.get(noun)
        if isinstance(old, Unavailable) or isinstance(new, Unavailable):
            reason = old.reason if isinstance(old, Unavailable) else new.reason if isinstance(new, Unavailable) else ""
            if not (old == new and (noun in _BY_PERMISSION or "not installed" in reason)):
                unseen.append(f"{host}: {noun.__name__}: {reason}")
            continue
        was, now = tables(old), tables(new)
        for kind in now:
            found += _changes(host, kind, was[kind], now[kind])
    unique = {mutation.name: mutation for mutation in found}
    return Difference(host, tuple(unique.values()), tuple(unseen))


def _changes(host: str, kind: str, was: Table, now: Table) -> Iterator[Mutation]:
    for subject in sorted({*was, *now}):
        if was.get(subject) != now.get(subject):
            yield Mutation(host, kind, subject, was.get(subject, ""), now.get(subject, ""))


def _identity(before: HostFacts, after: HostFacts) -> Iterator[Mutation]:
    old, new = before.identity, after.identity
    if old.machine_id and new.machine_id and old.machine_id != new.machine_id:
        yield Mutation(after.host, "machine", "machine-id", old.machine_id, new.machine_id)
    if old.boot_id and new.boot_id and old.boot_id != new.boot_id:
        yield Mutation(after.host, "reboot", "boot-id", old.boot_id, new.boot_id)


def _mounts(noun: Mounts) -> Mapping[str, Table]:
    """What is mounted from disks and the network, without docker's own mounts."""
    return {
        "mount": {
            m.target: f"{m.source} {m.fstype} {m.root} {'ro' if 'ro' in m.options else 'rw'}"
            for m in noun.table
            if m.fstype not in _DISKLESS and "/docker/" not in m.target and not m.target.startswith("/run/")
        }
    }


def _fstab(noun: Fstab) -> Mapping[str, Table]:
    lines: dict[str, list[str]] = {}
    for entry in noun.entries:
        lines.setdefault(entry.origin, []).append(f"{entry.spec} {entry.target} {entry.fstype} {','.join(entry.options)}")
    return {"file": {origin: "; ".join(told) for origin, told in lines.items()}}


def _devices(noun: BlockDevices) -> Mapping[str, Table]:
    whole = (d for d in noun.devices.values() if not d.name.startswith(_PASSING) and not d.loop_file)
    return {"device": {d.serial or d.name: f"{d.size_bytes} bytes" for d in whole}}


def _docker(noun: Docker) -> Mapping[str, Table]:
    return {
        "docker-root": {"docker": noun.root_dir, **({"containerd": noun.containerd_root} if noun.containerd_root else {})},
        "container": {c.name: _container(c) for c in noun.containers},
        "volume": {
            v.name: f"{v.driver} {' '.join(f'{k}={v.options[k]}' for k in sorted(v.options))}".strip() for v in noun.volumes
        },
        "image": {i.id: " ".join(sorted(i.tags)) or "untagged" for i in noun.images or ()},
        "build-cache": {record.id: "kept" for record in noun.build_cache},
    }


def _container(one: Container) -> str:
    mounts = sorted(f"{m.type}:{m.name or m.source}:{m.destination}" for m in one.mounts)
    return f"{one.id[:12]} {one.image} {one.image_id[:19]} {one.state} {one.restart} {' '.join(mounts)}".rstrip()


def _redis(noun: RedisConfig) -> Mapping[str, Table]:
    told = {name: {k: said[k] for k in _REDIS_KEYS if k in said} for name, said in noun.by_container.items()}
    return {"redis": {name: " ".join(f"{k}={v!r}" for k, v in said.items()) for name, said in told.items()}}


_NOUNS: tuple[tuple[type, Callable[..., Mapping[str, Table]]], ...] = (
    (Mounts, _mounts),
    (ConfigFiles, lambda noun: {"file": {path: file.digest for path, file in noun.by_path.items()}}),
    (Fstab, _fstab),
    (BlockDevices, _devices),
    (Swaps, lambda noun: {"swap": dict.fromkeys(noun.paths, "on")}),
    (Docker, _docker),
    (RedisConfig, _redis),
    (LargeFiles, lambda noun: {"large-file": {path: "there" for path, _ in noun.files}}),
    (Software, lambda noun: {"software": dict(noun.versions)}),
)
