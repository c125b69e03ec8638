"""Profiles, hypervisors, placement policy and lifecycle entry into one VM as it is asked for, or one complaint each at its place."""

import pytest

from tests.contracts.kit_contracts import SOUND, judge, said
from waveboard.contracts.load import Loaded
from waveboard.model.vm import DataDisk, LogRotation

PROFILES = """\
version: "1.0"
defaults: {bridge: vmbr0, storage: local-lvm, ci_network_cidr: dhcp, ci_user: ubuntu}
profiles:
  plain-v1:
    description: the operator's own, nothing here reads it
  db-v1:
    provisioning: {template_vmid: "9000", cpu_cores: 2, memory_mb: 2048, disk_gb: 32}
    storage:
      tier: tank-vms
      data_disk:
        size_gb: 100
        bus: scsi
        serial: "{hostname}-data"
        fstype: ext4
        label: "{hostname}"
        mount: /mnt/data
        backup: true
      docker_data_root: /mnt/data/docker
      log_rotation: {max_size_mb: 10, files: 3}
      backup: {max_age_h: 26}
"""
HYPERVISORS = """\
hypervisors:
  pve: {kind: proxmox, node: n1, url: "https://127.0.0.1:8006", token: .waveboard/token, pools: {boot: local-lvm, tank-vms: tank}}
"""
WHOLE = {
    **SOUND,
    "waveboard.yaml": SOUND["waveboard.yaml"].replace("  gaps: gaps.yaml", "  profiles: profiles.yaml\n  gaps: gaps.yaml")
    + HYPERVISORS,
    "vms.yaml": SOUND["vms.yaml"].replace(
        "    lan_ip: 10.0.0.1\n", "    lan_ip: 10.0.0.1\n    profile: db-v1\n    proxmox_host: pve\n"
    ),
    "profiles.yaml": PROFILES,
    "services.yaml": SOUND["services.yaml"].replace("disk-7", "db-1-data"),
}


def changed(file: str, old: str, new: str) -> Loaded:
    assert WHOLE[file].count(old) == 1, old
    return judge({**WHOLE, file: WHOLE[file].replace(old, new)})


def test_everything_the_files_say_together_makes_the_vm() -> None:
    contract = judge(WHOLE).contract
    assert contract is not None
    spec = contract.vms["db-1"]
    assert (spec.vmid, spec.hypervisor, spec.node, spec.template, spec.cores) == (11, "pve", "n1", "9000", 2)
    assert (spec.memory_bytes, spec.boot_bytes, spec.boot_pool) == (2048 << 20, 50 << 30, "local-lvm")  # the VM's own size wins
    assert spec.data == DataDisk("tank", 100 << 30, "scsi", "db-1-data", "ext4", "db-1", "/mnt/data", True)
    assert (spec.docker_root, spec.log_rotation, spec.backup_max_age_s) == ("/mnt/data/docker", LogRotation(10**7, 3), 26 * 3600)
    assert contract.policies["db-1"].logs is None  # no guard asks for them
    assert contract.hypervisors["pve"].pools == {"boot": "local-lvm", "tank-vms": "tank"}


def test_a_profile_without_storage_makes_no_vm_and_no_complaint() -> None:
    found = changed("vms.yaml", "profile: db-v1", "profile: plain-v1")
    assert found.contract is not None and dict(found.contract.vms) == {}
    assert not [c for c in said(found) if c[2].startswith("profiles.yaml")]


def test_a_workspace_without_hypervisors_asks_nothing_of_one() -> None:
    found = judge({**WHOLE, "waveboard.yaml": WHOLE["waveboard.yaml"].replace(HYPERVISORS, "")})
    assert found.contract is not None and found.contract.vms["db-1"].hypervisor == ""


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "at"),
    [
        ("profiles.yaml", "tier: tank-vms", "tier: tank-docker", "profile-disagrees", "profiles.yaml:9:13"),
        ("profiles.yaml", "mount: /mnt/data\n", "mount: /mnt/other\n", "profile-disagrees", "profiles.yaml:16:16"),
        ("profiles.yaml", "/mnt/data/docker", "/srv/docker", "root-outside-mount", "profiles.yaml:18:25"),
        ("profiles.yaml", '"{hostname}-data"', '"{hostname}-data-disk-number-1"', "too-long", "profiles.yaml:13:17"),
        ("profiles.yaml", "size_gb: 100", "size_gb: 0", "out-of-range", "profiles.yaml:11:18"),
        ("profiles.yaml", "ci_user: ubuntu", "ci_user: null", "vm-incomplete", "profiles.yaml:7:19"),
        ("profiles.yaml", "cidr: dhcp", 'cidr: "{lan_ip}"', "bad-address", "profiles.yaml:7:19"),
        ("profiles.yaml", "cidr: dhcp", 'cidr: "{lan_ip}/33"', "bad-address", "profiles.yaml:7:19"),
        ("profiles.yaml", "cidr: dhcp", "cidr: ten/24", "bad-address", "profiles.yaml:7:19"),
        ("profiles.yaml", "ci_user: ubuntu", "ci_user: ubuntu, gateway: 10.0.0.254/24", "bad-address", "profiles.yaml:7:19"),
        (
            "profiles.yaml",
            "ci_user: ubuntu",
            'ci_user: ubuntu, nameserver: "10.0.0.1 10.0.0.2"',
            "bad-address",
            "profiles.yaml:7:19",
        ),
        ("profiles.yaml", 'template_vmid: "9000", ', "", "vm-incomplete", "profiles.yaml:7:19"),
        ("profiles.yaml", "bus: scsi", "bus: sata", "unknown-enum", "profiles.yaml:12:14"),
        ("profiles.yaml", "fstype: ext4", "fstype: ext4\n        format: force", "unknown-key", "profiles.yaml:15:9"),
        ("waveboard.yaml", ", tank-vms: tank", "", "no-pool", "profiles.yaml:9:13"),
        ("services.yaml", "db-1-data", "disk-7", "profile-disagrees", "profiles.yaml:13:17"),
        ("vms.yaml", "proxmox_host: pve", "proxmox_host: other", "dangling-reference", "vms.yaml:9:19"),
    ],
)
def test_what_disagrees_is_one_error_at_its_place(file: str, old: str, new: str, code: str, at: str) -> None:
    found = changed(file, old, new)
    assert found.contract is None and ("error", code, at) in said(found), said(found)


def test_addresses_of_both_families_are_taken() -> None:
    for cidr, gateway in (("{lan_ip}/24", "10.0.0.254"), ("2001:db8::7/64", "2001:db8::1")):
        found = changed("profiles.yaml", "cidr: dhcp", f'cidr: "{cidr}", gateway: "{gateway}", nameserver: "{gateway}"')
        assert found.contract is not None and found.contract.vms["db-1"].network.gateway == gateway, said(found)


def test_two_vms_never_share_a_serial() -> None:
    texts = {
        **WHOLE,
        "profiles.yaml": PROFILES.replace('"{hostname}-data"', "db-1-data"),
        "vms.yaml": WHOLE["vms.yaml"].replace(
            "hostname: app.two\n", "hostname: app.two\n    profile: db-v1\n    proxmox_host: pve\n"
        ),
        "placement.yaml": SOUND["placement.yaml"].replace(
            "target_storage_tier: boot-only\n    data_mount: null", "target_storage_tier: tank-vms\n    data_mount: /mnt/data"
        ),
    }
    assert "serial-taken" in {code for _, code, _ in said(judge(texts))}


def test_a_profile_nobody_wrote_is_told() -> None:
    assert ("warning", "dangling-reference", "vms.yaml:8:14") in said(changed("vms.yaml", "profile: db-v1", "profile: gone-v1"))


ASKED = WHOLE["guard.yaml"].replace("db_1_contract:\n", "db_1_contract:\n  require_log_rotation: true\n")


def test_a_guard_that_asks_for_log_limits_gets_those_of_the_profile() -> None:
    contract = judge({**WHOLE, "guard.yaml": ASKED}).contract
    assert contract is not None and (rule := contract.policies["db-1"].logs) is not None
    assert rule.limits == LogRotation(10**7, 3) and str(rule.asked).startswith("guard.yaml:13:")
    assert contract.policies["app.two"].logs is None


def test_a_guard_that_asks_for_log_limits_nobody_gives_is_told() -> None:
    none = WHOLE["profiles.yaml"].replace("      log_rotation: {max_size_mb: 10, files: 3}\n", "")
    found = judge({**WHOLE, "guard.yaml": ASKED, "profiles.yaml": none})
    assert [(c.code, c.path) for c in found.errors] == [("missing-key", "db_1_contract.require_log_rotation")]


def test_shares_that_only_the_profile_names_are_judged_too() -> None:
    profiles = WHOLE["profiles.yaml"] + '      nfs_mounts: [{path: /mnt/books, source: "nas:/books"}]\n'
    contract = judge({**WHOLE, "profiles.yaml": profiles}).contract
    assert contract is not None and contract.vms["db-1"].nfs_mounts == contract.policies["db-1"].nfs_mounts
    assert contract.policies["db-1"].nfs_mounts == (("/mnt/books", "nas:/books"),)
    assert contract.policies["app.two"].nfs_mounts == (("/mnt/media", "nas:/media"),)


EXISTING = {
    **WHOLE,
    "profiles.yaml": PROFILES.replace('{template_vmid: "9000", cpu_cores: 2, memory_mb: 2048, disk_gb: 32}', "{existing: true}")
    .replace("defaults: {bridge: vmbr0, storage: local-lvm, ci_network_cidr: dhcp, ci_user: ubuntu}\n", "")
    .replace('"{hostname}-data"', "a-serial-longer-than-qemu-keeps"),
    "services.yaml": SOUND["services.yaml"].replace("disk-7", "a-serial-longer-than-qemu-keeps"),
    "vms.yaml": WHOLE["vms.yaml"].replace("    proxmox_host: pve\n", ""),
}


def test_a_vm_that_was_there_before_its_contract_needs_nothing_that_only_making_needs() -> None:
    found = judge(EXISTING)
    assert found.contract is not None, said(found)
    spec = found.contract.vms["db-1"]
    assert spec.existing and (spec.template, spec.hypervisor, spec.network.bridge, spec.cores) == ("", "", "", 0)
    assert spec.data is not None and spec.data.serial == "a-serial-longer-than-qemu-keeps"


def test_an_existing_vm_on_a_hypervisor_needs_its_number_and_still_one_pool_less() -> None:
    on = {**EXISTING, "vms.yaml": WHOLE["vms.yaml"], "waveboard.yaml": WHOLE["waveboard.yaml"].replace(", tank-vms: tank", "")}
    assert judge(on).contract is not None
    nameless = {
        **on,
        "vms.yaml": WHOLE["vms.yaml"].replace(
            "  - id: 11\n    hostname: db-1\n    status: active", "  - hostname: db-1\n    status: active"
        ),
    }
    assert "vm-incomplete" in {code for _, code, _ in said(judge(nameless))}


def test_a_vm_without_a_number_that_is_to_be_made_is_incomplete() -> None:
    found = changed("vms.yaml", "  - id: 11\n    hostname: db-1\n    status: active", "  - hostname: db-1\n    status: active")
    assert ("error", "vm-incomplete", "profiles.yaml:7:19") in said(found)


LENDS = """\
  here: {kind: qemu, node: here, directory: vms, pools: {boot: b, tank-vms: d}, probe: {vmid: 900, address: 127.0.0.1, port: 2222}}
"""


def lending(text: str = LENDS) -> Loaded:
    return judge({**WHOLE, "waveboard.yaml": WHOLE["waveboard.yaml"] + text})


def test_a_hypervisor_that_lends_a_probe_gives_each_vm_one() -> None:
    contract = lending().contract
    assert contract is not None
    spec, policy = contract.vms["db-1-probe"], contract.policies["db-1-probe"]
    assert (spec.vmid, spec.hypervisor, spec.boot_pool, spec.template) == (900, "here", "b", "9000")
    assert spec.data and (spec.data.serial, spec.data.pool, policy.data_disk_serial) == ("probe-900", "d", "probe-900")
    assert policy.data_fstype == "ext4"
    target = contract.target("db-1-probe")
    assert target and (target.address, target.port, target.probe_of) == ("127.0.0.1", 2222, "db-1")
    assert [t.id for t in contract.targets if not t.probe_of] == [t.id for t in judge(WHOLE).contract.targets]  # type: ignore[union-attr]


def test_a_window_of_the_hypervisor_is_a_window_of_its_probes() -> None:
    window = """\
schema: waveboard.windows/1
windows:
  - {id: w, kind: allow, hosts: [here], not_before: 2026-02-26T00:00:00Z, not_after: 2027-02-26T00:00:00Z, reason: nobody is served}
"""
    texts = {**WHOLE, "waveboard.yaml": WHOLE["waveboard.yaml"] + LENDS + "windows: probing.yaml\n", "probing.yaml": window}
    texts["waveboard.yaml"] = texts["waveboard.yaml"].replace("windows: windows.yaml\n", "")
    contract = judge(texts).contract
    assert contract is not None, said(judge(texts))
    assert contract.windows[0].hosts == ("here", "db-1-probe")


@pytest.mark.parametrize(
    "text",
    [
        LENDS.replace("kind: qemu", "kind: proxmox"),
        LENDS.replace("vmid: 900", "vmid: 11"),
        LENDS + LENDS.replace("here:", "there:"),
    ],
)
def test_a_probe_is_one_on_a_qemu_with_an_id_of_its_own(text: str) -> None:
    assert "probe-misplaced" in {code for _, code, _ in said(lending(text))}
