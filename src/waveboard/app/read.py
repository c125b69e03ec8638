"""Read hosts: evidence in, facts and placements out. One bundle a host, kept content-addressed; nothing on a host changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from waveboard.app.papers import Gatherer
from waveboard.app.ports import Clock, Reader
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.audit import bundle as bundles
from waveboard.audit import facts as reading
from waveboard.audit import program
from waveboard.audit.placement import Resolver
from waveboard.model.bounded import Runner, inline
from waveboard.model.change import HostPin
from waveboard.model.contract import Contract, HostPolicy, HostTarget
from waveboard.model.document import Recorded
from waveboard.model.errors import EvidenceError, HostError, UsageError
from waveboard.model.evidence import Answer, Ask, Bundle, Digest
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.model.graph import HostPlacements
from waveboard.model.history import Snapshot
from waveboard.model.units import instant_text
from waveboard.model.unsearched import unsearched


@dataclass(frozen=True, slots=True)
class Reading:
    """One audit of some hosts. facts of a host that gave no answer are Unavailable with the reason; bundles: host -> digest.

    gatherer: brings what declared gates judge; None: they are unknown. runner: keeps gates that judge this within their limits.
    pins: of hypervisors, which are looked at and not audited.
    """

    run_key: str
    at: datetime
    facts: Mapping[str, HostFacts | Unavailable]
    places: Mapping[str, HostPlacements]
    bundles: Mapping[str, str]
    gatherer: Gatherer | None = field(default=None, compare=False)
    runner: Runner = field(default=inline, compare=False)
    pins: Mapping[str, HostPin | Unavailable] = field(default_factory=dict)


def paths_of(policy: HostPolicy | None) -> tuple[str, ...]:
    """The host paths a policy makes interesting: mounts, service directories, NFS paths and the usual boot-set paths."""
    asked = ["/", "/boot", "/boot/efi", "/tmp", "/var/lib/docker", "/var/lib/containerd"]  # noqa: S108 read, never written
    if policy:
        asked += [policy.data_mount.value] if policy.data_mount else []
        asked += [s.data_dir for s in policy.services if s.data_dir]
        asked += [path for path, _ in policy.nfs_mounts]
    return tuple(dict.fromkeys(asked))


def collect(site: Site, hosts: Sequence[str], paths: tuple[str, ...] = ()) -> Mapping[str, Bundle]:
    """One bundle a host, complete or with the reason why not; stored before anybody judges it. paths: asked of each host as well."""
    return _collected(site, hosts, paths)[0]


def _collected(
    site: Site, hosts: Sequence[str], paths: tuple[str, ...] = ()
) -> tuple[Mapping[str, Bundle], Mapping[str, Digest]]:
    """The bundles, and the addresses they were stored under."""
    nonces = {host: site.clock.token(32) for host in hosts}
    asked = {h: program.parameters(nonces[h], (*paths_of(site.contract.policies.get(h)), *paths)) for h in hosts}
    asks = [Ask(host, program.text(), block) for host, block in asked.items()]
    answers = dict(site.reader.collect(asks, {host: site.target(host) for host in hosts}))
    instants = {host: site.clock.now() for host in asked}
    found: dict[str, Bundle] = {}
    stored: dict[str, Digest] = {}
    for host, at in instants.items():  # an answer goes when its bundle is there: a fleet's evidence is held once
        found[host] = one = bundle_from(host, answers.pop(host), nonces[host], at)
        stored[host] = site.store.put_object(bundles.to_json(one))
        site.store.save_bundle(one, stored[host])
        if one.failure:
            site.say(f"{host}: no complete answer: {one.failure}")
    return found, stored


def bundle_from(host: str, answer: Answer | HostError, nonce: str, at: datetime) -> Bundle:
    """The bundle of one host's answer, whatever became of it."""
    if isinstance(answer, HostError):
        return bundles.failed(host, answer.because, program.digest(), at)
    if answer.bundled:
        return bundles.from_json(answer.raw)
    return bundles.gather(host, answer.raw, nonce, program.digest(), at, answer.host_key)


def one(reader: Reader, clock: Clock, host: str, target: HostTarget | None, root: str, paths: tuple[str, ...]) -> Bundle:
    """A bundle outside any workspace: a recorded tree below `root`, or this machine."""
    nonce = clock.token(32)
    asked = tuple(dict.fromkeys((*paths_of(None), *paths)))
    answers = reader.collect(
        [Ask(host, program.text(), program.parameters(nonce, asked, root))], {host: target} if target else {}
    )
    return bundle_from(host, answers[host], nonce, clock.now())


def understand(
    contract: Contract, found: Mapping[str, Bundle], run_key: str, at: datetime, stored: Mapping[str, Digest] | None = None
) -> Reading:
    """Facts and placements of bundles, pure: the same bundles give the same reading anywhere, at any time.

    stored: the bundles' addresses, when the caller has just stored them.
    """
    digests = dict(stored) if stored is not None else {host: bundles.digest(bundle) for host, bundle in found.items()}
    with unsearched():  # all facts, then all placements: a processor does one kind of work at a time best
        facts = {
            host: Unavailable(bundle.failure) if bundle.failure else reading.read(bundle, digests[host])
            for host, bundle in found.items()
        }
        placed = {host: _places(one, contract.policies.get(host)) for host, one in facts.items() if isinstance(one, HostFacts)}
    return Reading(run_key, at, facts, {host: places for host, places in placed.items() if places is not None}, digests)


def _places(known: HostFacts, policy: HostPolicy | None) -> HostPlacements | None:
    services = {s.container: s.data_paths for s in policy.services} if policy else {}
    try:
        return Resolver(known).host_placements(services, paths_of(policy))
    except (LookupError, EvidenceError):
        return None


def audit(site: Site, hosts: Sequence[str]) -> Reading:
    """Collect, understand, keep the snapshot, issue the receipt."""
    key, at = new_key(site, "host.audit"), site.clock.now()
    found, stored = _collected(site, hosts)
    read = understand(site.contract, found, key, at, stored)
    site.store.save_snapshot(Snapshot(key, at, site.contract.digest, read.bundles))
    body: dict[str, object] = {
        "contract": site.contract.digest,
        "evidence": dict(read.bundles),
        "unavailable": {host: fact.reason for host, fact in read.facts.items() if isinstance(fact, Unavailable)},
    }
    issue(site, "audit", key, tuple(subject(f"evidence/{host}", digest) for host, digest in read.bundles.items()), body)
    gatherer = Gatherer(site.contract, site.documents, site.commands, site.store, site.clock, Recorded())
    return replace(read, gatherer=gatherer, runner=site.runner)


def one_each(found: Iterable[Bundle], hosts: Sequence[str]) -> Mapping[str, Bundle]:
    """The bundles of these hosts. Raises: UsageError for two of one host: which of them counts is not for the order of arguments to say."""
    kept: dict[str, Bundle] = {}
    for bundle in found:
        if bundle.host in kept and kept[bundle.host] != bundle:
            times = " and ".join(sorted(instant_text(one.collected_at) for one in (kept[bundle.host], bundle)))
            raise UsageError("judge the evidence", f"there are two bundles of {bundle.host}, of {times}", "give the one you mean")
        if bundle.host in hosts:
            kept[bundle.host] = bundle
    return kept


def replayed(site: Site, found: Mapping[str, Bundle], recorded: Recorded) -> Reading:
    """Evidence from elsewhere, judged at the instant the newest bundle was collected: the same evidence gives the same verdicts
    for ever. recorded: what declared gates were given then; no command is run."""
    if not found:
        raise UsageError("judge the evidence", "it holds no bundle of these hosts", "give the bundles of the pack's hosts")
    stored = {host: site.store.put_object(bundles.to_json(bundle)) for host, bundle in found.items()}
    at = max(b.collected_at for b in found.values())
    read = understand(site.contract, found, new_key(site, "host.audit"), at, stored)
    gatherer = Gatherer(site.contract, site.documents, None, site.store, site.clock, recorded)
    return replace(read, gatherer=gatherer, runner=site.runner)
