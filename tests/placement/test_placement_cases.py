"""Every row of the catalogue of layouts as data: tables in, class, disks, boot, confidence and flags out."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.placement.estates import facts
from waveboard.audit.placement import Resolver
from waveboard.audit.placement_json import document
from waveboard.model.graph import Placement

CASES = Path(__file__).parent.parent / "cases" / "placement"
BOOTS = {"BOOT": True, "MIXED": True, "DATA": False, "NET": False, "NETDISK": False, "VOLATILE": False, "UNKNOWN": None}


def load(pattern: str) -> list[Any]:
    found = [case for path in sorted(CASES.glob(pattern)) for case in yaml.safe_load(path.read_text())]
    return [pytest.param(case, id=case["name"]) for case in found]


def check(found: Placement, wanted: str, what: str) -> None:
    """`CLASS disks FLAG… key=value…`; disks are `-` when there are none; boot follows from the class unless it is given."""
    kind, disks, *rest = wanted.split()
    words = dict(word.split("=", 1) for word in rest if "=" in word)
    flags = sorted(word for word in rest if "=" not in word)
    boot = {"true": True, "false": False, "null": None}[words["boot"]] if "boot" in words else BOOTS.get(kind, found.boot)
    told = f"{what}: {found.why} {found.flags}"
    assert found.placement.value == kind, told
    assert ",".join(found.disks) == ("" if disks == "-" else disks), told
    assert found.boot is boot, told
    assert list(found.flags) == flags, told
    if kind != "UNKNOWN" or "confidence" in words:
        assert found.confidence.value == words.get("confidence", "observed"), told
    assert (found.predicted.value if found.predicted else None) == words.get("predicted"), told


@pytest.mark.parametrize("case", load("[abc]-*.yaml"))
def test_a_host_layout_is_placed(case: dict[str, Any]) -> None:
    resolver = Resolver(facts(case, case["ask"]))
    for path, wanted in case["ask"].items():
        found = resolver.where(path)
        check(found, wanted, path)
        assert found.path == path and found.why and found.chain[0].name == path
        assert json.loads(json.dumps(document(found)))["disks"] == list(found.disks)


@pytest.mark.parametrize("case", load("d-*.yaml"))
def test_a_container_layout_is_placed(case: dict[str, Any]) -> None:
    resolver = Resolver(facts(case))
    for asked, wanted in case["ask"].items():
        name, _, path = asked.partition(":")
        found = resolver.where_container(name, path)
        check(found, wanted, asked)
        assert found.container == name and found.path == path and found.why
        assert document(found)["container"] == name
