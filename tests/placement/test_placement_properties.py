"""What must hold for every layout: names do not matter, order does not, less evidence never gives a better answer."""

import copy
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.placement.estates import facts
from tests.placement.test_placement_cases import CASES, check, load
from waveboard.audit.placement import Resolver
from waveboard.model.graph import Confidence, Placement, PlacementClass

HOSTS = [param.values[0] for param in load("[abc]-*.yaml")]
SECTIONS = ("Mounts", "BlockDevices", "Paths", "Fstab", "DeviceLinks", "Addresses")
BOUNDED = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def answer(case: dict[str, Any], path: str) -> tuple[object, ...]:
    found = Resolver(facts(case, case["ask"])).where(path)
    return found.placement, found.disks, found.boot, found.confidence, found.flags, found.predicted


def clears(found: Placement) -> bool:
    """True when a gate could take it for the right place: on no boot disk, kept, and seen."""
    kept = (PlacementClass.DATA, PlacementClass.NET, PlacementClass.NETDISK)
    return found.placement in kept and found.confidence is Confidence.OBSERVED


@BOUNDED
@given(st.data())
def test_a_mount_off_the_way_changes_nothing(draw: st.DataObject) -> None:
    case = copy.deepcopy(draw.draw(st.sampled_from(HOSTS)))
    path = draw.draw(st.sampled_from(list(case["ask"])))
    before = answer(case, path)
    below = draw.draw(st.sampled_from(["/deeper", "/deeper/still", "-beside", "x"]))
    where = ("" if path == "/" else path).replace("\\", "\\134").replace(" ", "\\040").replace("\n", "\\012") + below
    parent = draw.draw(st.sampled_from([20, 21, 22]))
    device = draw.draw(st.sampled_from(["8:1 / {} rw - ext4 /dev/sda1 rw", "0:99 / {} rw - tmpfs tmpfs rw"]))
    if where.startswith("/"):
        case["mounts"] += f"990 {parent} {device.format(where)}\n"
    assert answer(case, path) == before


@BOUNDED
@given(st.data())
def test_the_order_of_lines_of_different_parents_does_not_matter(draw: st.DataObject) -> None:
    case = copy.deepcopy(draw.draw(st.sampled_from(HOSTS)))
    path = draw.draw(st.sampled_from(list(case["ask"])))
    before = answer(case, path)
    lines = case["mounts"].strip().splitlines()
    groups: dict[str, list[str]] = {}
    for line in lines:
        groups.setdefault(line.split()[1], []).append(line)
    turns = draw.draw(st.permutations([line.split()[1] for line in lines]))
    case["mounts"] = "\n".join(groups[parent].pop(0) for parent in turns)
    assert answer(case, path) == before


@pytest.mark.parametrize("section", SECTIONS)
def test_less_evidence_never_clears_what_was_not_clear(section: str) -> None:
    for case in HOSTS:
        less = {**case, "without": [*case.get("without", ()), section]}
        whole, part = Resolver(facts(case, case["ask"])), Resolver(facts(less, case["ask"]))
        for path in case["ask"]:
            before, after = whole.where(path), part.where(path)
            if clears(after):
                assert clears(before), f"{case['name']}: {path} without {section}: {after.why}"
                assert after.disks == before.disks, f"{case['name']}: {path} without {section}"


@pytest.mark.parametrize("pattern", ["a-*.yaml", "b-*.yaml", "c-*.yaml", "d-*.yaml"])
def test_swapping_the_names_of_disks_swaps_only_names(pattern: str) -> None:
    for path in CASES.glob(pattern):
        text = re.sub(r"\b(sd|vd)(?=[a-z]\d*\b)", lambda m: "vd" if m[1] == "sd" else "sd", path.read_text())
        assert text != path.read_text()
        for case in yaml.safe_load(text):
            for asked, wanted in case["ask"].items():
                kind, disks, *rest = wanted.split()
                wanted = " ".join((kind, ",".join(sorted(disks.split(","))), *rest))
                if pattern.startswith("d"):
                    name, _, inside = asked.partition(":")
                    check(Resolver(facts(case)).where_container(name, inside), wanted, asked)
                else:
                    check(Resolver(facts(case, case["ask"])).where(asked), wanted, asked)


@BOUNDED
@given(st.data())
def test_any_cut_of_the_tables_is_answered(draw: st.DataObject) -> None:
    """Lines may be missing: an answer comes, a disk that no line names never does."""
    case = copy.deepcopy(draw.draw(st.sampled_from(HOSTS)))
    for key in ("mounts", "blocks", "pools", "fstab"):
        lines = case.get(key, "").strip().splitlines()
        kept = draw.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
        case[key] = "\n".join(line for line, keep in zip(lines, kept, strict=True) if keep)
    names = {word.partition("=")[2] for word in case["blocks"].split() if word.startswith("part=")}
    names |= {line.split()[0] for line in case["blocks"].splitlines() if line.strip()}
    resolver = Resolver(facts(case, case["ask"]))
    for path in case["ask"]:
        found = resolver.where(path)
        assert set(found.disks) <= names
        assert found.boot is not True or set(found.disks) & resolver.boot_set
        assert found.placement is not PlacementClass.DATA or not set(found.disks) & resolver.boot_set
