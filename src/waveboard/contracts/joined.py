"""Draft files beside the contracts that are there: what those already say of a host, and the workspace that names both. Writes nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from posixpath import normpath

from waveboard.contracts.dump import dump
from waveboard.contracts.estate import Estate
from waveboard.contracts.files import WORKSPACE, matches
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
    packs: those that ask about it. guards: how many guard files there are. waivers: ids that are taken.
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
    waivers: frozenset[str] = frozenset()


def said_of(estate: Estate, host: str, named: tuple[Service, ...], profile: str) -> Said:
    """named: the services the contracts give the host; profile: what a drafted profile will be called."""
    ids = sorted(estate.vm_ids.get(host, frozenset()))
    said = Said(
        vmid=ids[0] if len(ids) == 1 else None,
        named=named,
        packs=tuple(name for r in estate.packs for name, pack in r.value.packs.items() if host in pack.hosts),
        guards=len(estate.guard),
        waivers=frozenset(w.id for r in estate.waivers for w in r.value.waivers),
    )
    return _of_services(estate, host, _of_placement(estate, host, _of_lifecycle(estate, host, profile, said)))


def _of_lifecycle(estate: Estate, host: str, profile: str, said: Said) -> Said:
    for lives, at, vm in estate.living():
        if host not in (vm.ssh_target, vm.hostname):
            continue
        kept = next((p for r in estate.profiles for name, p in r.value.profiles.items() if name == vm.profile), None)
        judged, loc = kept is not None and kept.storage is not None, ("vms", at, "profile")
        said, node = replace(said, lifecycle=lives.at("vms", at, "hostname"), judged=judged), lives.document.node(loc)
        if isinstance(node, Scalar) and not node.block:
            old = lives.document.text[node.span.start : node.span.end].strip("'\"")
            said = replace(said, profile=Edit(lives.document.file, loc, old, profile, lives.at(*loc)))
    return said


def _of_placement(estate: Estate, host: str, said: Said) -> Said:
    for read_ in estate.placement:
        for name, entry in (read_.value.vm_storage or {}).items():
            if estate.reached_as.get(name, name) != host:
                continue
            tier, mount = entry.target_storage_tier, entry.data_mount
            said = replace(
                said,
                placement=read_.key("vm_storage", name),
                tier=Given(tier, read_.at("vm_storage", name, "target_storage_tier")) if tier and tier in TIERS else None,
                mount=Given(mount, read_.at("vm_storage", name, "data_mount")) if mount else None,
                shares=tuple((m.path, m.source) for m in entry.nfs_mounts or ()),
            )
    return said


def _of_services(estate: Estate, host: str, said: Said) -> Said:
    for read_ in estate.services:
        if (own := read_.value.hosts.get(host)) is not None:
            serial = own.data_disk_serial
            given = Given(serial, read_.at("hosts", host, "data_disk_serial")) if serial else None
            said = replace(said, services=read_.key("hosts", host), serial=given)
    return said


def joined(workspace: bytes, drafts: Mapping[str, str]) -> tuple[bytes, dict[str, list[str]]]:
    """The waveboard.yaml that names the drafts too, and the lines of it that differ: key -> every path it names then. A draft that it names
    already, by a pattern, is not named again.

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
        if not any(matches(str(pattern), {path: b""}) for pattern in names):
            holder[inside] = changed[key] = [*names, path]
    return dump(value).encode(), changed


def free_place(host: str, named: Iterable[str], is_there: Callable[[str], bool]) -> str:
    """Where in the workspace a host's drafts can lie: adopted/HOST, or -2, -3 … where an earlier adoption lies, or is looked for.

    named: the paths that waveboard.yaml asks for. is_there: whether anything lies at a path of the workspace.
    """
    taken = [normpath(path) for path in named]
    places = (f"adopted/{host}" + (f"-{n}" if n > 1 else "") for n in count(1))
    return next(at for at in places if not is_there(at) and not any(path.startswith(f"{at}/") for path in taken))
