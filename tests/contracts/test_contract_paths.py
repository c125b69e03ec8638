"""The path of a complaint leads from the top of its file to the very thing that is wrong, as its line and column do."""

import pytest

from tests.contracts.kit_contracts import judge, spoilt

LOOP = "loops/LOOP-STORE-20260226.scope.md"
STOR = "\n  - {id: STOR-001, severity: low, status: open}\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "path"),
    [
        ("gaps.yaml", '- id: "GAP-OP-2"', '- id: "GAP-OP-1"', "duplicate-id", "gaps[1].id"),
        ("findings.yaml", "stor_findings:\n", f"stor_findings:{STOR}", "duplicate-id", "stor_findings[1].id"),
        (LOOP, "gaps: [GAP-OP-1]", "gaps: [GAP-OP-1, GAP-OP-7]", "dangling-reference", "gaps[1]"),
        (LOOP, "gaps: [GAP-OP-1]", "gaps: GAP-OP-1 and GAP-OP-7", "dangling-reference", "gaps"),
        (
            "findings.yaml",
            "primary_loop_id: LOOP-STORE-20260226",
            "primary_loop_id: LOOP-STORE",
            "dangling-reference",
            "root_cause_clusters[0].primary_loop_id",
        ),
        (
            "topology.yaml",
            "secondary_domains: []",
            "secondary_domains: [shops]",
            "dangling-reference",
            "gate_assignments[0].secondary_domains[0]",
        ),
        (
            "capabilities.yaml",
            "requires: [store.read]",
            "requires: [store.write]",
            "dangling-reference",
            "capabilities.store.move.requires[0]",
        ),
        (
            "capabilities.yaml",
            "post_action: store.read",
            "post_action: store.wipe",
            "dangling-reference",
            "capabilities.store.move.post_action",
        ),
        ("waveboard.yaml", "packs: packs.yaml", "packs: /packs.yaml", "outside-workspace", "packs"),
        ("waveboard.yaml", "packs: packs.yaml", "packs: [/packs.yaml]", "outside-workspace", "packs[0]"),
        ("guard.yaml", "root_usage_fail_pct: 80", "root_usage_fail_pct: &x 80", "anchor", "thresholds.root_usage_fail_pct"),
        ("guard.yaml", "root_usage_fail_pct: 80", "root_usage_fail_pct: .inf", "not-a-number", "thresholds.root_usage_fail_pct"),
        ("guard.yaml", "root_usage_fail_pct: 80", "root_usage_warn_pct: 80", "duplicate-key", "thresholds.root_usage_warn_pct"),
        ("guard.yaml", "[cache, store]", "[cache, !x store]", "tag", "db_1_contract.required_containers[1]"),
    ],
)
def test_it_ends_at_what_is_wrong(file: str, old: str, new: str, code: str, path: str) -> None:
    assert [c.path for c in judge(spoilt(file, old, new)).complaints if c.code == code] == [path]


def test_a_tier_that_is_none_is_told_once() -> None:
    loaded = judge(spoilt("placement.yaml", "target_storage_tier: tank-vms", "target_storage_tier: tank_vms"))
    assert [c.code for c in loaded.complaints] == ["unknown-enum"]


def test_a_key_that_is_missing_is_looked_for_under_a_like_name() -> None:
    loaded = judge(spoilt("guard.yaml", "docker_images_warn_gb: 15", "docker_image_warn_gb: 15"))
    (told,) = loaded.errors
    assert told.code == "missing-key" and told.fix == "write it for `docker_image_warn_gb` at guard.yaml:7:3, which nothing reads"
