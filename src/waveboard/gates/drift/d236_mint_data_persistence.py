"""D236 mint-data-persistence: every stateful container keeps its data where the tier says, and would still after a restart.

Why: a database in a container's layer, in a volume nobody named or below a mount that failed at boot looks healthy until the day
it is recreated. Redis that was told `appendonly yes` has no durability before its first rewrite has ended well.

Policy: the services of the host (container, data paths); where none is declared for a required container, every writable mount it
has; `target_storage_tier`, `data_mount`; the host's redis rule (`require_appendonly`, `require_named_volume_prefix`,
`require_bind_mount_prefix`); the kind of filesystem that the host's profile gives its data disk.

A line that no boot would mount (`noauto`, or another kind of filesystem than the one there) keeps nothing.

Judged by exact container name, in any state, at the exact data path, by the worst of what is at or below it as the container
itself sees it. A stopped container's mounts are only declared: that can fail the gate and never clears it. Sockets and other host
interfaces, read-only mounts and tmpfs of containers without declared data paths are not data.

Not judged: whether redis keeps its settings in a file (CONFIG GET is the running state), and backups.
"""

import re
from collections.abc import Iterator, Mapping

from waveboard.gates import seeds
from waveboard.gates.durability import CODES as REDIS_CODES
from waveboard.gates.durability import redis
from waveboard.gates.gate import Canary, Deviation, Doubt, Gate, Observation, Skip, identify
from waveboard.gates.matrix import CODES, LOCAL_FILESYSTEMS, Question, below, judge
from waveboard.model.contract import HostPolicy, Place, RedisRule, Service, Sourced
from waveboard.model.facts import Container, ContainerMount, Docker, Fstab, FstabEntry, HostFacts, Mount, Mounts, RedisConfig
from waveboard.model.finding import Severity
from waveboard.model.graph import HostPlacements, PlacementClass

DATABASES = frozenset({"postgres", "redis"})
ON_ROOT = frozenset({"boot-only", "local-ext4"})
ELSEWHERE = frozenset({"boot-backed", "boot-disk-partition", "mixed-disks", "volatile", "wrong-tier", "shadowed-mount"})
EXT = frozenset({"ext2", "ext3", "ext4"})  # one driver of the kernel mounts all three
DEVICE_NAME = re.compile(r"/dev/(sd|vd|xvd|hd|nvme|mmcblk)[a-z0-9]+")  # names that the kernel hands out anew at every boot


def present(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Every container the contract names exists, running or not."""
    wanted = _wanted(policy)
    if not wanted:
        yield Skip("no contract names a service or a required container")
        return
    there = {container.name for container in facts[Docker].containers}
    for name in wanted:
        if name not in there:
            yield Deviation(
                "container-missing",
                f"container:{name}",
                Severity.HIGH,
                f"the contract names container {name} and docker has none of that name in any state",
                fix="start it from its compose file, or correct the contract",
            )


def placed(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Every data path of every named container, through the tier's row of the matrix."""
    wanted = _wanted(policy)
    if not wanted:
        yield Skip("no contract names a service or a required container")
        return
    containers = {container.name: container for container in facts[Docker].containers}
    places = facts[HostPlacements].containers
    bound = {volume.name: volume.bound_to for volume in facts[Docker].volumes}
    for name, service in wanted.items():
        container = containers.get(name)
        if container is None:
            continue  # `present` says so
        known = places.get(name, {})
        for path in _data_paths(container, service):
            subject = f"container:{name}:{path}"
            placement = known.get(path)
            if placement is None:
                yield Doubt(subject, "where it lives was not worked out")
                continue
            database = service is not None and service.engine in DATABASES
            label = f"{path} of {name}"
            yield from judge(
                Question(subject, label, placement, host_path=_source(container, path, bound), database=database), policy
            )


def mount_survives(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """The declared data mount is mounted, and will be after a reboot."""
    if policy.data_mount is None:
        yield Skip("no contract names a data_mount")
        return
    if policy.tier is not None and policy.tier.value in ON_ROOT:
        yield Skip(f"data_mount of tier {policy.tier.value} is a directory, not a mount of its own")
        return
    target = policy.data_mount.value.rstrip("/")
    subject = f"mount:{target}"
    lines = [entry for entry in facts[Fstab].entries if entry.target.rstrip("/") == target]
    if not facts[Mounts].at(target):
        code, severity = ("not-mounted", Severity.CRITICAL) if lines else ("data-mount-missing", Severity.HIGH)
        why = (
            f"{target} is in {lines[0].origin} and is not mounted" if lines else f"nothing is mounted at the data mount {target}"
        )
        yield Deviation(
            code, subject, severity, f"{why}: what is written there goes to the disk below", fix="mount the data disk"
        )
        return
    yield from _what_is_there(facts, policy, target)
    fstype = facts[Mounts].at(target)[-1].fstype
    idle = [why for line in lines if (why := _not_at_boot(line, fstype))]
    if len(idle) == len(lines):
        why = f"{target} is mounted and nothing mounts it at boot{': ' if idle else ''}{'; '.join(idle)}"
        fix = "write it to /etc/fstab by UUID and prove the line by mounting it"
        yield Deviation("not-persisted", subject, Severity.MEDIUM, why, fix=fix)
    for line in lines:
        if DEVICE_NAME.fullmatch(line.spec):
            why = f"{line.origin} mounts {target} by {line.spec}, a name that may be another disk after a reboot"
            yield Deviation("fstab-by-device", subject, Severity.MEDIUM, why, fix="name the filesystem by UUID")


def _what_is_there(facts: HostFacts, policy: HostPolicy, target: str) -> Iterator[Observation]:
    """The data mount is of the kind the profile names, and not the boot disk under another name."""
    subject, label = f"mount:{target}", f"the data mount {target}"
    fstype = facts[Mounts].at(target)[-1].fstype
    if policy.data_fstype is not None and fstype != policy.data_fstype:
        why = f"{label} is {fstype}; the profile asks for {policy.data_fstype}"
        yield Deviation(
            "wrong-filesystem", subject, Severity.HIGH, why, fix="find out what is mounted there before anything is written"
        )
    placement = facts[HostPlacements].paths.get(target)
    if placement is None:
        yield Doubt(subject, "where it lives was not worked out")
        return
    told = judge(Question(subject, label, placement), policy)
    yield from (one for one in told if isinstance(one, Doubt) or one.code in ELSEWHERE)


def _not_at_boot(line: FstabEntry, fstype: str) -> str:
    """Why this line will not bring the mounted filesystem back, "" when it will."""
    if not line.at_boot:
        return f"the line in {line.origin} says noauto"
    kinds = {_kind(kind) for kind in line.fstype.split(",")}
    if fstype in LOCAL_FILESYSTEMS | EXT and not kinds & {"auto", "none", _kind(fstype)}:
        return f"the line in {line.origin} says {line.fstype}, and the filesystem is {fstype}"
    return ""


def _kind(fstype: str) -> str:
    return "ext" if fstype in EXT else fstype


def _wanted(policy: HostPolicy) -> dict[str, Service | None]:
    """Named containers with their service, None where only the name is required."""
    names: dict[str, Service | None] = {required.value: None for required in policy.required_containers}
    return names | {service.container: service for service in policy.services}


def _data_paths(container: Container, service: Service | None) -> tuple[str, ...]:
    """The declared data paths; without a declaration, every writable mount."""
    if service is not None and service.data_paths:
        return service.data_paths
    return tuple(mount.destination for mount in container.mounts if mount.keeps_data)


def _source(container: Container, path: str, bound: Mapping[str, str | None]) -> str | None:
    """The host path behind a container path: source of the deepest mount that covers it, or what its volume is bound to."""
    covering = [mount for mount in container.mounts if below(path, mount.destination)]
    if not covering:
        return None
    deepest = max(covering, key=lambda mount: len(mount.destination))
    source = bound.get(deepest.name) or deepest.source
    return source.rstrip("/") + path[len(deepest.destination.rstrip("/")) :] if source else None


def _canary() -> Canary:
    """Seeded: a missing container, redis in a nameless volume on the boot disk without a log, a mount by device name. Look-alike:
    the same host after repair, with an exporter beside it whose name also contains postgres and whose data nobody declared."""

    def given(text: str) -> Sourced[str]:
        return Sourced(text, Place("canary"))

    rule = RedisRule(Sourced(value=True, place=Place("canary")), given("canary_"))
    services = (Service("postgres", "postgres", ("/pg",)), Service("redis", "redis", ("/data",)))
    policy = HostPolicy(
        seeds.HOST,
        tier=given("tank-vms"),
        data_mount=given("/mnt/data"),
        services=services,
        redis=rule,
        container_probes=("redis",),
        data_fstype="ext4",
    )
    other = Mounts((Mount(1, 0, "8:16", "/", "/mnt/data", (), "xfs", "/dev/vda", ()),))
    table = Mounts((Mount(1, 0, "8:16", "/", "/mnt/data", (), "ext4", "/dev/vda", ()),))
    nameless = ContainerMount("volume", "/data", "/var/lib/docker/volumes/a/_data", name="a" * 64)
    named = ContainerMount("volume", "/data", "/mnt/data/docker/volumes/canary_redis/_data", name="canary_redis")
    exporter = seeds.container("postgres-exporter", ContainerMount("bind", "/scratch", "/srv", rw=True))
    boot = seeds.placement("/data", PlacementClass.BOOT, "ANONYMOUS", container="redis")
    good = seeds.placement("/data", PlacementClass.DATA, container="redis")
    postgres = seeds.container("postgres", ContainerMount("bind", "/pg", "/mnt/data/pg"))
    seeded = seeds.fleet(
        policy,
        seeds.docker(seeds.container("redis", nameless), exporter),
        seeds.places(containers={"redis": {"/data": boot}}),
        other,
        Fstab((FstabEntry("/dev/vda", "/mnt/data", "ext4", ()),)),
        RedisConfig({"redis": {"appendonly": "no", "save": "", "dir": "/"}}),
    )
    durable = {"dir": "/data", "appendonly": "yes", "save": "3600 1", "aof_enabled": "1", "aof_rewrite_in_progress": "0"}
    durable |= {"aof_rewrite_scheduled": "0", "aof_last_bgrewrite_status": "ok", "aof_last_write_status": "ok"}
    lookalike = seeds.fleet(
        policy,
        seeds.docker(postgres, seeds.container("redis", named), exporter),
        seeds.places(paths={"/mnt/data": good}, containers={"redis": {"/data": good}, "postgres": {"/pg": good}}),
        table,
        Fstab((FstabEntry("UUID=1", "/mnt/data", "ext4", ()),)),
        RedisConfig({"redis": durable | {"rdb_last_bgsave_status": "ok"}}),
    )
    codes = {"container-missing", "boot-backed", "anonymous-volume", "fstab-by-device", "wrong-filesystem"}
    redis_codes = {"redis-appendonly-off", "redis-dir-elsewhere", "redis-save-empty", "redis-volume-not-named"}
    return Canary(seeded, frozenset(codes | redis_codes), lookalike)


GATE = Gate(
    *identify(__name__),
    doc=__doc__,
    severity=Severity.HIGH,
    ring="instant",
    needs=(Docker, HostPlacements, Mounts, Fstab, RedisConfig),
    codes={
        **CODES,
        **REDIS_CODES,
        "container-missing": "a container the contract names does not exist in any state",
        "data-mount-missing": "nothing is mounted where the contract puts the data",
        "wrong-filesystem": "the data mount is another kind of filesystem than the host's profile asks for",
        "fstab-by-device": "the data mount is named by a kernel device name, which may be another disk after a reboot",
    },
    canary=_canary,
    hosts=(present, placed, mount_survives, redis),
)
