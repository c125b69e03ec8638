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


ACCESS = """\
name: other
store: sqlite:///elsewhere.db
access:
  port: 2200
  audit_key: keys/audit
  mutate_user: hand
  mutate_key: keys/hand
  hosts:
    db-1: {audit_user: own, audit_key: keys/own, mutate_user: own-hand, mutate_key: keys/own-hand, known_hosts: trust/own}
"""


def test_access_of_one_host_wins_over_access_of_all() -> None:
    kept = SOUND["waveboard.yaml"].split("access:")[0].replace("name: small\n", "")
    found = contract({**SOUND, "waveboard.yaml": kept + ACCESS})
    assert (found.name, found.owner, found.store) == ("other", "@someone", "sqlite:///elsewhere.db")
    assert contract().store == "sqlite:///.waveboard/state.db"
    one, two, _ = found.targets
    assert (one.user, one.key_file, one.mutate_user, one.mutate_key_file) == ("own", "keys/own", "own-hand", "keys/own-hand")
    assert (two.user, two.key_file, two.mutate_user, two.mutate_key_file) == ("root", "keys/audit", "hand", "keys/hand")
    assert (one.address, one.port, one.known_hosts, two.port, two.known_hosts) == ("10.0.0.1", 2200, "trust/own", 2200, None)
    own = spoilt("hosts.yaml", "      host: 10.0.0.2", "      host: 10.0.0.2\n      port: 2022")
    assert contract(own).targets[1].port == 2022


def test_the_findings_map_comes_over_whole() -> None:
    bare = "  - {id: STOR-002, severity: low, status: fixed}\n"
    title = SOUND["findings.yaml"].replace("    severity: high", "    title: On boot\n    wave_bucket: W1\n    severity: high")
    findings = contract({**SOUND, "findings.yaml": title + bare}).findings
    first, second = findings.findings
    assert (first.title, first.wave, first.cluster, first.status) == ("On boot", "W1", "on-boot", "open")
    assert (first.gaps, first.loops) == (("GAP-OP-1", "GAP-OP-2"), ("LOOP-STORE-20260226",))
    assert (second.title, second.wave, second.cluster, second.gaps, second.loops) == ("", "", "", (), ())
    cluster = findings.clusters[0]
    assert (cluster.id, cluster.stor, cluster.gaps, cluster.loop) == (
        "on-boot",
        ("STOR-001",),
        ("GAP-OP-1",),
        "LOOP-STORE-20260226",
    )


def test_without_a_findings_map_no_stor_dangles() -> None:
    texts = without("findings.yaml")
    assert judge(texts).complaints == ()


def test_a_vm_reached_under_another_name_is_that_host() -> None:
    vms = SOUND["vms.yaml"].replace("    hostname: app.two\n", "    hostname: two\n    ssh_target: app.two\n")
    placement = SOUND["placement.yaml"].replace("  app.two:", "  two:")
    derived = SOUND["derived.yaml"].replace("{hostname: app.two}", "{hostname: two}")
    found = contract({**SOUND, "vms.yaml": vms, "placement.yaml": placement, "derived.yaml": derived})
    assert "two" not in found.policies
    policy = found.policies["app.two"]
    assert policy.tier and (policy.vmid, policy.tier.value) == (12, "boot-only")
    nameless = placement.replace("    vmid: 12\n", "")
    again = contract({**SOUND, "vms.yaml": vms, "placement.yaml": nameless, "derived.yaml": derived})
    assert again.policies["app.two"].vmid == 12


def test_a_guard_judges_the_hosts_of_its_packs_and_those_of_its_sections() -> None:
    other = SOUND["guard.yaml"].split("db_1_contract")[0].replace("60", "40")
    workspace = SOUND["waveboard.yaml"].replace("guard: guard.yaml", "guard: [guard.yaml, other.yaml]")
    packs = SOUND["packs.yaml"].replace("hosts: [db-1, app.two]", "guard: other.yaml\n    hosts: [app.two]")
    found = contract({**SOUND, "waveboard.yaml": workspace, "other.yaml": other, "packs.yaml": packs})
    warn = {host: policy.thresholds.root_warn_pct for host, policy in found.policies.items()}
    assert warn["app.two"] == Sourced(40.0, Place("other.yaml", 5, 24))
    assert warn["db-1"] == Sourced(60.0, Place("guard.yaml", 5, 24))
    assert warn["gate"] is None
    assert found.policies["app.two"].write_surface_patterns == ()  # that section is in the guard that does not judge it


def test_network_disks_are_allowed_only_where_it_says_so() -> None:
    assert contract().policies["db-1"].allow_network_block is False
    texts = spoilt(
        "services.yaml", "    data_disk_serial", "    allow_network_block: true\n    boundary: filesystem\n    data_disk_serial"
    )
    policy = contract(texts).policies["db-1"]
    assert (policy.allow_network_block, policy.boundary) == (True, "filesystem")


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
    assert contract().unjudged == ()
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


def test_a_placement_threshold_has_its_value_and_place_for_conditions() -> None:
    found = contract(spoilt("placement.yaml", "boot_usage_warn_pct: 60", "boot_usage_warn_pct: 55")).placement
    assert found["boot_usage_warn_pct"] == Sourced(55.0, Place("placement.yaml", 2, 35))
