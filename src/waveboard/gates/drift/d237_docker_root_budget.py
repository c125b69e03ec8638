"""D237 docker-root-budget: the root filesystem and what docker keeps stay within the host's budget.

Why: images, build cache, volumes and logs grow without limit, and a full root filesystem stops every service on the host. A full
inode table stops them as surely with bytes to spare.

Policy: `thresholds.root_usage_warn_pct`, `root_usage_fail_pct` (bytes and inodes of `/`), `docker_images_warn_gb`,
`docker_build_cache_warn_gb`, `docker_local_volumes_warn_gb`, `data_usage_warn_pct`, `data_usage_fail_pct` (the filesystem at
`data_mount`). Each is judged where a contract gives it and skipped, by name, where none does; reaching a threshold violates it.
`<host>_contract.require_log_rotation: true` asks for the log limits of the VM's profile (`storage.log_rotation`): of the daemon, which
gives them to new containers, and of every container in any state, since one keeps the limits it was made with.

Sizes are bytes from the Engine API, images counted once however many layers they share. One finding a resource, whatever the
level: the level is its severity (medium from the warning, high from the failure threshold), so the fingerprint stays.

Not judged: containers whose driver keeps no file of their lines below docker's root (journald, syslog, none …).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from waveboard.gates import seeds
from waveboard.gates.gate import Canary, Deviation, Doubt, Gate, Observation, Skip, identify
from waveboard.model.contract import HostPolicy, Place, Sourced, Thresholds
from waveboard.model.facts import Docker, FilesystemUsage, HostFacts, Usage
from waveboard.model.finding import Severity
from waveboard.model.logs import LogRule, LogSettings, daemon_settings
from waveboard.model.units import GB, MB, show_size
from waveboard.model.vm import LogRotation

Limit = Sourced[float] | None


def root_bytes(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Used share of `/`, as df counts it."""
    limits = policy.thresholds.root_warn_pct, policy.thresholds.root_fail_pct
    if limits == (None, None):
        yield Skip("no contract gives root_usage_warn_pct or root_usage_fail_pct")
        return
    filesystem = facts[Usage].filesystems.get("/")
    if filesystem is None:
        yield Doubt("root", "the usage of / is not among the facts")
        return
    free = f"{show_size(filesystem.available_bytes)} left"
    yield from _share("root-usage", "root", "the root filesystem", filesystem.used_pct, limits, free)


def root_inodes(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Used share of the inodes of `/`. A filesystem without a fixed table (btrfs, zfs) counts none and cannot run out of them."""
    limits = policy.thresholds.root_warn_pct, policy.thresholds.root_fail_pct
    if limits == (None, None):
        yield Skip("no contract gives root_usage_warn_pct or root_usage_fail_pct")
        return
    filesystem = facts[Usage].filesystems.get("/")
    if filesystem is None:
        yield Doubt("root", "the usage of / is not among the facts")
    elif not filesystem.inodes or filesystem.inodes_used is None:
        yield Skip("the filesystem of / counts no inodes")
    else:
        yield from _share("root-inodes", "root", "the inode table of /", _inodes_pct(filesystem), limits, "inodes")


def filesystem_of_data(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Used share of the filesystem at data_mount."""
    limits = policy.thresholds.data_warn_pct, policy.thresholds.data_fail_pct
    if limits == (None, None):
        yield Skip("no contract gives data_usage_warn_pct or data_usage_fail_pct")
    elif policy.data_mount is None:
        yield Skip("no contract names a data_mount whose usage could be judged")
    else:
        target = policy.data_mount.value
        filesystem = facts[Usage].filesystems.get(target)
        if filesystem is None:
            yield Doubt("data-usage", f"nothing is mounted at {target}, or its usage is not among the facts")
            return
        free = f"{show_size(filesystem.available_bytes)} left"
        yield from _share("data-usage", "data", f"the filesystem at {target}", filesystem.used_pct, limits, free)


def images(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Image layers, each counted once."""
    docker_images = facts[Docker].images if policy.thresholds.images_warn_bytes else None
    note = ""
    if docker_images and all(image.containers >= 0 for image in docker_images):
        unused = sum(1 for image in docker_images if image.containers == 0)
        note = f"; {unused} of {len(docker_images)} images are used by no container"
    limit = policy.thresholds.images_warn_bytes
    yield from _size("images-size", "images", "docker_images_warn_gb", limit, facts, lambda docker: docker.layers_bytes, note)


def build_cache(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """The build cache."""
    limit = policy.thresholds.build_cache_warn_bytes
    size = "build-cache-size", "build cache", "docker_build_cache_warn_gb"
    yield from _size(*size, limit, facts, lambda docker: docker.build_cache_bytes)


def volumes(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Local volumes together; one bound to a directory keeps no bytes of its own. A known part that alone reaches the limit is a
    certain violation."""
    limit = policy.thresholds.volumes_warn_bytes
    if limit is None:
        yield Skip("no contract gives docker_local_volumes_warn_gb")
        return
    docker = facts[Docker]
    sizes = {volume.name: volume.size_bytes for volume in docker.volumes if volume.bound_to is None}
    known = sum(size for size in sizes.values() if size is not None)
    unknown = sum(1 for size in sizes.values() if size is None)
    used = {mount.name for container in docker.containers for mount in container.mounts if mount.type == "volume"}
    idle = [name for name in sizes if name not in used]
    note = f"; {len(idle)} of {len(sizes)} volumes are used by no container" if idle else ""
    if known >= limit.value:
        yield _too_big("volumes-size", "local volumes", known, limit.value, note)
    if unknown:
        yield Doubt("volumes-size", f"the size of {unknown} of {len(sizes)} volumes is not known")


def log_limits(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """The limits that the daemon gives to new containers, and those that each container has."""
    if policy.logs is None:
        yield Skip("no contract asks for require_log_rotation")
        return
    if policy.logs.limits is None:
        yield Doubt("log-limits", f"{policy.logs.asked} asks for log rotation and no profile gives this host's log_rotation")
        return
    docker, wanted = facts[Docker], policy.logs.limits
    if docker.daemon_json is None:
        yield Doubt("docker:log-limits", "daemon.json could not be read, so what new containers get is not known")
    else:
        given = daemon_settings(docker.daemon_json)
        above = ["daemon.json is no JSON object"] if given is None else list(given.above(wanted))
        if above:
            yield _unlimited("log-limits", "docker:log-limits", f"the daemon: {'; '.join(above)}", "set_log_rotation sets them")
    for container in docker.containers:
        subject = f"container:{container.name}"
        if container.log is None:
            yield Doubt(subject, "its log settings were not told")
        elif above := list(container.log.above(wanted)):
            fix = (
                "once the daemon has limits and has started with them, make the container again: it keeps those it was made with"
            )
            yield _unlimited("container-log-limits", subject, f"{container.name}: {'; '.join(above)}", fix)


def _unlimited(code: str, subject: str, message: str, fix: str) -> Deviation:
    return Deviation(code, subject, Severity.MEDIUM, f"logs may grow beyond the profile's limits: {message}", fix=fix)


def _share(code: str, subject: str, what: str, pct: float, limits: tuple[Limit, Limit], rest: str) -> Iterator[Observation]:
    warn, fail = limits
    reached = fail if fail and pct >= fail.value else warn if warn and pct >= warn.value else None
    if reached is not None:
        level = "failure" if reached is fail else "warning"
        yield Deviation(
            code,
            subject,
            Severity.HIGH if reached is fail else Severity.MEDIUM,
            f"{what} is {pct:.0f} % full ({rest}); the {level} threshold is {reached.value:g} %",
            fix="find what grew (logs, images, volumes, old trees) before asking for a bigger disk",
            measured=(("used_pct", f"{pct:.1f}"), ("threshold_pct", f"{reached.value:g}")),
        )


def _size(
    code: str,
    what: str,
    key: str,
    limit: Sourced[int] | None,
    facts: HostFacts,
    size: Callable[[Docker], int | None],
    note: str = "",
) -> Iterator[Observation]:
    if limit is None:
        yield Skip(f"no contract gives {key}")
        return
    found = size(facts[Docker])
    if found is None:
        yield Doubt(code, f"docker did not tell the size of its {what}")
    elif found >= limit.value:
        yield _too_big(code, what, found, limit.value, note)


def _too_big(code: str, what: str, size_bytes: int, limit_bytes: int, note: str) -> Deviation:
    return Deviation(
        code,
        f"docker:{what.replace(' ', '-')}",
        Severity.MEDIUM,
        f"docker's {what} take {show_size(size_bytes)}; the budget is {show_size(limit_bytes)}{note}",
        fix="remove exactly listed items in an approved change; nothing prunes",
        measured=(("bytes", str(size_bytes)), ("threshold_bytes", str(limit_bytes))),
    )


def _inodes_pct(filesystem: FilesystemUsage) -> float:
    return 100.0 * (filesystem.inodes_used or 0) / (filesystem.inodes or 1)


def _canary() -> Canary:
    """Seeded: everything at its threshold exactly, logs without limits. Look-alike: everything just below it, logs at their limits."""
    given = partial(Sourced, place=Place("canary"))
    thresholds = Thresholds(
        given(60.0),
        given(80.0),
        given(15 * GB),
        given(10 * GB),
        given(30 * GB),
        data_warn_pct=given(60.0),
        data_fail_pct=given(90.0),
    )
    limits = LogRule(Place("canary"), LogRotation(10 * MB, 3))
    policy = HostPolicy(seeds.HOST, data_mount=given("/mnt/data"), thresholds=thresholds, logs=limits)
    limited = '{"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}'
    seeded, lookalike = (
        seeds.fleet(
            policy,
            Usage({target: seeds.filesystem(target, 60 - less, inodes_pct=60 - less) for target in ("/", "/mnt/data")}),
            seeds.docker(
                replace(seeds.container("c"), log=log),
                daemon_json=daemon_json,
                layers_bytes=15 * GB - less,
                build_cache_bytes=10 * GB - less,
                volumes=(seeds.volume("v", 30 * GB - less),),
            ),
        )
        for less, daemon_json, log in (
            (0, "{}", LogSettings("json-file")),
            (1, limited, LogSettings("json-file", "10000k", "3")),
        )
    )
    return Canary(seeded, frozenset(GATE.codes), lookalike)


GATE = Gate(
    *identify(__name__),
    doc=__doc__,
    severity=Severity.MEDIUM,
    needs=(Usage, Docker),
    codes={
        "root-usage": "the root filesystem is fuller than the contract allows",
        "root-inodes": "the inode table of the root filesystem is fuller than the contract allows",
        "data-usage": "the filesystem at data_mount is fuller than the contract allows",
        "images-size": "images take more than their budget",
        "build-cache-size": "the build cache takes more than its budget",
        "volumes-size": "local volumes take more than their budget",
        "log-limits": "the daemon gives new containers no log limits, or wider ones than the profile",
        "container-log-limits": "a container was made without log limits, or with wider ones than the profile",
    },
    canary=_canary,
    hosts=(root_bytes, root_inodes, filesystem_of_data, images, build_cache, volumes, log_limits),
)
