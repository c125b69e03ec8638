"""What hypervisors tell of backups, what they cannot see, and how the rule takes it."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.hypervisors.conftest import Pve
from tests.hypervisors.estate import DISK, SPEC, Yard
from waveboard.app.provision import asking
from waveboard.model.errors import HostError, RefusedError
from waveboard.model.vm import BackupState, HypervisorState
from waveboard.world.clock import SystemClock
from waveboard.world.hypervisors.pve_backups import LOOKS
from waveboard.world.hypervisors.qemu import Qemu

TAG = "wb-i-0123456789ab"
MADE, OLD, NEW = 1771000000, 1772000000, 1772300000  # MADE: what the `meta` of the test's VMs says
NIGHTLY = {"id": "nightly", "type": "vzdump", "enabled": 1, "all": 1, "storage": "local"}


def born(pve: Pve) -> None:
    pve.makes().create(212, "new-1", "9000", "local-lvm", TAG)


def volume(ctime: int, vmid: int = 212, **more: object) -> dict[str, object]:
    return {"vmid": vmid, "ctime": ctime, "size": 5, **more}


def at(ctime: int) -> datetime:
    return datetime.fromtimestamp(ctime, UTC)


def test_the_newest_backup_of_every_storage_counts(pve: Pve) -> None:
    born(pve)
    pve.tell(set="jobs", to=[NIGHTLY])
    pve.tell(call="keep", args=["local", {"backup/vzdump-qemu-212-a.vma.zst": volume(OLD), "backup/b": volume(NEW + 9, 213)}])
    pve.tell(call="keep", args=["tank", {"backup/vzdump-qemu-212-c.vma.zst": volume(NEW)}])
    assert pve.makes().backups(212) == BackupState(True, ("nightly",), (), at(OLD))
    pve.tell(call="serve", args=["tank", "images,backup"])
    assert pve.makes().backups(212) == BackupState(True, ("nightly",), (), at(NEW))


@pytest.mark.parametrize(("ctime", "counts"), [(MADE - 1, False), (MADE, True)])
def test_a_backup_older_than_the_vm_is_of_a_former_one_with_its_number(pve: Pve, ctime: int, counts: bool) -> None:
    born(pve)
    pve.tell(set="jobs", to=[NIGHTLY])
    pve.tell(call="keep", args=["local", {"backup/vzdump-qemu-212-a.vma.zst": volume(ctime)}])
    assert pve.makes().backups(212) == BackupState(True, ("nightly",), (), at(ctime) if counts else None)


def configured(pve: Pve, **changes: str | None) -> None:
    config = pve.tell(vm=212, call="config")
    assert isinstance(config, dict)
    pve.tell(vm=212, set="config", to={k: v for k, v in {**config, **changes}.items() if v is not None})


@pytest.mark.parametrize("meta", [None, "creation-qemu=10.0.2", "ctime=x", "ctime=", "ctime=0"])
def test_a_vm_that_does_not_say_when_it_was_made_is_known_by_its_uuid_alone(pve: Pve, meta: str | None) -> None:
    born(pve)
    configured(pve, meta=meta)
    pve.tell(call="keep", args=["local", {f"backup/vzdump-qemu-212-{n}.vma.zst": volume(t) for n, t in (("a", OLD), ("b", NEW))}])
    assert pve.makes().backups(212) == BackupState(False, (), (), at(NEW))


FORMER = "uuid=99999999-8888-7777-6666-555555555555"


def test_a_clone_made_anew_does_not_inherit_the_backups_of_the_former_vm_with_its_number(pve: Pve) -> None:
    """Both are clones of one template and carry its time: only the UUID in the backup tells them apart."""
    born(pve)
    names = {n: f"backup/vzdump-qemu-212-{n}.vma.zst" for n in "ab"}
    pve.tell(call="keep", args=["local", {names["a"]: volume(OLD), names["b"]: volume(NEW)}])
    pve.tell(set="former", to={f"local:{name}": FORMER for name in names.values()})
    assert pve.makes().backups(212) == BackupState(False, (), (), None)
    pve.tell(set="former", to={f"local:{names['b']}": FORMER})
    assert pve.makes().backups(212).newest == at(OLD), "one that was restored keeps its own"
    configured(pve, smbios1=FORMER.upper().replace("UUID", "uuid") + ",serial=eA==,base64=1")
    assert pve.makes().backups(212).newest == at(NEW)


def test_a_vm_without_a_uuid_may_have_only_the_backups_of_a_former_one(pve: Pve) -> None:
    born(pve)
    configured(pve, smbios1=None)
    assert pve.makes().backups(212) == BackupState(False, (), (), None), "without any backup there is nothing to mistake"
    pve.tell(call="keep", args=["local", {"backup/vzdump-qemu-212-a.vma.zst": volume(NEW)}])
    found = pve.makes().backups(212)
    assert found.newest is None and "VM 212 has no UUID" in found.unseen_backups


def test_a_backup_that_cannot_be_looked_into_is_a_doubt_and_an_older_one_may_do(pve: Pve) -> None:
    born(pve)
    names = {n: f"backup/vzdump-qemu-212-{n}.vma.zst" for n in "ab"}
    pve.tell(call="keep", args=["local", {names["a"]: volume(OLD), names["b"]: volume(NEW)}])
    pve.tell(call="fail", args=["GET", "/vzdump/extractconfig", 500, "unable to read the archive"], kwargs={"times": 1})
    found = pve.makes().backups(212)
    assert found.newest == at(OLD) and "whose backup local:backup/vzdump-qemu-212-b.vma.zst is" in found.unseen_backups
    assert "unable to read the archive" in found.unseen_backups


def test_only_so_many_backups_are_looked_into(pve: Pve) -> None:
    born(pve)
    names = [f"backup/vzdump-qemu-212-{n:02d}.vma.zst" for n in range(LOOKS + 1)]
    pve.tell(call="keep", args=["local", {name: volume(NEW - n) for n, name in enumerate(names)}])
    pve.tell(set="former", to={f"local:{name}": FORMER for name in names[:-1]})
    found = pve.makes().backups(212)
    assert found.newest is None and f"only the newest {LOOKS} of {LOOKS + 1}" in found.unseen_backups
    pve.tell(set="former", to={f"local:{name}": FORMER for name in names[: LOOKS - 1]})
    assert pve.makes().backups(212).newest == at(NEW - LOOKS + 1)


def test_a_backup_that_was_proven_damaged_is_none(pve: Pve) -> None:
    born(pve)
    pve.tell(call="list", args=["local", [{"volid": "local:backup/x", "ctime": NEW, "verification": {"state": "failed"}}]])
    assert pve.makes().backups(212).newest is None
    pve.tell(call="list", args=["local", [{"volid": "local:backup/x", "ctime": NEW, "verification": {"state": "ok"}}]])
    assert pve.makes().backups(212).newest == at(NEW)


@pytest.mark.parametrize(
    ("job", "holds"),
    [
        ({"all": 1}, True),
        ({"all": 1, "enabled": 0}, False),
        ({"all": 1, "exclude": "100,212"}, False),
        ({"vmid": "100,212"}, True),
        ({"vmid": "100,2120"}, False),
        ({"all": 1, "node": "pve2"}, False),
        ({"all": 1, "node": "pve1"}, True),
        ({"pool": "shop"}, True),
        ({"pool": "other"}, False),
        ({"pool": "shop", "exclude": "212"}, False),
        ({}, False),
    ],
)
def test_which_jobs_hold_it(pve: Pve, job: dict[str, object], holds: bool) -> None:
    born(pve)
    pve.tell(vm=212, set="pool", to="shop")
    pve.tell(set="jobs", to=[{"id": "j", "storage": "local", **job}])
    assert pve.makes().backups(212).jobs == (("j",) if holds else ())


def test_disks_that_backups_leave_out_are_told(pve: Pve) -> None:
    born(pve)
    pve.makes().attach(212, replace(DISK, backup=False))
    assert pve.makes().backups(212).excluded == ("scsi1",)


def granted(pve: Pve, *more: tuple[str, str]) -> None:
    for path, right in (("/vms", "VM.Audit"), ("/", "Sys.Audit"), *more):
        pve.tell(call="grant", args=["weak@pve", path, right])


def test_a_token_that_may_not_list_backups_is_not_told_there_are_none(pve: Pve) -> None:
    """PVE leaves out silently what a token may not see."""
    born(pve)
    pve.tell(set="jobs", to=[NIGHTLY])
    pve.tell(call="keep", args=["local", {"backup/vzdump-qemu-212-a.vma.zst": volume(NEW)}])
    granted(pve, ("/storage/local", "Datastore.Audit"))
    weak = pve.makes("weak@pve!wb")
    found = weak.backups(212)
    assert found.newest is None and "VM.Backup on /vms/212" in found.unseen_backups
    granted(pve, ("/storage/local", "Datastore.AllocateSpace"))
    assert weak.backups(212).newest is None and weak.backups(212).unseen_backups
    granted(pve, ("/vms/212", "VM.Backup"))
    assert weak.backups(212) == BackupState(True, ("nightly",), (), at(NEW))
    pve.tell(call="keep", args=["local", {}])
    assert weak.backups(212) == BackupState(True, ("nightly",), (), None)


def test_a_storage_the_token_does_not_see_is_a_doubt(pve: Pve) -> None:
    born(pve)
    pve.tell(set="jobs", to=[{**NIGHTLY, "storage": "pbs"}])
    assert "the storage pbs, into which the job nightly writes, is not told" in pve.makes().backups(212).unseen_backups


def test_faults_are_doubts_and_a_dead_node_is_no_answer(pve: Pve) -> None:
    born(pve)
    pve.tell(call="fail", args=["GET", "/cluster/backup", 403, "Permission check failed (/, Sys.Audit)"])
    pve.tell(call="fail", args=["GET", "/storage/local/content", 500, "mount error"])
    found = pve.makes().backups(212)
    assert "Sys.Audit" in found.unseen_jobs and "mount error" in found.unseen_backups and not found.enabled
    pve.tell(call="set_node_offline", args=["pve1"])
    with pytest.raises(HostError):
        pve.makes().backups(212)


def test_an_inactive_storage_is_a_doubt(pve: Pve) -> None:
    born(pve)
    pve.tell(call="sleepy", args=["local"])
    assert "the storage local is not active" in pve.makes().backups(212).unseen_backups


@pytest.mark.parametrize("fault", [None, HostError("x", "node down", "y"), RefusedError("x", "no rights", "y")])
def test_readiness_is_told_what_the_hypervisor_told(tmp_path: Path, fault: Exception | None) -> None:
    yard = Yard(tmp_path, spec=replace(SPEC, backup_max_age_s=86400))
    spec = yard.site.contract.vms["new-1"]
    makers = yard.makers
    yard.makes.create(212, "new-1", "9000", "local-lvm", TAG)
    kept = BackupState(True, ("nightly",), (), at(NEW))
    yard.makes.kept[212] = kept
    if fault:
        yard.makes.faults["backups"] = fault
    told = asking(yard.site, makers)(spec)
    assert isinstance(told, HypervisorState)
    found = told.backups[212]
    assert found == (BackupState(False, (), (), None, fault.because, fault.because) if fault else kept)  # type: ignore[attr-defined]
    silent = asking(yard.site, makers)(replace(spec, backup_max_age_s=None))
    assert isinstance(silent, HypervisorState) and silent.backups == {}


def test_a_local_backup_is_a_whole_copy_in_a_job(tmp_path: Path) -> None:
    for name in ("images", "local-lvm", "tank", "vms/212"):
        (tmp_path / name).mkdir(parents=True)
    disks = [{"slot": n, "pool": "tank", "file": f"{n}.qcow2", "size": "1", "serial": n, "bus": "scsi", "backup": b} for n, b in
             (("boot", "1"), ("scsi1", "1"), ("scsi2", "0"))]  # fmt: skip
    makes = Qemu(tmp_path, "here", SystemClock())
    makes._keep(212, {"name": "new-1", "tag": TAG, "template": "t", "shape": None, "seed": "", "disks": disks})
    assert makes.backups(212) == BackupState(False, (), ("scsi2",), None)
    copy = tmp_path / "backups" / "nightly" / "vm-212" / "one"
    copy.mkdir(parents=True)
    (copy / "boot.qcow2").write_bytes(b"x")
    assert makes.backups(212) == BackupState(True, ("nightly",), ("scsi2",), None), "the data disk is not in it"
    (copy / "scsi1.qcow2").touch()
    assert makes.backups(212).newest is None, "an empty copy is none"
    (copy / "scsi1.qcow2").write_bytes(b"x")
    os.utime(copy, (NEW, NEW))
    assert makes.backups(212) == BackupState(True, ("nightly",), ("scsi2",), at(NEW))
    (tmp_path / "backups" / "nightly" / "disabled").touch()
    assert makes.backups(212) == BackupState(False, (), ("scsi2",), at(NEW))
    assert "backups" not in makes.look().pools
