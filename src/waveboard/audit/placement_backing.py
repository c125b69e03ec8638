"""What a mount or a device rests on: a set of leaves, never one. Joins them; does not find them."""

from collections.abc import Iterable
from typing import NamedTuple

from waveboard.model.graph import Node

NONE: frozenset[str] = frozenset()


class Backing(NamedTuple):
    """Leaves, and how they were reached.

    disks, netdisks: kernel names, local and reached over a network. net: servers and shares. ram: memory. unknown: why a leaf
    could not be told. doubts: why `boot` cannot be told although the class can (a server that may be this very host).
    filesystems: the innermost filesystems on a disk, by devno or pool. lexical: a step rests on a path's spelling alone.
    """

    disks: frozenset[str] = NONE
    netdisks: frozenset[str] = NONE
    net: frozenset[str] = NONE
    ram: bool = False
    unknown: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    filesystems: frozenset[str] = NONE
    flags: frozenset[str] = NONE
    nodes: tuple[Node, ...] = ()
    lexical: bool = False

    @property
    def leaves(self) -> frozenset[str]:
        """Kernel names of every leaf disk."""
        return self.disks | self.netdisks if self.netdisks else self.disks


def on_disk(name: str, detail: str) -> Backing:
    """A local disk."""
    return Backing(disks=frozenset((name,)), nodes=(Node("disk", name, detail),))


def on_netdisk(name: str, detail: str, doubt: str = "") -> Backing:
    """A disk at the other end of a network."""
    return Backing(netdisks=frozenset((name,)), nodes=(Node("disk", name, detail),), doubts=(doubt,) if doubt else ())


def on_net(share: str, detail: str, doubt: str = "") -> Backing:
    """A file server or a share of the hypervisor."""
    return Backing(net=frozenset((share,)), nodes=(Node("net", share, detail),), doubts=(doubt,) if doubt else ())


def in_ram(name: str, detail: str) -> Backing:
    """Memory, whatever it looks like."""
    return Backing(ram=True, nodes=(Node("ram", name, detail),))


def not_known(name: str, why: str) -> Backing:
    """A leaf nobody can name."""
    return Backing(unknown=(why,), nodes=(Node("unknown", name, why),))


def join(backings: Iterable[Backing]) -> Backing:
    """The union: data on several leaves is on all of them."""
    parts = list(backings)
    if len(parts) == 1:
        return parts[0]
    return Backing(
        disks=NONE.union(*(part.disks for part in parts)),
        netdisks=NONE.union(*(part.netdisks for part in parts)),
        net=NONE.union(*(part.net for part in parts)),
        ram=any(part.ram for part in parts),
        unknown=tuple(dict.fromkeys(why for part in parts for why in part.unknown)),
        doubts=tuple(dict.fromkeys(why for part in parts for why in part.doubts)),
        filesystems=NONE.union(*(part.filesystems for part in parts)),
        flags=NONE.union(*(part.flags for part in parts)),
        nodes=tuple(dict.fromkeys(node for part in parts for node in part.nodes)),
        lexical=any(part.lexical for part in parts),
    )


def under(node: Node, below: Backing, flag: str = "", filesystems: frozenset[str] | None = None) -> Backing:
    """The same leaves, reached through one more node. filesystems: those it makes, instead of the ones below."""
    return Backing(
        below.disks,
        below.netdisks,
        below.net,
        below.ram,
        below.unknown,
        below.doubts,
        below.filesystems if filesystems is None else filesystems,
        below.flags | {flag} if flag else below.flags,
        (node, *below.nodes),
        below.lexical,
    )


def spelled(found: Backing) -> Backing:
    """The same, as far as a path's spelling tells."""
    if found.lexical:
        return found
    return Backing(
        found.disks,
        found.netdisks,
        found.net,
        found.ram,
        found.unknown,
        found.doubts,
        found.filesystems,
        found.flags,
        found.nodes,
        lexical=True,
    )
