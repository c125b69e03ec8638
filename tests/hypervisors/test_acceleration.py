"""The guest that tells whether KVM runs code: it ends where processors work, and does not where they stop on the way."""

import subprocess

import pytest

from waveboard.world.hypervisors import acceleration
from waveboard.world.hypervisors.acceleration import BINARY, EMULATED, NATIVE, firmware, runs


@pytest.fixture(autouse=True)
def qemu() -> None:
    if subprocess.run(["which", BINARY], capture_output=True, check=False).returncode:
        pytest.skip("QEMU is not installed")


@pytest.mark.parametrize("processor", ["max", "qemu64"], ids=["with BMI2", "without"])
def test_the_guest_ends_on_a_processor_that_works(processor: str) -> None:
    assert runs(("-accel", "tcg", "-cpu", processor))


def test_a_guest_that_stops_before_its_end_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the BMI2 instruction one that no processor has: so ends a KVM that cannot run a kernel's instructions."""
    spoilt = firmware().replace(bytes.fromhex("c4e2f9f7c0"), bytes.fromhex("0f0b909090"))
    assert spoilt != firmware()
    monkeypatch.setattr(acceleration, "firmware", lambda: spoilt)
    monkeypatch.setattr(acceleration, "PROBE_S", 3)
    assert not runs(("-accel", "tcg", "-cpu", "max"))


@pytest.mark.parametrize(("works", "chosen"), [(True, NATIVE), (False, EMULATED)])
def test_kvm_that_is_there_is_used_only_when_the_guest_ended(
    works: bool, chosen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: True)
    monkeypatch.setattr(acceleration, "runs", lambda accelerator: works)
    assert acceleration.acceleration.__wrapped__() == chosen
