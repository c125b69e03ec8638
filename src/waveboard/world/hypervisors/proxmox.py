"""Proxmox VE as a Hypervisor: a few calls of its HTTP API, each waited for to its end. It removes only what carries the tag it is told."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from waveboard.model.errors import RefusedError
from waveboard.model.units import GIB, MIB
from waveboard.model.vm import BackupState, DataDisk, HypervisorState, Pool, Shape, VmState
from waveboard.world.hypervisors import iso, pve_backups, pve_words
from waveboard.world.hypervisors.pve_answers import named, record, rows, whole
from waveboard.world.hypervisors.pve_api import Forbidden, Gone, PveApi

CLONE_S, TASK_S = 7200.0, 600.0
LOOKS = 5  # a VM of others may go, or move, between the list and its configuration
Json = Mapping[str, object]


class Proxmox:
    """Satisfies app.ports.Hypervisor for one node. pools: the storages that may hold disks made here; seeds: the one that seeds go into,
    "" where none is named."""

    def __init__(self, api: PveApi, node: str, pools: Iterable[str], seeds: str = "") -> None:
        self._api, self._node, self._pools, self._seed_pool = api, node, tuple(dict.fromkeys(pools)), seeds

    # -- looking -------------------------------------------------------------------------------------------------------

    def look(self) -> HypervisorState:
        for _ in range(LOOKS - 1):
            try:
                return self._looked()
            except Gone:
                continue
        return self._looked()

    def _looked(self) -> HypervisorState:
        told = rows(self._api.get("/cluster/status"))
        cluster = next((row for row in told if row.get("type") == "cluster"), {})
        alive = {named(row, "name") for row in told if row.get("type") == "node" and row.get("online")}
        vms: dict[int, VmState] = {}
        configs: list[Json] = []
        for row in rows(self._api.get("/cluster/resources", type="vm")):
            vmid, node = whole(named(row, "vmid")), named(row, "node")
            config: Json = {}
            if row.get("type", "qemu") == "qemu" and (node in alive or not alive):
                config = record(self._api.get(f"/nodes/{node}/qemu/{vmid}/config"))
            configs.append(config)
            vms[vmid] = _vm(vmid, node, row, config)
        pools = self._stores()
        images = {str(v.vmid): _boot_bytes(v) for v in vms.values() if v.template and v.node == self._node}
        return HypervisorState(
            node=self._node,
            pools=pools,
            vms=vms,
            identity=self._api.fingerprint,
            quorate=bool(whole(cluster.get("quorate", 1))),
            images=images,
            loose=self._loose(pools, configs),
        )

    def guest(self, vmid: int) -> tuple[bool, tuple[str, ...]]:
        """Whether the guest's agent answers, and the addresses it tells. Raises: RefusedError where it may not, or cannot here, be asked."""
        try:
            told = record(self._api.get(f"{self._at(vmid)}/agent/network-get-interfaces"))
        except (Forbidden, Gone):
            raise
        except RefusedError:
            return False, ()
        cards = rows(told.get("result"))
        found = (named(a, "ip-address") for card in cards for a in rows(card.get("ip-addresses") or []))
        return True, tuple(a for a in found if not a.startswith(("127.", "::1", "fe80")))

    def _stores(self) -> dict[str, Pool]:
        found = {}
        for row in rows(self._api.get(f"/nodes/{self._node}/storage")):
            name, holds = named(row, "storage"), str(row.get("content", "")).split(",")
            away = "" if row.get("avail") is not None else "it does not say how much is free"
            away = away if whole(row.get("active", 1)) else "it is not active"
            total, free = whole(row.get("total")), whole(row.get("avail"))
            found[name] = Pool(name, total, free, "images" in holds, "iso" in holds, away)
        return found

    def _loose(self, pools: Mapping[str, Pool], configs: list[Json]) -> dict[str, int]:
        """Disks in our pools that no configuration names."""
        used = {volume for config in configs for volume in pve_words.used(config)}
        found = {}
        for name in self._pools:
            if name in pools and pools[name].holds_images and not pools[name].away:
                for row in rows(self._api.get(f"/nodes/{self._node}/storage/{name}/content", content="images")):
                    if (volume := named(row, "volid")) not in used and row.get("vmid"):
                        found[volume] = whole(row["vmid"])
        return found

    def backups(self, vmid: int) -> BackupState:
        return pve_backups.backups(self._api, vmid)

    # -- making --------------------------------------------------------------------------------------------------------

    def create(self, vmid: int, name: str, template: str, pool: str, tag: str) -> None:
        asked = {"newid": vmid, "name": name, "full": 1, "storage": pool, "description": tag}
        self._do("POST", f"{self._at(template)}/clone", CLONE_S, **asked)

    def configure(self, vmid: int, shape: Shape) -> None:
        config = self._config(vmid)
        asked: dict[str, object] = {"cores": shape.cores, "sockets": 1, "memory": shape.memory_bytes // MIB}
        asked |= {"agent": int(shape.agent), "onboot": int(shape.onboot), "net0": pve_words.card(config, shape.bridge)}
        self._do("POST", f"{self._at(vmid)}/config", TASK_S, **asked)

    def grow(self, vmid: int, size_bytes: int) -> None:
        config = self._config(vmid)
        slot = pve_words.boot_slot(config)
        now = next((d.size_bytes for d in pve_words.disks(config) if d.slot == slot), 0)
        if size_bytes < now:
            raise RefusedError(f"grow VM {vmid}", "a disk is never made smaller", "ask for more")
        if size_bytes > now:
            self._do("PUT", f"{self._at(vmid)}/resize", TASK_S, disk=slot, size=f"{-(-size_bytes // 1024)}K")

    def attach(self, vmid: int, disk: DataDisk) -> None:
        if disk.size_bytes % GIB:
            raise RefusedError(f"attach {disk.serial}", "its size is not a whole number of GiB", "PVE makes disks in whole GiB")
        holder = next((v for v in self.look().vms.values() if any(d.serial == disk.serial for d in v.disks)), None)
        if holder:
            because = f"VM {holder.vmid} has a disk with that serial"
            raise RefusedError(f"attach {disk.serial} to VM {vmid}", because, "a serial names one disk")
        config = self._config(vmid)
        slot = next(f"{disk.bus}{n}" for n in range(1, 14) if f"{disk.bus}{n}" not in config)
        value = f"{disk.pool}:{disk.size_bytes // GIB},serial={disk.serial},backup={int(disk.backup)}"
        value += (",discard=on" if disk.discard else "") + (",iothread=1" if disk.iothread else "")
        controller = {"scsihw": "virtio-scsi-single"} if disk.bus == "scsi" else {}
        self._do("POST", f"{self._at(vmid)}/config", TASK_S, **{slot: value, **controller})

    def seed(self, vmid: int, pool: str, files: Mapping[str, bytes]) -> None:
        name, slot = _seed_name(vmid), pve_words.seed_slot(self._config(vmid))
        self._api.task(self._api.upload(f"/nodes/{self._node}/storage/{pool}/upload", name, iso.image(files)), TASK_S)
        self._do("POST", f"{self._at(vmid)}/config", TASK_S, **{slot: f"{pool}:iso/{name},media=cdrom"})

    def start(self, vmid: int) -> None:
        if self._status(vmid) != "running":
            self._do("POST", f"{self._at(vmid)}/status/start", TASK_S)

    def blank(self, vmid: int, serial: str) -> bool | None:
        """PVE cannot tell what a disk holds."""
        if not any(d.serial == serial for d in pve_words.disks(self._config(vmid))):
            raise RefusedError(f"look at {serial}", f"VM {vmid} has no such disk", "name one it has")
        return None

    # -- ending --------------------------------------------------------------------------------------------------------

    def stop(self, vmid: int, grace_s: int) -> None:
        if self._status(vmid) != "stopped":
            self._do("POST", f"{self._at(vmid)}/status/shutdown", grace_s + 60.0, timeout=grace_s, forceStop=1)

    def destroy(self, vmid: int, name: str, tag: str) -> None:
        there = rows(self._api.get("/cluster/resources", type="vm"))
        if not any(whole(row.get("vmid")) == vmid for row in there):
            return
        config = self._config(vmid)
        if (config.get("name"), pve_words.tag(config)) != (name, tag) or not tag:
            raise RefusedError(f"destroy VM {vmid}", "it is not the VM that was meant", "nothing was touched")
        if self._status(vmid) != "stopped":
            raise RefusedError(f"destroy VM {vmid}", "it is running", "stop it first")
        for pool, medium in self._seeds(vmid, config):  # before the VM: once that is gone, nobody would look for them
            self._do("DELETE", f"/nodes/{self._node}/storage/{pool}/content/{quote(medium, safe='')}", TASK_S)
        self._do("DELETE", self._at(vmid), TASK_S, **{"purge": 1, "destroy-unreferenced-disks": 0})

    def _seeds(self, vmid: int, config: Json) -> Iterator[tuple[str, str]]:
        """(storage, volume) of every seed of the VM that is there: its private host key is in it, also in one that was sent and never
        given to the VM."""
        stores, named_in = self._stores(), pve_words.seed(config).partition(":")[0]
        for pool in sorted({self._seed_pool, named_in} & stores.keys()):
            if stores[pool].holds_seeds and not stores[pool].away:
                told = rows(self._api.get(f"/nodes/{self._node}/storage/{pool}/content", content="iso"))
                yield from ((pool, named(row, "volid")) for row in told if row.get("volid") == f"{pool}:iso/{_seed_name(vmid)}")

    def by_hand(self, vmid: int) -> str:
        frees = f"; pvesm free {self._seed_pool}:iso/{_seed_name(vmid)}" if self._seed_pool else ""
        return f"qm unlock {vmid}; qm stop {vmid}; qm destroy {vmid} --purge 1{frees}"

    def _do(self, method: str, path: str, limit_s: float, **fields: object) -> None:
        plain = path.endswith(("/config", "/resize"))  # PVE 7 resizes before it answers, and settings may need no task
        self._api.task(self._api.send(method, path, **fields), limit_s, may_be_done=plain or "/content/" in path)

    def _at(self, vmid: int | str) -> str:
        return f"/nodes/{self._node}/qemu/{vmid}"

    def _config(self, vmid: int) -> Json:
        return record(self._api.get(f"{self._at(vmid)}/config"))

    def _status(self, vmid: int) -> str:
        return named(record(self._api.get(f"{self._at(vmid)}/status/current")), "status")


def _vm(vmid: int, node: str, row: Json, config: Json) -> VmState:
    return VmState(
        vmid=vmid,
        name=str(row.get("name", "")),
        node=node,
        status=str(row.get("status", "unknown")),
        template=bool(whole(row.get("template"))),
        locked=str(config.get("lock") or row.get("lock") or ""),
        disks=pve_words.disks(config),
        tag=pve_words.tag(config),
        boot=pve_words.boot_slot(config),
        shape=pve_words.shape(config) if config else None,
        seed=pve_words.seed(config),
    )


def _seed_name(vmid: int) -> str:
    return f"waveboard-{vmid}-seed.iso"


def _boot_bytes(vm: VmState) -> int:
    return next((d.size_bytes for d in vm.disks if d.slot == vm.boot), 0)
