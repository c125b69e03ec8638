"""The second tier: the same golden disks in virtual machines, with real SCSI disks and real power loss.

Hosts get their identity as systemd credentials over fw_cfg, so no image is mounted. Each host has a network of its own
that leads nowhere: unlike the nspawn tier, hosts do not see each other. Without working KVM the processor is emulated.
The kernel names SCSI disks in the order their probes end, so sda and sdb may change places from boot to boot.
"""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import keys, packages
from lab.command import run, tail
from lab.errors import LabError
from lab.estate import Machine
from lab.golden.bake import boot_files
from lab.identity import files
from lab.settings import SSH_PORT, Settings
from waveboard.world.hypervisors.acceleration import BINARY, acceleration

KERNEL = "root=LABEL=rootfs rw console=ttyS0 net.ifnames=0 apparmor=0 selinux=0 audit=0 mitigations=off panic=1 quiet systemd.hostname="


class Qemu:
    name = "qemu"
    packages = (*packages.NSPAWN, *packages.QEMU)  # the golden images are baked by the nspawn tier
    patience = 10.0

    def prepare(self, settings: Settings) -> None:
        kernel = boot_files(settings) / "vmlinuz"
        if not kernel.exists():
            raise LabError(f"cannot boot a virtual machine: because {kernel} is gone; remove the cache and run it again")

    def create(self, settings: Settings, machine: Machine, golden: Path) -> None:
        boot, data = self._drives(settings, machine)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", golden, "-F", "raw", boot.file])
        run(["qemu-img", "create", "-q", "-f", "qcow2", data.file, str(machine.data_bytes)])
        self._start(settings, machine, credentials(files(settings, machine, keys.of(settings))))

    def resume(self, settings: Settings, machine: Machine) -> None:
        self._start(settings, machine, "")

    def stop(self, settings: Settings, machine: Machine) -> None:
        pid = self._pid(settings, machine.name)
        if pid is None:
            return
        os.kill(pid, 9)
        until = time.monotonic() + 10
        while self._pid(settings, machine.name) is not None:
            if time.monotonic() > until:
                raise LabError(f"cannot stop {machine.name}: because process {pid} does not end")
            time.sleep(0.02)
        (settings.run / f"{machine.name}.pid").unlink()

    def running(self, settings: Settings) -> dict[str, bool]:
        started = (path.stem for path in settings.run.glob("*.pid"))
        return {name: self._pid(settings, name) is not None for name in started}

    def last_words(self, settings: Settings, machine: Machine) -> str:
        logs = [settings.logs / f"{machine.name}.{kind}.log" for kind in ("machine", "console")]
        return " | ".join(tail(log.read_text(errors="replace"), 1) for log in logs if log.exists())

    def _drives(self, settings: Settings, machine: Machine) -> list[Drive]:
        shelf = settings.disks
        return [Drive(shelf / f"{machine.name}-{role}.qcow2", machine.serial(role)) for role in ("boot", "data")]

    def _pid(self, settings: Settings, name: str) -> int | None:
        """The machine's process, when it lives and carries this instance's mark."""
        try:
            pid = int((settings.run / f"{name}.pid").read_text())
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"WAVEBOARD_LAB_ID={settings.mark}".encode() in environment else None

    def _start(self, settings: Settings, machine: Machine, given: str) -> None:
        start(settings, machine, boot_files(settings), self._drives(settings, machine), given)


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk of a virtual machine, in the order it is plugged in."""

    file: Path
    serial: str
    form: str = "qcow2"


def start(
    settings: Settings, machine: Machine, boot: Path, drives: Sequence[Drive], given: str, extra: Sequence[str] = ()
) -> None:
    """Run a virtual machine in the background, marked as this instance's. given: its credentials; "" keeps what it has."""
    told = settings.run / f"{machine.name}.credentials"
    told.touch(mode=0o600)
    told.write_text(given)
    argv = [*command(settings, machine, boot, drives, told, acceleration()), *extra]
    with (settings.logs / f"{machine.name}.machine.log").open("wb") as out:
        guest = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "WAVEBOARD_LAB_ID": settings.mark},
            cwd="/",
            start_new_session=True,
        )
    (settings.run / f"{machine.name}.pid").write_text(f"{guest.pid}\n")


def command(
    settings: Settings, machine: Machine, boot: Path, drives: Sequence[Drive], credential: Path, speed: Sequence[str]
) -> list[str]:
    """The whole qemu command line of one host. boot: the directory with its vmlinuz and initrd."""
    argv = [BINARY, "-name", machine.name, "-M", "pc", *speed, "-smp", "2", "-m", "1536", "-nodefaults"]
    argv += ["-display", "none", "-kernel", str(boot / "vmlinuz"), "-initrd", str(boot / "initrd")]
    argv += ["-append", f"{KERNEL}{machine.name}", "-device", "virtio-scsi-pci,id=scsi0", "-device", "virtio-rng-pci"]
    for number, drive in enumerate(drives):
        at = f"id=disk{number},file={drive.file},format={drive.form}"
        argv += ["-drive", f"if=none,{at},discard=unmap,cache=writeback"]
        argv += ["-device", f"scsi-hd,bus=scsi0.0,drive=disk{number},serial={drive.serial}"]
    forward = f"tcp:{settings.address(machine.vmid)}:{SSH_PORT}-:22"
    argv += ["-netdev", f"user,id=net0,restrict=on,hostfwd={forward}", "-device", "virtio-net-pci,netdev=net0"]
    argv += ["-fw_cfg", f"name=opt/io.systemd.credentials/tmpfiles.extra,file={credential}"]
    return [*argv, "-serial", f"file:{settings.logs / machine.name}.console.log"]


def credentials(identity: dict[str, list[str]]) -> str:
    """The identity's files as tmpfiles.d lines, which the guest's systemd carries out early in its boot."""
    lines = [f"d {Path(path).parent} 0755 root root" for path in identity]
    for path, (mode, text) in identity.items():
        lines.append(f"f+~ {path} 0{mode} root root - {base64.b64encode(text.encode()).decode()}")
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


QEMU = Qemu()
