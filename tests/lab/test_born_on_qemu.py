"""A VM made from the Mint contracts on a local QEMU: provisioned, bootstrapped, certified."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.born import Born, born

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Born]:
    directory = tmp_path_factory.mktemp("born")
    directory.chmod(0o700)
    with born(directory) as made:
        yield made


def test_a_vm_is_born_compliant(desk: Born) -> None:
    assert "vm_create" in desk.ok("vm", "provision", "mint-data", "-o", "vm.plan", "--json", code=2)
    desk.carried_out("vm.plan")
    assert desk.root("ls -A /var/lib/docker 2>/dev/null || true") == "", "docker has never run"
    desk.ok("vm", "provision", "mint-data")  # exit 0: it is whole
    before = desk.root("cat /proc/sys/kernel/random/boot_id")
    desk.ok("vm", "bootstrap", "mint-data", "-o", "boot.plan", code=2)
    desk.carried_out("boot.plan")
    assert desk.root("cat /proc/sys/kernel/random/boot_id") != before
    desk.ok("vm", "bootstrap", "mint-data")  # exit 0: an empty plan
    desk.ok("vm", "provision", "mint-data")
    desk.services()
    said = desk.ok("vm", "ready", "mint-data", "--wait", "--timeout", "1200")
    assert "mint-data: ready" in said and "birth certificate" in said
