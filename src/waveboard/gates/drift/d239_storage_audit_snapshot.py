"""D239 storage-audit-snapshot: this run's picture of the hosts is whole, and every finding has an owner.

Why: a snapshot that passes with every host down, or whose ids come from the mapping file and not from the hosts, proves nothing;
a finding that belongs to no STOR entry, or an entry without gap and loop, is work nobody will do.

Policy: the pack's hosts and `evidence_max_age_s`; the findings map (`stor_findings`, `root_cause_clusters`) and its links.

The picture: every host of the pack answered, with its machine id and under a host key, from evidence kept under a digest, young
enough, with the nouns that storage is judged by, and with nothing that another gate of this run could not see. A host that is
down makes this gate unknown; it can never pass then. Two hosts that answer with one machine id or host key are a finding: one of
them may be the other.

Gates that judge documents and no host are no part of the picture, and their findings belong to no entry.

The linkage, both ways: every STOR entry has gaps, loops and a defined cluster; clusters and links name entries that exist; every
finding of this run belongs to an entry; an entry that is called fixed is not observed any more.

The rules: every storage rule has its enforcer, or a reason for having none, at each stage of a VM's life (`waveboard parity`).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from waveboard.gates import seeds
from waveboard.gates.gate import FLEET, Canary, Deviation, Doubt, Fleet, Gate, Observation, Skip, identify
from waveboard.model.contract import Cluster, FindingsMap, HostPolicy, LinkRule, StorFinding
from waveboard.model.facts import BlockDevices, HostFacts, Mounts, Unavailable, Usage
from waveboard.model.finding import Finding, Severity
from waveboard.model.graph import HostPlacements

SETTLED = frozenset({"fixed", "closed"})  # the operator's words for an entry that must not be observed again
SNAPSHOT = (Mounts, BlockDevices, Usage, HostPlacements)


def whole(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """One host's answer is tied to the host, kept, and holds what storage is judged by."""
    if not facts.identity.machine_id:
        yield Doubt("identity", "the evidence holds no machine id, so it is not known which machine answered")
    if not facts.identity.host_key:
        yield Doubt("identity", "the evidence is tied to no host key, so it is not known which machine answered")
    if not facts.bundle:
        yield Doubt("evidence", "the evidence it was judged by is kept under no digest")
    for noun in SNAPSHOT:
        found = facts.get(noun)
        if isinstance(found, Unavailable):
            yield Doubt("snapshot", f"{noun.__name__}: {found.reason}")


def fresh(fleet: Fleet) -> Iterator[Observation]:
    """Every host's evidence is as young as the pack asks, measured at the instant of this run, and not from its future."""
    limit = fleet.pack.evidence_max_age_s
    if not fleet.pack.hosts:
        yield Skip("the pack names no host")
        return
    if limit is None:
        yield Doubt("freshness", f"no contract says how old evidence may be (evidence_max_age_s of pack {fleet.pack.id})")
        return
    for host in fleet.pack.hosts:
        facts = fleet.facts_of(host)
        if isinstance(facts, Unavailable):
            continue
        age = fleet.at - facts.at
        if age > timedelta(seconds=limit):
            yield Doubt("freshness", f"its evidence is {int(age.total_seconds())} s old; the pack asks for {limit} s", host)
        elif age < -timedelta(seconds=limit):
            yield Doubt(
                "freshness", f"its evidence is {int(-age.total_seconds())} s younger than this run: a clock is wrong", host
            )


def distinct(fleet: Fleet) -> Iterator[Observation]:
    """No two hosts answered as the same machine."""
    if not fleet.pack.hosts:
        yield Skip("the pack names no host")
    owners: dict[tuple[str, str], str] = {}
    for host in fleet.pack.hosts:
        facts = fleet.facts_of(host)
        if isinstance(facts, Unavailable):
            continue
        for what, value in (("machine id", facts.identity.machine_id), ("host key", facts.identity.host_key)):
            first = owners.setdefault((what, value), host) if value else host
            if first != host:
                yield Deviation(
                    "identity-shared",
                    f"identity:{what.replace(' ', '-')}",
                    Severity.HIGH,
                    f"{host} and {first} answered with the same {what}: one may have answered for the other",
                    fix="give every clone its own machine id and host keys, then pin them",
                    host=host,
                )


def seen_by_others(fleet: Fleet) -> Iterator[Observation]:
    """Nothing that another gate of this run could not see. A host that gave no answer at all is told by `whole`."""
    if not fleet.pack.hosts:
        yield Skip("the pack names no host")
    for host, gates in _by_host(fleet).items():
        if host in fleet.pack.hosts and isinstance(fleet.facts_of(host), Unavailable):
            continue
        yield Doubt("snapshot", f"incomplete for {', '.join(gates)}", host)


def mapped(fleet: Fleet) -> Iterator[Observation]:
    """The findings map holds together: entries, gaps, loops, clusters and links."""
    known = fleet.contract.findings
    if not known.findings:
        yield Skip("no contract gives a findings map, so linkage was not judged")
        return
    ids = {entry.id for entry in known.findings}
    clusters = {cluster.id: cluster for cluster in known.clusters}
    for entry in known.findings:
        yield from _entry(entry, clusters)
    for cluster in known.clusters:
        for stor in cluster.stor:
            if stor not in ids:
                yield _hole(
                    "cluster-dangling", f"cluster:{cluster.id}:{stor}", f"cluster {cluster.id} lists {stor}, which is no entry"
                )
    for stor in sorted({rule.stor for rule in known.links} - ids):
        yield _hole("link-dangling", f"stor:{stor}", f"a link names {stor}, which is no entry of the findings map")


def enforced(fleet: Fleet) -> Iterator[Observation]:
    """No storage rule is left to nobody at some stage: what is repaired today would come back with the next VM."""
    if not fleet.pack.hosts and not fleet.contract.holes:
        yield Skip("the pack names no host")
    for hole in fleet.contract.holes:
        subject = f"rule:{hole.partition(':')[0].replace(' at ', ':')}"
        yield Deviation("parity-hole", subject, Severity.HIGH, hole, fix="name its enforcer: waveboard parity", host=FLEET)


def owned(fleet: Fleet) -> Iterator[Observation]:
    """Every finding of the run belongs to an entry, and no settled entry is observed."""
    known = fleet.contract.findings
    if not known.findings:
        yield Skip("no contract gives a findings map, so linkage was not judged")
        return
    unlinked: dict[tuple[str, str, str], Finding] = {}
    again: dict[str, list[Finding]] = {}
    for finding in fleet.findings:
        entries = known.entries_of(finding)
        if not entries:
            unlinked.setdefault((finding.host, finding.gate, finding.code), finding)
        for entry in entries:
            if entry.status in SETTLED:
                again.setdefault(entry.id, []).append(finding)
    for (host, gate, code), finding in unlinked.items():
        why = f"{gate} {code} belongs to no STOR entry (first seen at {finding.subject})"
        fix = "add a link from a STOR entry with a gap and a loop to this gate and code"
        yield Deviation("unlinked-finding", f"finding:{gate}:{code}", Severity.MEDIUM, why, fix=fix, host=host)
    for stor, findings in again.items():
        where = ", ".join(sorted({f"{f.gate} {f.code} on {f.host}" for f in findings}))
        why = f"{stor} is called {next(e.status for e in known.findings if e.id == stor)} and is observed: {where}"
        yield Deviation("fixed-but-observed", f"stor:{stor}", Severity.HIGH, why, fix="reopen it, or repair it again", host=FLEET)


def _by_host(fleet: Fleet) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for gate, host, _ in fleet.doubts:
        gates = found.setdefault(host, [])
        if gate not in gates:
            gates.append(gate)
    return found


def _entry(entry: StorFinding, clusters: dict[str, Cluster]) -> Iterator[Deviation]:
    subject = f"stor:{entry.id}"
    if not entry.gaps:
        yield _hole("stor-without-gap", subject, f"{entry.id} names no gap")
    if not entry.loops:
        yield _hole("stor-without-loop", subject, f"{entry.id} names no loop")
    cluster = clusters.get(entry.cluster)
    if cluster is None:
        yield _hole("cluster-undefined", subject, f"{entry.id} names root-cause cluster {entry.cluster!r}, which is not defined")
    elif entry.id not in cluster.stor:
        yield _hole("cluster-mismatch", subject, f"{entry.id} names cluster {entry.cluster}, which does not list it")


def _hole(code: str, subject: str, message: str) -> Deviation:
    return Deviation(code, subject, Severity.LOW, message, fix="complete the findings map", host=FLEET)


def _canary() -> Canary:
    """Seeded: a clone with its twin's identity, a map full of holes, a finding without entry, a fixed entry that is back.
    Look-alike: the same findings with the map in order."""
    nouns = (Mounts(()), BlockDevices({}), Usage({}), seeds.places())
    names = ("a", "b")
    known = {name: (HostPolicy(name), seeds.facts(*nouns, host=name)) for name in names}
    clones = {name: (policy, replace(facts, identity=known["a"][1].identity)) for name, (policy, facts) in known.items()}
    findings = tuple(Finding("D1", "a", code, "s", Severity.LOW, "m") for code in ("linked", "loose"))

    def entry(stor: str, status: str, *, whole: bool) -> StorFinding:
        owners = (("GAP-1",), ("LOOP-1",)) if whole else ((), ())
        return StorFinding(stor, "t", Severity.LOW, "W", status, "c" if stor != "S3" else "none", *owners)

    def cluster(*stor: str) -> tuple[Cluster, ...]:
        return (Cluster("c", "t", stor, (), None),)

    holes = FindingsMap(
        (entry("S1", "fixed", whole=False), entry("S2", "open", whole=True), entry("S3", "open", whole=True)),
        cluster("S1", "S9"),
        (LinkRule("S1", "D1", ("linked",)), LinkRule("S8", "D1", ("other",))),
    )
    order = FindingsMap(
        (entry("S1", "open", whole=True), entry("S2", "fixed", whole=True)),
        cluster("S1", "S2"),
        (LinkRule("S1", "D1", ("linked", "loose")),),
    )
    seeded = replace(seeds.many(clones, holes), findings=findings)
    seeded = replace(seeded, contract=replace(seeded.contract, holes=("R1 at ready: it names no enforcer",)))
    return Canary(seeded, frozenset(GATE.codes), replace(seeds.many(known, order), findings=findings))


GATE = Gate(
    *identify(__name__),
    doc=__doc__,
    severity=Severity.MEDIUM,
    ring="deep",
    needs=SNAPSHOT,
    codes={
        "identity-shared": "two hosts answered with the same machine id or host key",
        "unlinked-finding": "a finding of this run belongs to no STOR entry",
        "fixed-but-observed": "an entry that is called fixed is observed in this run",
        "stor-without-gap": "a STOR entry names no gap",
        "stor-without-loop": "a STOR entry names no loop",
        "cluster-undefined": "a STOR entry names a root-cause cluster that is not defined",
        "cluster-mismatch": "the cluster a STOR entry names does not list the entry",
        "cluster-dangling": "a cluster lists a STOR entry that does not exist",
        "link-dangling": "a link names a STOR entry that does not exist",
        "parity-hole": "a storage rule has no enforcer at some stage of a VM's life",
    },
    canary=_canary,
    hosts=(whole,),
    fleet=(fresh, distinct, mapped, enforced),
    closing=(seen_by_others, owned),
)
