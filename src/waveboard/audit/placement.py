"""From facts to the one answer: is this data on the boot disk? Pure: the same facts, the same answer, byte for byte.

It reads what was collected and never guesses a disk: what cannot be proven is UNKNOWN with the reason. docs/storage-graph.md has
the order of the steps and the whole list of layouts.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from waveboard.audit.placement_blocks import BlockGraph
from waveboard.audit.placement_boot import boot_set
from waveboard.audit.placement_containers import Fleet
from waveboard.audit.placement_filesystems import Filesystems
from waveboard.audit.placement_flags import Marks
from waveboard.audit.placement_mounts import MountTree
from waveboard.audit.placement_site import Ground, unknown, where
from waveboard.model.facts import (
    MOUNTS_ALONE,
    Addresses,
    BlockDevices,
    DeviceLinks,
    Docker,
    Fstab,
    HostFacts,
    Mount,
    Mounts,
    PathFact,
    Paths,
    Unavailable,
)
from waveboard.model.graph import HostPlacements, Placement

T = TypeVar("T")


class Resolver:
    """Answers for one host. Everything is indexed when the first question comes."""

    def __init__(self, facts: HostFacts) -> None:
        self.facts = facts
        self._ground: Ground | str | None = None

    # -- questions ---------------------------------------------------------------------------------------------------

    @property
    def boot_set(self) -> frozenset[str]:
        """Kernel names of the disks that hold /, /boot and the EFI partition, as far as they are known."""
        ground = self.ground()
        return frozenset() if isinstance(ground, str) else ground.boot.disks

    def where(self, path: str) -> Placement:
        """The placement of a host path."""
        ground = self.ground()
        if isinstance(ground, str):
            return unknown(path, ground)
        return where(ground, path)

    def where_container(self, name: str, path: str) -> Placement:
        """The worst placement of a path inside a container and of every mount below it. name: the container's, or its id."""
        ground, docker = self.ground(), self.facts.get(Docker)
        reason = ground if isinstance(ground, str) else docker.reason if isinstance(docker, Unavailable) else ""
        if isinstance(ground, str) or isinstance(docker, Unavailable):
            return unknown(path, f"docker's answers are missing: {reason}")._replace(container=name)
        return Fleet(ground, docker).where(name, path)

    def host_placements(self, data_paths: Mapping[str, Iterable[str]], host_paths: Iterable[str]) -> HostPlacements:
        """Everything the gates may ask: docker's roots, these host paths, and for every container its mounts and data paths.

        data_paths: container name -> paths inside it that hold persistent data.
        """
        ground, docker = self.ground(), self.facts.get(Docker)
        paths = {path: self.where(path) for path in host_paths}
        if isinstance(ground, str) or isinstance(docker, Unavailable):
            boot = () if isinstance(ground, str) else tuple(sorted(ground.boot.disks))
            return HostPlacements(boot, None, paths, {})
        fleet = Fleet(ground, docker)
        if docker.containerd_root:
            paths.setdefault(docker.containerd_root, self.where(docker.containerd_root))
        containers = {
            one.name: {path: fleet.place(one, path) for path in fleet.asked(one, data_paths.get(one.name, ()))}
            for one in docker.containers
        }
        return HostPlacements(tuple(sorted(ground.boot.disks)), fleet.docker_root(), paths, containers)

    # -- the ground --------------------------------------------------------------------------------------------------

    def ground(self) -> Ground | str:
        """The indexed tables, or why there are none."""
        if self._ground is None:
            mounts = self.facts.get(Mounts)
            self._ground = mounts.reason if isinstance(mounts, Unavailable) else _index(self.facts, mounts)
        return self._ground


def _index(facts: HostFacts, mounts: Mounts) -> Ground:
    blocks, paths, own = facts.get(BlockDevices), facts.get(Paths), facts.get(Addresses)
    links, fstab = _or_none(facts.get(DeviceLinks)), _or_none(facts.get(Fstab))
    asked: Mapping[str, PathFact] = {} if isinstance(paths, Unavailable) else paths.by_path
    addresses = None if isinstance(own, Unavailable) else own.own
    recorded = not isinstance(paths, Unavailable) and paths.recorded
    graph = blocks.reason if isinstance(blocks, Unavailable) else BlockGraph(blocks, links, addresses, recorded)
    by_name = mounts.of == MOUNTS_ALONE
    tree = MountTree(_numbered(mounts.table, graph) if by_name and isinstance(graph, BlockGraph) else mounts.table)
    doubt = "" if mounts.of in ("1", "self") else f"the recorded mount table is process {mounts.of}'s own"
    doubt = "the recorded mount table gives devices by name alone" if by_name else doubt
    files = Filesystems(tree, graph, addresses, asked)
    if isinstance(graph, BlockGraph):
        graph.follow_loops(files.loop)
    docker_tree, docker_files = tree, files
    if mounts.dockerd is not None:
        docker_tree = MountTree(mounts.dockerd)
        docker_files = Filesystems(docker_tree, graph, addresses, {})
    boot = boot_set(files, tree, fstab, asked, recorded)
    marks = Marks(tree, fstab, None if isinstance(graph, str) else graph, links, boot)
    devices = {} if isinstance(blocks, Unavailable) else blocks.devices
    return Ground(tree, files, docker_tree, docker_files, devices, boot, marks, asked, recorded, doubt)


def _numbered(table: Iterable[Mount], graph: BlockGraph) -> list[Mount]:
    """The lines of a table without device numbers, with those of the devices they name."""
    names = ((mount, graph.named(mount.source) if mount.source.startswith("/dev/") else None) for mount in table)
    return [mount._replace(devno=graph.devices[name].devno or mount.devno) if name else mount for mount, name in names]


def _or_none(fact: T | Unavailable) -> T | None:
    return None if isinstance(fact, Unavailable) else fact
