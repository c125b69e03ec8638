"""The names conditions may use: where values come from, and that what is not known says why."""

from dataclasses import replace

import pytest

from waveboard.gates import evaluate, seeds
from waveboard.gates.conditions import Operand
from waveboard.gates.operands import lookup
from waveboard.model.contract import HostPolicy, Place, Sourced, Thresholds
from waveboard.model.facts import Unavailable
from waveboard.model.graph import PlacementClass
from waveboard.model.units import GB

GUARD = Thresholds(
    Sourced(60.0, Place("guard.yaml", 7, 3)),
    images_warn_bytes=Sourced(15 * GB, Place("guard.yaml", 9, 3)),
    build_cache_warn_bytes=Sourced(GB, Place("guard.yaml", 10, 3)),
)
FLEET = seeds.many(
    {
        "a-1": (
            HostPolicy("a-1", thresholds=GUARD),
            seeds.facts(
                seeds.usage(87, inodes_pct=3),
                seeds.docker(
                    layers_bytes=2 * GB, build_cache_bytes=None, volumes=(seeds.volume("v", GB), seeds.volume("w", None))
                ),
                seeds.places(seeds.placement("/d", PlacementClass.BOOT)),
                host="a-1",
            ),
        ),
        "b": (HostPolicy("b"), seeds.facts(host="b")),
    }
)
REPORT = evaluate.run(replace(FLEET.pack, gates=("D237",)), FLEET.contract, FLEET.facts, {}, FLEET.at)


@pytest.mark.parametrize(
    ("name", "value", "source"),
    [
        ("a-1.root.used_pct", 87.0, seeds.DIGEST),
        ("a-1.root.inodes_pct", 3.0, seeds.DIGEST),
        ("a-1.docker.images_gb", 2.0, seeds.DIGEST),
        ("a-1.docker.root.boot", True, seeds.DIGEST),
        ("guard.root_usage_warn_pct", 60.0, "guard.yaml:7:3"),
        ("guard.docker_images_warn_gb", 15.0, "guard.yaml:9:3"),
        ("placement.boot_usage_warn_pct", 50.0, "placement.yaml:2:3"),
        ("gates.D237.verdict", "fail", "report of canary at 2026-01-01T00:00:00Z"),
        ("pack.complete", False, "report of canary at 2026-01-01T00:00:00Z"),
    ],
)
def test_known(name: str, value: object, source: str) -> None:
    contract = replace(FLEET.contract, placement={"boot_usage_warn_pct": Sourced(50.0, Place("placement.yaml", 2, 3))})
    assert lookup(contract, FLEET.facts, REPORT)(name) == Operand(value, source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a-1.docker.build_cache_gb", "was not measured"),
        ("placement.boot_usage_critical_pct", "no contract gives one value"),
        ("a-1.docker.local_volumes_gb", "was not measured"),
        ("b.root.used_pct", "Usage: no probe gave it"),
        ("c.root.used_pct", "that host was not read"),
        ("a-1.root.free", "there is no fact of this name"),
        ("guard.root_usage_fail_pct", "no contract gives it"),
        ("guard.nonsense", "there is no threshold of this name"),
        ("gates.D237.findings", "could not see everything"),
        ("gates.D238.verdict", "no such answer"),
        ("gates.D237.verdict.x", "no such answer"),
    ],
)
def test_unknown(name: str, reason: str) -> None:
    found = lookup(FLEET.contract, FLEET.facts, REPORT)(name).value
    assert isinstance(found, Unavailable) and reason in found.reason


def test_thresholds_that_differ_between_hosts_are_unknown() -> None:
    other = HostPolicy("b", thresholds=replace(GUARD, root_warn_pct=Sourced(70.0, Place("g"))))
    contract = replace(FLEET.contract, policies={**FLEET.contract.policies, "b": other})
    assert lookup(contract, {})("guard.root_usage_warn_pct").value == Unavailable("hosts have different values of it")
    assert lookup(contract, {}, host="b")("guard.root_usage_warn_pct").value == 70.0


def test_without_a_report_nothing_is_known_of_gates() -> None:
    assert lookup(FLEET.contract, {})("pack.complete").value == Unavailable("no pack was run")
