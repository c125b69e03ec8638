"""Verdicts: bundle -> facts -> placements -> five gates, beside json.loads of its bytes. `python bench/verdicts.py [HOSTS]`

The bundle is this machine's own answer to the collector, with the docker section of an estate host put in (8 containers with
their mount tables), so it is as large as a real one. Wall time on one core, medians over interleaved rounds; every host is
read anew.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from waveboard.audit import bundle as bundles
from waveboard.audit import facts as reading
from waveboard.audit import program
from waveboard.audit.placement import Resolver
from waveboard.gates import evaluate, seeds, shelf
from waveboard.model.contract import Contract, HostPolicy, Pack, Place, RedisRule, Service, Sourced, Thresholds
from waveboard.model.evidence import Evidence
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.model.finding import Mode, PackReport
from waveboard.model.graph import HostPlacements
from waveboard.model.units import GB, MB

ROUNDS, CONTAINERS, NONCE = 5, 8, "0123456789abcdef"
PATHS = ("/", "/boot", "/boot/efi", "/tmp", "/var/lib/docker", "/var/lib/containerd", "/mnt/data")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Place("bench")


def sample() -> bytes:
    """One bundle's bytes."""
    text = program.with_params(NONCE, PATHS)
    raw = subprocess.run(["sh", "-s"], input=text.encode(), capture_output=True, timeout=120, check=False).stdout
    found = bundles.gather("host", raw, NONCE, program.digest(), AT, "SHA256:bench")
    docker = Evidence("docker", ("sudo", "-n", "wb-ro"), 0, "".join(f"{json.dumps(doc)}\n" for doc in documents()).encode())
    return bundles.to_json(replace(found, probes={**found.probes, "docker": docker}))


def documents() -> list[dict[str, object]]:
    """What the reader says of a host with CONTAINERS containers."""
    root = next(line.split()[2] for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split()[4] == "/")
    table = "".join(f"{900 + i} 899 0:{60 + i} / /proc/x{i} rw - proc proc rw\n" for i in range(25))
    said: list[tuple[str, object]] = [
        (
            "docker.info",
            {
                "DockerRootDir": "/var/lib/docker",
                "Driver": "overlay2",
                "DriverStatus": [["Backing Filesystem", "extfs"]],
                "SecurityOptions": ["name=apparmor"],
                "ServerVersion": "26.1.5",
                "LiveRestoreEnabled": False,
            },
        ),
        ("containerd.root", "/var/lib/containerd"),
        ("host.daemon_json", "{}"),
        ("docker.images", [{"Id": f"sha256:{i:064x}", "RepoTags": [f"i:{i}"], "Size": GB, "Created": 1} for i in range(30)]),
        ("reader", {"version": 1}),
        ("host.tmp", {"files": [["/tmp/qp-12mb.bin", 12 * MB]], "complete": True}),
        ("redis", {"name": "c0", "values": {"appendonly": "no", "save": "3600 1", "dir": "/data"}}),
    ]
    volumes, sizes = [], []
    for i in range(CONTAINERS):
        volume = {"Type": "volume", "Name": f"v{i}", "Source": f"/var/lib/docker/volumes/v{i}/_data", "Destination": "/data"}
        body = {
            "Id": f"{i:064x}",
            "Name": f"/c{i}",
            "Image": f"sha256:{i:064x}",
            "State": {"Status": "running", "Pid": 100 + i},
            "Config": {"Image": "image", "Labels": {"com.docker.compose.service": f"c{i}"}},
            "HostConfig": {"RestartPolicy": {"Name": "always"}, "Tmpfs": None},
            "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": f"/var/lib/docker/overlay2/{i}/diff"}},
            "Mounts": [{**volume, "Driver": "local", "RW": True}],
        }
        mounts = f"899 1 0:50 / / rw - overlay overlay rw,upperdir=/var/lib/docker/overlay2/{i}/diff\n{table}"
        mounts += f"898 899 {root} /var/lib/docker/volumes/v{i}/_data /data rw - ext4 /dev/root rw\n"
        said.append(("docker.container", body))
        said.append(("container.mountinfo", {"id": body["Id"], "name": f"c{i}", "text": mounts}))
        said.append(("container.links", {"id": body["Id"], "name": f"c{i}", "links": {}, "complete": True}))
        said.append(("container.tmp", {"name": f"c{i}", "dirs": [[f"/tmp/c{i}-uploads", 5]], "complete": True}))
        volumes.append({"Name": f"v{i}", "Driver": "local", "Mountpoint": volume["Source"], "Options": None, "Labels": None})
        sizes.append({"Id": body["Id"], "SizeRw": MB})
    df = {"LayersSize": 20 * GB, "Images": [], "Volumes": [], "BuildCache": [{"ID": "b", "Size": GB, "InUse": False}]}
    said += [("docker.volumes", {"Volumes": volumes}), ("docker.sizes", sizes), ("docker.df", df), ("end", None)]
    return [{"doc": name, "ok": True, "body": body} for name, body in said]


def contract(hosts: int) -> tuple[Contract, Pack]:
    """Every host with the same, full policy."""
    services = tuple(Service(f"c{i}", "redis" if i == 0 else "other", ("/data",)) for i in range(CONTAINERS))
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
    names = tuple(f"h{i}" for i in range(hosts))
    pack = Pack("bench", tuple(shelf.gates()), names, Mode.REPORT, evidence_max_age_s=3600)
    base = seeds.many({}).contract
    return replace(base, policies={name: replace(policy, host=name) for name in names}), pack


def verdicts(raw: bytes, hosts: int) -> PackReport:
    """The whole way for that many hosts."""
    contracts, pack = contract(hosts)
    facts: dict[str, HostFacts | Unavailable] = {}
    places: dict[str, HostPlacements] = {}
    for name in pack.hosts:
        bundle = bundles.from_json(raw)
        known = reading.read(bundle, f"sha256:{name}")
        services = {service.container: service.data_paths for service in contracts.policies[name].services}
        facts[name] = known
        places[name] = Resolver(known).host_placements(services, PATHS)
    return evaluate.run(pack, contracts, facts, places, AT)


def stages(raw: bytes, hosts: int) -> Mapping[str, Callable[[], object]]:
    """Each does its part for that many hosts."""
    contracts, pack = contract(hosts)
    bundle = bundles.from_json(raw)
    known = reading.read(bundle, "sha256:0")
    services = {f"c{i}": ("/data",) for i in range(CONTAINERS)}
    placed = Resolver(known).host_placements(services, PATHS)
    facts = dict.fromkeys(pack.hosts, known)
    places = dict.fromkeys(pack.hosts, placed)
    return {
        "json.loads": lambda: [json.loads(raw) for _ in range(hosts)],
        "bundle, digests checked": lambda: [bundles.from_json(raw) for _ in range(hosts)],
        "facts": lambda: [reading.read(bundle, "sha256:0") for _ in range(hosts)],
        "placements": lambda: [Resolver(known).host_placements(services, PATHS) for _ in range(hosts)],
        "five gates": lambda: evaluate.run(pack, contracts, facts, places, AT),
        "the whole way": lambda: verdicts(raw, hosts),
    }


def main() -> None:
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    raw = sample()
    report = verdicts(raw, 2)
    told = ", ".join(f"{one.gate} {one.verdict.value}" for one in report.reports)
    print(
        f"bundle {len(raw)} bytes, {hosts} hosts a round, {ROUNDS} rounds; {told}; {len(report.findings)} findings in 2 hosts\n"
    )
    work = stages(raw, hosts)
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, part in work.items():
            start = time.perf_counter()
            part()
            taken[name].append(time.perf_counter() - start)
    print(f"{'stage':26}{'ms a host':>12}{'hosts/s':>12}{'x json.loads':>14}")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        ratio = median / statistics.median(taken["json.loads"])
        print(f"{name:26}{1000 * median / hosts:12.3f}{hosts / median:12.0f}{ratio:14.1f}")
    print("\nreach: 500 hosts/s the whole way on one core")


if __name__ == "__main__":
    main()
