"""A small sound workspace, ways to spoil it, and where the spoilt place stands. Imports no loader internals."""

from collections.abc import Mapping

from waveboard.contracts.load import Loaded, load
from waveboard.model.contract import Known, StepShape, Unreadable

KNOWN = Known(
    {"D235": ("boot-backed",), "D236": ("boot-backed", "redis-appendonly-off"), "D237": ("root-usage",)},
    {"mount_data_disk": StepShape(("serial", "target", "label"), ("serial", "target"))},
)

SOUND: Mapping[str, str] = {
    "waveboard.yaml": """\
schema: waveboard/1
name: small
owner: "@someone"
contracts:
  hosts: hosts.yaml
  vms: vms.yaml
  placement: placement.yaml
  guard: guard.yaml
  findings: findings.yaml
  derived: derived.yaml
  gaps: gaps.yaml
  loops: loops/*.md
  waivers: waivers.yaml
  gates: gates.yaml
  topology: topology.yaml
  capabilities: capabilities.yaml
services: services.yaml
packs: packs.yaml
waves: waves/*.yaml
windows: windows.yaml
approvals: {allowed_signers: trust/allowed_signers, quorum: 1, four_eyes: false}
access:
  audit_user: wbaudit
  known_hosts: trust/known_hosts
  hosts:
    db-1: {address: 127.0.0.9, port: 2222}
""",
    "hosts.yaml": """\
ssh:
  defaults: {user: root, port: 22}
  targets:
    - id: db-1
      host: 10.0.0.1
      user: ubuntu
      tags: [vm]
    - id: app.two
      host: 10.0.0.2
    - id: gate
      host: 10.0.0.3
      probe_via: app.two
      optional: true
""",
    "vms.yaml": """\
version: "1.0"
updated: 2026-02-20
vms:
  - id: 11
    hostname: db-1
    status: active
    lan_ip: 10.0.0.1
    ssh_target: db-1
    resources: {boot_disk_gb: 50}
    storage_tier: tank-vms
  - id: 12
    hostname: app.two
    status: active
    tailscale_ip: null
    resources: null
  - id: 11
    hostname: db-1
    status: decommissioned
""",
    "placement.yaml": """\
version: 1
thresholds: {boot_usage_warn_pct: 60, boot_usage_critical_pct: 80}
vm_storage:
  db-1:
    vmid: 11
    boot_disk_gb: 50
    target_storage_tier: tank-vms
    data_mount: /mnt/data
    data_source: tank/db-1
    status: compliant
  app.two:
    vmid: 12
    target_storage_tier: boot-only
    data_mount: null
    status: accepted-risk
    nfs_mounts:
      - {path: /mnt/media, source: "nas:/media", mode: ro}
""",
    "guard.yaml": """\
version: v1
last_verified: 2026-02-26
mode: {default_policy: report, enforce_enabled: false}
thresholds:
  root_usage_warn_pct: 60
  root_usage_fail_pct: 80
  docker_images_warn_gb: 15
  docker_build_cache_warn_gb: 10
  docker_local_volumes_warn_gb: 30
  host_tmp_large_file_mb: 10
  container_rootfs_warn_mb: 0.5
db_1_contract:
  redis:
    require_appendonly: true
    require_named_volume_prefix: ""
  required_containers: [cache, store]
app_two_contract:
  write_surface_patterns: [upload]
""",
    "findings.yaml": """\
version: v1
root_cause_clusters:
  - id: on-boot
    stor_findings: [STOR-001]
    primary_gap_ids: [GAP-OP-1]
    primary_loop_id: LOOP-STORE-20260226
stor_findings:
  - id: STOR-001
    severity: high
    status: open
    root_cause_cluster: on-boot
    existing_gap_ids: [GAP-OP-1, GAP-OP-2]
    existing_loop_ids: [LOOP-STORE-20260226]
""",
    "derived.yaml": """\
generated_at: "2026-02-21"
vms: [{id: 11}, {hostname: app.two}]
""",
    "gaps.yaml": """\
gaps:
  - id: GAP-OP-1
    status: open
    parent_loop: LOOP-STORE-20260226
    criterion: db-1.root.used_pct < 60
  - id: "GAP-OP-2"
    status: fixed
    severity: high
""",
    "loops/LOOP-STORE-20260226.scope.md": """\
---
loop_id: LOOP-STORE-20260226
status: active
gaps: [GAP-OP-1]
anybody: may write here
---
- Root usage of every VM stays below 60 %.
""",
    "gates.yaml": """\
gate_count: {total: 2, active: 1, retired: 1}
gates: [{id: D1, composite_of: [D2]}, {id: D2, retired: true}]
""",
    "loops/LOOP-OLD-20260101.scope.md": """\
---
status: closed
parent_loop: LOOP-STORE-20260226
---
""",
    "waivers.yaml": """\
waivers:
  - id: W-1
    reason: a test store
    owner: "@someone"
    gate: D236
    host: db-1
    code: boot-backed
    subject: "container:*"
    until: 2026-12-31
    while: root_pct < 90
""",
    "topology.yaml": """\
core_mode: {core_gate_ids: [D1]}
domain_metadata: [{domain_id: stores}]
gate_assignments: [{gate_id: D2, primary_domain: stores, secondary_domains: []}]
""",
    "capabilities.yaml": """\
capabilities:
  store.read: {safety: read-only, approval: auto, command: x}
  store.move: {safety: mutating, approval: manual, requires: [store.read], post_action: store.read --now}
""",
    "services.yaml": """\
hosts:
  db-1:
    data_disk_serial: disk-7
    container_probes: [redis]
    services:
      - container: store
        engine: postgres
        data_paths: [/var/lib/postgresql/data]
        data_dir: /mnt/data/store
""",
    "packs.yaml": """\
packs:
  small:
    mode: report
    promotion: {runs: 3, min_interval_s: 3600}
    hosts: [db-1, app.two]
    gates: [D235, D236]
    later: [D900]
links:
  - {stor: STOR-001, gate: D236, codes: [boot-backed], hosts: [db-1]}
""",
    "waves/one.yaml": """\
id: W1
goal: Move the data
mutation_policy: controlled-runtime
scope:
  mutate: [db-1]
  read_only: [app.two]
links:
  stor: [STOR-001]
  gaps: [GAP-OP-1]
  loops: [LOOP-STORE-20260226]
excludes: [W2]
entry:
  - pack_complete: small
  - window_open: true
exit:
  - db-1.root.used_pct < guard.root_usage_warn_pct
  - not_boot_backed: db-1
  - gate_passes: {gate: D235, hosts: [db-1]}
  - report_stable: {pack: small, runs: 3}
  - linkage_complete: [STOR-001]
  - approval: operator
window: {required: true, max_downtime_s: 60, overrun: rollback}
steps:
  - {kind: mount_data_disk, host: db-1, serial: disk-7, target: /mnt/data}
""",
    "waves/two.yaml": """\
id: W2
goal: Talk about it
draft: true
mutation_policy: controlled-runtime
scope: {mutate: [app.two]}
exit:
  - app.two.docker.images_gb <= guard.docker_images_warn_gb
steps:
  - {kind: not_built_yet, host: app.two}
""",
    "windows.yaml": """\
windows:
  - id: night
    kind: allow
    hosts: [db-1]
    not_before: 2026-02-26T22:00:00Z
    not_after: 2026-02-27T04:00:00+02:00
""",
}


def spoilt(file: str, old: str, new: str) -> dict[str, str]:
    """The sound workspace with one passage replaced; it must stand there exactly once."""
    assert SOUND[file].count(old) == 1, f"{old!r} stands {SOUND[file].count(old)} times in {file}"
    return {**SOUND, file: SOUND[file].replace(old, new)}


def without(*files: str) -> dict[str, str]:
    """The sound workspace without some files and without the lines of waveboard.yaml that name them."""
    lines = SOUND["waveboard.yaml"].splitlines(keepends=True)
    kept = "".join(line for line in lines if not any(file in line for file in files))
    return {**{f: t for f, t in SOUND.items() if f not in files}, "waveboard.yaml": kept}


def judge(texts: Mapping[str, str | bytes | Unreadable], known: Known = KNOWN) -> Loaded:
    """Load texts as a workspace."""
    raw = {f: t.encode() if isinstance(t, str) else t for f, t in texts.items()}
    return load(raw.pop("waveboard.yaml"), raw, known)


def said(loaded: Loaded) -> set[tuple[str, str, str]]:
    """(level, code, place) of every complaint."""
    return {(c.level, c.code, str(c.place)) for c in loaded.complaints}


def place_of(file: str, old: str, new: str) -> str:
    """`file:line:col` of the character behind the `|` of `new`, once it stands where `old` stood. Counted here."""
    before = SOUND[file][: SOUND[file].index(old)] + new[: new.index("|")]
    return f"{file}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
