"""The names a condition may use, and where their values come from. Evaluates no condition.

- `<host>.root.used_pct`, `.root.inodes_pct`, `.docker.images_gb`, `.docker.build_cache_gb`, `.docker.local_volumes_gb` (decimal
  GB), `.docker.root.boot`: proved by the host's evidence digest.
- `guard.<threshold>` in the guard policy's own words: proved by file:line:col. The named host's;
  where a condition names no host and hosts differ it is unknown.
- `placement.<threshold>` in the placement policy's own words: proved by file:line:col; unknown where two such files differ.
- `gates.<id>.verdict`, `gates.<id>.findings`, `pack.complete`: of the report, when there is one.
"""

from collections.abc import Callable, Mapping

from waveboard.gates.conditions import Lookup, Operand, Value
from waveboard.model.contract import Contract, Sourced, Thresholds
from waveboard.model.facts import Docker, HostFacts, MissingFact, Unavailable, Usage
from waveboard.model.finding import PackReport
from waveboard.model.graph import HostPlacements
from waveboard.model.units import GB, MB

Fact = Callable[[HostFacts], Value]
FACTS: Mapping[str, Fact] = {
    "root.used_pct": lambda facts: facts[Usage].filesystems["/"].used_pct,
    "root.inodes_pct": lambda facts: _inodes(facts),
    "docker.images_gb": lambda facts: _gigabytes(facts[Docker].layers_bytes),
    "docker.build_cache_gb": lambda facts: _gigabytes(facts[Docker].build_cache_bytes),
    "docker.local_volumes_gb": lambda facts: _gigabytes(*(volume.size_bytes for volume in facts[Docker].volumes), 0),
    "docker.root.boot": lambda facts: _boot(facts),
}
THRESHOLDS: Mapping[str, tuple[Callable[[Thresholds], Sourced[float] | Sourced[int] | None], float]] = {
    "root_usage_warn_pct": (lambda t: t.root_warn_pct, 1),
    "root_usage_fail_pct": (lambda t: t.root_fail_pct, 1),
    "data_usage_warn_pct": (lambda t: t.data_warn_pct, 1),
    "data_usage_fail_pct": (lambda t: t.data_fail_pct, 1),
    "docker_images_warn_gb": (lambda t: t.images_warn_bytes, GB),
    "docker_build_cache_warn_gb": (lambda t: t.build_cache_warn_bytes, GB),
    "docker_local_volumes_warn_gb": (lambda t: t.volumes_warn_bytes, GB),
    "host_tmp_large_file_mb": (lambda t: t.tmp_large_file_bytes, MB),
    "container_rootfs_warn_mb": (lambda t: t.writable_layer_warn_bytes, MB),
}


def lookup(
    contract: Contract, facts: Mapping[str, HostFacts | Unavailable], report: PackReport | None = None, host: str = ""
) -> Lookup:
    """What a name stands for on this reading. Every name gets an operand; one that means nothing is Unavailable and says so.

    host: whose thresholds `guard.` means, "" where the condition names none.
    """

    def find(name: str) -> Operand:
        if name.startswith("guard."):
            return _threshold(contract, name.removeprefix("guard."), host)
        if name.startswith("placement."):
            given = contract.placement.get(name.removeprefix("placement."))
            return (
                Operand(given.value, str(given.place)) if given else Operand(Unavailable("no contract gives one value of it"), "")
            )
        if name.startswith(("gates.", "pack.")):
            return _verdict(report, name)
        fact = next((f for f in FACTS if name.endswith(f".{f}")), None)
        if fact is None:
            return Operand(Unavailable("there is no fact of this name"), "")
        return _fact(facts.get(name.removesuffix(f".{fact}"), Unavailable("that host was not read")), FACTS[fact])

    return find


def _fact(facts: HostFacts | Unavailable, read: Fact) -> Operand:
    if isinstance(facts, Unavailable):
        return Operand(facts, "")
    try:
        return Operand(read(facts), facts.bundle)
    except MissingFact as missing:
        return Operand(Unavailable(str(missing)), facts.bundle)
    except LookupError as absent:
        return Operand(Unavailable(f"{absent} was not measured"), facts.bundle)


def _threshold(contract: Contract, name: str, host: str) -> Operand:
    if name not in THRESHOLDS:
        return Operand(Unavailable("there is no threshold of this name"), "")
    read, unit = THRESHOLDS[name]
    own = contract.policies.get(host)
    policies = (own,) if own else tuple(contract.policies.values())
    given = {found.value: found.place for policy in policies if (found := read(policy.thresholds))}
    if len(given) != 1:
        return Operand(Unavailable("no contract gives it" if not given else "hosts have different values of it"), "")
    value, place = next(iter(given.items()))
    return Operand(value / unit, str(place))


def _verdict(report: PackReport | None, name: str) -> Operand:
    if report is None:
        return Operand(Unavailable("no pack was run"), "")
    source = f"report of {report.pack} at {report.at}"
    if name == "pack.complete":
        return Operand(report.complete, source)
    _, gate_id, what = [*name.split("."), "", ""][:3]
    gate = next((one for one in report.reports if one.gate == gate_id), None)
    if gate is None or name != f"gates.{gate_id}.{what}" or what not in ("verdict", "findings"):
        return Operand(Unavailable("the report has no such answer"), source)
    if what == "findings" and gate.reasons:
        return Operand(Unavailable(f"the gate could not see everything: {gate.reasons[0]}"), source)
    return Operand(gate.verdict.value if what == "verdict" else len(gate.findings), source)


def _inodes(facts: HostFacts) -> float:
    root = facts[Usage].filesystems["/"]
    if not root.inodes or root.inodes_used is None:
        raise KeyError("the inode table of /")
    return 100.0 * root.inodes_used / root.inodes


def _gigabytes(*sizes: int | None) -> float:
    if None in sizes:
        raise KeyError("a docker size")
    return sum(size for size in sizes if size is not None) / GB


def _boot(facts: HostFacts) -> bool:
    root = facts[HostPlacements].docker_root
    if root is None or root.boot is None:
        raise KeyError("the disk of docker's data-root")
    return root.boot
