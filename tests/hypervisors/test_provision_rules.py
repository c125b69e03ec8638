"""From a VM's contract and what its hypervisor has to steps, or one clear refusal each."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.hypervisors.estate import DISK, KIT, PUBLIC, SHAPE, SPEC, memory
from waveboard.model.errors import RefusedError
from waveboard.model.units import GIB
from waveboard.model.vm import HypervisorState, Network, Pool, VmDisk, VmSpec, VmState
from waveboard.vms import provision, seed

EMPTY = memory().look()
REACH = provision.Reach("192.0.2.12", 22, PUBLIC)
TAG = "wb-i-0123456789ab"
BOOT = VmDisk("scsi0", "local-lvm", "local-lvm:vm-212-disk-0", 16 * GIB)
DATA = VmDisk("scsi1", "tank", "tank:vm-212-disk-1", 8 * GIB, DISK.serial)
WHOLE = VmState(212, "new-1", "pve1", "running", False, "", (BOOT, DATA), TAG, boot="scsi0", shape=SHAPE, seed="local:iso/x")


def steps(state: HypervisorState, spec: VmSpec = SPEC) -> list[str]:
    wish = provision.Wish(spec, REACH, seed.files(spec, KIT), "local", "proxmox")
    return [step.verb for step in provision.steps(wish, state, "i")]


def having(vm: VmState, **more: object) -> HypervisorState:
    return replace(EMPTY, vms={vm.vmid: vm}, **more)  # type: ignore[arg-type]


def test_an_empty_hypervisor_gets_the_whole_vm_in_the_safe_order() -> None:
    made = ["vm_create", "vm_configure", "vm_grow", "vm_attach", "vm_seed", "vm_start", "vm_wait"]
    assert steps(EMPTY) == made
    assert steps(EMPTY, replace(SPEC, data=None)) == [verb for verb in made if verb != "vm_attach"]
    assert "vm_grow" not in steps(replace(EMPTY, images={"9000": SPEC.boot_bytes}))


def test_a_whole_vm_needs_nothing_and_a_part_only_what_is_missing() -> None:
    assert steps(having(WHOLE)) == []
    assert steps(having(replace(WHOLE, status="stopped"))) == ["vm_start", "vm_wait"]
    assert steps(having(replace(WHOLE, disks=(BOOT,)))) == ["vm_attach"]
    assert steps(having(replace(WHOLE, shape=replace(SHAPE, cores=1)))) == ["vm_configure"]


def pools(**changed: Pool) -> HypervisorState:
    return replace(EMPTY, pools={**EMPTY.pools, **changed})


OTHER = replace(WHOLE, vmid=300, name="elsewhere", tag="")
REFUSED: dict[str, tuple[HypervisorState, VmSpec, str]] = {
    "unknown template": (replace(EMPTY, images={}), SPEC, "there is no template 9000 on hv"),
    "id taken": (having(replace(WHOLE, tag="", name="somebody")), SPEC, "VM id 212 is taken by somebody"),
    "id taken by another workspace": (having(replace(WHOLE, tag="wb-other-0123456789ab")), SPEC, "VM id 212 is taken by new-1"),
    "name taken": (having(replace(OTHER, name="new-1", disks=())), SPEC, "the name new-1 is taken by VM 300"),
    "on another node": (having(replace(WHOLE, node="pve2")), SPEC, "VM 212 lives on pve2, and the contracts ask for pve1"),
    "half made": (having(replace(WHOLE, locked="clone")), SPEC, "VM 212 is locked (clone)"),
    "pool too small": (EMPTY, replace(SPEC, data=replace(DISK, size_bytes=61 * GIB)), "pool tank has 64.4 GB free, and new-1 needs"),
    "pools count together": (
        EMPTY, replace(SPEC, boot_bytes=40 * GIB, data=replace(DISK, pool="local-lvm", size_bytes=40 * GIB)), "pool local-lvm has",
    ),
    "no such pool": (EMPTY, replace(SPEC, boot_pool="nvme"), "hv has no pool nvme"),
    "pool without images": (EMPTY, replace(SPEC, boot_pool="local"), "pool local holds no disks of VMs"),
    "pool not active": (pools(tank=replace(EMPTY.pools["tank"], away="it is not active")), SPEC, "pool tank cannot be used now: it is not"),
    "a part of a GiB": (EMPTY, replace(SPEC, data=replace(DISK, size_bytes=8 * GIB + 1)), "PVE makes disks in whole GiB"),
    "no seed storage": (replace(EMPTY, pools={n: EMPTY.pools[n] for n in ("local-lvm", "tank")}), SPEC, "hv has no storage local for the seed"),
    "seed storage without ISO": (pools(local=replace(EMPTY.pools["local"], holds_seeds=False)), SPEC, "storage local takes no ISO images"),
    "seed storage not active": (pools(local=replace(EMPTY.pools["local"], away="it is not active")), SPEC, "storage local cannot be used now"),
    "serial used": (having(OTHER), SPEC, "the serial new-1-data is used by scsi1 of VM 300 (elsewhere)"),
    "a disk that may carry data": (replace(EMPTY, loose={"tank:vm-212-disk-1": 212}), SPEC, "belongs to no VM and may hold data"),
    "data disk of another size": (having(replace(WHOLE, disks=(BOOT, replace(DATA, size_bytes=1)))), SPEC, "its disk new-1-data has 1 B"),
    "data disk in another pool": (
        having(replace(WHOLE, disks=(BOOT, replace(DATA, pool="local-lvm")))), SPEC, "its disk new-1-data lies in pool local-lvm, tier",
    ),
    "data disk without backup": (having(replace(WHOLE, disks=(BOOT, replace(DATA, backup=False)))), SPEC, "is left out of every backup"),
    "shrinking": (EMPTY, replace(SPEC, boot_bytes=GIB), "the template's disk has 8.6 GB"),
    "quorum": (replace(EMPTY, quorate=False), SPEC, "hv has lost its quorum"),
    "another node": (EMPTY, replace(SPEC, node="pve2"), "hv is pve1, and the VM belongs on pve2"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_reason_and_a_way_out(case: str) -> None:
    state, spec, because = REFUSED[case]
    with pytest.raises(RefusedError) as told:
        steps(state, spec)
    assert because in told.value.because and ";" not in told.value.because.replace("; n", "")
    assert told.value.fix


CHANGES: dict[str, Callable[[HypervisorState], HypervisorState]] = {
    "the id": lambda s: having(replace(WHOLE, tag="")),
    "the serial": lambda s: having(OTHER),
    "the template": lambda s: replace(s, images={"9000": 1}),
    "a loose disk": lambda s: replace(s, loose={"x": 212}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_plan_relies_on_is_pinned(change: str) -> None:
    assert provision.relied_on(SPEC, CHANGES[change](EMPTY)) != provision.relied_on(SPEC, EMPTY)


def test_free_bytes_and_strangers_do_not_void_a_plan() -> None:
    pools = {name: replace(pool, free_bytes=1) for name, pool in EMPTY.pools.items()}
    stranger = replace(OTHER, disks=())
    assert provision.relied_on(SPEC, replace(having(stranger), pools=pools)) == provision.relied_on(SPEC, EMPTY)


def test_the_seed_is_cloud_config_without_the_private_key_and_made_the_same_twice() -> None:
    made, kept = seed.files(SPEC, KIT), replace(SPEC, docker_root="/mnt/data/docker")
    assert made == seed.files(SPEC, KIT)
    assert "bootcmd" not in made["user-data"] and '"enable","--now","docker.service"' in made["user-data"]
    assert (
        "runcmd" not in seed.files(kept, KIT)["user-data"]
        and '"systemctl","mask","docker.service"' in seed.files(kept, KIT)["user-data"]
    )
    assert made["user-data"].startswith("#cloud-config\n") and made["user-data"].count(seed.HOST_KEY) == 1
    assert PUBLIC in made["user-data"] and "192.0.2.12/24" in made["network-config"]
    assert seed.HOST_KEY not in made["meta-data"]


def test_the_way_out_is_of_the_gateways_own_family() -> None:
    six = replace(SPEC, network=Network("vmbr0", "2001:db8::7/64", "2001:db8::1"))
    assert '"routes":[{"to":"::/0","via":"2001:db8::1"}]' in seed.files(six, KIT)["network-config"]
    assert '"to":"0.0.0.0/0"' in seed.files(SPEC, KIT)["network-config"]


def test_no_word_of_a_contract_becomes_more_than_a_word_of_the_seed() -> None:
    """Everything is JSON: no key, name or domain adds a line, and no account has a password."""
    odd = 'x"\n- name: root\n  passwd: "" # {{ ds }} %s @HOST\u00e9'
    told = replace(
        SPEC, ci_user="op", ssh_keys=(f"ssh-ed25519 AAAA {odd}",), packages=(odd,), network=Network("b", "dhcp", odd, odd, odd)
    )
    made = seed.files(told, KIT)
    user = json.loads(made["user-data"].removeprefix("#cloud-config\n"))
    assert user["packages"] == [odd] and [one["name"] for one in user["users"]] == ["wbaudit", "wbhand", "op"]
    assert all(
        one["lock_passwd"] is True and not {"passwd", "plain_text_passwd", "hashed_passwd"} & set(one) for one in user["users"]
    )
    assert (
        not user["ssh_pwauth"] and user["disable_root"] and user["users"][2]["ssh_authorized_keys"] == [f"ssh-ed25519 AAAA {odd}"]
    )
    assert json.loads(made["network-config"])["ethernets"]["lan"]["nameservers"] == {"addresses": [odd], "search": [odd]}
    assert all(text.removeprefix("#cloud-config\n").count("\n") == 1 for text in made.values())
