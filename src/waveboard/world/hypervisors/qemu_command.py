"""How a local VM is run: its command line, and whether this machine's KVM really runs code. Starts nothing but that question."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from waveboard.model.units import MIB
from waveboard.model.vm import Shape

BINARY = "qemu-system-x86_64"
PROBE_S = 10
NATIVE = ("-accel", "kvm", "-cpu", "host")
# QEMU 7.2 may spoil flags after an emulated cmpxchg16b, and five-level page tables only cost time in emulation: both are hidden
EMULATED = ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,-cx16,-la57")


@cache
def acceleration() -> tuple[str, ...]:
    """KVM only where a guest of a few instructions really ended by itself: /dev/kvm may be there and not work."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return EMULATED
    with TemporaryDirectory(prefix="waveboard-") as scratch:
        guest = Path(scratch, "guest")
        guest.write_bytes(bytes(65536 - 16) + b"\xb0\x10\xe6\xf4\xf4" + bytes(11))  # at reset: mov al,16; out 0xf4,al; hlt
        argv = [BINARY, "-M", "pc", *NATIVE, "-m", "16", "-nodefaults", "-display", "none", "-bios", str(guest)]
        with suppress(subprocess.TimeoutExpired, OSError):
            done = subprocess.run(
                [*argv, "-device", "isa-debug-exit,iobase=0xf4,iosize=1"], capture_output=True, timeout=PROBE_S, check=False
            )
            return NATIVE if done.returncode == 33 else EMULATED
    return EMULATED


def argv(
    home: Path, name: str, shape: Shape, disks: Sequence[tuple[Path, str, str]], seed: Path | None, direct: Path | None
) -> list[str]:
    """home: the VM's own directory. disks: (qcow2 file, bus, serial), the boot disk first. direct: a directory with vmlinuz, initrd and
    cmdline, where the image has no boot loader."""
    made = [BINARY, "-name", name, "-M", "pc", *acceleration(), "-smp", str(shape.cores), "-m", str(shape.memory_bytes // MIB)]
    made += ["-nodefaults", "-display", "none", "-device", "virtio-scsi-pci,id=scsi0", "-device", "virtio-rng-pci"]
    for number, (file, bus, serial) in enumerate(disks):
        driver = f"virtio-blk-pci,drive=disk{number}" if bus == "virtio" else f"scsi-hd,bus=scsi0.0,drive=disk{number}"
        made += ["-drive", f"if=none,id=disk{number},file={file},format=qcow2,discard=unmap,cache=writeback"]
        made += ["-device", f"{driver},serial={serial}" + (",bootindex=1" if number == 0 else "")]
    if seed:
        made += ["-drive", f"if=none,id=seed,file={seed},format=raw,readonly=on", "-device", "scsi-cd,bus=scsi0.0,drive=seed"]
    if direct:
        line = (direct / "cmdline").read_text().strip()
        made += ["-kernel", str(direct / "vmlinuz"), "-initrd", str(direct / "initrd"), "-append", line]
    network = f"user,id=net0,hostfwd=tcp:{shape.forward}-:22" if shape.forward else f"bridge,id=net0,br={shape.bridge}"
    made += ["-netdev", network, "-device", "virtio-net-pci,netdev=net0"]
    agent = f"socket,id=agent,path={home / 'agent.sock'},server=on,wait=off"
    made += ["-device", "virtio-serial", "-chardev", agent, "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
    return [*made, "-serial", f"file:{home / 'console.log'}", "-qmp", f"unix:{home / 'qmp.sock'},server=on,wait=off"]
