"""What else must be told about a placement: fstab against the mount table, read-only, shared volume groups, duplicate UUIDs."""

from collections.abc import Iterable, Mapping

from waveboard.audit.placement_backing import Backing
from waveboard.audit.placement_blocks import BlockGraph
from waveboard.audit.placement_boot import BESIDE_ROOT, BootSet
from waveboard.audit.placement_mounts import MountTree, prefixes
from waveboard.audit.placement_shares import KERNEL, MEMORY
from waveboard.model.facts import DeviceLinks, Fstab, FstabEntry, Mount
from waveboard.model.graph import PlacementClass

_OWN_ORIGINS = ("/etc/fstab", "/etc/systemd/", "/run/systemd/generator")  # shipped units may be switched off
_NEVER_IN_FSTAB = KERNEL | MEMORY | frozenset(("overlay", "autofs", "squashfs", "fuse.lxcfs"))
_NOT_PLANNED = KERNEL | {"swap"}
_BY_INITRAMFS = frozenset(("/", "/usr", *BESIDE_ROOT))
_READ_ONLY = ("ro", "emergency_ro")
_ELSEWHERE = (PlacementClass.DATA, PlacementClass.MIXED, PlacementClass.NET, PlacementClass.NETDISK)


class Marks:
    """The flags of one host's placements, its tables indexed once."""

    def __init__(
        self, tree: MountTree, fstab: Fstab | None, blocks: BlockGraph | None, links: DeviceLinks | None, boot: BootSet
    ) -> None:
        self._tree, self._blocks, self._boot = tree, blocks, boot
        self._claims: Mapping[str, tuple[str, ...]] = links.claims if links else {}
        self._fstab_read = fstab is not None
        self._planned: dict[str, FstabEntry] = {}
        self._persisted: set[str] = set()
        for entry in fstab.entries if fstab else ():
            target = entry.target.rstrip("/") or "/"
            if entry.at_boot:
                self._persisted.add(target)
            if entry.origin.startswith(_OWN_ORIGINS) and entry.fstype not in _NOT_PLANNED and target.startswith("/"):
                self._planned.setdefault(target, entry)
        self._absent = {target for target in self._planned if not tree.mounted_at(target)}
        self._groups: dict[str, frozenset[str]] | None = None

    def of_mount(self, paths: Iterable[str], mount: Mount, found: Backing, kind: PlacementClass) -> set[str]:
        """Flags of data on this mount of the host. paths: the data's path, as asked and as resolved."""
        flags = {"FSTAB_NOT_MOUNTED"} if self.not_mounted(paths) else set()
        if not mount.target.startswith("/"):
            return flags
        if kind in _ELSEWHERE and mount.target not in _BY_INITRAMFS and mount.fstype not in _NEVER_IN_FSTAB:
            if not self._fstab_read:
                flags.add("PERSISTENCE_UNKNOWN")
            elif mount.target not in self._persisted:
                flags.add("NOT_PERSISTED")
        if mount.target in self._planned and self._other_device(mount):
            flags.add("FSTAB_OTHER_DEVICE")
        return flags | self.of_backing(mount, found, kind)

    def of_backing(self, mount: Mount, found: Backing, kind: PlacementClass) -> set[str]:
        """Flags that do not depend on the mount point."""
        flags = set(found.flags)
        if kind is PlacementClass.BOOT and found.filesystems and not found.filesystems <= self._boot.root:
            flags.add("BOOT_DISK_OTHER_FS")
        if kind is PlacementClass.DATA and self._shares_group(found):
            flags.add("VG_SHARED_WITH_BOOT")
        if self._claims and self._claimed_twice(mount):
            flags.add("DUPLICATE_UUID")
        return flags

    def read_only(self, mount: Mount, meant: bool = False) -> bool:
        """True when nothing can be written: by the mount or by its filesystem. meant: a read-only mount was asked for."""
        return any(option in _READ_ONLY for option in (mount.super_options if meant else (*mount.options, *mount.super_options)))

    def not_mounted(self, paths: Iterable[str]) -> str | None:
        """The mount point at or above the paths that fstab names and nothing is mounted on."""
        return next((at for path in paths for at in prefixes(path) if at in self._absent), None) if self._absent else None

    def not_told(self, kind: PlacementClass) -> str:
        """What nobody can say of data of this class without fstab."""
        if self._fstab_read:
            return ""
        asked = "this mount comes back after a restart" if kind in _ELSEWHERE else "something is to be mounted on the way there"
        return f"fstab could not be read, so whether {asked} cannot be told"

    def planned_at(self, target: str) -> FstabEntry | None:
        """What fstab wants mounted here."""
        return self._planned.get(target)

    def _other_device(self, mount: Mount) -> bool:
        """fstab's spec means another device than the one mounted, or none (B9). Multi-device filesystems are not compared."""
        entry = self._planned.get(mount.target)
        if entry is None or self._blocks is None or mount.devno.startswith("0:") or "bind" in entry.options:
            return False
        name = self._blocks.named(entry.spec)
        if name is None:
            return mount.target not in _BY_INITRAMFS and self._blocks.nowhere(entry.spec)
        return self._blocks.devices[name].devno != mount.devno

    def _shares_group(self, found: Backing) -> bool:
        """A volume group that also has extents on a boot disk: the next lvextend may use them (A4)."""
        if self._blocks is None or not any(node.kind == "lv" for node in found.nodes):
            return False
        if self._groups is None:
            self._groups = {}
            for name, device in self._blocks.devices.items():
                group = _group(device.dm_uuid)
                if group:
                    self._groups[group] = self._groups.get(group, frozenset()) | self._blocks.leaves(name).leaves
        devices = self._blocks.devices
        mine = {_group(devices[node.name].dm_uuid) for node in found.nodes if node.kind == "lv" and node.name in devices}
        return any(self._groups.get(group or "", frozenset()) & self._boot.disks for group in mine)

    def _claimed_twice(self, mount: Mount) -> bool:
        """Another device carries the same UUID: which one the next boot mounts is chance (A22)."""
        if self._blocks is None:
            return False
        device = self._blocks.of_devno(mount.devno)
        name = device.name if device else self._blocks.named(mount.source)
        if name is None:
            return False
        mine = self._blocks.leaves(name).leaves
        pool = self._blocks.pool_of(mount.fstype, name)
        members = pool.members if pool else ()
        return any(
            other != name and self._stranger(other, mine, members)
            for link, claimants in self._claims.items()
            if name in claimants and ("/by-uuid/" in link or "/by-label/" in link)
            for other in claimants
        )

    def _stranger(self, other: str, mine: frozenset[str], members: tuple[str, ...]) -> bool:
        assert self._blocks is not None
        return other not in members and self._blocks.leaves(other).leaves != mine


def _group(dm_uuid: str | None) -> str | None:
    """The volume group's own uuid inside a device-mapper uuid."""
    return dm_uuid[4:36] if dm_uuid and dm_uuid.startswith("LVM-") else None
