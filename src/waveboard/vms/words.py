"""The steps of a provision plan as a person would type them, for each kind of hypervisor. Shown before approval; never run."""

from collections.abc import Mapping
from typing import NamedTuple

from waveboard.model.units import GIB, MIB
from waveboard.model.vm import VmSpec


class Words(NamedTuple):
    """do and undo, side by side."""

    do: tuple[str, ...]
    undo: tuple[str, ...]


def of(kind: str, verb: str, spec: VmSpec, args: Mapping[str, object]) -> Words:
    """kind: of the hypervisor; verb: of its hand."""
    return (_proxmox if kind == "proxmox" else _qemu)(verb, spec, args)


_GOES = ("# goes with the VM when vm_create is undone",)


def _proxmox(verb: str, spec: VmSpec, args: Mapping[str, object]) -> Words:
    vmid, disk = spec.vmid, spec.data
    match verb:
        case "vm_create":
            clone = f"qm clone {spec.template} {vmid} --full 1 --name {spec.host} --storage {spec.boot_pool} --description TAG"
            return Words((clone,), (f"qm destroy {vmid} --purge 1  # only with the tag of this plan",))
        case "vm_configure":
            size = spec.memory_bytes // MIB
            told = f"qm set {vmid} --cores {spec.cores} --sockets 1 --memory {size} --agent {int(spec.agent)} --onboot {int(spec.onboot)}"
            card = f"--net0 virtio=MAC,bridge={spec.network.bridge}  # its MAC address, VLAN and firewall stay as they are"
            return Words(
                (f"{told} {card}",),
                _GOES if not args["before"] else ("qm set … as before",),
            )
        case "vm_grow":
            return Words((f"qm resize {vmid} BOOT {-(-spec.boot_bytes // 1024)}K",), _GOES)
        case "vm_attach":
            assert disk is not None
            slot = f"--{disk.bus}1 {disk.pool}:{disk.size_bytes // GIB},serial={disk.serial},backup={int(disk.backup)}"
            slot += (",discard=on" if disk.discard else "") + (",iothread=1" if disk.iothread else "")
            controller = " --scsihw virtio-scsi-single" if disk.bus == "scsi" else ""
            return Words((f"qm set {vmid} {slot}{controller}  # or the next slot that is free",), _GOES)
        case "vm_seed":
            iso = f"waveboard-{vmid}-seed.iso"
            put = f"qm set {vmid} --ide2 {args['pool']}:iso/{iso},media=cdrom  # or in the place of its own cloud-init drive"
            return Words(
                (f"# upload {iso} to {args['pool']}", put, _pin(args)),
                (f"# remove {iso}, and the line from known_hosts",),
            )
        case "vm_start":
            return Words((f"qm start {vmid}",), (f"qm shutdown {vmid} --timeout 120 --forceStop 1",))
    return _wait(args)


def _qemu(verb: str, spec: VmSpec, args: Mapping[str, object]) -> Words:
    at, boot, disk = f"vms/{spec.vmid}", f"{spec.boot_pool}/vm-{spec.vmid}-boot.qcow2", spec.data
    match verb:
        case "vm_create":
            return Words(
                (f"qemu-img convert -O qcow2 images/{spec.template} {boot}",),
                (f"rm -r {at} {boot}  # and its data disk; only with the tag of this plan",),
            )
        case "vm_configure":
            return Words((f"# {at}/vm.json: {spec.cores} cores, {spec.memory_bytes // MIB} MiB, {spec.network.bridge}",), _GOES)
        case "vm_grow":
            return Words((f"qemu-img resize {boot} {spec.boot_bytes}",), _GOES)
        case "vm_attach":
            assert disk is not None
            return Words((f"qemu-img create -f qcow2 {disk.pool}/vm-{spec.vmid}-{disk.serial}.qcow2 {disk.size_bytes}",), _GOES)
        case "vm_seed":
            return Words((f"# write {at}/seed.iso", _pin(args)), ("# remove it, and the line from known_hosts",))
        case "vm_start":
            return Words(
                (f"qemu-system-x86_64 -name {spec.host} …  # as {at}/vm.json says",),
                ("# ask the guest to end, then switch it off",),
            )
    return _wait(args)


def _pin(args: Mapping[str, object]) -> str:
    return f"echo '{args['pin']}' >> known_hosts"


def _wait(args: Mapping[str, object]) -> Words:
    return Words((f"ssh-keyscan -p {args['port']} {args['address']}  # until it is the key above",), ("# nothing to take back",))
