"""Built facts and policies for canaries: the smallest host on which a gate can see something. Never read from a real host."""

from collections.abc import Mapping
from datetime import UTC, datetime

from waveboard.gates.gate import Fleet
from waveboard.model.contract import Contract, FindingsMap, HostPolicy, Pack
from waveboard.model.evidence import Identity
from waveboard.model.facts import Container, ContainerMount, Docker, FilesystemUsage, HostFacts, Usage, Volume
from waveboard.model.finding import Mode
from waveboard.model.graph import Confidence, HostPlacements, Placement, PlacementClass

AT = datetime(2026, 1, 1, tzinfo=UTC)
HOST = "canary"
DIGEST = "sha256:" + "0" * 64


def facts(*nouns: object, host: str = HOST) -> HostFacts:
    """A host that answered with exactly these nouns."""
    identity = Identity(f"machine-{host}", f"boot-{host}", f"SHA256:{host}")
    return HostFacts(host, AT, identity, DIGEST, {type(noun): noun for noun in nouns})


def fleet(policy: HostPolicy, *nouns: object, findings: FindingsMap | None = None) -> Fleet:
    """A fleet of the one host the policy is for."""
    known = facts(*nouns, host=policy.host)
    return many({policy.host: (policy, known)}, findings)


def many(hosts: Mapping[str, tuple[HostPolicy, HostFacts]], findings: FindingsMap | None = None) -> Fleet:
    """A fleet of several hosts, one pack over all of them in report mode."""
    pack = Pack("canary", (), tuple(hosts), Mode.REPORT, evidence_max_age_s=60)
    contract = Contract(
        name="canary",
        owner="canary",
        digest=DIGEST,
        files={},
        targets=(),
        policies={host: policy for host, (policy, _) in hosts.items()},
        findings=findings or FindingsMap(),
        packs={pack.id: pack},
        waves={},
    )
    return Fleet(pack, contract, {host: known for host, (_, known) in hosts.items()}, AT)


def placement(
    path: str,
    kind: PlacementClass,
    *flags: str,
    disks: tuple[str, ...] = (),
    confidence: Confidence = Confidence.OBSERVED,
    container: str | None = None,
    source: str | None = None,
    fstype: str = "ext4",
) -> Placement:
    """Where a path is, as the resolver would say it. disks default to sda for BOOT, sdb for DATA, both for MIXED."""
    by_kind = {PlacementClass.BOOT: ("sda",), PlacementClass.DATA: ("sdb",), PlacementClass.MIXED: ("sda", "sdb")}
    leaves = disks or by_kind.get(kind, ())
    boot = None if kind is PlacementClass.UNKNOWN else "sda" in leaves
    return Placement(path, path, source, fstype, (), leaves, kind, boot, confidence, f"seeded as {kind.value}", flags, container)


def places(
    docker_root: Placement | None = None,
    paths: Mapping[str, Placement] | None = None,
    containers: Mapping[str, Mapping[str, Placement]] | None = None,
) -> HostPlacements:
    """The placements of a host whose boot disk is sda."""
    return HostPlacements(("sda",), docker_root, paths or {}, containers or {})


def container(name: str, *mounts: ContainerMount, state: str = "running", writable_bytes: int | None = 0) -> Container:
    """A container with these mounts."""
    return Container(name, name, "image", "image", state, 100, {}, mounts, writable_bytes=writable_bytes)


def docker(
    *containers: Container,
    root_dir: str = "/var/lib/docker",
    driver_status: Mapping[str, str] | None = None,
    volumes: tuple[Volume, ...] = (),
    layers_bytes: int | None = 0,
    build_cache_bytes: int | None = 0,
    containerd_root: str | None = None,
    daemon_json: str | None = "{}",
) -> Docker:
    """An engine with these containers and sizes."""
    return Docker(
        root_dir,
        "overlay2",
        driver_status or {},
        (),
        "26.1.5",
        live_restore=False,
        containers=containers,
        volumes=volumes,
        images=(),
        layers_bytes=layers_bytes,
        build_cache_bytes=build_cache_bytes,
        daemon_json=daemon_json,
        containerd_root=containerd_root,
    )


def usage(used_pct: int, inodes_pct: int = 1) -> Usage:
    """A root filesystem filled to that share, and nothing else."""
    return Usage({"/": filesystem("/", used_pct, inodes_pct)})


def filesystem(target: str, used_pct: int, inodes_pct: int = 1) -> FilesystemUsage:
    """A filesystem of 100 GB filled to that share."""
    used = used_pct * 10**9
    return FilesystemUsage(target, "/dev/sda1", 100 * 10**9, used, 100 * 10**9 - used, 100, inodes_pct)


def volume(name: str, size_bytes: int | None = 0) -> Volume:
    """A local volume."""
    return Volume(name, "local", f"/var/lib/docker/volumes/{name}/_data", {}, {}, size_bytes)
