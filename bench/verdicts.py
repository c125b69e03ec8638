"""Verdicts: bundle -> facts -> placements -> five gates, beside json.loads of its bytes. `python bench/verdicts.py [HOSTS…]`

CPU time of one core, so other work on the machine weighs little. The fleet is made from the recorded host with the most containers
(examples/mint/fleet/mint-apps.json, a real Docker's answers), and no two of its hosts are alike: every container, image, overlay
and volume id, UUID, machine and boot id, mount id, anonymous device number, pid and size is the host's own, in both mount tables
and in docker's answers; hosts share what clones of one image share, such as a line that mounts /proc. The first host meets empty
caches and is told by itself. Making the fleet and the contracts is not counted, nor is the content address, which is taken once
when evidence is stored (its own row says what it costs).
"""

import gc
import json
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path

from waveboard.app.read import understand
from waveboard.audit import bundle as bundles
from waveboard.audit import facts as reading
from waveboard.audit.placement import Resolver
from waveboard.audit.probes import _documents, _mountinfo, fstab
from waveboard.gates import evaluate, seeds, shelf
from waveboard.model.contract import Contract, HostPolicy, Pack, Place, RedisRule, Service, Sourced, Thresholds
from waveboard.model.evidence import Bundle
from waveboard.model.facts import Docker, HostFacts, Unavailable
from waveboard.model.finding import Mode, PackReport
from waveboard.model.graph import HostPlacements
from waveboard.model.units import GB, MB

ROUNDS, STAGE_HOSTS, BATCH = 7, 100, 100
AT = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
RECORDED = Path(__file__).resolve().parent.parent / "examples/mint/fleet/mint-apps.json"
PATHS = ("/", "/boot", "/boot/efi", "/tmp", "/var/lib/docker", "/var/lib/containerd", "/mnt/data")
HERE = Place("bench")

_HEX = re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_LAYER = re.compile(r"\b[A-Z0-9]{26}\b")
_MOUNT = re.compile(r"(^|\n|\\n|\")(\d+) (\d+) (\d+):(\d+) (?=/)")
_COUNTED = re.compile(r'"(Size|SizeRw|LayersSize|Pid|Created)":([1-9]\d*)')
_MOUNT_ID = re.compile(r"^((?:[^\t\n]*\t){4})(\d+)(?=\t)", re.MULTILINE)


def another(host: int, name: str, text: str) -> str:
    """What that host would say in place of this one, in the section of that name. The recorded host is number 0."""

    def spelled(found: re.Match[str]) -> str:
        fresh = sha256(f"{host} {found[0]}".encode()).hexdigest()
        if "-" in found[0]:
            return f"{fresh[:8]}-{fresh[8:12]}-{fresh[12:16]}-{fresh[16:20]}-{fresh[20:32]}"
        return fresh[: len(found[0])]

    def mounted(found: re.Match[str]) -> str:
        minor = int(found[5]) + (host % 97 if found[4] == "0" else 0)
        return f"{found[1]}{int(found[2]) + 3 * host} {int(found[3]) + 3 * host} {found[4]}:{minor} "

    text = _HEX.sub(spelled, text)
    text = _LAYER.sub(lambda found: sha256(f"{host} {found[0]}".encode()).hexdigest()[:26].upper(), text)
    if "mountinfo" in name or name == "docker":
        text = _MOUNT.sub(mounted, text)
    if name == "docker":
        text = _COUNTED.sub(lambda found: f'"{found[1]}":{int(found[2]) + host}', text)
    if name == "paths":
        text = _MOUNT_ID.sub(lambda found: f"{found[1]}{int(found[2]) + 3 * host}", text)
    if name == "meta":
        text = text.replace("hostname mint-apps", f"hostname h{host}")
    return text


def fleet(hosts: int) -> Iterator[bytes]:
    """The bytes of as many bundles, one after the other."""
    recorded = bundles.from_json(RECORDED.read_bytes())
    for host in range(hosts):
        probes = {
            name: replace(told, stdout=another(host, name, told.stdout.decode()).encode())
            for name, told in recorded.probes.items()
        }
        yield bundles.to_json(replace(recorded, host=f"h{host}", probes=probes))


def contract(hosts: int) -> tuple[Contract, Pack]:
    """Every host with the same, full policy."""
    names = sorted(one.name for one in understood(bundles.from_json(RECORDED.read_bytes()))[Docker].containers)
    services = tuple(Service(name, "redis" if name == names[0] else "other", ("/data",)) for name in names)
    thresholds = Thresholds(
        Sourced(60.0, HERE),
        Sourced(80.0, HERE),
        *(Sourced(size, HERE) for size in (15 * GB, 10 * GB, 30 * GB, 10 * MB, 500 * MB)),
    )
    policy = HostPolicy(
        "",
        tier=Sourced("tank-vms", HERE),
        data_mount=Sourced("/mnt/data", HERE),
        services=services,
        write_surface_patterns=("upload",),
        redis=RedisRule(Sourced(value=True, place=HERE)),
        thresholds=thresholds,
    )
    everyone = tuple(f"h{i}" for i in range(hosts))
    pack = Pack("bench", tuple(shelf.gates()), everyone, Mode.REPORT, evidence_max_age_s=3600)
    base = seeds.many({}).contract
    return replace(base, policies={name: replace(policy, host=name) for name in everyone}), pack


def understood(bundle: Bundle) -> HostFacts:
    return reading.read(bundle, f"sha256:{bundle.host}")


def placements(known: HostFacts, policy: HostPolicy) -> HostPlacements:
    services = {service.container: service.data_paths for service in policy.services}
    return Resolver(known).host_placements(services, PATHS)


def whole_way(hosts: int) -> tuple[float, float, PackReport]:
    """(CPU seconds of the first host before the gates, of everything, the report) for that many hosts, each read once.

    As `waveboard audit` goes: bundles first, then what app.read makes of them; a batch at a time, so that evidence fits in memory.
    """
    contracts, pack = contract(hosts)
    facts: dict[str, HostFacts | Unavailable] = {}
    places: dict[str, HostPlacements] = {}
    for cached in (_mountinfo._table, _mountinfo._kept, fstab._unit, evaluate.blindness):
        cached.cache_clear()
    _documents._known.clear()
    spent = first = 0.0
    coming = fleet(hosts)
    while raws := list(islice(coming, BATCH if first else 1)):
        start = time.process_time()
        found = {bundle.host: bundle for bundle in map(bundles.from_json, raws)}
        read = understand(contracts, found, "", AT, {host: f"sha256:{host}" for host in found})
        facts.update(read.facts)
        places.update(read.places)
        spent += time.process_time() - start
        first = first or spent
    start = time.process_time()
    report = evaluate.run(pack, contracts, facts, places, AT)
    return first, spent + time.process_time() - start, report


def stages() -> Mapping[str, Callable[[], object]]:
    """Each does its part for STAGE_HOSTS hosts."""
    raws = list(fleet(STAGE_HOSTS))
    contracts, pack = contract(STAGE_HOSTS)
    read = [bundles.from_json(raw) for raw in raws]
    facts: dict[str, HostFacts | Unavailable] = {one.host: understood(one) for one in read}
    known = [fact for fact in facts.values() if isinstance(fact, HostFacts)]
    places = {fact.host: placements(fact, contracts.policies[fact.host]) for fact in known}
    return {
        "json.loads": lambda: [json.loads(raw) for raw in raws],
        "bundle, digests checked": lambda: [bundles.from_json(raw) for raw in raws],
        "facts": lambda: [understood(one) for one in read],
        "placements": lambda: [placements(one, contracts.policies[one.host]) for one in known],
        "five gates": lambda: evaluate.run(pack, contracts, facts, places, AT),
        "(content address, when stored)": lambda: [bundles.digest(one) for one in read],
    }


def show(name: str, per_host: list[float], beside: float) -> None:
    median = statistics.median(per_host)
    spread = f"{1000 * min(per_host):.3f}..{1000 * max(per_host):.3f}"
    print(f"{name:32}{1000 * median:10.3f} {spread:>16}{1 / median:10.0f}{median / beside:14.1f}")


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [10, 100, 1000]
    work = stages()
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, part in work.items():
            gc.collect()
            start = time.process_time()
            part()
            taken[name].append((time.process_time() - start) / STAGE_HOSTS)
    beside = statistics.median(taken["json.loads"])
    print(f"{'stage, CPU of one core':32}{'ms a host':>10} {'min..max':>16}{'hosts/s':>10}{'x json.loads':>14}")
    for name, per_host in taken.items():
        show(name, per_host, beside)
    del work
    for hosts in counts:
        runs = [whole_way(hosts) for _ in range(ROUNDS if hosts <= 1000 else 1)]
        show(f"the whole way, {hosts:,} hosts", [spent / hosts for _, spent, _ in runs], beside)
    firsts = [1000 * first for first, _, _ in runs]
    report = runs[0][2]
    told = ", ".join(f"{one.gate} {one.verdict.value}" for one in report.reports)
    print(
        f"\nthe first host, nothing cached: {statistics.median(firsts):.1f} ms; {len(report.findings) / counts[-1]:.0f} findings a host; {told}"
    )
    print(
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB; reach: 500 hosts/s the whole way on one core"
    )


if __name__ == "__main__":
    main()
