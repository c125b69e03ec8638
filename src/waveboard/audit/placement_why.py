"""The sentence a person reads beside a placement. Says what was found and why; decides nothing."""

from collections.abc import Collection

from waveboard.audit.placement_backing import Backing
from waveboard.model.facts import Mount
from waveboard.model.graph import PlacementClass

_TOLD = {
    "FSTAB_NOT_MOUNTED": "fstab names a mount on the way there that is not mounted, so writes go below it",
    "BOOT_DISK_OTHER_FS": "it is another filesystem than /, on the same disk",
    "NOT_PERSISTED": "no fstab line or mount unit brings this mount back after a restart",
    "READ_ONLY": "it is mounted read-only",
    "SHADOWED": "another mount on the way there lies hidden below it",
    "VG_SHARED_WITH_BOOT": "its volume group also has space on the boot disk",
    "DEGRADED": "a member of its array or pool is missing",
    "DUPLICATE_UUID": "another device carries the same UUID or label",
    "FSTAB_OTHER_DEVICE": "fstab names another device for this mount point than the one mounted",
    "LATE_MOUNT": "the host path now leads elsewhere: the container still sees what was there when it started",
    "ANONYMOUS": "the volume has no name, so a recreated container loses it",
    "BLOCKED": "the auditor may not look inside a directory on the way there",
    "LOWER_ELSEWHERE": "what was not written since lies in a lower layer that is kept elsewhere",
    "LAYERS_ELSEWHERE": "images and writable layers are kept in containerd's own root",
}


def listed(names: Collection[str]) -> str:
    """`disk sda`, `disks sda and vdb`."""
    ordered = sorted(names)
    if len(ordered) == 1:
        return f"disk {ordered[0]}"
    return f"disks {', '.join(ordered[:-1])} and {ordered[-1]}"


def sentence(
    path: str,
    mount: Mount | None,
    found: Backing,
    kind: PlacementClass,
    boot_disks: frozenset[str],
    reasons: Collection[str],
    flags: Collection[str],
    note: str = "",
) -> str:
    """One or two plain sentences. note: what was special about the way there."""
    place = f"{path} is on the {mount.fstype} mounted at {mount.target}" if mount else path
    told = "; ".join(_TOLD[flag] for flag in sorted(flags) if flag in _TOLD)
    tail = "".join(f"; {part}" for part in (note, told) if part)
    return f"{place}: {_verdict(found, kind, boot_disks, reasons)}{tail}"


def _verdict(found: Backing, kind: PlacementClass, boot_disks: frozenset[str], reasons: Collection[str]) -> str:
    leaves = found.leaves
    if kind is PlacementClass.UNKNOWN:
        also = f" (as far as is known it rests on {listed(leaves)})" if leaves else ""
        return f"where that is cannot be known, because {'; '.join(reasons) or 'no reason was recorded'}{also}"
    if kind is PlacementClass.BOOT:
        return f"it rests on {listed(leaves)}, which also holds what the host starts from"
    if kind is PlacementClass.MIXED:
        return f"it needs {listed(leaves)}, and {listed(leaves & boot_disks)} also holds what the host starts from"
    if kind is PlacementClass.DATA:
        return f"it rests on {listed(leaves)}, which holds nothing the host starts from"
    if kind is PlacementClass.NETDISK:
        return f"it rests on {listed(leaves)}, reached over a network"
    if kind is PlacementClass.VOLATILE:
        return "it is in memory and gone after a restart"
    if kind is PlacementClass.NET:
        doubt = f" ({'; '.join(reasons)})" if reasons else ""
        net = next((node for node in found.nodes if node.kind == "net"), None)
        return f"it is kept by {net.name} ({net.detail}){doubt}" if net else "it is kept outside this machine"
    kept = f" on {listed(leaves)}" if leaves else ""
    return f"no mount covers it, so it is in the container's writable layer{kept} and goes with the container"
