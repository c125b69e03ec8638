"""A hypervisor in memory: passes the port's conformance suite, and fails as told. For tests and dry runs; it runs no guest."""

from collections.abc import Mapping
from dataclasses import replace

from waveboard.model.errors import RefusedError
from waveboard.model.vm import BackupState, DataDisk, HypervisorState, Pool, Shape, VmDisk, VmState


class MemoryHypervisor:
    """Satisfies app.ports.Hypervisor. faults: method -> raised before it does anything; late: raised after it did all of it; torn:
    raised when half of it is done. written: serials of disks that were written to; seeds: what each guest was told;
    kept: of whom there are backups; agents: VMs whose agent answers while they run."""

    def __init__(self, node: str, pools: Mapping[str, Pool], images: Mapping[str, int], identity: str | None = "memory") -> None:
        self.node, self.pools, self.images, self.identity, self.quorate = node, dict(pools), dict(images), identity, True
        self.vms: dict[int, VmState] = {}
        self.loose: dict[str, int] = {}
        self.written: set[str] = set()
        self.seeds: dict[int, Mapping[str, bytes]] = {}
        self.kept: dict[int, BackupState] = {}
        self.agents: set[int] = set()
        self.calls: list[str] = []
        self.faults: dict[str, BaseException] = {}
        self.late: dict[str, BaseException] = {}
        self.torn: dict[str, BaseException] = {}

    def look(self) -> HypervisorState:
        if "look" in self.faults:
            raise self.faults["look"]
        return HypervisorState(
            self.node, dict(self.pools), dict(self.vms), {}, self.identity, self.quorate, dict(self.images), dict(self.loose)
        )

    def create(self, vmid: int, name: str, template: str, pool: str, tag: str) -> None:
        self._begin("create")
        if vmid in self.vms:
            raise RefusedError(f"create VM {vmid}", "its id is taken", "choose another")
        if template not in self.images:
            raise RefusedError(f"create VM {vmid}", f"there is no template {template}", f"it has: {', '.join(self.images)}")
        size = self.images[template]
        vm = VmState(vmid, name, self.node, "stopped", False, "clone", (), tag, boot="scsi0")
        self.vms[vmid] = vm
        self._half("create")
        self._take(pool, size)
        self.vms[vmid] = replace(vm, locked="", disks=(VmDisk("scsi0", pool, f"{pool}:vm-{vmid}-boot", size),))
        self._end("create")

    def configure(self, vmid: int, shape: Shape) -> None:
        self._begin("configure")
        self.vms[vmid] = replace(self._vm(vmid), shape=shape)
        self._end("configure")

    def grow(self, vmid: int, size_bytes: int) -> None:
        self._begin("grow")
        vm = self._vm(vmid)
        (boot,) = [d for d in vm.disks if d.slot == vm.boot]
        if size_bytes < boot.size_bytes:
            raise RefusedError(f"grow VM {vmid}", "a disk is never made smaller", "ask for more")
        self._take(boot.pool, size_bytes - boot.size_bytes)
        self.vms[vmid] = replace(vm, disks=tuple(replace(d, size_bytes=size_bytes) if d is boot else d for d in vm.disks))
        self._end("grow")

    def attach(self, vmid: int, disk: DataDisk) -> None:
        self._begin("attach")
        vm = self._vm(vmid)
        if any(d.serial == disk.serial for one in self.vms.values() for d in one.disks):
            raise RefusedError(
                f"attach {disk.serial} to VM {vmid}", "a disk with that serial is there", "a serial names one disk"
            )
        slot, volume = f"{disk.bus}1", f"{disk.pool}:vm-{vmid}-data"
        self.loose[volume] = vmid
        self._half("attach")
        self._take(disk.pool, disk.size_bytes)
        del self.loose[volume]
        made = VmDisk(slot, disk.pool, volume, disk.size_bytes, disk.serial, disk.backup)
        self.vms[vmid] = replace(vm, disks=(*vm.disks, made))
        self._end("attach")

    def seed(self, vmid: int, pool: str, files: Mapping[str, bytes]) -> None:
        self._begin("seed")
        self.vms[vmid] = replace(self._vm(vmid), seed=f"{pool}:waveboard-{vmid}-seed.iso")
        self.seeds[vmid] = dict(files)
        self._end("seed")

    def start(self, vmid: int) -> None:
        self._begin("start")
        self.vms[vmid] = replace(self._vm(vmid), status="running")
        self._end("start")

    def blank(self, vmid: int, serial: str) -> bool | None:
        if not any(d.serial == serial for d in self._vm(vmid).disks):
            raise RefusedError(f"look at {serial}", f"VM {vmid} has no such disk", "name one it has")
        return serial not in self.written

    def backups(self, vmid: int) -> BackupState:
        self._vm(vmid)
        if "backups" in self.faults:
            raise self.faults["backups"]
        return self.kept.get(vmid, BackupState(False, (), (), None))

    def guest(self, vmid: int) -> tuple[bool, tuple[str, ...]]:
        return self._vm(vmid).status == "running" and vmid in self.agents, ()

    def stop(self, vmid: int, grace_s: int) -> None:
        self._begin("stop")
        self.vms[vmid] = replace(self._vm(vmid), status="stopped")
        self._end("stop")

    def destroy(self, vmid: int, name: str, tag: str) -> None:
        self._begin("destroy")
        vm = self.vms.get(vmid)
        if vm is not None:
            if (vm.name, vm.tag) != (name, tag) or not tag:
                raise RefusedError(f"destroy VM {vmid}", "it is not the VM that was meant", "nothing was touched")
            if vm.status != "stopped":
                raise RefusedError(f"destroy VM {vmid}", "it is running", "stop it first")
            self.seeds.pop(vmid, None)
            self.loose = {volume: owner for volume, owner in self.loose.items() if owner != vmid}
            del self.vms[vmid]
        self._end("destroy")

    def by_hand(self, vmid: int) -> str:
        return f"forget {vmid}"

    def _vm(self, vmid: int) -> VmState:
        if vmid not in self.vms:
            raise RefusedError(f"change VM {vmid}", "there is no such VM", "create it first")
        return self.vms[vmid]

    def _take(self, pool: str, size: int) -> None:
        if pool not in self.pools or self.pools[pool].free_bytes < size:
            raise RefusedError(f"allocate a disk in {pool}", "there is no room", "free space")
        self.pools[pool] = replace(self.pools[pool], free_bytes=self.pools[pool].free_bytes - size)

    def _begin(self, method: str) -> None:
        self.calls.append(method)
        if not self.quorate:
            raise RefusedError(method, "the cluster has no quorum", "bring its nodes back")
        if method in self.faults:
            raise self.faults.pop(method)

    def _half(self, method: str) -> None:
        if method in self.torn:
            raise self.torn.pop(method)

    def _end(self, method: str) -> None:
        if method in self.late:
            raise self.late.pop(method)
