"""The Mint workspace is usable, and tells exactly what its operator should settle."""

import json
import shutil
from collections import Counter
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waveboard.contracts.files import wanted
from waveboard.contracts.load import Loaded, load
from waveboard.contracts.nodes import plain
from waveboard.contracts.schemas import export
from waveboard.contracts.text import REGISTER, read
from waveboard.gates import shelf
from waveboard.model.contract import Known
from waveboard.waves.shelf import shapes
from waveboard.wiring import load_contracts, usable

ROOT = Path(__file__).parents[2]
MINT = ROOT / "examples" / "mint"
SCHEMAS = ROOT / "docs" / "schemas"
FORMAT = {
    "waveboard.yaml": "workspace",
    "ssh.targets.yaml": "hosts",
    "vm.lifecycle.yaml": "vms",
    "infra.storage.placement.policy.yaml": "placement",
    "mint.storage.guard.policy.yaml": "guard",
    "mint.storage.findings.map.yaml": "findings",
    "services.yaml": "services",
    "infra.vm.profiles.yaml": "profiles",
    "operational.gaps.yaml": "gaps",
    "waivers.yaml": "waivers",
    "packs.yaml": "packs",
    "windows.yaml": "windows",
    **{f"gates/{path.name}": "declared_gates" for path in sorted((MINT / "gates").glob("*.yaml"))},
    **{f"waves/W8{letter}.yaml": "waves" for letter in "ABCDE"},
}


@cache
def files() -> dict[str, bytes]:
    names = {p for w in wanted((MINT / "waveboard.yaml").read_bytes()) for p in MINT.glob(w.pattern)}
    return {str(p.relative_to(MINT)): p.read_bytes() for p in names} | {"waveboard.yaml": (MINT / "waveboard.yaml").read_bytes()}


@cache
def known() -> Known:
    kinds = {name: kind.shape for name, kind in shelf.kinds().items()}
    return Known({gate_id: tuple(gate.codes) for gate_id, gate in shelf.gates().items()}, shapes(), kinds)


def loaded(texts: dict[str, bytes]) -> Loaded:
    rest = dict(texts)
    return load(rest.pop("waveboard.yaml"), rest, known())


def test_it_is_usable_and_tells_what_to_settle() -> None:
    found = loaded(files())
    assert found.errors == ()
    assert Counter(c.code for c in found.warnings) == {
        "contradicting-threshold": 3,
        "dangling-reference": 6,
        "ignored-insecure": 3,
        "prose-rule": 8,
        "stale-derived": 3,
        "undeclared-storage": 1,
        "unknown-enum": 2,
        "unread-key": 11,
    }


def test_it_is_the_specifications_fleet() -> None:
    contract = loaded(files()).contract
    assert contract is not None
    data, apps = contract.policies["mint-data"], contract.policies["mint-apps"]
    assert (data.vmid, apps.vmid, len(contract.targets)) == (212, 213, 24)
    assert data.tier and apps.tier and (data.tier.value, apps.tier.value) == ("tank-vms", "boot-only")
    warn, fail = data.thresholds.root_warn_pct, data.thresholds.root_fail_pct
    assert warn and fail and (warn.value, fail.value) == (60, 80)
    assert list(contract.waves) == ["W8A", "W8B", "W8C", "W8D", "W8E"]
    assert [f.id for f in contract.findings.findings] == [f"STOR-00{n}" for n in range(1, 9)]
    spec = "D174,D195,D196,D197,D198,D199,D203,D204,D205,D222,D225,D226,D227,D235,D236,D237,D238,D239"
    assert list(contract.packs["mint"].gates) == spec.split(",")
    steps = [step.kind for step in contract.waves["W8B"].steps]
    assert steps == ["mount_data_disk", "move_docker_root", *["relocate_service"] * 3]
    for step in contract.waves["W8B"].steps[2:]:
        assert step.params["to"] == next(s.data_dir for s in data.services if s.container == step.params["container"])


def test_the_schemas_on_disk_are_the_exported_ones() -> None:
    for name, schema in export().items():
        on_disk = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
        assert on_disk == schema, f"run: waveboard contracts schemas -o docs/schemas ({name})"


@pytest.mark.parametrize("file", sorted(FORMAT))
def test_an_editor_finds_no_fault_with_it(file: str) -> None:
    schema = export()[FORMAT[file]]
    jsonschema.Draft202012Validator.check_schema(schema)
    document, _ = read(file, files()[file], REGISTER)
    assert document is not None
    jsonschema.Draft202012Validator(schema).validate(plain(document.root))


@pytest.mark.parametrize(("key", "value"), [("extra", 1), ("schema", "waveboard/2"), ("approvals", {"quorum": 1})])
def test_an_editor_finds_the_faults_the_loader_finds(key: str, value: object) -> None:
    good = {"contracts": {"hosts": "h.yaml"}}
    validator = jsonschema.Draft202012Validator(export()["workspace"])
    assert validator.is_valid(good) and not validator.is_valid({**good, key: value})


JUNK = st.sampled_from(
    [
        b"null",
        b"{}",
        b"[]",
        b"-1",
        b"9" * 40,
        b"'x'",
        b"true",
        b"[[[]]]",
        b"{a: {b: [c]}}",
        b"*x",
        b"\xff",
        b"",
        b"2026-13-99",
        b"../..",
    ]
)


@settings(max_examples=60)
@given(st.data())
def test_no_mutilation_raises(data: st.DataObject) -> None:
    texts = dict(files())
    file = data.draw(st.sampled_from(sorted(texts)))
    for _ in range(data.draw(st.integers(1, 3))):
        lines = texts[file].split(b"\n")
        at = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["drop", "twice", "value", "indent"]))
        junk = data.draw(JUNK)
        line = lines[at]
        changed = {"drop": [], "twice": [line, line], "value": [line.split(b":")[0] + b": " + junk], "indent": [b"  " + line]}
        texts[file] = b"\n".join([*lines[:at], *changed[how], *lines[at + 1 :]])
    found = loaded(texts)
    assert (found.contract is None) == bool(found.errors)
    for complaint in found.complaints:
        assert complaint.place.line >= 1 and complaint.message and complaint.code


@settings(max_examples=30)
@given(st.sampled_from(sorted(FORMAT)), st.binary(max_size=200))
def test_no_bytes_in_place_of_a_file_raise(file: str, raw: bytes) -> None:
    found = loaded({**files(), file: raw})
    assert found.contract is not None or found.errors


def test_every_code_of_a_linked_gate_is_owned_by_an_entry_on_that_host() -> None:
    """Otherwise the day a gate first says it, nobody's gap and loop stand behind it."""
    links = usable(load_contracts(MINT)).findings.links
    owned = {(rule.gate, host, code) for rule in links for host in rule.hosts for code in rule.codes}
    wanted = {
        (gate, host, code)
        for gate, host in {(gate, host) for gate, host, _ in owned}
        for code in shelf.gates()[gate].codes
        if code != "cluster-incomplete"  # told of the map, not of a host
    }
    assert sorted(wanted - owned) == []


def broken_mint(tmp: Path, file: str, old: str, new: str) -> list[str]:
    """What the door's own way of loading says of a copy of the workspace with one edit: `file:line:col code`, errors only."""
    shutil.copytree(MINT, tmp / "mint", ignore=shutil.ignore_patterns("fleet", ".waveboard"))
    path = tmp / "mint" / file
    path.write_text(path.read_text().replace(old, new, 1))
    return [f"{c.place} {c.code}" for c in load_contracts(tmp / "mint").complaints if c.level == "error"]


def test_preflight_evidence_that_nobody_collects_is_an_error_at_its_place(tmp_path: Path) -> None:
    assert broken_mint(tmp_path, "waves/W8C.yaml", "preflight: [docker", "preflight: [dockerr") == [
        "waves/W8C.yaml:14:13 unknown-fact"
    ]


def test_a_finding_of_a_declared_gate_can_be_waived(tmp_path: Path) -> None:
    waiver = "waivers:\n  - {id: W, reason: r, owner: o, gate: D222, until: 2036-01-01}"
    assert broken_mint(tmp_path, "waivers.yaml", "waivers: []", waiver) == []
