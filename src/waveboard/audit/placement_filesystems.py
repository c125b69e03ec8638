"""What a mount rests on, filesystem by filesystem. Asks blocks for disks and the tree for further paths; judges nothing.

`stat`'s st_dev is never used: on btrfs, overlay, ZFS and NFS it is an anonymous number that names no device.
"""

from collections.abc import Callable, Mapping, Sequence

from waveboard.audit.placement_backing import Backing, in_ram, join, not_known, on_net, spelled, under
from waveboard.audit.placement_blocks import DEEPEST, BlockGraph
from waveboard.audit.placement_mounts import MountTree, asked_above, tidy
from waveboard.audit.placement_shares import (
    FUSE_NETWORK,
    HOST_SHARE,
    KERNEL,
    MEMORY,
    NETWORK,
    STACKED,
    is_own,
    layers,
    monitors,
    option,
    server,
)
from waveboard.model.facts import BlockDevice, DevicePool, Mount, PathFact
from waveboard.model.graph import Node

_LOGS = ("logdev", "rtdev", "journal_path", "jdev")


class Filesystems:
    """Backings of the mounts of one host. tree: the table in which further paths (upperdir, loop files) are looked up.

    blocks: the device graph, or why there is none. own: the host's addresses, None when they could not be read.
    """

    def __init__(
        self,
        tree: MountTree,
        blocks: BlockGraph | str,
        own: frozenset[str] | None,
        paths: Mapping[str, PathFact],
    ) -> None:
        self.tree, self.blocks, self._own, self._paths = tree, blocks, own, paths
        self._numbers: dict[tuple[str, str], Backing] = {}
        self._known: dict[tuple[int, bool], tuple[Mount, Backing]] = {}  # the mount is kept so that its id stays its own
        self._busy: set[int] = set()
        self._cut: set[int] = set()  # as in the device graph
        self._spellings: dict[int, tuple[Backing, Backing]] = {}  # likewise the backing

    # -- questions ---------------------------------------------------------------------------------------------------

    def of(self, mount: Mount) -> Backing:
        """What the mount rests on; an overlay on its upper directory alone."""
        return self._guarded(mount, False)

    def whole(self, mount: Mount) -> Backing:
        """The same, an overlay on all its layers: what the mount cannot do without."""
        return self._guarded(mount, mount.fstype == "overlay")

    def at(self, path: str, whole: bool = False) -> Backing:
        """What a further path rests on. By its spelling when the target was not asked about it. whole: as that of a mount."""
        of = self.whole if whole else self.of
        if not path.startswith("/"):
            return not_known(path, f"{path!r} is a path relative to nobody knows what")
        fact = self._paths.get(path)
        if fact and fact.exists and fact.canonical and not fact.blocked and not fact.problem:
            mount = self.tree.by_id(fact.mount_id) if fact.mount_id is not None else None
            mount = mount or self.tree.walk(fact.canonical)
            return of(mount) if mount else not_known(path, f"no mount of the table holds {path}")
        mount = self.tree.walk(asked_above(tidy(path), self._paths))
        if mount is None:
            return not_known(path, f"no mount of the table holds {path}")
        found = of(mount)
        known = self._spellings.get(id(found)) or self._spellings.setdefault(id(found), (found, spelled(found)))
        return known[1]

    def device(self, spec: str) -> Backing | None:
        """What a device named by a path or an fstab spec rests on. None: no such device is listed."""
        name = None if isinstance(self.blocks, str) else self.blocks.named(spec)
        return self._block(name) if name else None

    def loop(self, device: BlockDevice) -> Backing:
        """What the file behind a loop device rests on: by its device number, which outlives the name, else by its path."""
        file, devno = device.loop_file, device.loop_devno
        if file is None:
            return not_known(device.name, f"{device.name} has no file behind it that could be read")
        if devno is not None:
            if not devno.startswith("0:"):
                return self._numbered(devno, f"the file behind {device.name}")
            mount = self.tree.of_devno(devno)
            if mount is not None:
                return self.of(mount)
        if file.endswith(" (deleted)"):
            return not_known(device.name, f"the file behind {device.name} was deleted and its filesystem is not known")
        mount = self.tree.walk(tidy(file)) if file.startswith("/") else None
        if mount is None:
            return not_known(device.name, f"the file behind {device.name}, {file}, is on no mount of the table")
        if self.tree.hides(tidy(file), mount) or (devno is not None and not mount.devno.startswith("0:")):
            return not_known(device.name, f"{file} behind {device.name} may be on a hidden mount")
        found = self.of(mount)
        return found if devno is not None else spelled(found)  # a name from another namespace looks the same

    # -- one mount ---------------------------------------------------------------------------------------------------

    def _guarded(self, mount: Mount, whole: bool) -> Backing:
        key = (id(mount), whole)
        known = self._known.get(key)
        if known is not None:
            return known[1]
        if id(mount) in self._busy or len(self._busy) > DEEPEST:
            self._cut.update([id(mount)] if id(mount) in self._busy else self._busy)
            return not_known(mount.target, f"{mount.target} rests on itself as far as this mount table tells")
        self._busy.add(id(mount))
        try:
            detail = f"{mount.source} {mount.root}" if mount.root != "/" else mount.source
            found = under(Node("mount", mount.target, detail), self._every_layer(mount) if whole else self._of(mount))
        finally:
            self._busy.discard(id(mount))
            self._cut.discard(id(mount))
        if not self._cut:
            self._known[key] = (mount, found)
        return found

    def _of(self, mount: Mount) -> Backing:
        handler = _KINDS.get(mount.fstype)
        if handler is not None:
            return handler(self, mount)
        if mount.fstype == "fuse" or mount.fstype.startswith("fuse."):  # its source is what the program calls itself
            return not_known(
                mount.fstype, f"{mount.fstype} is a program of its own: where it keeps {mount.target} cannot be seen"
            )
        return self._local(mount)

    def _local(self, mount: Mount) -> Backing:
        if not mount.devno.startswith("0:"):
            key = (mount.devno, mount.fstype)
            found = self._numbers.get(key) or self._by_name(mount) or self._numbered(mount.devno, mount.target, mount.fstype)
            if not found.unknown:
                self._numbers[key] = found
        elif mount.source.startswith("/") and not mount.source.startswith("/dev/") and mount.fstype == "erofs":
            return self.at(mount.source)
        else:
            backing = self.device(mount.source)
            if backing is None:
                return not_known(mount.source, f"{mount.fstype} at {mount.target} names no device this host lists")
            inner = backing.filesystems or frozenset((mount.devno,))
            found = under(Node("filesystem", mount.devno, mount.fstype), backing, filesystems=inner)
        logs = [log for name in _LOGS if (log := option(mount.super_options, name))]
        if not logs:
            return found
        kept = [self.device(log) or not_known(log, f"the log or realtime device {log} is not listed") for log in logs]
        return join([found, *kept])._replace(filesystems=found.filesystems)

    def _by_name(self, mount: Mount) -> Backing | None:
        """A device whose number a tree does not tell, by the name that the mount has for it. None: its number is told, or another's is."""
        name = None if isinstance(self.blocks, str) or self.blocks.of_devno(mount.devno) else self.blocks.named(mount.source)
        if name is None or isinstance(self.blocks, str) or self.blocks.devices[name].devno:
            return None
        below = self._block(name)
        node = Node("filesystem", mount.devno, mount.fstype)
        return spelled(under(node, below, filesystems=below.filesystems or frozenset((mount.devno,))))

    def _numbered(self, devno: str, what: str, fstype: str = "") -> Backing:
        if isinstance(self.blocks, str):
            return not_known(devno, f"block devices could not be read: {self.blocks}")
        device = self.blocks.of_devno(devno)
        if device is None:
            return not_known(devno, f"{what} is on device {devno}, which the kernel does not list")
        below = self._block(device.name)
        inner = below.filesystems or frozenset((devno,))  # a loop file lies in the filesystem of its file
        return under(Node("filesystem", devno, fstype), below, filesystems=inner)

    def _block(self, name: str) -> Backing:
        assert not isinstance(self.blocks, str)
        return self.blocks.leaves(name)

    def _pooled(self, mount: Mount) -> Backing:
        """btrfs, bcachefs: every member of the pool, whichever of them the mount source names."""
        if isinstance(self.blocks, str):
            return not_known(mount.source, f"block devices could not be read: {self.blocks}")
        named = [self.blocks.named(part) for part in (mount.source.split(":") if mount.fstype == "bcachefs" else [mount.source])]
        pools = [pool for pool in self.blocks.pools if pool.fstype == mount.fstype and not pool.by_udev]
        pool = next((owner for name in named if name and (owner := self.blocks.pool_of(mount.fstype, name))), None)
        if pool is None and len(pools) == 1 and not any(named) and not self._another_has(pools[0], mount):
            pool = pools[0]  # the kernel lists every mounted one, and it lists one
        if pool is not None:
            members = self.blocks.members(pool)
        elif mount.fstype == "bcachefs" and named and all(named):
            members = join([self.blocks.leaves(name) for name in named if name])
        elif (only := self._only_disk()) is not None and any(self._block(name).leaves == only.leaves for name in named if name):
            members = only
        else:
            return self._not_pooled(mount, [name for name in named if name])
        subvolume = option(mount.super_options, "subvol")
        found = members._replace(filesystems=members.filesystems or frozenset((pool.id if pool else mount.devno,)))
        if subvolume and subvolume != "/":
            found = under(Node("subvolume", subvolume), found)
        return under(Node("filesystem", mount.devno, mount.fstype), found)

    def _another_has(self, pool: DevicePool, mount: Mount) -> bool:
        """Whether the pool is known to be that of another filesystem which is mounted."""
        assert not isinstance(self.blocks, str)
        others = [one for one in self.tree.table if one.fstype == mount.fstype and one.devno != mount.devno]
        names = [self.blocks.named(part) for one in others for part in one.source.split(":")]
        return any(name and self.blocks.pool_of(mount.fstype, name) is pool for name in names)

    def _not_pooled(self, mount: Mount, named: list[str]) -> Backing:
        why = not_known(mount.fstype, f"which devices the {mount.fstype} at {mount.target} spans was not recorded")
        return join([*(self._block(name) for name in named), why])

    def _only_disk(self) -> Backing | None:
        """The one disk of a host with a single one: whatever the members are, they are on it."""
        assert not isinstance(self.blocks, str)
        found = [
            self.blocks.leaves(name)
            for name, device in self.blocks.devices.items()
            if device.size_bytes and device.loop_file is None and not name.startswith(("sr", "fd", "loop", "ram", "zram"))
        ]
        whole = join(found) if found else None
        return whole if whole and not whole.unknown and not whole.ram and len(whole.leaves) == 1 else None

    def _dataset(self, mount: Mount) -> Backing:
        name = mount.source.partition("/")[0]
        pools = () if isinstance(self.blocks, str) else self.blocks.pools
        pool = next((found for found in pools if found.fstype == "zfs" and found.id == name), None)
        if pool is None or isinstance(self.blocks, str):
            return not_known(mount.source, f"the devices of the ZFS pool {name} are not known (no zpool answer)")
        node = Node("filesystem", mount.source, "zfs")
        return under(node, self.blocks.members(pool), filesystems=frozenset((mount.source,)))

    def _volume(self, mount: Mount) -> Backing:
        """ubifs: `ubi0:name`, `ubi0_3`, or without a number, which is 0's."""
        if isinstance(self.blocks, str):
            return not_known(mount.source, f"block devices could not be read: {self.blocks}")
        number = mount.source.removeprefix("/dev/").removeprefix("ubi")
        below = self.blocks.volume_of("0" if number[:1] in ":!" else number, mount.source)
        return under(Node("filesystem", mount.devno, "ubifs"), below, filesystems=frozenset((mount.source,)))

    # -- what rests on further paths or on a network -----------------------------------------------------------------

    def _upper(self, mount: Mount) -> Backing:
        upper, lowers = layers(mount.super_options)
        if upper is not None:
            return self._written(upper, lowers)
        if not lowers:
            return not_known(mount.target, f"the overlay at {mount.target} names no layers")
        return under(Node("overlay", lowers[0], "read-only layers"), join([self.at(lower) for lower in lowers]))

    def _written(self, upper: str, lowers: Sequence[str]) -> Backing:
        """What is written goes to the upper directory. What was there before and is only read lies in the lower ones: elsewhere, that
        is told, and the upper directory's disks are not all that the files are on."""
        found = under(Node("overlay", upper, "upper directory"), self.at(upper))
        below = join([self.at(lower) for lower in lowers]) if lowers else found
        beside = below.leaves <= found.leaves and below.net <= found.net and below.ram <= found.ram
        if found.unknown or (beside and not below.unknown):
            return found
        return spelled(found if beside else found._replace(flags=found.flags | {"LOWER_ELSEWHERE"}))

    def _every_layer(self, mount: Mount) -> Backing:
        upper, lowers = layers(mount.super_options)
        named = [path for path in (upper, *lowers) if path is not None]
        if not named:
            return not_known(mount.target, f"the overlay at {mount.target} names no layers")
        return under(Node("overlay", named[0], "all layers"), join([self.at(path, whole=True) for path in dict.fromkeys(named)]))

    def _branches(self, mount: Mount) -> Backing:
        branches = [branch.partition("=")[0] for branch in mount.source.split(":")]
        if not all(branch.startswith("/") and "*" not in branch for branch in branches):
            return not_known("mergerfs", f"the branches of the mergerfs at {mount.target} are not told in full")
        return spelled(join([self.at(branch) for branch in branches]))

    def _served(self, mount: Mount) -> Backing:
        """A network filesystem; one that this very host serves rests on the exported path."""
        address, path = server(mount.source, mount.super_options)
        own = self._serves(monitors(mount.source, mount.super_options)) if mount.fstype == "ceph" else is_own(address, self._own)
        if own:
            if mount.fstype not in ("nfs", "nfs4") or not path.startswith("/") or path == "/":
                return not_known(mount.source, f"{mount.source} is served by this very host, from where cannot be told")
            node = Node("net", mount.source, f"{mount.fstype} from this very host")
            return under(node, spelled(self.at(path)))
        doubt = "" if own is False else f"whether {mount.source} is served by this very host cannot be told"
        return on_net(mount.source, f"{mount.fstype} {address or ''}".strip(), doubt)._replace(lexical=bool(doubt))

    def _shared(self, mount: Mount) -> Backing:
        """A directory of the machine below this one; 9p also speaks TCP, to whoever it is told."""
        if option(mount.super_options, "trans") in ("tcp", "rdma"):
            return self._served(mount)
        return on_net(mount.source, f"{mount.fstype}, a directory of the machine below this one")

    def _serves(self, addresses: Sequence[str]) -> bool | None:
        """Whether one of the servers is this very host; None when that cannot be told of each."""
        told = [is_own(address, self._own) for address in addresses] or [None]
        return True if True in told else None if None in told else False


def _handlers() -> dict[str, Callable[[Filesystems, Mount], Backing]]:
    table: dict[str, Callable[[Filesystems, Mount], Backing]] = {
        "overlay": Filesystems._upper,
        "autofs": lambda _, m: not_known("autofs", f"{m.target} is an automount that nothing has triggered"),
        "btrfs": Filesystems._pooled,
        "bcachefs": Filesystems._pooled,
        "zfs": Filesystems._dataset,
        "ubifs": Filesystems._volume,
        "fuse.mergerfs": Filesystems._branches,
    }
    table |= dict.fromkeys(NETWORK | FUSE_NETWORK, Filesystems._served)
    table |= dict.fromkeys(HOST_SHARE, Filesystems._shared)
    table |= dict.fromkeys(MEMORY, lambda _, m: in_ram(m.fstype, "memory"))
    table |= dict.fromkeys(KERNEL, lambda _, m: not_known(m.fstype, f"{m.fstype} is the kernel's own and keeps no files"))
    table |= dict.fromkeys(STACKED, lambda files, m: spelled(files.at(m.source)))
    return table


_KINDS = _handlers()
