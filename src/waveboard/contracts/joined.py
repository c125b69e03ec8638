"""Draft files beside the contracts that are there: what those already say of a host, and the workspace that names both. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from waveboard.contracts.dump import dump
from waveboard.contracts.estate import Estate
from waveboard.contracts.files import WORKSPACE
from waveboard.contracts.formats.placement import TIERS
from waveboard.contracts.formats.workspace import Contracts
from waveboard.contracts.nodes import Scalar, plain
from waveboard.contracts.text import read
from waveboard.model.contract import Place, Service
from waveboard.model.errors import ContractError


@dataclass(frozen=True, slots=True)
class Given:
    """A value that the contracts give, and where."""

    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class Edit:
    """The one scalar of an operator's file that must change for a draft to count: file, keys, text now, text then."""

    file: str
    path: tuple[str | int, ...]
    old: str
    new: str
    place: Place


@dataclass(frozen=True, slots=True)
class Said:
    """What the contracts already say of one host. lifecycle, placement, services: where it stands, None where nothing does.

    judged: its profile has a `storage:`, so it is a VM already. profile: how its lifecycle entry names one, None where no scalar does.
    packs: those that ask about it. guards: how many guard files there are. unique: waiver ids that are taken.
    """

    lifecycle: Place | None = None
    judged: bool = False
    vmid: int | None = None
    profile: Edit | None = None
    placement: Place | None = None
    tier: Given | None = None
    mount: Given | None = None
    shares: tuple[tuple[str, str], ...] = ()
    services: Place | None = None
    serial: Given | None = None
    named: tuple[Service, ...] = ()
    packs: tuple[str, ...] = ()
    guards: int = 0
    profiles: frozenset[str] = frozenset()
    waivers: frozenset[str] = frozenset()


def said_of(estate: Estate, host: str, named: tuple[Service, ...], profile: str) -> Said:
    """named: the services the contracts give the host; profile: what a drafted profile will be called."""
    ids = sorted(estate.vm_ids.get(host, frozenset()))
    told: dict[str, object] = {"vmid": ids[0] if len(ids) == 1 else None, "named": named, "guards": len(estate.guard)}
    for read_, at, vm in estate.living():
        if host in (vm.ssh_target, vm.hostname):
            kept = {name: p for r in estate.profiles for name, p in r.value.profiles.items()}
            found = kept.get(vm.profile or "")
            told |= {"lifecycle": read_.at("vms", at, "hostname"), "judged": found is not None and found.storage is not None}
            loc = ("vms", at, "profile")
            node = read_.document.node(loc)
            if isinstance(node, Scalar) and not node.block:
                old = read_.document.text[node.span.start : node.span.end].strip("'\"")
                told["profile"] = Edit(read_.document.file, loc, old, profile, read_.at(*loc))
    for read_p in estate.placement:
        for name, entry in (read_p.value.vm_storage or {}).items():
            if estate.reached_as.get(name, name) == host:
                tier = entry.target_storage_tier if entry.target_storage_tier in TIERS else None
                told |= {"placement": read_p.key("vm_storage", name)}
                told |= {"tier": Given(tier, read_p.at("vm_storage", name, "target_storage_tier")) if tier else None}
                told |= {"mount": Given(m, read_p.at("vm_storage", name, "data_mount")) if (m := entry.data_mount) else None}
                told |= {"shares": tuple((m.path, m.source) for m in entry.nfs_mounts or ())}
    for read_s in estate.services:
        if (own := read_s.value.hosts.get(host)) is not None:
            told |= {"services": read_s.key("hosts", host)}
            serial = own.data_disk_serial
            told |= {"serial": Given(serial, read_s.at("hosts", host, "data_disk_serial")) if serial else None}
    told["packs"] = tuple(name for r in estate.packs for name, pack in r.value.packs.items() if host in pack.hosts)
    told["profiles"] = frozenset(name for r in estate.profiles for name in r.value.profiles)
    told["waivers"] = frozenset(w.id for r in estate.waivers for w in r.value.waivers)
    return Said(**told)  # type: ignore[arg-type]


def joined(workspace: bytes, drafts: Mapping[str, str]) -> tuple[bytes, dict[str, list[str]]]:
    """The waveboard.yaml that names the drafts too, and the lines of it that differ: key -> every path it names then.

    drafts: key of waveboard.yaml (`contracts.vms`, `services`) -> path. Raises: ContractError when the file cannot be used.
    """
    document, complaints = read(WORKSPACE, workspace)
    value = plain(document.root) if document else None
    if not isinstance(value, dict) or not isinstance(value.get("contracts"), dict):
        raise ContractError("join the drafts to the workspace", complaints[0].message if complaints else "it names no contracts")
    changed: dict[str, list[str]] = {}
    for key, path in drafts.items():
        inside = key.removeprefix("contracts.")
        holder = value["contracts"] if inside in Contracts.model_fields and key.startswith("contracts.") else value
        now = holder.get(inside)
        names = [now] if isinstance(now, str) else list(now or ())
        holder[inside] = changed[key] = [*names, path]
    return dump(value).encode(), changed
