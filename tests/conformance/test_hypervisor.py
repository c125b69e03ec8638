"""Hypervisors: what every implementation of the port owes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hypervisors.conftest import pve as pve  # a fixture
from tests.hypervisors.estate import DISK, SHAPE, memory
from waveboard.app.ports_vms import Hypervisor
from waveboard.model.errors import RefusedError
from waveboard.model.units import GIB

TAG = "wb-i-0123456789ab"


@pytest.fixture(params=["memory", "proxmox"])
def makes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hypervisor]:
    yield memory() if request.param == "memory" else request.getfixturevalue("pve").makes()


def test_a_vm_from_nothing_to_nothing(makes: Hypervisor) -> None:
    before = makes.look()
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    made = makes.look().vms[212]
    assert (made.name, made.status, made.tag, made.locked, made.template) == ("new-1", "stopped", TAG, "", False)
    assert [d.pool for d in made.disks if d.slot == made.boot] == ["local-lvm"]
    makes.configure(212, SHAPE)
    makes.attach(212, DISK)
    makes.seed(212, "local", {"user-data": b"x"})
    makes.start(212)
    makes.start(212)
    whole = makes.look().vms[212]
    assert (whole.shape, whole.status, bool(whole.seed)) == (SHAPE, "running", True)
    (data,) = [d for d in whole.disks if d.serial == DISK.serial]
    assert (data.pool, data.size_bytes, data.backup) == ("tank", 8 * GIB, True)
    assert makes.blank(212, DISK.serial) in (True, None)
    assert makes.guest(212) == (False, ()), "nothing runs in it that could answer"
    makes.stop(212, 5)
    makes.stop(212, 5)
    makes.destroy(212, "new-1", TAG)
    makes.destroy(212, "new-1", TAG)
    after = makes.look()
    assert (after.vms.keys(), after.loose) == (before.vms.keys(), {})


def test_what_exists_is_never_taken(makes: Hypervisor) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    with pytest.raises(RefusedError):
        makes.create(212, "other", "9000", "local-lvm", TAG)
    makes.attach(212, DISK)
    with pytest.raises(RefusedError, match=r"a disk with that serial"):
        makes.attach(212, DISK)
    with pytest.raises(RefusedError):
        makes.create(213, "new-2", "nowhere", "local-lvm", TAG)
    with pytest.raises(RefusedError, match="never made smaller"):
        makes.grow(212, 1)
    assert makes.look().vms[212].name == "new-1"


def test_only_the_vm_that_was_meant_is_destroyed(makes: Hypervisor) -> None:
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    for name, tag in (("new-2", TAG), ("new-1", "wb-i-000000000000"), ("new-1", "")):
        with pytest.raises(RefusedError, match="not the VM that was meant"):
            makes.destroy(212, name, tag)
    makes.start(212)
    with pytest.raises(RefusedError, match="running"):
        makes.destroy(212, "new-1", TAG)
    assert makes.look().vms[212].status == "running"


def test_a_new_vm_has_no_backups_and_none_is_asked_of_what_is_not_there(makes: Hypervisor) -> None:
    with pytest.raises(RefusedError, match="no such VM"):
        makes.backups(212)
    makes.create(212, "new-1", "9000", "local-lvm", TAG)
    found = makes.backups(212)
    assert (found.enabled, found.jobs, found.newest, found.unseen_jobs, found.unseen_backups) == (False, (), None, "", "")
