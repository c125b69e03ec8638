"""What Proxmox VE tells of a VM's backups: the enabled jobs that hold it, and its newest backup in every storage of its node.

PVE lists only what the token may read, without a word about the rest: of a storage in which nothing is seen the token's own
privileges are asked, and a storage that a job names and the list lacks is a doubt. Source: PVE::Storage::check_volume_access.

A number is used again, and backups stay when their VM goes: a backup is the VM's own when the configuration in it has the VM's own UUID
(smbios1). PVE gives a new one to each VM it makes; `meta`, which a clone has from its template, only rules out what is older still.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from waveboard.model.errors import RefusedError
from waveboard.model.vm import BackupState
from waveboard.world.hypervisors import pve_words
from waveboard.world.hypervisors.pve_answers import instant, named, record, rows, whole
from waveboard.world.hypervisors.pve_api import PveApi

Json = Mapping[str, object]
LOOKS = 20  # configurations that are taken out of backups, newest first, until one is the VM's own


class Kept(NamedTuple):
    """One whole backup."""

    at: datetime
    volume: str


def backups(api: PveApi, vmid: int) -> BackupState:
    """Raises: RefusedError when there is no such VM; HostError when its node does not answer."""
    vm = next((row for row in rows(api.get("/cluster/resources", type="vm")) if whole(row.get("vmid")) == vmid), None)
    if vm is None:
        raise RefusedError(f"look at the backups of VM {vmid}", "there is no such VM", "create it first")
    node = named(vm, "node")
    config = record(api.get(f"/nodes/{node}/qemu/{vmid}/config"))
    excluded = tuple(disk.slot for disk in pve_words.disks(config) if not disk.backup)
    jobs, doubt = _jobs(api, vm)
    found = list(_kept(api, node, vmid, jobs))
    newest, doubts = _newest(api, node, vmid, config, [one for one in found if isinstance(one, Kept)])
    unseen = "; ".join([*(one for one in found if isinstance(one, str)), *doubts])
    return BackupState(bool(jobs), tuple(named(j, "id") for j in jobs), excluded, newest, doubt, unseen)


def _newest(api: PveApi, node: str, vmid: int, config: Json, kept: list[Kept]) -> tuple[datetime | None, list[str]]:
    """When the newest backup of this very VM was made, and why there may be a newer one."""
    own, since, doubts = pve_words.generation(config), pve_words.made(config), list[str]()
    possible = sorted((one for one in kept if since is None or one.at >= since), reverse=True)
    if possible and not own:
        return None, [f"VM {vmid} has no UUID (smbios1), so its backups may be of a former VM with its number"]
    for one in possible[:LOOKS]:
        try:
            told = api.get(f"/nodes/{node}/vzdump/extractconfig", volume=one.volume)
        except RefusedError as error:
            doubts.append(f"whose backup {one.volume} is could not be seen: {error.because}")
            continue
        if pve_words.generation(pve_words.written(str(told))) == own:
            return one.at, doubts
    if len(possible) > LOOKS:
        doubts.append(
            f"only the newest {LOOKS} of {len(possible)} backups under its number were looked into, and none is its own"
        )
    return None, doubts


def _jobs(api: PveApi, vm: Json) -> tuple[list[Json], str]:
    """The enabled jobs that hold the VM, and why there may be more."""
    try:
        told = rows(api.get("/cluster/backup"))
    except RefusedError as error:
        return [], error.because
    return [job for job in told if whole(job.get("enabled", 1)) and _holds(job, vm)], ""


def _holds(job: Json, vm: Json) -> bool:
    vmid, excluded, listed = str(vm["vmid"]), _split(job.get("exclude")), _split(job.get("vmid"))
    if job.get("node") and job["node"] != vm["node"]:
        return False
    if job.get("pool"):
        return job["pool"] == vm.get("pool") and vmid not in excluded
    return vmid not in excluded if whole(job.get("all", 0)) else vmid in listed


def _kept(api: PveApi, node: str, vmid: int, jobs: list[Json]) -> Iterator[Kept | str]:
    """Each whole backup under that number, and what could not be seen. One that PVE proved to be damaged is none."""
    stores = {named(row, "storage"): row for row in rows(api.get(f"/nodes/{node}/storage", content="backup"))}
    for job in jobs:
        if (target := str(job.get("storage") or "")) and target not in stores:
            yield f"the storage {target}, into which the job {job['id']} writes, is not told: has the token Datastore.Audit on it?"
    for name, row in stores.items():
        if not whole(row.get("active", 1)):
            yield f"the storage {name} is not active"
            continue
        try:
            told = rows(api.get(f"/nodes/{node}/storage/{name}/content", content="backup", vmid=vmid))
        except RefusedError as error:
            yield error.because
            continue
        good = [one for one in told if record(one.get("verification") or {}).get("state") != "failed"]
        yield from (Kept(instant(one["ctime"]), named(one, "volid")) for one in good if one.get("ctime"))
        if not told and not _may_list(api, name, vmid):
            yield f"the token may not list backups in {name}: it needs Datastore.AllocateSpace there and VM.Backup on /vms/{vmid}"


def _may_list(api: PveApi, store: str, vmid: int) -> bool:
    there, here = _privileges(api, f"/storage/{store}"), _privileges(api, f"/vms/{vmid}")
    return "Datastore.Allocate" in there or ("Datastore.AllocateSpace" in there and "VM.Backup" in here)


def _privileges(api: PveApi, path: str) -> set[str]:
    """The token's own on that path."""
    try:
        told = record(api.get("/access/permissions", path=path))
    except RefusedError:
        return set()
    return {name for granted in told.values() for name in record(granted or {})}


def _split(value: object) -> list[str]:
    return [part.strip() for part in str(value or "").replace(";", ",").replace(" ", ",").split(",")]
