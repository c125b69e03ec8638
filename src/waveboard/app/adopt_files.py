"""The draft of an existing host as YAML text, one file a contract, and the page that tells a person what it says and what it does not."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil

from waveboard.contracts.dump import dump
from waveboard.gates.escape import plain
from waveboard.model.finding import Finding
from waveboard.model.register import UNOWNED
from waveboard.model.units import GIB, MB
from waveboard.vms.adopt import Draft

FILES: Mapping[str, str] = {  # key of waveboard.yaml -> file of the draft
    "contracts.vms": "vm.lifecycle.yaml",
    "contracts.profiles": "infra.vm.profiles.yaml",
    "contracts.placement": "infra.storage.placement.policy.yaml",
    "services": "services.yaml",
    "packs": "packs.yaml",
    "contracts.waivers": "waivers.yaml",
}
# a finding about a size is accepted as it was found: it may not grow. code -> (fact, measured value, bytes in one of the fact's unit)
_RATCHET: Mapping[str, tuple[str, str, int]] = {
    "root-usage": ("root.used_pct", "used_pct", 1),
    "images-size": ("docker.images_gb", "bytes", 10**9),
    "build-cache-size": ("docker.build_cache_gb", "bytes", 10**9),
    "volumes-size": ("docker.local_volumes_gb", "bytes", 10**9),
}


def profile_name(host: str) -> str:
    """What the drafted profile is called."""
    return f"adopted-{host}"


def lifecycle(draft: Draft) -> dict[str, object]:
    vm: dict[str, object] = {"id": draft.vmid} if draft.vmid is not None else {}
    vm |= {"hostname": draft.host, "status": "active", "ssh_target": draft.host}
    vm |= {"profile": profile_name(draft.host)} if draft.tier else {}
    vm |= {"resources": {"boot_disk_gb": _short(draft.boot_gb)}} if draft.boot_gb else {}
    return {"version": "1.0", "vms": [vm]}


def profiles(draft: Draft) -> dict[str, object]:
    storage: dict[str, object] = {"tier": draft.tier}
    if (disk := draft.disk) is not None:
        storage["data_disk"] = {"size_gb": _short(disk.size_bytes / GIB)} | {
            key: getattr(disk, key) for key in ("bus", "serial", "fstype", "label", "mount", "backup")
        }
    storage |= {"docker_data_root": draft.docker_root} if draft.docker_root else {}
    storage |= {"containerd_root": draft.containerd_root} if draft.containerd_root else {}
    if (limits := draft.log_rotation) is not None:
        storage["log_rotation"] = {"max_size_mb": limits.max_bytes / MB, "files": limits.files}
    storage |= {"nfs_mounts": _shares(draft)} if draft.shares else {}
    profile = {"description": f"{draft.host} as it was found", "provisioning": {"existing": True}, "storage": storage}
    return {"version": "1.0", "profiles": {profile_name(draft.host): profile}}


def placement(draft: Draft) -> dict[str, object]:
    entry: dict[str, object] = {"vmid": draft.vmid} if draft.vmid is not None else {}
    entry |= {"boot_disk_gb": _short(draft.boot_gb)} if draft.boot_gb else {}
    entry["target_storage_tier"] = draft.tier
    if mount := draft.disk.mount if draft.disk else draft.data_at:
        entry["data_mount"] = mount
    entry |= {"nfs_mounts": _shares(draft)} if draft.shares else {}
    return {"version": "1.0", "vm_storage": {draft.host: entry}}


def services(draft: Draft) -> dict[str, object]:
    host: dict[str, object] = {"data_disk_serial": draft.disk.serial} if draft.disk else {}
    host |= {"container_probes": list(draft.probes)} if draft.probes else {}
    host["services"] = [
        {"container": s.container, "engine": s.engine, "data_paths": list(s.data_paths)}
        | ({"data_dir": s.data_dir} if s.data_dir else {})
        for s in draft.services
    ]
    return {"schema": "waveboard.services/1", "hosts": {draft.host: host}}


def pack(host: str, gates: Sequence[str]) -> dict[str, object]:
    return {
        "schema": "waveboard.packs/1",
        "packs": {f"adopted-{host}"[:64]: {"mode": "report", "hosts": [host], "gates": list(gates)}},
    }


def waivers(host: str, found: Sequence[Finding], at: datetime, days: int, taken: frozenset[str]) -> str:
    """The file: one dated proposal a finding, each by its fingerprint: what comes anew is covered by none. taken: ids that are given already."""
    until = (at + timedelta(days=days)).date().isoformat()
    ids = iter(name for n in range(1, 10_000) if (name := f"ADOPT-{host[:40]}-{n:02d}") not in taken)
    rows = [
        {
            "id": next(ids),
            "reason": f"found at adoption on {at.date().isoformat()}: {f.gate} {f.code}, {f.subject}",
            "owner": UNOWNED,
            "fingerprint": f.fingerprint,
            "until": until,
        }
        | ({"while": bound} if (bound := _bound(f)) else {})
        for f in found
    ]
    head = (
        f"Proposals for {host}: each covers nothing until somebody's name stands as its owner and waveboard.yaml names this file.",
        "Strike what nobody will answer for. Each ends by itself; none covers what comes anew.",
    )
    return text(head, {"schema": "waveboard.waivers/1", "waivers": rows})


def _bound(finding: Finding) -> str:
    """The condition under which a finding about a size stays accepted: not more than was found. "" for any other finding."""
    fact, key, unit = _RATCHET.get(finding.code, ("", "", 1))
    measured = dict(finding.measured).get(key)
    if not measured or not finding.host[:1].isalpha():
        return ""
    return f"{finding.host}.{fact} <= {ceil((float(measured) / unit + 0.05) * 10) / 10:.1f}"


def text(head: Sequence[str], value: Mapping[str, object]) -> str:
    """One file: what it is as comments, then the document."""
    return "".join(f"# {one_line(line)}\n" for line in head) + dump(dict(value))


def one_line(said: str) -> str:
    """Text that may come from a host, as one harmless line."""
    return " ".join(plain(" ".join(said.split())).split())


def _shares(draft: Draft) -> list[dict[str, object]]:
    return [{"path": path, "source": source} for path, source in draft.shares]


def _short(number: float | None) -> float | int | None:
    """A whole number where it is one."""
    return int(number) if number is not None and number == int(number) else number
