"""D238 mint-apps-write-surface: what applications write has a place that somebody owns.

Why: uploads below a container's own `/tmp`, large files left in the host's `/tmp` and a growing writable layer fill the boot disk
and are lost with the container.

Policy: `write_surface_patterns`, `thresholds.host_tmp_large_file_mb`, `thresholds.container_rootfs_warn_mb`. A pattern with a
wildcard matches the whole path or its last component; one that begins with `/` matches that path and what is below it; any other
matches inside the last component.

A surface is governed when a bind mount or a volume with a name covers it and that mount is itself persistent. A tmpfs, an
anonymous volume and the writable layer are not; that something covers the path is not enough. One finding a container and
pattern, the first that matches, so directories with random names do not make new findings.

Not judged: writable paths other than those the audit listed; their growth still shows in the writable layer's size.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from waveboard.gates import seeds
from waveboard.gates.gate import Canary, Deviation, Doubt, Gate, Observation, Skip, identify
from waveboard.gates.matrix import below
from waveboard.model.contract import HostPolicy, Place, Sourced, Thresholds
from waveboard.model.facts import Container, ContainerMount, Docker, HostFacts, LargeFiles, WriteSurfaces
from waveboard.model.finding import Severity
from waveboard.model.graph import HostPlacements, Placement, PlacementClass
from waveboard.model.units import MB, show_size

SHOWN = 3  # examples named in a message; the count is always whole
LOST = {
    PlacementClass.VOLATILE: "in memory",
    PlacementClass.LAYER: "in the container's writable layer",
}


def large_files(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Large files in the host's /tmp."""
    limit = policy.thresholds.tmp_large_file_bytes
    if limit is None:
        yield Skip("no contract gives host_tmp_large_file_mb")
        return
    seen = facts[LargeFiles]
    if limit.value < seen.floor_bytes:
        floor, asked = show_size(seen.floor_bytes), show_size(limit.value)
        yield Doubt("host:/tmp", f"files below {floor} were not looked for, and the contract asks from {asked} on")
    found = sorted((size, path) for path, size in seen.files if size >= limit.value)
    if found:
        named = [f"{path} ({show_size(size)})" for size, path in reversed(found)]
        yield Deviation(
            "tmp-large-file",
            "host:/tmp",
            Severity.MEDIUM,
            f"{len(found)} files of {show_size(limit.value)} or more in the host's /tmp: {_few(named)}",
            fix="find who writes them and give it a place of its own; remove them as listed items of an approved change",
            measured=(("files", str(len(found))), ("bytes", str(sum(size for size, _ in found)))),
        )


def surfaces(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Write surfaces inside containers that no persistent mount covers."""
    if not policy.write_surface_patterns:
        yield Skip("no contract gives write_surface_patterns")
        return
    listed = facts[WriteSurfaces].by_container
    for container in facts[Docker].containers:
        paths = listed.get(container.name)
        if paths is None:
            if container.writing:
                yield Doubt(f"container:{container.name}", "its writable directories could not be listed")
            continue
        by_pattern: dict[str, list[str]] = {}
        for path, _ in paths:
            pattern = next((one for one in policy.write_surface_patterns if matches(one, path)), None)
            if pattern is not None:
                by_pattern.setdefault(pattern, []).append(path)
        for pattern, found in by_pattern.items():
            yield from _surface(facts, container, pattern, found)


def writable_layers(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Writable layers at or above the threshold."""
    limit = policy.thresholds.writable_layer_warn_bytes
    if limit is None:
        yield Skip("no contract gives container_rootfs_warn_mb")
        return
    for container in facts[Docker].containers:
        size, subject = container.writable_bytes, f"container:{container.name}"
        if size is None:
            yield Doubt(subject, "docker did not tell the size of its writable layer")
        elif size >= limit.value:
            yield Deviation(
                "writable-layer-large",
                subject,
                Severity.MEDIUM,
                f"the writable layer of {container.name} takes {show_size(size)}; the limit is {show_size(limit.value)}",
                fix="find the path that grows and give it a mount",
                measured=(("bytes", str(size)), ("threshold_bytes", str(limit.value))),
            )


def matches(pattern: str, path: str) -> bool:
    """Whether a directory is a write surface of this pattern; the docstring above says how."""
    last = path.rstrip("/").rpartition("/")[2]
    if any(c in pattern for c in "*?["):
        return fnmatchcase(path, pattern) or fnmatchcase(last, pattern)
    return below(path, pattern) if pattern.startswith("/") else pattern in last


def _surface(facts: HostFacts, container: Container, pattern: str, paths: list[str]) -> Iterator[Observation]:
    subject = f"container:{container.name}:{pattern}"
    places = facts[HostPlacements].containers.get(container.name, {})
    loose = []
    for path in paths:
        why = _ungoverned(container, path, places)
        if isinstance(why, Doubt):
            yield Doubt(subject, f"{path}: {why.reason}")
        elif why:
            loose.append(f"{path} is {why}")
    if loose:
        yield Deviation(
            "surface-ungoverned",
            subject,
            Severity.MEDIUM,
            f"{container.name} writes where nothing keeps it: {_few(loose)}",
            fix="bind-mount a directory owned by the application's user over it; drain and copy what is there first",
            measured=(("directories", str(len(loose))),),
        )


def _ungoverned(container: Container, path: str, places: Mapping[str, Placement]) -> str | Doubt:
    """Why nothing governs this path, "" when something does."""
    mounts = [mount for mount in container.mounts if below(path, mount.destination)]
    memory = [target for target in container.tmpfs if below(path, target)]
    mount = max(mounts, key=lambda m: len(m.destination), default=None)
    if memory and len(max(memory, key=len)) >= (len(mount.destination) if mount else 0):
        return "on a tmpfs"
    if mount is None:
        return "in the container's writable layer"
    if mount.type == "tmpfs":
        return "on a tmpfs"
    if mount.type == "volume" and _nameless(mount):
        return "in an anonymous volume"
    placement = places.get(mount.destination)
    if placement is None or placement.placement is PlacementClass.UNKNOWN:
        return Doubt("", f"where its mount {mount.destination} lives is not known")
    return LOST.get(placement.placement, "in an anonymous volume" if "ANONYMOUS" in placement.flags else "")


def _nameless(mount: ContainerMount) -> bool:
    return len(mount.name) == 64 and all(c in "0123456789abcdef" for c in mount.name)


def _few(named: list[str]) -> str:
    more = len(named) - SHOWN
    return ", ".join(named[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _canary() -> Canary:
    """Seeded: uploads in the layer, in a tmpfs and in a nameless volume, a large file, a large layer. Look-alike: the same
    directories below a bind mount, everything one byte below its limit."""
    given = Place("canary")
    thresholds = Thresholds(tmp_large_file_bytes=Sourced(10 * MB, given), writable_layer_warn_bytes=Sourced(500 * MB, given))
    policy = HostPolicy(seeds.HOST, write_surface_patterns=("upload",), thresholds=thresholds)
    listed = WriteSurfaces({"app": (("/tmp/app-uploads", 1),)})  # noqa: S108  a path inside a container
    bind = ContainerMount("bind", "/tmp/app-uploads", "/srv/uploads")  # noqa: S108
    seeded = seeds.fleet(
        policy,
        seeds.docker(seeds.container("app", writable_bytes=500 * MB)),
        seeds.places(),
        LargeFiles((("/tmp/a.bin", 10 * MB),)),  # noqa: S108
        listed,
    )
    lookalike = seeds.fleet(
        policy,
        seeds.docker(seeds.container("app", bind, writable_bytes=500 * MB - 1)),
        seeds.places(containers={"app": {bind.destination: seeds.placement("/srv/uploads", PlacementClass.BOOT)}}),
        LargeFiles((("/tmp/a.bin", 10 * MB - 1),)),  # noqa: S108
        listed,
    )
    return Canary(seeded, frozenset(GATE.codes), lookalike)


GATE = Gate(
    *identify(__name__),
    doc=__doc__,
    severity=Severity.MEDIUM,
    needs=(LargeFiles, WriteSurfaces, Docker, HostPlacements),
    codes={
        "tmp-large-file": "large files lie in the host's /tmp",
        "surface-ungoverned": "a container writes to a directory that no persistent, owned mount covers",
        "writable-layer-large": "a container's writable layer is larger than the contract allows",
    },
    canary=_canary,
    hosts=(large_files, surfaces, writable_layers),
)
