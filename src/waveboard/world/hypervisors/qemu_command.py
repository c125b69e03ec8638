"""How a local VM is run: its command line. Starts nothing."""

from collections.abc import Sequence
from pathlib import Path

from waveboard.model.units import MIB
from waveboard.model.vm import Shape
from waveboard.world.hypervisors.acceleration import BINARY, acceleration


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
