"""What the contract says of hosts, packs and waves, and what its digest is over."""

import pytest

from tests.contracts.kit_contracts import KNOWN, SOUND, judge, spoilt, without
from waveboard.contracts.files import matches, wanted
from waveboard.contracts.load import load
from waveboard.model.condition import parse_condition
from waveboard.model.contract import Contract, Place, Sourced, Unreadable
from waveboard.model.finding import Mode, Severity


def contract(texts: dict[str, str] | None = None) -> Contract:
    found = judge(texts or dict(SOUND)).contract
    assert found is not None
    return found


def test_a_host_gathers_what_every_file_says_of_it() -> None:
    policy = contract().policies["db-1"]
    assert (policy.vmid, policy.tier, policy.data_mount) == (
        11,
        Sourced("tank-vms", Place("placement.yaml", 7, 26)),
        Sourced("/mnt/data", Place("placement.yaml", 8, 17)),
    )
    assert policy.services[0].data_dir == "/mnt/data/store"
    assert [s.value for s in policy.required_containers] == ["cache", "store"]
    assert policy.redis and policy.redis.require_appendonly and policy.redis.require_volume_prefix is None
    assert (policy.container_probes, policy.data_disk_serial, policy.boundary) == (("redis",), "disk-7", "disk")
    assert contract().policies["app.two"].nfs_mounts == (("/mnt/media", "nas:/media"),)
    assert contract().policies["app.two"].write_surface_patterns == ("upload",)


def test_gigabytes_and_megabytes_are_decimal() -> None:
    numbers = contract().policies["db-1"].thresholds
    assert numbers.root_warn_pct == Sourced(60.0, Place("guard.yaml", 5, 24))
    assert numbers.images_warn_bytes and numbers.images_warn_bytes.value == 15_000_000_000
    assert numbers.tmp_large_file_bytes and numbers.tmp_large_file_bytes.value == 10_000_000
    assert numbers.writable_layer_warn_bytes and numbers.writable_layer_warn_bytes.value == 500_000


def test_the_guards_number_is_judged_and_the_placements_where_no_guard_speaks() -> None:
    texts = spoilt("placement.yaml", "boot_usage_warn_pct: 60", "boot_usage_warn_pct: 75")
    warn = contract(texts).policies["db-1"].thresholds.root_warn_pct
    assert warn and warn.value == 60
    bare = without("guard.yaml", "waves/*.yaml")
    warn = contract({**bare, "placement.yaml": texts["placement.yaml"]}).policies["db-1"].thresholds.root_warn_pct
    assert warn == Sourced(75.0, Place("placement.yaml", 2, 35))


def test_nothing_is_made_up() -> None:
    gate = contract().policies["gate"]
    assert (gate.vmid, gate.tier, gate.redis, gate.services) == (None, None, None, ())
    assert gate.thresholds.root_warn_pct is None
    unknown = contract(spoilt("placement.yaml", "target_storage_tier: tank-vms", "target_storage_tier: tank-vm"))
    assert unknown.policies["db-1"].tier is None
    torn = contract(spoilt("placement.yaml", "vmid: 11", "vmid: 99"))
    assert torn.policies["db-1"].vmid is None


def test_a_target_is_reached_as_access_says_and_else_as_its_file_says() -> None:
    one, two, gate = contract().targets
    assert (one.address, one.port, one.user, one.known_hosts) == ("127.0.0.9", 2222, "wbaudit", "trust/known_hosts")
    assert (two.address, two.port, two.user) == ("10.0.0.2", 22, "wbaudit")
    assert (gate.jump, gate.optional) == ("app.two", True)
    plain = contract(spoilt("waveboard.yaml", "  audit_user: wbaudit\n", ""))
    assert [t.user for t in plain.targets] == ["ubuntu", "root", "root"]


def test_packs_waves_windows_and_findings() -> None:
    found = contract()
    pack = found.packs["small"]
    assert (pack.gates, pack.later, pack.mode, pack.hosts) == (("D235", "D236"), ("D900",), Mode.REPORT, ("db-1", "app.two"))
    wave = found.waves["W1"]
    assert wave.entry == ("pack_complete: small", "window_open: true")
    assert wave.exit[0] == "db-1.root.used_pct < guard.root_usage_warn_pct"
    assert wave.exit[3] == 'report_stable: {"pack":"small","runs":3}'
    assert all(parse_condition(text) for text in (*wave.entry, *wave.exit))
    assert (wave.max_downtime_s, wave.window_required, wave.draft) == (60, True, False)
    assert wave.steps[0].params == {"serial": "disk-7", "target": "/mnt/data"}
    assert found.waves["W2"].draft
    window = found.windows[0]
    assert (window.kind, (window.not_after - window.not_before).total_seconds()) == ("allow", 4 * 3600)
    assert found.findings.findings[0].severity is Severity.HIGH
    assert found.findings.links[0].codes == ("boot-backed",)


def test_without_a_mode_the_guards_mode_holds_and_without_both_nothing_does() -> None:
    texts = spoilt("packs.yaml", "    mode: report\n", "")
    texts["guard.yaml"] = texts["guard.yaml"].replace(
        "{default_policy: report, enforce_enabled: false}", "{default_policy: enforce}"
    )
    assert contract(texts).packs["small"].mode is Mode.ENFORCE
    texts["guard.yaml"] = texts["guard.yaml"].replace("mode: {default_policy: enforce}\n", "")
    assert [(c.code, str(c.place)) for c in judge(texts).errors] == [("missing-key", "packs.yaml:2:3")]


def test_only_hosts_are_needed() -> None:
    loaded = judge({"waveboard.yaml": "contracts: {hosts: h.yaml}\n", "h.yaml": "ssh: {targets: [{id: a, host: b}]}\n"})
    assert loaded.complaints == () and loaded.contract is not None
    assert loaded.contract.target("a") and loaded.contract.targets[0].user is None
    assert "contracts.guard" in loaded.contract.absent and "packs" in loaded.contract.absent


@pytest.mark.parametrize("file", sorted(SOUND))
def test_one_changed_byte_of_any_file_changes_the_digest(file: str) -> None:
    before = contract()
    after = contract({**SOUND, file: SOUND[file] + "\n"})
    assert before.digest.startswith("sha256:") and before.digest != after.digest
    assert {path for path in before.files if before.files[path] != after.files[path]} == {file}


def test_files_nobody_asked_for_change_nothing() -> None:
    assert contract({**SOUND, "other.yaml": "x: 1\n"}).digest == contract().digest


def test_what_is_wanted_and_what_is_not_judged_yet() -> None:
    asked = {w.pattern: w for w in wanted(SOUND["waveboard.yaml"].encode())}
    assert asked["loops/*.md"].glob and not asked["hosts.yaml"].glob
    assert (asked["gaps.yaml"].limit_bytes, asked["guard.yaml"].limit_bytes) == (4 * 2**20, 2**20)
    assert set(contract().unjudged) == {"gaps", "loops"}
    assert wanted(b"contracts: [") == () and wanted(b"\xff") == () and wanted(b"contracts: {hosts: ../x}") == ()


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("waves/*.yaml", "waves/W8B.yaml", True),
        ("waves/*.yaml", "waves/deep/W8B.yaml", False),
        ("waves/*.yaml", "waves/.hidden.yaml", False),
        ("**/*.yaml", "a/b/c.yaml", True),
        ("**/*.yaml", "c.yaml", True),
        ("a?.yaml", "ab.yaml", True),
        ("a?.yaml", "a/.yaml", False),
        ("a.yaml", "abyaml", False),
        ("x*y.md", "x.y.md", True),
    ],
)
def test_globs(pattern: str, path: str, fits: bool) -> None:
    assert bool(matches(pattern, {path: Unreadable("")})) is fits


def test_an_estate_of_two_thousand_hosts_loads() -> None:
    targets = "".join(f"    - {{id: h{n}, host: 10.1.{n // 250}.{n % 250}}}\n" for n in range(2_000))
    vms = "".join(f"  - {{id: {n + 1}, hostname: h{n}, status: active}}\n" for n in range(2_000))
    storage = "".join(f"  h{n}: {{vmid: {n + 1}, target_storage_tier: boot-only}}\n" for n in range(2_000))
    workspace = b"contracts: {hosts: h, vms: v, placement: p}\n"
    files = {"h": f"ssh:\n  targets:\n{targets}", "v": f"vms:\n{vms}", "p": f"vm_storage:\n{storage}"}
    loaded = load(workspace, {path: text.encode() for path, text in files.items()}, KNOWN)
    assert loaded.complaints == () and loaded.contract is not None
    assert loaded.contract.policies["h1999"].vmid == 2_000
