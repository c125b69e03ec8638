"""What every way of running hosts can do; which one an instance uses is remembered in its run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from lab.errors import LabError
from lab.estate import Machine
from lab.nspawn import NSPAWN
from lab.qemu import QEMU
from lab.settings import Settings


class Tier(Protocol):
    """Machines that run until stopped. `patience` multiplies waiting times: emulated hosts are slow."""

    @property
    def name(self) -> str: ...

    @property
    def packages(self) -> tuple[str, ...]: ...

    @property
    def patience(self) -> float: ...

    def prepare(self, settings: Settings) -> None:
        """Whatever all machines share, before the first starts."""

    def create(self, settings: Settings, machine: Machine, golden: Path) -> None:
        """Start the machine, which is stopped, on fresh disks and with its identity."""

    def resume(self, settings: Settings, machine: Machine) -> None:
        """Start the machine, which is stopped, on the disks it has."""

    def stop(self, settings: Settings, machine: Machine) -> None:
        """Cut its power; nothing when it does not run."""

    def running(self, settings: Settings) -> dict[str, bool]:
        """Started machines, and whether each still runs; empty when the lab is down."""

    def last_words(self, settings: Settings, machine: Machine) -> str:
        """What the machine's process said last, for an error."""


TIERS: dict[str, Tier] = {tier.name: tier for tier in (NSPAWN, QEMU)}


def named(name: str) -> Tier:
    if name not in TIERS:
        raise LabError(f"cannot use the tier {name!r}: because the lab has only {', '.join(sorted(TIERS))}")
    return TIERS[name]


def present(settings: Settings) -> Tier | None:
    """The tier the instance was started with; None when nothing was."""
    try:
        return named((settings.run / "tier").read_text().strip())
    except OSError:
        return None


def remember(settings: Settings, tier: Tier) -> None:
    settings.run.mkdir(parents=True, exist_ok=True)
    (settings.run / "tier").write_text(f"{tier.name}\n")
