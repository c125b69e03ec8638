"""Block devices as a graph: any device -> the set of disks below it. Kernel parents only (sysfs slaves), never names or `vgs`.

A virtual device that cannot name its parents is unknown, never a disk. Source of the paths: Documentation/ABI/stable/sysfs-block
and what recorded machines show.
"""

import re
from collections.abc import Callable, Sequence
from weakref import WeakMethod

from waveboard.audit.placement_backing import Backing, in_ram, join, not_known, on_disk, on_netdisk, spelled, under
from waveboard.audit.placement_shares import is_own
from waveboard.audit.placement_twins import POWERPATH
from waveboard.model.facts import DEVICE_LISTS, BlockDevice, BlockDevices, DeviceLinks, DevicePool
from waveboard.model.graph import Node
from waveboard.model.units import show_size

_VIRTUAL_NAME = re.compile(
    r"(dm-|md_?d?\d|loop|ram\d|zram|pmem|nbd|rnbd|rbd\d|drbd|bcache|zd\d|ublkb|nullb|mtdblock|ubiblock|etherd|xnbd)"
)
_NETWORK_NAME = re.compile(r"(nbd|rnbd|rbd|drbd|etherd|xnbd)")
_RAM_NAME = re.compile(r"(ram\d+$|zram\d|pmem\d)")
_NETWORK_PATH = re.compile(r"/session\d+/target|/virtual/nvme-fabrics/|/devices/rbd/|/vhci_hcd")
_PARTITION_NAME = re.compile(r"(sd|hd|vd|xvd|ub|dasd)[a-z]+\d+|.*\dp\d+")
_CARD_PART = re.compile(r"(mmcblk\d+)(?:boot|gp|rpmb)\d*$")
_NVME_HEAD = re.compile(r"nvme(\d+)n(\d+)$")
_MEMBER_NAMES = ("disk/by-id", "disk/by-path", "disk/by-partuuid", "disk/by-partlabel", "mapper")
_ALWAYS_LOOKED_AT = ("/dev/disk/by-uuid/", "/dev/disk/by-label/", "/dev/disk/by-partuuid/")  # on a live host
DEEPEST = 64  # devices, or mounts, on one another: no host has a tenth of it
_FABRICS = ("tcp", "rdma", "fc", "loop")
_DM_KINDS = {"LVM": "lv", "CRYPT": "crypt", "mpath": "multipath"}


class BlockGraph:
    """Every device's leaves, worked out once."""

    def __init__(
        self, blocks: BlockDevices, links: DeviceLinks | None, own: frozenset[str] | None = None, recorded: bool = False
    ) -> None:
        """own: the host's addresses, None when they could not be read. recorded: a tree, which may hold some kinds of links only."""
        self._recorded = recorded
        self.devices = blocks.devices
        self._own = own
        self.pools = blocks.pools
        self._links = links.links if links else {}
        self._loop: WeakMethod[Callable[[BlockDevice], Backing]] | None = None
        self._known: dict[str, Backing] = {}
        self._busy: set[str] = set()
        self._cut: set[str] = set()  # busy ones that an answer under way was cut off at: it holds for that question only
        self._by_devno = {device.devno: device for device in self.devices.values() if device.devno}
        self._by_dm_name: dict[str, str] = {}
        self._leg_of: dict[str, str] = {}
        for name, device in self.devices.items():
            if device.dm_name:
                self._by_dm_name[device.dm_name] = name
            if self._is_multipath(device):
                self._leg_of.update((leg, name) for leg in device.slaves)

    def follow_loops(self, by: Callable[[BlockDevice], Backing]) -> None:
        """by: a method that tells what a loop device's backing file rests on. Its owner holds this graph, so it is held weakly:
        what is in no cycle goes when its host is done, however many hosts there are."""
        self._loop = WeakMethod(by)

    # -- finding a device --------------------------------------------------------------------------------------------

    def of_devno(self, devno: str) -> BlockDevice | None:
        """The device with this number."""
        return self._by_devno.get(devno)

    def named(self, source: str) -> str | None:
        """Kernel name of what a mount source or fstab spec means (path, udev link, UUID=, LABEL=). None: nothing is called so."""
        key, _, value = source.partition("=")
        if key in ("UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID"):
            directory, told = f"/dev/disk/by-{key.lower()}/", value.strip('"')
            return self._listed(self._links.get(directory + told) or self._links.get(directory + encoded(told)))
        if source in self._links:
            return self._listed(self._links[source])
        short = source.removeprefix("/dev/")
        if short in self.devices:
            return short
        if (bang := short.replace("/", "!")) in self.devices:  # cciss/c0d0 is cciss!c0d0 in sysfs
            return bang
        if not source.startswith("/dev/"):
            return None
        group, _, volume = short.partition("/")
        if group == "mapper":
            return self._by_dm_name.get(volume)
        return self._by_dm_name.get(group.replace("-", "--") + "-" + volume.replace("-", "--")) if volume else None

    def lists(self, spec: str) -> bool:
        """Whether links of that kind were told at all, so that a name which is not among them is no device's."""
        key, equals, _ = spec.partition("=")
        kind = f"/dev/disk/by-{key.lower()}/" if equals else spec.rpartition("/")[0] + "/"
        if kind in _ALWAYS_LOOKED_AT and not self._recorded:
            return bool(self._links)
        return any(link.startswith(kind) for link in self._links)

    def nowhere(self, spec: str) -> bool:
        """Whether it is sure that no device is called so: links of that kind were told, and none is spelled so in any case."""
        key, equals, value = spec.partition("=")
        told = value.strip('"')
        links = [f"/dev/disk/by-{key}/{name}" for name in (told, encoded(told))] if equals else [spec]
        called = {link.casefold() for link in links}
        return not self._recorded and self.lists(spec) and called.isdisjoint(link.casefold() for link in self._links)

    def _listed(self, name: str | None) -> str | None:
        return name if name in self.devices else None

    def pool_of(self, fstype: str, name: str) -> DevicePool | None:
        """The multi-device filesystem a device belongs to."""
        return next((pool for pool in self.pools if pool.fstype == fstype and name in pool.members), None)

    # -- leaves ------------------------------------------------------------------------------------------------------

    def leaves(self, name: str) -> Backing:
        """What the device rests on."""
        known = self._known.get(name)
        if known is not None:
            return known
        device = self.devices.get(name)
        if device is None:
            return not_known(name, f"{name} is named by the kernel but not listed among its block devices")
        if name in self._busy:
            self._cut.add(name)
            return not_known(name, f"{name} rests on itself")
        if len(self._busy) > DEEPEST:
            self._cut.update(self._busy)
            return not_known(name, f"{name} is below more than {DEEPEST} others")
        self._busy.add(name)
        try:
            found = self._below(device)
        finally:
            self._busy.discard(name)
            self._cut.discard(name)
        if not self._cut:
            self._known[name] = found
        return found

    def _below(self, device: BlockDevice) -> Backing:
        name, uuid = device.name, device.dm_uuid or ""
        if device.parent is not None:
            return under(Node("partition", name, show_size(device.size_bytes)), self._whole(device, device.parent))
        if self._is_multipath(device):
            return self._multipath(device)
        if device.slaves:
            return self._stacked(device, uuid)
        if name in self._leg_of:
            return self.leaves(self._leg_of[name])
        holder = self._holder(device)
        return self.leaves(holder) if holder else self._leaf(device)

    def _whole(self, part: BlockDevice, parent: str) -> Backing:
        if parent in self.devices:
            return self.leaves(parent)
        directory = part.sysfs.rpartition("/")[0]
        if directory in DEVICE_LISTS:
            return not_known(part.name, f"{part.name} is a partition, and of which disk was not recorded")
        if directory.endswith("/" + parent):  # the partition's own path says what kind of device it is cut from
            return self._leaf(BlockDevice(parent, "", 0, directory))
        return not_known(parent, f"{parent}, which {part.name} is a part of, is not listed")

    def _is_multipath(self, device: BlockDevice) -> bool:
        """By its uuid; older kernels do not tell it, and then whole disks that all are the same one."""
        if device.dm_uuid or not device.name.startswith("dm-"):
            return (device.dm_uuid or "").startswith("mpath-")
        legs = [self.devices[leg] for leg in device.slaves if leg in self.devices]
        told = {(leg.wwid, leg.size_bytes) for leg in legs if leg.parent is None}
        return len(device.slaves) == len(legs) > 1 == len(told) and all(leg.wwid and leg.parent is None for leg in legs)

    def _multipath(self, device: BlockDevice) -> Backing:
        """One LUN, however many paths lead to it."""
        legs = [self.devices[leg] for leg in device.slaves if leg in self.devices]
        far = [leg for leg in legs if _NETWORK_PATH.search(leg.sysfs)]
        detail = f"multipath {device.dm_name or ''} over {', '.join(sorted(device.slaves)) or 'no path'}"
        return self._served(device.name, detail, far) if far else on_disk(device.name, detail)

    def _stacked(self, device: BlockDevice, uuid: str) -> Backing:
        kind = "md" if device.md_level is not None or device.name.startswith("md") else _DM_KINDS.get(uuid.partition("-")[0])
        if kind is None:
            kind = "partition" if uuid.startswith("part") else re.match(r"[a-z]+", device.name)[0]  # type: ignore[index]
        detail = device.dm_name or device.md_level or ""
        below = join([self.leaves(slave) for slave in sorted(device.slaves)])
        if device.name.startswith("drbd"):
            below = join([below, Backing(net=frozenset((device.name,)))])
        return under(Node(kind, device.name, detail), below, "DEGRADED" if device.degraded else "")

    def _holder(self, device: BlockDevice) -> str | None:
        """The disk in whose sysfs directory this one lies: mmcblk0boot0 is a part of mmcblk0 without being a partition. In a
        directory of all devices its name says so."""
        directory = device.sysfs.rpartition("/")[0]
        if directory in DEVICE_LISTS:
            chip = _CARD_PART.match(device.name)
            return chip[1] if chip else None
        name = directory.rpartition("/")[2]
        found = self.devices.get(name)
        return name if found is not None and name != device.name and device.sysfs == f"{found.sysfs}/{device.name}" else None

    def _leaf(self, device: BlockDevice) -> Backing:
        name, path = device.name, device.sysfs
        physical = "/devices/" in "/" + path and "/virtual/" not in path
        if path.rpartition("/")[0] in DEVICE_LISTS and device.rotational is None and _PARTITION_NAME.fullmatch(name):
            return not_known(name, f"{name} may be a partition, and of which disk was not recorded")
        detail = " ".join(filter(None, (show_size(device.size_bytes) if device.size_bytes else "", device.serial)))
        if device.loop_file is not None or (name.startswith("loop") and not physical):
            follow = self._loop and self._loop()
            below = follow(device) if follow else not_known(name, f"nobody looked at the file behind {name}")
            return under(Node("loop", name, device.loop_file or "no file"), below)
        if _RAM_NAME.match(name) or re.search(r"/pseudo_\d+/adapter", path):
            return in_ram(name, "a block device made of memory")
        if name.startswith("zd") and not physical:
            return self._zvol(device)
        if POWERPATH.match(name):
            return on_disk(name, detail)
        if name.startswith("ubiblock"):
            return self.volume_of(name.removeprefix("ubiblock"), name)
        if _NETWORK_PATH.search(path) or device.transport in _FABRICS:
            return self._served(name, detail, [device])
        if _NETWORK_NAME.match(name) and not physical:
            far = name.startswith("etherd")  # its frames never come back to the host that sent them
            return on_netdisk(name, detail, "" if far else f"what serves {name} may be this very host")
        if "/virtual/nvme-subsystem/" in path:
            return self._nvme_head(device, detail)
        if "/virtual/" in path or "/tcm_loop" in path or not path:
            return not_known(name, f"{name} is a virtual device that does not name what it is made of")
        if not physical and _VIRTUAL_NAME.match(name):
            return not_known(name, f"{name} does not name what it is made of")
        return on_disk(name, detail)

    def _nvme_head(self, device: BlockDevice, detail: str) -> Backing:
        """Native multipath: nvme0n1 is virtual, its paths are the hidden nvme0cXn1."""
        head = _NVME_HEAD.match(device.name)
        paths = [other for name, other in self.devices.items() if head and re.match(rf"nvme{head[1]}c\d+n{head[2]}$", name)]
        far = [path for path in paths if "/virtual/nvme-fabrics/" in path.sysfs or path.transport in _FABRICS]
        if not paths:
            doubt = f"over which paths {device.name} is reached was not recorded"
            return on_disk(device.name, detail)._replace(doubts=(doubt,))
        return self._served(device.name, detail, far) if far else on_disk(device.name, detail)

    def _served(self, name: str, detail: str, paths: Sequence[BlockDevice]) -> Backing:
        """A disk reached over these paths. One of this host's own addresses behind any of them, or none that can be told: boot is null."""
        near = [self._is_near(path) for path in paths]
        if True in near:
            return on_netdisk(name, detail, f"the target behind {name} is on this very host")
        return on_netdisk(name, detail, f"whether {name} is served by this very host cannot be told" if None in near else "")

    def _is_near(self, path: BlockDevice) -> bool | None:
        if path.transport in ("fc", "loop"):
            return path.transport == "loop"
        told = [is_own(address, self._own) for address in path.addresses]
        return True if True in told else False if False in told else None

    def _zvol(self, device: BlockDevice) -> Backing:
        link = next((link for link, name in self._links.items() if name == device.name and link.startswith("/dev/zvol/")), "")
        pools = [pool for pool in self.pools if pool.fstype == "zfs"]
        alone = len(pools) == 1 and not pools[0].by_udev
        wanted = link.split("/")[3] if link else (pools[0].id if alone else None)
        pool = next((pool for pool in pools if pool.id == wanted), None)
        if pool is None:
            return not_known(device.name, f"{device.name} is a ZFS volume and its pool is not known")
        return under(Node("zvol", device.name, pool.id), self.members(pool))

    def volume_of(self, number: str, what: str) -> Backing:
        """What a UBI volume rests on. number: of its UBI device, whatever follows."""
        told = re.match("[0-9]+", number)
        pool = next((one for one in self.pools if told and one.fstype == "ubi" and one.id == f"ubi{told[0]}"), None)
        return self.members(pool) if pool else not_known(what, f"which flash {what} is on was not recorded")

    def members(self, pool: DevicePool) -> Backing:
        """The union of a pool's devices; DEGRADED when some are missing."""
        if not pool.members:
            return not_known(pool.id, f"the {pool.fstype} pool {pool.id} names no device")
        found = join([self.leaves(self._member(member)) for member in sorted(pool.members)])
        found = under(Node("pool", pool.id, pool.fstype), found, "DEGRADED" if pool.missing else "")
        return spelled(found) if pool.by_udev else found

    def _member(self, told: str) -> str:
        """Kernel name of what a pool calls its member: that, a path, or a name of /dev/disk (zpool's, without -P)."""
        links = (self.named(f"/dev/{kind}/{told}") for kind in _MEMBER_NAMES if "/" not in told)
        return self.named(told) or next(filter(None, links), told)


def encoded(label: str) -> str:
    """A label as udev spells it in a link's name: what is not plain is `\\xNN`. Source: libblkid, blkid_encode_string."""
    return "".join(one if one.isalnum() or one in "#+-.:=@_" or ord(one) > 127 else f"\\x{ord(one):02x}" for one in label)
