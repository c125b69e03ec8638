"""D235 infra-storage-placement: docker's own storage is where the host's tier says.

Why: volumes and writable layers live below docker's data-root. On the boot disk they fill it, share its fate and are lost with
it. Names do not tell: `/dev/vda` may be the data disk, a bind mount of the boot disk has another source, two partitions are one
disk. So the placement is the set of disks that the kernel says is behind the path, compared with the disks behind `/`, `/boot`
and the ESP.

Policy: `vm_storage.<host>.target_storage_tier` (boot-only, tank-vms, tank-docker, nfs-media, local-ext4), `data_mount`,
`boundary`, `allow_network_block`; `root_cause_clusters` of the findings map for the entries linked to this gate.

Judged: the data-root the daemon uses now; the one `daemon.json` asks for at its next start; containerd's root when the containerd
image store is in use, because moving the data-root does not move it; a tree that a moved data-root left behind.

Not judged: which pool of the hypervisor holds a virtual disk; a guest cannot see that.
"""

import json
from collections.abc import Iterator

from waveboard.gates import seeds
from waveboard.gates.gate import FLEET, Canary, Deviation, Doubt, Fleet, Gate, Observation, Skip, identify
from waveboard.gates.matrix import CODES, Kind, Question, judge
from waveboard.model.contract import Cluster, FindingsMap, HostPolicy, LinkRule, Place, Sourced, StorFinding
from waveboard.model.facts import Docker, HostFacts, PathFact, Paths, Unavailable
from waveboard.model.finding import Severity
from waveboard.model.graph import HostPlacements, PlacementClass

STOCK_ROOT = "/var/lib/docker"  # dockerd(8), --data-root
NO_TIER = "no contract declares a storage tier for it"


def data_root(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """The data-root in use."""
    if policy.tier is None:
        yield Skip(NO_TIER)
        return
    placement = facts[HostPlacements].docker_root
    if placement is None:
        root = facts[Docker].root_dir
        yield Doubt("docker-root", f"where docker's data-root {root} lives was not worked out")
        return
    yield from judge(Question("docker-root", f"docker's data-root {placement.path}", placement), policy)


def image_store(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """containerd's root, when images and writable layers are kept there."""
    if policy.tier is None:
        yield Skip(NO_TIER)
        return
    docker = facts[Docker]
    if not docker.in_containerd:
        return
    root = docker.containerd_root
    placement = facts[HostPlacements].paths.get(root) if root else None
    if placement is None:
        yield Doubt("image-store", f"the containerd image store is in use and where {root or 'its root'} lives is not known")
        return
    yield from judge(Question("image-store", f"containerd's root {root}", placement, Kind.IMAGE_STORE), policy)


def pending_root(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """A data-root in daemon.json that the running daemon does not use yet."""
    if policy.tier is None:
        yield Skip(NO_TIER)
        return
    docker = facts[Docker]
    if docker.daemon_json is None:
        yield Doubt("docker-root", "daemon.json could not be read, so where docker puts its data at its next start is not known")
        return
    try:
        asked = json.loads(docker.daemon_json or "{}")
    except (ValueError, RecursionError):
        yield _pending("daemon.json is not JSON: docker will not start with it")
        return
    root = asked.get("data-root") if isinstance(asked, dict) else asked  # a null is as good as nothing to docker
    if not isinstance(root, str | None):
        yield _pending("daemon.json is no object whose data-root is a path: docker will not start with it")
    elif root and root.rstrip("/") != docker.root_dir.rstrip("/"):
        yield _pending(f"docker uses {docker.root_dir} and daemon.json asks for {root}: its next start changes where data goes")


def stale_tree(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """The tree that a moved data-root left at docker's stock place."""
    if policy.tier is None:
        yield Skip(NO_TIER)
        return
    paths = facts.get(Paths)
    known = paths.by_path.get(STOCK_ROOT) if not isinstance(paths, Unavailable) else None
    if facts[Docker].root_dir.rstrip("/") == STOCK_ROOT or known is None or known.canonical != STOCK_ROOT:
        return
    if known.non_empty:
        yield Deviation(
            "stale-docker-tree",
            "docker-root",
            Severity.MEDIUM,
            f"docker's data-root is {facts[Docker].root_dir} and {STOCK_ROOT} still holds an old tree nobody counts",
            fix="prove that the new data-root serves, then retire the old tree in a separately approved change",
        )


def undeclared(fleet: Fleet) -> Iterator[Observation]:
    """Hosts of the pack without a tier, in a fleet where tiers are declared at all."""
    policies = {host: fleet.contract.policies.get(host) for host in fleet.pack.hosts}
    if all(policy is None or policy.tier is None for policy in policies.values()):
        yield Skip("no contract declares storage tiers")
        return
    for host, policy in policies.items():
        if policy is not None and policy.tier is None:
            yield Deviation(
                "tier-undeclared",
                "tier",
                Severity.MEDIUM,
                "the pack asks about this host and no contract says on what storage its data belongs",
                fix=f"declare vm_storage.{host}.target_storage_tier in the placement policy",
                host=host,
            )


def clusters(fleet: Fleet) -> Iterator[Observation]:
    """The root-cause cluster of every STOR entry linked to this gate exists and lists the entry."""
    wanted = {rule.stor for rule in fleet.contract.findings.links if rule.gate == GATE.id}
    if not wanted:
        yield Skip("no STOR entry is linked to this gate")
        return
    listed = {cluster.id: cluster.stor for cluster in fleet.contract.findings.clusters}
    for entry in fleet.contract.findings.findings:
        if entry.id in wanted and entry.id not in listed.get(entry.cluster, ()):
            yield Deviation(
                "cluster-incomplete",
                f"stor:{entry.id}",
                Severity.MEDIUM,
                f"{entry.id} names root-cause cluster {entry.cluster!r}, which does not list it",
                fix=f"define cluster {entry.cluster} in root_cause_clusters with {entry.id} among its stor_findings",
                host=FLEET,
            )


def _pending(message: str) -> Deviation:
    fix = "make daemon.json and the running daemon agree, in a window"
    return Deviation("docker-root-pending", "docker-root", Severity.MEDIUM, message, fix=fix)


def _canary() -> Canary:
    """Seeded: boot disk, containerd's store left behind, stale tree, pending change, an unlisted entry, a host without a tier.

    Look-alike: the data disk is called vda, as on the real machine, and the tree at the stock place is empty.
    """
    policy = HostPolicy(seeds.HOST, tier=Sourced("tank-vms", Place("canary")))
    links = (LinkRule("STOR-1", "D235", ("boot-backed",)),)
    entry = StorFinding("STOR-1", "t", Severity.HIGH, "W", "open", "c", ("GAP-1",), ("LOOP-1",))
    boot, mixed = seeds.placement("/d", PlacementClass.BOOT), seeds.placement("/c", PlacementClass.MIXED)
    good = seeds.placement("/d", PlacementClass.DATA, disks=("vda",))
    status = {"driver-type": "io.containerd.snapshotter.v1"}

    def paths(full: bool) -> Paths:
        return Paths({STOCK_ROOT: PathFact(STOCK_ROOT, STOCK_ROOT, exists=True, ancestor=STOCK_ROOT, non_empty=full)})

    bad = seeds.facts(
        seeds.docker(root_dir="/d", driver_status=status, containerd_root="/c", daemon_json='{"data-root": "/e"}'),
        seeds.places(boot, {"/c": mixed}),
        paths(full=True),
    )
    loose = FindingsMap((entry,), (Cluster("c", "t", (), (), None),), links)
    seeded = seeds.many({seeds.HOST: (policy, bad), "bare": (HostPolicy("bare"), seeds.facts(host="bare"))}, loose)
    lookalike = seeds.fleet(
        policy,
        seeds.docker(root_dir="/d", driver_status=status, containerd_root="/c", daemon_json='{"data-root": "/d/"}'),
        seeds.places(good, {"/c": good}),
        paths(full=False),
        findings=FindingsMap((entry,), (Cluster("c", "t", ("STOR-1",), (), None),), links),
    )
    codes = {"boot-backed", "mixed-disks", "docker-root-pending", "stale-docker-tree", "tier-undeclared", "cluster-incomplete"}
    return Canary(seeded, frozenset(codes), lookalike)


GATE = Gate(
    *identify(__name__),
    doc=__doc__,
    severity=Severity.HIGH,
    needs=(Docker, HostPlacements, Paths),
    codes={
        **CODES,
        "docker-root-pending": "daemon.json asks for another data-root than the one in use, or cannot be read by docker",
        "stale-docker-tree": "a moved data-root left its old tree behind",
        "tier-undeclared": "no contract says on what storage this host's data belongs",
        "cluster-incomplete": "a STOR entry linked to this gate is not listed by the root-cause cluster it names",
    },
    canary=_canary,
    hosts=(data_root, image_store, pending_root, stale_tree),
    fleet=(undeclared, clusters),
)
