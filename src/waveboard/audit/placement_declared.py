"""Where a container's data will be by what was declared for it: for containers that do not run, or cannot be looked into.

An answer from here is `declared` at best: it may fail a gate and never clears one.
"""

from collections.abc import Mapping

from waveboard.audit.placement_backing import Backing, in_ram
from waveboard.audit.placement_mounts import tidy
from waveboard.audit.placement_shares import MEMORY, NETWORK
from waveboard.audit.placement_site import Ground, settle, unknown, where
from waveboard.audit.placement_why import sentence
from waveboard.model.facts import Container, ContainerMount, Mount, Volume
from waveboard.model.graph import Confidence, Node, Placement, PlacementClass


def covering(container: Container, path: str) -> ContainerMount | None:
    """The declared mount with the longest destination at or above a path; `--tmpfs` counts as one."""
    best, length = None, 0
    for mount in container.mounts:
        if len(mount.destination) > length and at_or_below(path, mount.destination):
            best, length = mount, len(mount.destination)
    for destination in container.tmpfs:
        if len(destination) > length and at_or_below(path, destination):
            best, length = ContainerMount("tmpfs", destination, ""), len(destination)
    return best


def at_or_below(path: str, directory: str) -> bool:
    """Both tidy; a trailing slash of the directory does not matter."""
    return path.startswith(directory) and (len(path) == len(directory) or directory[-1] == "/" or path[len(directory)] == "/")


def declared(ground: Ground, container: Container, mount: ContainerMount, path: str, volumes: Mapping[str, Volume]) -> Placement:
    """The placement of a path below a declared mount."""
    rest = tidy(path)[len(mount.destination.rstrip("/")) :]
    if mount.type == "tmpfs":
        return _tmpfs(ground, container, path, mount.destination)
    if mount.type == "bind":
        return _host(ground, container, path, mount.source + rest)
    if mount.type != "volume":
        return _none(container, path, f"a mount of type {mount.type} does not tell where its data is")
    volume = volumes.get(mount.name)
    if mount.driver not in ("", "local") or (volume is not None and volume.driver != "local"):
        return _none(
            container, path, f"the volume {mount.name} belongs to the plugin {mount.driver or (volume and volume.driver)}"
        )
    if volume is None:
        return _none(container, path, f"docker did not tell what the volume {mount.name} is")
    return by_volume(ground, container, path, volume, rest)


def by_volume(ground: Ground, container: Container, path: str, volume: Volume, rest: str) -> Placement:
    """The driver's own options decide, then the mount point: at rest that is an empty directory when there are options."""
    device, kind = volume.options.get("device", ""), volume.options.get("type", "").lower()
    options = tuple(volume.options.get("o", "").split(","))
    node = Node("volume", volume.name, " ".join(filter(None, (kind, device))))
    if not device and not kind:
        return _host(ground, container, path, volume.mountpoint + rest, node)
    if kind in MEMORY:
        return _tmpfs(ground, container, path, volume.mountpoint)
    if kind in NETWORK or ("bind" not in options and "rbind" not in options):
        seen = _as_mount(ground, volume, kind, device, options)
        if seen is None:
            return _none(
                container, path, f"the volume {volume.name} mounts {device or 'nothing'} in a way that cannot be followed"
            )
        return _mounted(ground, container, path, seen, node)
    return _host(ground, container, path, device + rest, node)


def _as_mount(ground: Ground, volume: Volume, kind: str, device: str, options: tuple[str, ...]) -> Mount | None:
    """The mount that docker would make for a network share or a block device."""
    if kind in NETWORK:
        return Mount(-1, -1, "0:0", "/", volume.mountpoint, (), kind, device, options)
    if device.startswith("/dev/") and kind and not isinstance(ground.files.blocks, str):
        name = ground.files.blocks.named(device)
        if name is not None:
            return Mount(-1, -1, ground.devices[name].devno, "/", volume.mountpoint, (), kind, device, options)
    return None


def _mounted(ground: Ground, container: Container, path: str, mount: Mount, node: Node) -> Placement:
    backing = ground.files.of(mount)
    return _settled(ground, container, path, mount, backing, (node,))


def _tmpfs(ground: Ground, container: Container, path: str, target: str) -> Placement:
    mount = Mount(-1, -1, "0:0", "/", target, (), "tmpfs", "tmpfs", ())
    return _settled(ground, container, path, mount, in_ram("tmpfs", "memory"), ())


def _settled(
    ground: Ground, container: Container, path: str, mount: Mount, backing: Backing, nodes: tuple[Node, ...]
) -> Placement:
    kind, boot, reasons = ground.judge(backing)
    flags = ground.marks.of_backing(mount, backing, kind)
    note = f"so {container.name} declares it; nobody looked inside"
    why = sentence(path, mount, backing, kind, ground.boot.disks, reasons, flags, note)
    first = (Node("path", path), Node("container", container.name, container.state), *nodes)
    known = Confidence.NONE if kind is PlacementClass.UNKNOWN else Confidence.LEXICAL if backing.lexical else Confidence.DECLARED
    return settle(path, mount, backing, kind, boot, known, why, flags, path, container.name, first)


def _host(ground: Ground, container: Container, path: str, source: str, *nodes: Node) -> Placement:
    found = where(ground, source, ground.docker_tree, ground.docker_files)
    known = Confidence.DECLARED if found.confidence is Confidence.OBSERVED else found.confidence
    first = (Node("path", path), Node("container", container.name, container.state), *nodes)
    why = f"{path} of {container.name} is declared to be {source} on the host, and {found.why}"
    return found._replace(path=path, container=container.name, confidence=known, chain=(*first, *found.chain), why=why)


def _none(container: Container, path: str, reason: str) -> Placement:
    return unknown(path, reason)._replace(container=container.name)
