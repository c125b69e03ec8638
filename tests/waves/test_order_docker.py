"""Docker after a data disk that others mounted: planned where it is missing, left where it is there, refused where it could do harm."""

from __future__ import annotations

import pytest

from tests.waves import estate as E
from waveboard.model.change import Plan, Reversibility
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import ConfigFile, ConfigFiles, DeviceLinks, Fstab, FstabEntry, HostFacts, Mount, Mounts
from waveboard.model.ordering import dropin

UUID = "11111111-2222-3333-4444-555555555555"
ORDER = E.step("order_docker", target="/mnt/data")
BOTH = E.step("order_docker", target="/mnt/data", containerd=True)
RIGHT = ("[Unit]", "RequiresMountsFor=/mnt/data", "AssertPathIsMountPoint=/mnt/data")


def mounted(fstab: bool = True, **dropins: tuple[str | None, ...]) -> HostFacts:
    """The whole second disk at /mnt/data, by somebody else. dropins: unit -> lines of its drop-in."""
    root = Mount(1, 0, "8:0", "/", "/", ("rw",), "ext4", "/dev/sda", ("rw",))
    disk = Mount(2, 1, "8:16", "/", "/mnt/data", ("rw",), "ext4", "/dev/sdb", ("rw",))
    known = E.facts()[ConfigFiles].by_path
    files = {dropin(unit): ConfigFile(dropin(unit), "1" * 64, lines) for unit, lines in dropins.items()}
    return E.facts(
        mounts=Mounts((root, disk)),
        links=DeviceLinks({f"/dev/disk/by-uuid/{UUID}": "sdb"}),
        fstab=Fstab((FstabEntry(f"UUID={UUID}", "/mnt/data", "ext4", ()),) if fstab else ()),
        files=ConfigFiles({**known, **files}),
    )


def planned(*steps: object, facts: HostFacts) -> Plan:
    return E.planned(*steps, facts=facts)


def test_the_missing_drop_in_is_planned_with_its_undo_and_nothing_is_stopped() -> None:
    (step,) = planned(ORDER, facts=mounted()).steps
    assert step.verb == "docker_order" and step.args == {"mount": {"target": "/mnt/data", "uuid": UUID}, "units": ["docker"]}
    assert step.reversibility is Reversibility.EXACT and step.stops == () and step.downtime_s == 0
    assert any(dropin("docker") in line for line in step.commands) and any(
        dropin("docker") in line for line in step.undo_commands
    )
    assert planned(BOTH, facts=mounted()).steps[0].args["units"] == ["docker", "containerd"]


def test_what_is_there_is_left() -> None:
    assert planned(ORDER, facts=mounted(docker=(*RIGHT, "After=x"))).steps == ()
    assert planned(BOTH, facts=mounted(docker=RIGHT)).steps[0].args["units"] == ["containerd"]


def test_the_step_that_mounts_the_disk_orders_docker_itself() -> None:
    assert [s.verb for s in planned(E.MOUNT, ORDER, facts=E.facts()).steps] == ["disk_format", "mount_data"]
    assert [s.verb for s in planned(E.MOUNT, ORDER, facts=mounted()).steps] == ["docker_order"]


@pytest.mark.parametrize("lines", [("[Unit]", "After=x"), ("[Unit]", None)])
def test_a_drop_in_that_says_something_else_is_a_persons(lines: tuple[str | None, ...]) -> None:
    with pytest.raises(RefusedError, match=r"10-waveboard-data\.conf is there and does not say") as told:
        planned(ORDER, facts=mounted(docker=lines))
    assert "RequiresMountsFor=/mnt/data" in told.value.fix and "daemon-reload" in told.value.fix


def test_docker_is_not_made_to_wait_for_a_mount_that_does_not_come_back() -> None:
    with pytest.raises(RefusedError, match="no mount that comes back after a restart"):
        planned(ORDER, facts=mounted(fstab=False))
    with pytest.raises(RefusedError, match="not below a mounted data disk"):
        planned(ORDER, facts=E.facts())


def test_a_choice_that_is_none_is_a_contract_error() -> None:
    with pytest.raises(ContractError, match="`containerd` is true or false"):
        planned(E.step("order_docker", target="/mnt/data", containerd="yes"), facts=mounted())
