"""The default tier: real systemd hosts in containers, with disks of their own, native speed; needs root."""

from __future__ import annotations

from pathlib import Path

from lab import keys, packages
from lab.command import run, tail
from lab.control import ask, is_up, start_keeper
from lab.estate import Machine
from lab.identity import files
from lab.launch import Config
from lab.settings import Settings


class Nspawn:
    name = "nspawn"
    packages = packages.NSPAWN
    patience = 1.0

    def prepare(self, settings: Settings) -> None:
        if not is_up(settings):
            start_keeper(settings)

    def create(self, settings: Settings, machine: Machine, golden: Path) -> None:
        boot, data = (settings.disks / f"{machine.name}-{role}.img" for role in ("boot", "data"))
        run(["cp", "--reflink=auto", "--sparse=always", golden, boot], seconds=300)
        with data.open("wb") as blank:
            blank.truncate(machine.data_bytes)
        self._start(settings, machine, files(settings, machine, keys.of(settings)))

    def resume(self, settings: Settings, machine: Machine) -> None:
        self._start(settings, machine, {})

    def stop(self, settings: Settings, machine: Machine) -> None:
        ask(settings, "stop", machine.name)

    def running(self, settings: Settings) -> dict[str, bool]:
        return dict(ask(settings, "status")["hosts"]) if is_up(settings) else {}

    def last_words(self, settings: Settings, machine: Machine) -> str:
        return tail((settings.logs / f"{machine.name}.machine.log").read_text(errors="replace"), 1)

    def _start(self, settings: Settings, machine: Machine, inject: dict[str, list[str]]) -> None:
        place = settings.run / machine.name
        place.mkdir(exist_ok=True)
        group = Path((settings.run / "group").read_text()) / machine.name
        Config(
            name=machine.name,
            disks=[[str(settings.disks / f"{machine.name}-{role}.img"), machine.serial(role)] for role in ("boot", "data")],
            place=str(place),
            log=str(settings.logs / f"{machine.name}.console.log"),
            group=str(group),
            bridge=ask(settings, "status")["bridge"],
            vmid=machine.vmid,
            address=machine.inner_address,
            inject=inject,
        ).write(settings.run / f"{machine.name}.json")
        ask(settings, "start", machine.name)


NSPAWN = Nspawn()
