"""Proxmox VE through its API: fakepve as a separate process, faults on demand, results cross-checked with proxmoxer."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.hypervisors.conftest import Pve
from tests.hypervisors.estate import DISK, SHAPE, SPEC, Yard
from waveboard.app.apply import undo
from waveboard.model.errors import HostError, RefusedError, StepError, UsageError
from waveboard.model.units import GIB

TAG = "wb-i-0123456789ab"


def test_a_whole_vm_and_proxmoxer_sees_the_same(pve: Pve) -> None:
    makes = pve.makes()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    makes.configure(212, SHAPE)
    makes.attach(212, DISK)
    makes.seed(212, "local", {"user-data": b"#cloud-config\n{}", "meta-data": b"{}"})
    makes.start(212)
    vm = makes.look().vms[212]
    assert (vm.name, vm.status, vm.tag, vm.boot, vm.shape) == ("new-1", "running", TAG, "scsi0", SHAPE)
    assert [(d.slot, d.pool, d.serial, d.size_bytes) for d in vm.disks] == [
        ("scsi0", "local-lvm", None, vm.disks[0].size_bytes), ("scsi1", "tank", "new-1-data", 8 * GIB),
    ]  # fmt: skip
    from proxmoxer import ProxmoxAPI

    where = pve.url.removeprefix("https://").split(":")
    other = ProxmoxAPI(where[0], port=int(where[1]), user="root@pam", password="secret", verify_ssl=False)
    config = other.nodes("pve1").qemu(212).config.get()
    assert config["scsi1"].startswith("tank:vm-212-disk-") and "serial=new-1-data" in config["scsi1"]
    assert (int(config["cores"]), config["memory"], config["scsihw"], config["description"]) == (
        2,
        "2048",
        "virtio-scsi-single",
        TAG,
    )
    assert "bridge=vmbr0" in config["net0"] and config["ide2"] == "local:iso/waveboard-212-seed.iso,media=cdrom"
    assert other.nodes("pve1").qemu(212).status.current.get()["status"] == "running"


def test_destroy_takes_only_the_vm_that_was_meant(pve: Pve) -> None:
    makes = pve.makes()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    for name, tag in (("new-2", TAG), ("new-1", "wb-i-000000000000"), ("new-1", "")):
        with pytest.raises(RefusedError, match="not the VM that was meant"):
            makes.destroy(212, name, tag)
    makes.seed(212, "local", {"user-data": b""})
    makes.destroy(212, "new-1", TAG)
    makes.destroy(212, "new-1", TAG)
    state = makes.look()
    assert 212 not in state.vms and state.loose == {}


def test_the_command_that_is_told_names_everything_that_was_made(pve: Pve) -> None:
    told = "qm unlock 212; qm stop 212; qm destroy 212 --purge 1; pvesm free local:iso/waveboard-212-seed.iso"
    assert pve.makes().by_hand(212) == told


def test_the_certificate_is_pinned_before_the_token_is_sent(pve: Pve) -> None:
    with pytest.raises(RefusedError, match=r"its certificate is .* is pinned"):
        pve.api(fingerprint="AA:" * 31 + "AA")


def test_without_a_pin_an_authority_must_have_signed(pve: Pve, tmp_path: Path) -> None:
    from tests.hypervisors.conftest import Patience
    from waveboard.world.hypervisors.pve_api import PveApi

    pve.api()
    with pytest.raises(HostError, match="certificate verify failed"):
        PveApi(pve.url, tmp_path / "token", None, Patience())


def test_a_token_others_can_read_and_one_that_is_none(pve: Pve, tmp_path: Path) -> None:
    from tests.hypervisors.conftest import Patience
    from waveboard.world.hypervisors.pve_api import PveApi

    pve.api()
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(UsageError, match="others can read it"):
        PveApi(pve.url, tmp_path / "token", None, Patience())
    with pytest.raises(UsageError, match="it is not one"):
        pve.api(secret="")
    with pytest.raises(RefusedError, match="the API token is not accepted"):
        pve.api(secret="0000").get("/version")


def test_a_token_without_rights_says_which(pve: Pve) -> None:
    pve.tell(call="grant", args=["weak@pve", "/vms", "VM.Audit"])
    with pytest.raises(RefusedError, match=r"the API token lacks rights: .*VM\.Clone"):
        pve.makes("weak@pve!wb").create(212, "new-1", "9000", "local-lvm", TAG)
    assert 212 not in pve.makes().look().vms


def test_a_locked_vm_is_waited_for_and_then_named(pve: Pve) -> None:
    makes = pve.makes()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    pve.tell(vm=212, set="lock", to="backup")
    with pytest.raises((RefusedError, StepError), match=r"locked \(backup\)"):
        makes.configure(212, SHAPE)
    assert makes.look().vms[212].locked == "backup"


def test_a_task_that_fails_is_told_in_its_own_words(pve: Pve) -> None:
    makes = pve.makes()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    pve.tell(vm=212, set="start_error", to="no such disk tank:vm-212-disk-1")
    with pytest.raises(StepError, match="its task ended with: no such disk"):
        makes.start(212)


def test_lost_quorum_is_seen_and_refuses(pve: Pve) -> None:
    pve.tell(call="lose_quorum")
    makes = pve.makes()
    assert makes.look().quorate is False
    with pytest.raises(RefusedError, match="the cluster has no quorum"):
        makes.create(212, "new-1", "9000", "local-lvm", TAG)


def test_a_slow_guest_is_switched_off_when_its_grace_is_over(pve: Pve) -> None:
    makes = pve.makes()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    makes.start(212)
    pve.tell(vm=212, set="shutdown_secs", to=9999)
    makes.stop(212, 120)
    assert makes.look().vms[212].status == "stopped"


def test_a_node_that_goes_down_is_unknown_never_failed(pve: Pve) -> None:
    makes = pve.makes()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    pve.tell(call="set_node_offline", args=["pve1"])
    with pytest.raises(HostError):
        makes.start(212)
    pve.process.kill()
    pve.process.wait()
    with pytest.raises(HostError, match="no answer"):
        makes.look()


def test_a_task_without_end_is_unknown(pve: Pve) -> None:
    makes = pve.makes()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    pve.tell(set="time_scale", to=1)
    pve.tell(vm=212, set="start_secs", to=9999)
    with pytest.raises(HostError, match="its task still runs after 600 s"):
        makes.start(212)


def test_the_signed_plan_makes_and_takes_back_a_vm_of_proxmox(pve: Pve, tmp_path: Path) -> None:
    yard = Yard(tmp_path, spec=replace(SPEC, boot_bytes=8 * GIB))  # the fake's resize changes nothing
    makes = pve.makes()
    yard.makes = makes  # type: ignore[assignment]
    yard.ground.presented = lambda address, port: yard.ground.answers  # type: ignore[method-assign]
    yard.born()
    known = yard.signed()
    yard.applied(known)
    assert yard.proposed().plan.steps == ()
    assert makes.look().vms[212].tag == f"wb-i-{known.digest[7:19]}"
    with pytest.raises(RefusedError, match="may hold data"):
        undo(yard.site, known)
    assert makes.look().vms[212].status == "running"


@pytest.mark.parametrize("suffix", ["/clone", "/config", "/resize", "/upload", "/status/start"])
def test_whatever_task_fails_nothing_is_left(pve: Pve, tmp_path: Path, suffix: str) -> None:
    method = "PUT" if suffix == "/resize" else "POST"
    pve.tell(call="fail", args=[method, suffix, 500, "boom"])
    yard = Yard(tmp_path)
    yard.makes = pve.makes()  # type: ignore[assignment]
    yard.born()
    known = yard.signed()
    with pytest.raises(StepError, match="boom"):
        yard.applied(known)
    state = yard.makes.look()
    assert 212 not in state.vms and state.loose == {} and yard.ground.lines == []
