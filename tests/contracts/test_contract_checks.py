"""Every code: one spoilt passage that must be told at its exact place, and a look-alike that must not."""

from pathlib import Path

import pytest

from tests.contracts.kit_contracts import SOUND, judge, place_of, said, spoilt
from waveboard.contracts.shelf import checks


def test_the_sound_workspace_says_nothing() -> None:
    loaded = judge(SOUND)
    assert loaded.complaints == () and loaded.contract is not None


LOOP, OLD = "loops/LOOP-STORE-20260226.scope.md", "loops/LOOP-OLD-20260101.scope.md"
SERVICE = (
    "      - container: store\n        engine: postgres\n        data_paths: [/var/lib/postgresql/data]\n"
    "        data_dir: /mnt/data/store\n"
)
SPAN = "    not_before: 2026-02-26T22:00:00Z\n    not_after: 2026-02-27T04:00:00+02:00\n"
AGAIN = "    rule: FREQ=WEEKLY;BYDAY=TU\n    starts: 2026-03-03T22:00:00\n    time_zone: Europe/Berlin\n    duration_s: 14400\n"

WINDOW = f"  - id: night\n    kind: allow\n    hosts: [db-1]\n{SPAN}"

# file, old, new (`|` stands before the character that must be named), level, code
TOLD = [
    # the registers
    ("gaps.yaml", '- id: "GAP-OP-2"', '- id: |"GAP-OP-1"', "error", "duplicate-id"),
    ("gaps.yaml", "parent_loop: LOOP-STORE-20260226", "parent_loop: |LOOP-SHOP-20260226", "warning", "dangling-reference"),
    ("gaps.yaml", "status: fixed", "status: |done", "warning", "unknown-enum"),
    ("gaps.yaml", "severity: high", "severity: |urgent", "warning", "unknown-enum"),
    ("gaps.yaml", "db-1.root.used_pct <", "|db-1.root.colour <", "error", "unknown-fact"),
    ("gaps.yaml", "criterion: db-1.root.used_pct < 60", "criterion: |when it is done", "error", "unknown-condition"),
    ("gaps.yaml", "severity: high", "severity: high\n    |colour: red", "warning", "unread-key"),
    ("gaps.yaml", "severity: high", "severity: high\n|---\ngaps: []", "error", "multi-document"),
    (LOOP, "loop_id: LOOP-STORE-20260226", "loop_id: |LOOP-OLD-20260101", "error", "duplicate-id"),
    (
        "findings.yaml",
        "existing_gap_ids: [GAP-OP-1, GAP-OP-2]\n",
        "existing_gap_ids: [GAP-OP-1]\n  - id: |STOR-001\n    severity: low\n    status: open\n",
        "error",
        "duplicate-id",
    ),
    ("findings.yaml", "\nstor_findings:", "\n  - id: |on-boot\nstor_findings:", "error", "duplicate-id"),
    (OLD, "status: closed", "loop_id: |LOOP-ELSE-20260101\nstatus: closed", "warning", "contradicting-value"),
    (OLD, "status: closed", "status: |authoritative", "warning", "unknown-enum"),
    (OLD, "---\nstatus: closed\nparent_loop: LOOP-STORE-20260226\n---\n", "|# Old\n", "warning", "no-front-matter"),
    (OLD, "---\nstatus: closed\nparent_loop: LOOP-STORE-20260226\n---\n", "|---\nstatus: closed\n", "error", "syntax"),
    (OLD, "parent_loop: LOOP-STORE-20260226", "parent_loop: |LOOP-OLD-20260101", "error", "loop-cycle"),
    (OLD, "parent_loop: LOOP-STORE-20260226", "parent_loop: |LOOP-NONE-20260101", "warning", "dangling-reference"),
    (LOOP, "gaps: [GAP-OP-1]", "gaps: [|GAP-OP-7]", "warning", "dangling-reference"),
    ("gates.yaml", "composite_of: [D2]", "composite_of: [|D3]", "warning", "dangling-reference"),
    ("topology.yaml", "core_gate_ids: [D1]", "core_gate_ids: [|D9]", "warning", "dangling-reference"),
    ("topology.yaml", "gate_id: D2", "gate_id: |D9", "warning", "dangling-reference"),
    (
        "topology.yaml",
        "[{gate_id: D2, primary_domain: stores",
        "[{gate_id: D2, primary_domain: |shops",
        "warning",
        "dangling-reference",
    ),
    (
        "capabilities.yaml",
        "store.move: {safety: mutating, approval: manual, requires: [store.read]",
        "store.move: {safety: mutating, requires: [|store.write]",
        "warning",
        "dangling-reference",
    ),
    ("topology.yaml", "{domain_id: stores}", "{domain_id: stores, depends_on: [|shops]}", "warning", "dangling-reference"),
    ("topology.yaml", "[{gate_id: D2,", "[{gate_id: D2}, {gate_id: |D2,", "warning", "duplicate-id"),
    ("gates.yaml", "{id: D2, retired: true}", "{id: |D1, retired: true}", "warning", "duplicate-id"),
    (
        "findings.yaml",
        "stor_findings:\n  - id",
        "stor_findings:\n  - {id: STOR-001, severity: low, status: open}\n  - id: |STOR-001 #",
        "error",
        "duplicate-id",
    ),
    ("findings.yaml", "  - id: on-boot", "  - id: on-boot\n  - id: |on-boot", "error", "duplicate-id"),
    ("capabilities.yaml", "{safety: read-only", "{safety: |readonly", "warning", "unknown-enum"),
    ("capabilities.yaml", "approval: auto", "approval: |always", "warning", "unknown-enum"),
    ("waivers.yaml", "gate: D236", "gate: |D299", "error", "dangling-reference"),
    ("waivers.yaml", "code: boot-backed", "code: |root-usage", "error", "dangling-reference"),
    ("waivers.yaml", "host: db-1", "host: |db-7", "error", "dangling-reference"),
    ("waivers.yaml", "while: root_pct < 90", "while: |root_use < 90", "error", "unknown-condition"),
    ("waivers.yaml", "while: root_pct < 90", "while: |'pack_complete: small'", "error", "unknown-condition"),
    ("waivers.yaml", "until: 2026-12-31", "until: |someday", "error", "bad-value"),
    ("waivers.yaml", 'owner: "@someone"', "owner: |To be named", "warning", "proposed-waiver"),
    ("waivers.yaml", "  - id: W-1", "  - |id: W-1\n    fingerprint: 0123456789abcdef", "error", "bad-value"),
    ("waivers.yaml", "    until: 2026-12-31\n    while: root_pct < 90\n", "", "error", "bad-value"),
    ("waivers.yaml", "    reason: a test store\n", "", "error", "missing-key"),
    # text and shape, all files
    ("guard.yaml", "version: v1", "version: v1\n|version: v2", "error", "duplicate-key"),
    ("packs.yaml", "mode: report", "|mod: report", "error", "unknown-key"),
    ("waveboard.yaml", 'owner: "@someone"', "|ownr: x", "error", "unknown-key"),
    ("waveboard.yaml", "schema: waveboard/1", "schema: |waveboard/2", "error", "unknown-enum"),
    ("waveboard.yaml", "hosts: hosts.yaml", "hosts: |../hosts.yaml", "error", "outside-workspace"),
    ("waveboard.yaml", "vms: vms.yaml", "vms: |/etc/vms.yaml", "error", "outside-workspace"),
    ("waveboard.yaml", "vms: vms.yaml", "vms: [vms.yaml, |missing.yaml]", "error", "missing-file"),
    ("waveboard.yaml", "loops: loops/*.md", "loops: |loop/*.md", "warning", "no-match"),
    *(
        ("waveboard.yaml", "schema: waveboard/1", f"schema: waveboard/1\nstore: |'{store}'", "error", "unknown-store")
        for store in (
            "mysql://x",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///?a=b",
            "postgres://h/d",
            "state.db",
        )
    ),
    ("waveboard.yaml", "allowed_signers: trust/allowed_signers", "allowed_signers: |../../keys", "error", "outside-workspace"),
    ("waveboard.yaml", "four_eyes: false", "|four_eyes: true", "warning", "nobody-acts"),
    ("waveboard.yaml", "four_eyes: false", "four_eyes: true, people: {ann: [x], bob: [|X]}", "error", "two-persons"),
    ("waveboard.yaml", "four_eyes: false", "four_eyes: true, people: {ann: [], bob: [|ann]}", "error", "two-persons"),
    ("waveboard.yaml", "four_eyes: false", "four_eyes: true, people: {ann: [], |Ann: []}", "error", "two-persons"),
    ("waveboard.yaml", "four_eyes: false", "four_eyes: true, people: {|'agent:w1': []}", "error", "bad-value"),
    ("guard.yaml", "root_usage_warn_pct: 60", "root_usage_warn_pct: |'60'", "error", "wrong-type"),
    ("guard.yaml", "root_usage_warn_pct: 60", "root_usage_warn_pct: |101", "error", "out-of-range"),
    ("guard.yaml", "root_usage_warn_pct: 60", "root_usage_warn_pct: |.nan", "error", "not-a-number"),
    ("guard.yaml", "docker_images_warn_gb: 15", "docker_images_warn_gb: |true", "error", "wrong-type"),
    ("guard.yaml", "docker_images_warn_gb: 15", "docker_images_warn_gb: |0", "error", "out-of-range"),
    ("guard.yaml", "  docker_images_warn_gb: 15\n", "", "error", "missing-key"),
    ("guard.yaml", "default_policy: report", "default_policy: |enforced", "error", "unknown-enum"),
    ("vms.yaml", "  - id: 12", "  - id: |12.5", "error", "wrong-type"),
    ("vms.yaml", "  - id: 12", "  - id: |-1", "error", "out-of-range"),
    ("hosts.yaml", "      host: 10.0.0.2", "      host: |-oProxyCommand=x", "error", "bad-value"),
    ("hosts.yaml", "    - id: app.two", "    - id: |'app two'", "error", "bad-value"),
    ("hosts.yaml", "user: ubuntu", "user: |'$(id)'", "error", "bad-value"),
    ("placement.yaml", "data_mount: /mnt/data", "data_mount: |/mnt/../etc", "error", "bad-value"),
    *(
        ("placement.yaml", "data_mount: /mnt/data", f"data_mount: |{mount}", "error", "bad-value")
        for mount in ("/", "/boot", "/boot/", "/boot/efi", "/efi", "/boot/grub")
    ),
    ("findings.yaml", "severity: high", "severity: |urgent", "error", "unknown-enum"),
    ("windows.yaml", "2026-02-26T22:00:00Z", "|2026-02-26T22:00:00", "error", "bad-value"),
    ("windows.yaml", "2026-02-26T22:00:00Z", "2026-02-27T02:00:00Z", "error", "bad-value"),
    *(
        ("windows.yaml", SPAN, AGAIN.replace(old, new), "error", code)
        for old, new, code in (
            ("FREQ=WEEKLY;BYDAY=TU", "|FREQ=WEEKLY;BYDAY=TU;BYDAY=WE", "bad-value"),
            ("FREQ=WEEKLY;BYDAY=TU", "|FREQ=WEEKLY;BYDAY=NEVER", "bad-value"),
            ("FREQ=WEEKLY;BYDAY=TU", "|FREQ=MINUTELY", "bad-value"),
            ("FREQ=WEEKLY;BYDAY=TU", "|FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "bad-value"),
            ("FREQ=WEEKLY;BYDAY=TU", "|FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=0,5,10,15,20", "bad-value"),
            ("FREQ=WEEKLY;BYDAY=TU", "|FREQ=DAILY;UNTIL=20270101", "bad-value"),
            *(
                ("FREQ=WEEKLY;BYDAY=TU", f"|{rule}", "bad-value")
                for rule in (
                    "FREQ=DAILY;INTERVAL=0;BYDAY=TU",  # never comes to an end
                    "FREQ=DAILY;INTERVAL=-1",
                    "FREQ=DAILY;COUNT=99999999999999999999",
                    "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z",
                    "FREQ=DAILY;BYMONTH=13",
                    "FREQ=MONTHLY;BYMONTHDAY=1,32",
                    "FREQ=MONTHLY;BYMONTHDAY=0",
                    "FREQ=MONTHLY;BYDAY=9MO",
                    "FREQ=WEEKLY;BYDAY=2MO",  # a calendar library takes it for every Monday
                    "FREQ=WEEKLY;BYMONTHDAY=1",
                    "FREQ=MONTHLY;BYWEEKNO=20",
                    "FREQ=DAILY;BYSETPOS=1",
                    "FREQ=WEEKLY;WKST=2MO",
                    "FREQ=DAILY;INTERVAL=7;BYDAY=WE",  # from a Tuesday: never a Wednesday
                    "FREQ=DAILY;UNTIL=20260303T205959Z",  # a second before the first one
                    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
                    "FREQ=DAILY;BYMONTH=2,4;BYMONTHDAY=31,-31",
                    "FREQ=DAILY;BYSETPOS=2;BYDAY=SU,TH",
                    "FREQ=WEEKLY;BYHOUR=1,2;BYSETPOS=-15,16;BYDAY=SU",
                )
            ),
            ("2026-03-03T22:00:00", "|2026-03-03T22:00:00Z", "bad-value"),
            ("Europe/Berlin", "|Europe/Bonn", "bad-value"),
            ("Europe/Berlin", "|/etc/passwd", "bad-value"),
            ("duration_s: 14400", "duration_s: |0", "out-of-range"),
            ("    duration_s: 14400\n", "", "bad-value"),
            ("duration_s: 14400", "duration_s: 14400\n    overrun: hurry", "unknown-enum"),
            ("duration_s: 14400", "duration_s: 14400\n    overrun: finish", "bad-value"),
            ("duration_s: 14400", "duration_s: 14400\n    overrun: rollback\n    overrun_s: 60", "bad-value"),
        )
    ),
    ("windows.yaml", "kind: allow", "kind: deny\n    overrun: rollback", "error", "bad-value"),
    ("packs.yaml", "runs: 3", "runs: |2", "error", "out-of-range"),
    ("packs.yaml", ", min_interval_s: 3600", "", "error", "missing-key"),
    ("waves/one.yaml", ", overrun: rollback}", "}", "error", "missing-key"),
    ("packs.yaml", "gates: [D235, D236]", "gates: |[D235, D235]", "error", "bad-value"),
    ("guard.yaml", "required_containers: [cache, store]", "required_containers: |7", "error", "wrong-type"),
    ("guard.yaml", "require_appendonly: true", "require_appendonly: |'yes'", "error", "wrong-type"),
    # keys nobody reads
    ("guard.yaml", "version: v1", "version: v1\n|extra: 1", "warning", "unread-key"),
    ("guard.yaml", "thresholds:", "thresholds:\n  |db_1_contract: 1", "warning", "unread-key"),
    ("placement.yaml", "    vmid: 12", "    |vm_id: 12", "warning", "unread-key"),
    ("hosts.yaml", "      tags: [vm]", "      |tagz: [vm]", "warning", "unread-key"),
    ("guard.yaml", "require_appendonly: true", "require_appendonly: true\n    |require_tls: true", "warning", "unread-key"),
    ("guard.yaml", "mode: {default_policy: report,", "mode: {default_policy: report, |active_wave: W1,", "warning", "unread-key"),
    ("placement.yaml", "version: 1\n", "version: 1\n|boot_drive_violations: [databases]\n", "warning", "unread-key"),
    ("vms.yaml", "version: ", "|defaults: {}\nversion: ", "warning", "unread-key"),
    (
        "hosts.yaml",
        "      host: 10.0.0.2",
        "      host: 10.0.0.2\n      |ssh_extra_opts: '-o Ciphers=x'",
        "warning",
        "unread-key",
    ),
    # names that name nothing
    ("hosts.yaml", "probe_via: app.two", "probe_via: |jump", "warning", "dangling-reference"),
    ("vms.yaml", "ssh_target: db-1", "ssh_target: |db1", "warning", "dangling-reference"),
    ("findings.yaml", "root_cause_cluster: on-boot", "root_cause_cluster: |on-root", "warning", "dangling-reference"),
    ("findings.yaml", "stor_findings: [STOR-001]", "stor_findings: [STOR-001, |STOR-9]", "warning", "dangling-reference"),
    ("findings.yaml", "existing_gap_ids: [GAP-OP-1, GAP-OP-2]", "existing_gap_ids: [|GAP-1]", "warning", "dangling-reference"),
    ("findings.yaml", "existing_gap_ids: [GAP-OP-1, GAP-OP-2]", "existing_gap_ids: [|GAP-OP-9]", "warning", "dangling-reference"),
    ("findings.yaml", "primary_loop_id: LOOP-STORE-20260226", "primary_loop_id: |LOOP-STORE", "warning", "dangling-reference"),
    ("findings.yaml", "existing_loop_ids: [LOOP-STORE", "existing_loop_ids: [|LOOP-SHOP", "warning", "dangling-reference"),
    ("packs.yaml", "gates: [D235, D236]", "gates: [D235, |D999]", "error", "dangling-reference"),
    ("packs.yaml", "hosts: [db-1, app.two]", "hosts: [db-1, |app-two]", "error", "dangling-reference"),
    ("packs.yaml", "stor: STOR-001", "stor: |STOR-2", "warning", "dangling-reference"),
    ("packs.yaml", "gate: D236", "gate: |D9", "error", "dangling-reference"),
    ("packs.yaml", "codes: [boot-backed]", "codes: [|boot-backd]", "error", "dangling-reference"),
    ("packs.yaml", "    later:", "    modes: {|D237: report}\n    later:", "error", "dangling-reference"),
    ("packs.yaml", "    later:", "    guard: |other.yaml\n    later:", "error", "dangling-reference"),
    ("packs.yaml", "later: [D900]", "later: [D900, |D237]", "warning", "built-gate"),
    ("waves/one.yaml", "mutate: [db-1]", "mutate: [db-1, |db-2]", "error", "dangling-reference"),
    ("waves/one.yaml", "read_only: [app.two]", "read_only: [|app]", "error", "dangling-reference"),
    ("waves/one.yaml", "  stor: [STOR-001]", "  stor: [|STOR-7]", "error", "dangling-reference"),
    ("waves/one.yaml", "gaps: [GAP-OP-1]", "gaps: [|gap-1]", "error", "dangling-reference"),
    ("waves/one.yaml", "excludes: [W2]", "excludes: [|W3]", "error", "dangling-reference"),
    ("waves/one.yaml", "excludes: [W2]", "excludes: [|W1]", "error", "dangling-reference"),
    ("windows.yaml", "hosts: [db-1]", "hosts: [|db-9]", "error", "dangling-reference"),
    ("services.yaml", "  db-1:", "  |db-one:", "error", "dangling-reference"),
    ("services.yaml", SERVICE, SERVICE + SERVICE.replace("container: ", "container: |"), "error", "duplicate-id"),
    ("windows.yaml", WINDOW, WINDOW + WINDOW.replace("id: ", "id: |"), "error", "duplicate-id"),
    ("waveboard.yaml", "    db-1: {", "    |db-7: {", "error", "dangling-reference"),
    ("guard.yaml", "app_two_contract:", "|app_3_contract:", "warning", "dangling-reference"),
    ("placement.yaml", "  app.two:", "  |app-2:", "warning", "dangling-reference"),
    # one machine twice
    ("hosts.yaml", "    - id: app.two", "    - id: |db-1", "error", "duplicate-hostname"),
    ("hosts.yaml", "host: 10.0.0.3", "host: |10.0.0.2", "warning", "duplicate-hostname"),
    ("vms.yaml", "hostname: app.two", "hostname: |DB-1", "warning", "duplicate-hostname"),
    ("vms.yaml", "  - id: 12", "  - id: |11", "warning", "duplicate-hostname"),
    ("vms.yaml", "tailscale_ip: null", "tailscale_ip: null\n    lan_ip: |10.0.0.1", "warning", "duplicate-hostname"),
    ("placement.yaml", "vmid: 12", "vmid: |11", "warning", "duplicate-hostname"),
    # storage
    ("vms.yaml", "hostname: app.two", "hostname: |app3", "warning", "undeclared-storage"),
    ("vms.yaml", "boot_disk_gb: 50", "boot_disk_gb: |64", "warning", "contradicting-value"),
    ("vms.yaml", "storage_tier: tank-vms", "storage_tier: |nfs-media", "warning", "contradicting-value"),
    # one quantity, several numbers
    (
        "guard.yaml",
        "  container_rootfs_warn_mb: 0.5\n",
        "  container_rootfs_warn_mb: 0.5\n  data_usage_warn_pct: |90\n  data_usage_fail_pct: 70\n",
        "warning",
        "contradicting-threshold",
    ),
    ("placement.yaml", "boot_usage_warn_pct: 60", "boot_usage_warn_pct: |80", "warning", "contradicting-threshold"),
    ("placement.yaml", "boot_usage_critical_pct: 80", "boot_usage_critical_pct: |90", "warning", "contradicting-threshold"),
    ("loops/LOOP-STORE-20260226.scope.md", "stays below 60 %", "stays below |70 %", "warning", "contradicting-threshold"),
    ("waves/one.yaml", "goal: Move the data", "goal: Bring root usage under |55%", "warning", "contradicting-threshold"),
    (
        "waves/one.yaml",
        "db-1.root.used_pct < guard.root_usage_warn_pct",
        "|db-1.root.used_pct < 70",
        "warning",
        "contradicting-threshold",
    ),
    (
        "placement.yaml",
        "status: compliant",
        "notes: >\n      docker images must stay\n      at most |20 GB\n",
        "warning",
        "contradicting-threshold",
    ),
    ("guard.yaml", "root_usage_fail_pct: 80", "root_usage_fail_pct: 50", "warning", "contradicting-threshold"),
    # sentences
    (
        "guard.yaml",
        "db_1_contract:",
        "promotion_to_enforce:\n  prerequisites:\n    - |Three quiet runs\ndb_1_contract:",
        "warning",
        "prose-rule",
    ),
    ("placement.yaml", "data_source: tank/db-1", "data_source: |a zvol on the tank", "warning", "prose-rule"),
    ("placement.yaml", "status: accepted-risk", "notes: |databases must not live here", "warning", "prose-rule"),
    # words
    ("vms.yaml", "    status: decommissioned", "    status: |template", "warning", "unknown-enum"),
    ("placement.yaml", "status: compliant", "status: |fine", "warning", "unknown-enum"),
    ("placement.yaml", "target_storage_tier: boot-only", "target_storage_tier: |boot", "warning", "unknown-enum"),
    ("findings.yaml", "status: open", "status: |opened", "warning", "unknown-enum"),
    # fallen behind
    ("derived.yaml", 'generated_at: "2026-02-21"', 'generated_at: |"2026-02-19"', "warning", "stale-derived"),
    ("derived.yaml", ", {hostname: app.two}", "", "warning", "stale-derived"),
    ("gates.yaml", "total: 2", "total: |3", "warning", "stale-derived"),
    ("gates.yaml", "active: 1", "active: |2", "warning", "stale-derived"),
    # ssh
    ("hosts.yaml", "user: root,", 'user: root, strict_host_key_checking: |"no",', "warning", "ignored-insecure"),
    ("hosts.yaml", "user: root,", "user: root, strict_host_key_checking: |false,", "warning", "ignored-insecure"),
    ("hosts.yaml", "user: root,", "user: root, user_known_hosts_file: |/dev/null,", "warning", "ignored-insecure"),
    (
        "hosts.yaml",
        "      host: 10.0.0.2",
        "      host: 10.0.0.2\n      ssh_extra_opts: |'-oProxyCommand=x'",
        "warning",
        "ignored-insecure",
    ),
    # guard, mode, redis
    ("packs.yaml", "mode: report", "mode: |enforce", "warning", "contradicting-mode"),
    ("packs.yaml", "  small:\n    mode: report", "  |small:\n    mode: enforce", "warning", "contradicting-mode"),
    ("packs.yaml", "  small:", "  |small:\n    modes: {D235: enforce}", "warning", "contradicting-mode"),
    ("guard.yaml", "    require_appendonly: true\n", "", "warning", "empty-rule"),
    # waves
    ("waves/one.yaml", "host: db-1, serial", "host: |app.two, serial", "error", "out-of-scope"),
    ("waves/one.yaml", "read_only: [app.two]", "read_only: [db-1]", "error", "out-of-scope"),
    ("waves/one.yaml", "controlled-runtime", "governance", "error", "out-of-scope"),
    ("waves/one.yaml", "kind: mount_data_disk", "kind: |mount_disk", "error", "unknown-step"),
    ("waves/one.yaml", "serial: disk-7,", "|serials: disk-7,", "error", "unknown-key"),
    ("waves/one.yaml", ", target: /mnt/data}", "}", "error", "missing-key"),
    ("waves/one.yaml", "window: {required: true, max_downtime_s: 60, overrun: rollback}\n", "", "error", "missing-key"),
    ("waves/two.yaml", "id: W2", "id: |W1", "error", "duplicate-id"),
    ("waves/one.yaml", "id: W1", "id: |" + "w" * 33, "error", "too-long"),
    ("waves/one.yaml", "id: W1", "id: |W2-RETIRE", "error", "taken-name"),
    ("waves/one.yaml", "id: W1", "id: |BOOT-db-1", "error", "taken-name"),
    ("waves/one.yaml", "id: W1", "id: |PROV-app.two", "error", "taken-name"),
    ("waves/one.yaml", "id: W1", "id: |" + "w" * 19 + "-0123456789ab", "error", "taken-name"),
    ("waves/one.yaml", "db-1.root.used_pct <", "|db-1.root.usage <", "error", "unknown-fact"),
    ("waves/one.yaml", "< guard.root_usage_warn_pct", "< |guard.root_warn", "error", "unknown-fact"),
    (
        "waves/one.yaml",
        "- db-1.root.used_pct < guard.root_usage_warn_pct",
        "- 'db-1.root.used_pct < |guard.root_warn'",
        "error",
        "unknown-fact",
    ),
    ("waves/one.yaml", "- db-1.root.used_pct <", "- |db-9.root.used_pct <", "error", "dangling-reference"),
    ("waves/one.yaml", "approval: operator", "|approval: agent", "error", "unknown-condition"),
    ("waves/one.yaml", "- approval: operator", "- |An approved window exists.", "error", "unknown-condition"),
    ("waves/one.yaml", "- approval: operator", "- |approved_by: operator", "error", "unknown-condition"),
    ("waves/one.yaml", "- approval: operator", "- |{approval: operator, x: 1}", "error", "unknown-condition"),
    ("waves/one.yaml", "- approval: operator", "- |7", "error", "unknown-condition"),
    ("waves/one.yaml", "pack: small, runs: 3", "pack: small, runs: many", "error", "unknown-condition"),
    ("waves/one.yaml", "pack: small, runs: 3", "pack: [small], runs: 3", "error", "unknown-condition"),
    (
        "waves/one.yaml",
        "|linkage_complete: [STOR-001]".replace("|", ""),
        "|linkage_complete: [STOR-4]",
        "error",
        "dangling-reference",
    ),
    ("waves/one.yaml", "linkage_complete: [STOR-001]", "|linkage_complete: [{}]", "error", "dangling-reference"),
    ("waves/one.yaml", "not_boot_backed: db-1", "|not_boot_backed: [db-1]", "error", "dangling-reference"),
    ("waves/one.yaml", "- pack_complete: small", "- |pack_complete: large", "error", "dangling-reference"),
    ("waves/one.yaml", "- pack_complete: small", "- |window_open: false", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |undo_ready: 'true'", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |gate_passes: D235", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |gate_passes: {gate: D235}", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |gate_passes: {gate: D235, hosts: db-1}", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |gate_passes: {gate: D9, hosts: [db-1]}", "error", "dangling-reference"),
    ("waves/one.yaml", "- pack_complete: small", "- |gate_passes: {gate: D235, hosts: [db-9]}", "error", "dangling-reference"),
    ("waves/one.yaml", "- pack_complete: small", "- |gate_passes: {gate: D235, hosts: [[]]}", "error", "dangling-reference"),
    ("waves/one.yaml", "- pack_complete: small", "- |linkage_complete: STOR-001", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |linkage_complete: []", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |report_stable: {pack: small, runs: 0}", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |report_stable: {pack: small, runs: true}", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |report_stable: {pack: big, runs: 3}", "error", "dangling-reference"),
    ("waves/one.yaml", "- pack_complete: small", "- |1 < 2", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- |guard.root_usage_warn_pct < 99", "error", "unknown-condition"),
    ("waves/one.yaml", "- pack_complete: small", "- db-1.root.used_pct < |placement.root_warn", "error", "unknown-fact"),
    ("waves/one.yaml", "- pack_complete: small", "- |db-1.root.used_pct < 60 && 1 < 2", "error", "unknown-condition"),
    ("waves/two.yaml", "app.two.docker.images_gb", "|app.two.docker.image_gb", "warning", "unknown-fact"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "level", "code"), TOLD, ids=lambda v: None if isinstance(v, str) and len(v) > 40 else v
)
def test_told_at_its_place(file: str, old: str, new: str, level: str, code: str) -> None:
    texts = spoilt(file, old, new.replace("|", ""))
    loaded = judge(texts)
    found = {(lv, cd, at) for lv, cd, at in said(loaded) if cd == code and at.startswith(f"{file}:") and lv == level}
    assert found, said(loaded)
    if "|" in new:
        assert (level, code, place_of(file, old, new)) in found
    assert (loaded.contract is None) == (level == "error")
    assert all(c.fix and c.message for c in loaded.complaints)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("loops/README.md", "# How we write loops\n"),
        (
            "loops/page.md",
            "---\nstatus: open\nid: page-1\nparent_loop: LOOP-NONE-20260101\n---\n- Root usage stays below 60 %.\n",
        ),
    ],
)
def test_a_page_among_the_loops_is_told_and_is_no_loop(page: str, text: str) -> None:
    loaded = judge({**SOUND, page: text})
    assert said(loaded) == {("warning", "not-a-loop", f"{page}:1:1")}
    assert loaded.contract and [loop.id for loop in loaded.contract.registers.loops] == [
        "LOOP-OLD-20260101",
        "LOOP-STORE-20260226",
    ]
    away = judge({**SOUND, page: text, "gaps.yaml": SOUND["gaps.yaml"].replace("LOOP-STORE-20260226", Path(page).stem)})
    assert {code for _, code, _ in said(away)} == {"not-a-loop", "dangling-reference"}  # what names the page names no loop


def test_a_circle_of_loops_is_told_once_with_the_whole_way() -> None:
    loaded = judge(spoilt(LOOP, "gaps: [GAP-OP-1]", "parent_loop: LOOP-OLD-20260101"))
    (told,) = [c for c in loaded.errors if c.code == "loop-cycle"]
    assert str(told.place) == f"{OLD}:3:14"
    assert told.message.endswith("LOOP-OLD-20260101 -> LOOP-STORE-20260226 -> LOOP-OLD-20260101")


def test_a_stores_password_is_not_told() -> None:
    loaded = judge(spoilt("waveboard.yaml", "schema: waveboard/1", "schema: waveboard/1\nstore: mysql://ann:geheim@db/x"))
    (told,) = loaded.errors
    assert "geheim" not in told.message + told.fix and "`mysql`" in told.message
    assert "sqlite:///" in told.fix and "postgresql://" in told.fix


def test_a_draft_is_only_told_that_its_name_is_too_long() -> None:
    loaded = judge({path: text.replace("W2", "w" * 33) for path, text in SOUND.items()})
    (told,) = [c for c in loaded.complaints if c.code == "too-long"]
    assert told.level == "warning" and loaded.contract is not None and "this id has 33" in told.message


# file, old, new: must change nothing
SILENT = [
    ("services.yaml", SERVICE, f"{SERVICE}  app.two:\n    services:\n{SERVICE}"),
    ("findings.yaml", "\nstor_findings:", "\n  - id: STOR-001\nstor_findings:"),  # a cluster is no finding
    *(
        ("waveboard.yaml", "schema: waveboard/1", f"schema: waveboard/1\nstore: {store}")
        for store in ("sqlite:///elsewhere.db", "sqlite:////srv/a.db?timeout=3", "postgresql://u:p@h/d", "postgresql+psycopg:///d")
    ),
    ("placement.yaml", "data_mount: /mnt/data", "data_mount: /boots"),
    ("waveboard.yaml", "four_eyes: false", "four_eyes: true, people: {ann: [ann@desk, Ann, 'agent:w1'], bob@x: []}"),
    ("guard.yaml", "version: v1", 'version: "1.0"'),
    ("waves/one.yaml", "id: W1", "id: " + "w" * 32),
    ("waves/one.yaml", "id: W1", "id: BOOT-db-9"),
    ("waves/one.yaml", "id: W1", "id: W9-RETIRE"),
    ("waves/one.yaml", "id: W1", "id: " + "w" * 18 + "-0123456789ab"),
    ("guard.yaml", "last_verified: 2026-02-26", "last_verified: null\nstatus: active\nowner: x\nscope: y\nnotes: [a]"),
    ("guard.yaml", "root_usage_warn_pct: 60", "root_usage_warn_pct: 60.0"),
    ("guard.yaml", 'require_named_volume_prefix: ""', 'require_bind_mount_prefix: "/mnt/data"'),
    ("guard.yaml", "    require_appendonly: true\n", '    require_bind_mount_prefix: "/x"\n'),
    ("hosts.yaml", "port: 22", 'port: "22"'),
    ("hosts.yaml", "user: root,", "user: root, strict_host_key_checking: 'yes', user_known_hosts_file: /etc/known,"),
    ("hosts.yaml", "host: 10.0.0.2", "host: fd7a:115c::2\n      access_policy: lan_first\n      tailscale_ip: 1.2.3.4"),
    ("hosts.yaml", "host: 10.0.0.3", "host: 10.0.0.2\n      port: 2200"),
    ("vms.yaml", "  - id: 12", '  - id: "12"'),
    ("vms.yaml", "tailscale_ip: null", "tailscale_ip: null\n    storage_tier: boot-only\n    ssh_target: null"),
    ("vms.yaml", "    hostname: app.two\n    status: active", "    hostname: app9\n    status: planning"),
    ("placement.yaml", "    vmid: 12\n", ""),
    ("placement.yaml", "    boot_disk_gb: 50\n", ""),
    ("placement.yaml", "data_source: tank/db-1", 'data_source: "nas:/volume1/db"'),
    ("placement.yaml", "data_source: tank/db-1", "data_source: null"),
    ("placement.yaml", "status: accepted-risk", "notes: stateless containers only"),
    ("placement.yaml", "status: compliant", "notes: root was 81 % full on 2026-02-25"),
    ("placement.yaml", "status: compliant", "notes: docker root grew by 5 %, above 70 % of it images"),
    ("placement.yaml", "status: compliant", "notes: the root cause took over 90 % of the night"),
    ("placement.yaml", "status: compliant", "notes: keep root usage below 60 percent"),
    (LOOP, "active\ngaps: [GAP-OP-1]\nanybody: may write here\n---\n- Root usage of every VM stays below 60", "closed\n---\n- Root use below 70"),
    ("placement.yaml", "vm_storage:", "vm_storage:\n  gate: {target_storage_tier: boot-only}"),
    ("derived.yaml", 'generated_at: "2026-02-21"', "generated_at: 2026-02-20T10:00:00Z"),
    ("derived.yaml", "[{id: 11}, {hostname: app.two}]", "{'11': x, more: [{app.two: y}]}"),
    ("gates.yaml", "composite_of: [D2]", "composite_of: D235"),
    ("gaps.yaml", "severity: high", "severity: high\n    type: missing-process\n    regression_lock_id: legacy\n    notes: [a, {b: c}]"),
    (LOOP, "gaps: [GAP-OP-1]", "gaps: GAP-OP-1 and GAP-OP-2"),
    (LOOP, "loop_id: LOOP", "id: LOOP"),
    (LOOP, "---\n- Root", "---\n\n---\nA rule across the page.\n- Root"),
    (LOOP, "status: active", "status: planned\ncriterion: {gate_passes: {gate: D235, hosts: [db-1]}}"),
    ("waivers.yaml", "while: root_pct < 90", "ends_when: db-1.root.used_pct >= 60"),
    ("waivers.yaml", 'owner: "@someone"', "owner: somebody named to"),
    ("waivers.yaml", "    until: 2026-12-31\n", ""),
    ("waivers.yaml", "host: db-1\n    code: boot-backed", "host: db-1\n    code: boot-*"),
    ("gates.yaml", "gate_count: {total: 2, active: 1, retired: 1}", "gate_count: null"),
    ("packs.yaml", "    mode: report\n", ""),
    ("packs.yaml", "    later:", "    guard: guard.yaml\n    modes: {D235: report}\n    later:"),
    ("waves/one.yaml", "- db-1.root.used_pct < guard.root_usage_warn_pct", "- 'db-1.root.used_pct < 60'"),
    ("waves/one.yaml", "- db-1.root.used_pct < guard.root_usage_warn_pct", "- guard.root_usage_warn_pct >= db-1.root.used_pct"),
    ("waves/one.yaml", "- pack_complete: small", "- db-1.root.used_pct < placement.boot_usage_warn_pct"),
    ("waves/one.yaml", "- pack_complete: small", '- "gate_passes: {\\"gate\\":\\"D235\\",\\"hosts\\":[\\"db-1\\"]}"'),
    ("waves/one.yaml", "- pack_complete: small", "- 'pack_complete: small'"),
    ("windows.yaml", SPAN, AGAIN),
    *(
        ("windows.yaml", SPAN, AGAIN.replace("FREQ=WEEKLY;BYDAY=TU", rule))
        for rule in (
            "FREQ=DAILY;INTERVAL=28;BYDAY=TU",  # it starts on a Tuesday
            "FREQ=DAILY;UNTIL=20260303T210000Z",  # the first one, and no other
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
            "FREQ=MONTHLY;BYDAY=-1SU,1SA;BYSETPOS=1;WKST=SU",
            "FREQ=YEARLY;BYDAY=-53MO,53MO;COUNT=2",
        )
    ),
    ("windows.yaml", SPAN, AGAIN + "    overrun: pause\n    overrun_s: 86400\n"),
    ("windows.yaml", "    hosts: [db-1]\n", "    hosts: [db-1]\n    overrun: finish\n    overrun_s: 600\n"),
    ("waveboard.yaml", "hosts: hosts.yaml", "hosts: ./hosts.yaml"),
    ("waveboard.yaml", "vms: vms.yaml", "vms: [vms.yaml]"),
    ("waveboard.yaml", "vms: vms.yaml", "vms: vm?.yaml"),
    ("waveboard.yaml", "vms: vms.yaml", "vms: [vm?.yaml, vms.yaml]"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new"), SILENT)
def test_a_look_alike_is_not_told(file: str, old: str, new: str) -> None:
    loaded = judge(spoilt(file, old, new))
    assert [(c.code, str(c.place), c.message) for c in loaded.complaints] == []
    assert loaded.contract is not None


def test_the_page_explains_every_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
    codes = {code for *_, code in TOLD} | {code for check in checks() for code in check.codes}
    assert {code for code in codes if f"`{code}`" not in page} == set()
