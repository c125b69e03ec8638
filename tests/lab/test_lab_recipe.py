"""The parts of the lab that need no root: its settings, its image keys, its made-up uevent files."""

from __future__ import annotations

import base64
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lab import keys, local_vms, qemu, tier
from lab.errors import LabError
from lab.estate import ESTATE, machine
from lab.golden import cloud, containers, recipe
from lab.settings import REPOSITORY, from_environment
from lab.uevents import PAD, padded
from waveboard.wiring import load_contracts
from waveboard.world.hypervisors.acceleration import EMULATED


def test_instances_share_nothing_but_the_cache() -> None:
    ours, theirs = from_environment({}), from_environment({"WAVEBOARD_LAB_NAME": "other"})
    assert ours.state != theirs.state
    assert not theirs.state.is_relative_to(ours.state)
    assert ours.address(212) == "127.0.77.212"
    assert theirs.address(212) != ours.address(212)
    assert ours.cache == theirs.cache


def test_the_hosts_know_the_people_of_the_example() -> None:
    example = yaml.safe_load((REPOSITORY / "examples/mint/waveboard.yaml").read_text())
    assert example["approvals"]["people"].items() >= keys.PEOPLE.items()
    assert [example["approvals"][key] for key in ("quorum", "four_eyes")] == [
        keys.APPROVALS[key] for key in ("quorum", "four_eyes")
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {"WAVEBOARD_LAB_NAME": "../etc"},
        {"WAVEBOARD_LAB_NAME": ""},
        {"WAVEBOARD_LAB_NAME": "a" * 13},
        {"WAVEBOARD_LAB_OCTET": "0"},
        {"WAVEBOARD_LAB_OCTET": "255"},
        {"WAVEBOARD_LAB_OCTET": "x"},
    ],
)
def test_settings_that_cannot_be_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(LabError, match="cannot use the lab"):
        from_environment(environment)


def test_an_unknown_host_is_named_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="mint-data, mint-apps"):
        machine("mint-dta")


def test_disk_serials_fit_a_scsi_serial() -> None:
    serials = [one.serial(role) for one in ESTATE for role in ("boot", "data")]
    assert len(set(serials)) == 4
    assert all(len(serial) <= 20 for serial in serials)


def test_the_golden_key_follows_what_goes_into_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    one = machine("mint-data")
    before = recipe.golden_key(one)
    assert recipe.golden_key(one) == before
    assert recipe.golden_key(replace(one, boot_bytes=one.boot_bytes + 4096)) != before
    assert recipe.golden_key(machine("mint-apps")) != before
    monkeypatch.setattr(containers, "SEAWEED", "another wheel")
    assert recipe.golden_key(one) != before


def test_a_virtual_machine_is_given_its_identity_and_no_way_out(tmp_path: Path) -> None:
    text = "line one\nspaces and % and ünïcode\n"
    lines = qemu.credentials({"/etc/waveboard/x": ["644", text], "/etc/waveboard/y": ["600", ""]}).splitlines()
    assert lines[0] == "d /etc/waveboard 0755 root root"
    assert len(lines) == 3, "the directory is named once"
    kind, path, mode, user, group, _age, content = lines[1].split(" ")
    assert (kind, path, mode, user, group) == ("f+~", "/etc/waveboard/x", "0644", "root", "root")
    assert base64.b64decode(content).decode() == text
    one = machine("mint-data")
    drives = [qemu.Drive(tmp_path / "a", one.serial("boot")), qemu.Drive(tmp_path / "b", one.serial("data"), "raw")]
    argv = qemu.command(from_environment({}), one, tmp_path, drives, tmp_path / "c", EMULATED)
    net = next(word for word in argv if word.startswith("user,"))
    assert "restrict=on" in net
    assert "hostfwd=tcp:127.0.77.212:2222-:22" in net
    assert [word for word in argv if "serial=mint" in word] == [
        "scsi-hd,bus=scsi0.0,drive=disk0,serial=mint-data-boot",
        "scsi-hd,bus=scsi0.0,drive=disk1,serial=mint-data-data",
    ]


def test_a_tier_nobody_wrote_is_named_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="only nspawn, qemu"):
        tier.named("xen")


def test_a_uevent_file_survives_what_udev_writes_over_its_pad(tmp_path: Path) -> None:
    file = tmp_path / "uevent"
    file.write_bytes(padded(b"DEVNAME=sda\n"))
    with file.open("r+b") as writing:
        writing.write(b"change 2ad30ab7-1fdf-4a3b-b3c8-0b6d9b8a5b5c KEY=value\n")
    assert file.read_bytes()[PAD:] == b"DEVNAME=sda\n"
    assert file.stat().st_size == PAD + 12


def test_packages_are_installed_by_the_uv_that_the_setup_made_where_no_other_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that uv made holds no pip, so the fallback is only for one that was made otherwise."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert containers.installer(tmp_path)[:3] == [sys.executable, "-m", "pip"]
    ours = tmp_path / ".tools" / "bin" / "uv"
    ours.parent.mkdir(parents=True)
    ours.write_text("#!/bin/sh\n")
    ours.chmod(0o755)
    assert containers.installer(tmp_path)[:3] == [str(ours), "pip", "install"]


def test_the_example_asks_a_local_qemu_for_its_vms_and_a_probe(tmp_path: Path) -> None:
    settings = from_environment({"WAVEBOARD_LAB_STATE": str(tmp_path / "state"), "WAVEBOARD_LAB_NAME": "probing"})
    tmp_path.chmod(0o700)
    running = local_vms.written(settings, tmp_path / "mint")
    contract = load_contracts(tmp_path / "mint").contract
    assert contract is not None
    spec, probe = contract.vms["mint-data"], contract.vms["mint-data-probe"]
    assert (spec.hypervisor, spec.template, spec.packages, spec.network.bridge) == ("here", local_vms.IMAGE, (), "user")
    assert (probe.vmid, probe.docker_root, probe.directories) == (local_vms.PROBE, spec.docker_root, spec.directories)
    assert {"here", "mint-data", "mint-data-probe"} <= set(contract.windows[0].hosts)
    target = contract.target("mint-data")
    assert target and (target.address, target.port) == (running.host("mint-data").address, 2222)


def test_docker_of_the_image_that_vms_are_made_from_cannot_start_by_itself() -> None:
    assert {"docker.service", "docker.socket", "containerd.service"} <= set(cloud.MASKED)
    assert {"cloud-init", "openssh-server", "qemu-guest-agent", "docker.io", "docker-compose", "rsync", "sudo"} <= set(
        cloud.PACKAGES
    )
    assert not set(cloud.ENABLED) & set(cloud.MASKED)
