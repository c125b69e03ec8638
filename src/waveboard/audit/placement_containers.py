"""Where a container's data is: by the container's own mount table when it runs, by its declaration when it does not.

The table says what the container sees, which is not what `inspect` and the host's table together suggest (D11, D12). Devices and
further paths are the host's. The placement of a path is the worst of the path, every mount and every symlink below it.
"""

from collections.abc import Iterable, Iterator

from waveboard.audit.placement_backing import Backing, not_known
from waveboard.audit.placement_declared import covering, declared
from waveboard.audit.placement_mounts import MountTree, follow, tidy
from waveboard.audit.placement_shares import KERNEL, layers
from waveboard.audit.placement_site import Ground, as_sure, locate, settle, unknown, where
from waveboard.audit.placement_why import sentence
from waveboard.model.facts import Container, ContainerMount, Docker, Mount
from waveboard.model.graph import Confidence, Node, Placement, PlacementClass
from waveboard.model.mounts import rows_at

P = PlacementClass
_WORSE = {P.DATA: 0, P.NETDISK: 1, P.NET: 2, P.UNKNOWN: 3, P.MIXED: 4, P.BOOT: 5, P.VOLATILE: 6, P.LAYER: 7}
_DOCKERS_OWN = frozenset(("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"))
_IMAGE = ("/usr/", "/etc/", "/bin/", "/sbin/", "/lib", "/proc/", "/sys/", "/dev/")  # a link there leads to what the image brought


class Fleet:
    """The containers of one host."""

    def __init__(self, ground: Ground, docker: Docker) -> None:
        self._ground, self._docker = ground, docker
        self._volumes = {volume.name: volume for volume in docker.volumes}
        self._trees: dict[str, MountTree] = {}

    def where(self, name: str, path: str) -> Placement:
        """The worst placement at or below a path of the container with this name or id."""
        wanted = name.removeprefix("/")
        found = [c for c in self._docker.containers if c.name == wanted or c.id == wanted]
        found = found or [c for c in self._docker.containers if len(wanted) >= 12 and c.id.startswith(wanted)]
        if len(found) != 1:
            why = f"docker knows {'no' if not found else 'more than one'} container {name}"
            return unknown(path, why)._replace(container=name)
        return self.place(found[0], path)

    def asked(self, container: Container, data_paths: Iterable[str]) -> list[str]:
        """Every path of a container that is to be placed: destinations of its mounts, then the declared data paths."""
        return list(dict.fromkeys((*(mount.destination for mount in container.mounts), *container.tmpfs, *data_paths)))

    def place(self, container: Container, path: str) -> Placement:
        """The worst of the path and everything below it."""
        if not path.startswith("/"):
            return unknown(path, "it is not an absolute path")._replace(container=container.name)
        own, *others = (
            self._seen(container, path) if container.pid and container.table is not None else self._told(container, path)
        )
        worst = max((own, *others), key=lambda placement: _WORSE[placement.placement])
        if worst is own:
            return own
        why = f"{worst.path}, below {path}: {worst.why}; {path} itself: {own.why}"
        flags = tuple(sorted({*worst.flags, *own.flags} - ({"BOOT_DISK_OTHER_FS"} - set(worst.flags))))
        return worst._replace(path=path, why=why, flags=flags)

    # -- stopped, or not to be looked into ---------------------------------------------------------------------------

    def _told(self, container: Container, path: str) -> Iterator[Placement]:
        text = tidy(path)
        yield self._one_told(container, path, text)
        for mount in container.mounts if text != "/" else ():
            if mount.destination.startswith(text + "/"):
                yield self._one_told(container, mount.destination, mount.destination)

    def _one_told(self, container: Container, path: str, text: str) -> Placement:
        mount = covering(container, text)
        if mount is None:
            return self._layer(container, path, None, Confidence.DECLARED)
        found = declared(self._ground, container, mount, path, self._volumes)
        return self._named(found, mount)

    def _named(self, found: Placement, mount: ContainerMount | None) -> Placement:
        if mount is None or not self._anonymous(mount):
            return found
        return found._replace(flags=tuple(sorted({*found.flags, "ANONYMOUS"})))

    def _anonymous(self, mount: ContainerMount) -> bool:
        volume = self._volumes.get(mount.name)
        name = mount.name
        return mount.type == "volume" and (
            (volume is not None and volume.anonymous) or (len(name) == 64 and all(c in "0123456789abcdef" for c in name))
        )

    # -- running -----------------------------------------------------------------------------------------------------

    def _seen(self, container: Container, path: str) -> Iterator[Placement]:
        tree, text = self._tree(container), tidy(path)
        links = container.links or {}
        real = follow(text, links) if links else text
        if real is None:
            yield unknown(path, "its symlinks lead in a circle")._replace(container=container.name)
            return
        yield self._one_seen(container, tree, path, text, real)
        if real == "/":
            return
        for mount in tree.below(real):
            if mount.fstype not in KERNEL and mount.target not in _DOCKERS_OWN:
                yield self._one_seen(container, tree, mount.target, mount.target, mount.target)
        for link in links:
            if link.startswith(real + "/"):
                to = follow(link, links)
                if to is None or not (to + "/").startswith((real + "/", *_IMAGE)):
                    yield self._one_seen(container, tree, link, link, to or link)

    def _tree(self, container: Container) -> MountTree:
        if container.id not in self._trees:
            self._trees[container.id] = MountTree(container.table or ())
        return self._trees[container.id]

    def _one_seen(self, container: Container, tree: MountTree, path: str, text: str, real: str) -> Placement:
        mount = tree.walk(real)
        if mount is None:
            return unknown(path, "the container's mount table does not tell what it is on")._replace(container=container.name)
        if mount.target != "/":
            # Without a look at its links, only the mount point itself is known to be no link into something else.
            sure = container.links is not None or mount.target == real
            return self._mounted(container, path, real, mount, Confidence.OBSERVED if sure else Confidence.LEXICAL)
        asked = covering(container, real)
        if asked is None or tree.mounted_at(asked.destination):
            return self._layer(container, path, mount, Confidence.OBSERVED)
        moved = self._moved(tree, asked)  # docker follows links in the destination: /var/run/x is mounted at /run/x
        if moved is not None:
            return self._mounted(container, path, moved.target + real[len(asked.destination) :], moved, Confidence.LEXICAL)
        return self._one_told(container, path, text)

    def _moved(self, tree: MountTree, asked: ContainerMount) -> Mount | None:
        """The one mount of the container that shows exactly what the host has at the declared source."""
        host = self._ground.docker_tree.walk(tidy(asked.source)) if asked.source.startswith("/") else None
        if host is None:
            return None
        rest = tidy(asked.source)[len(host.target.rstrip("/")) :]
        root = tidy(host.root + "/" + rest)
        found = [m for m in tree.table if m.devno == host.devno and m.root == root and m.target not in _DOCKERS_OWN]
        return found[0] if len(found) == 1 else None

    def _mounted(self, container: Container, path: str, real: str, mount: Mount, known: Confidence) -> Placement:
        ground = self._ground
        backing = ground.docker_files.of(mount)
        kind, boot, reasons = ground.judge(backing)
        asked = covering(container, mount.target)
        flags = ground.marks.of_backing(mount, backing, kind)
        if ground.marks.read_only(mount, meant=asked is not None and not asked.rw):
            flags.add("READ_ONLY")
        note = ""
        if asked is not None:
            flags |= {"ANONYMOUS"} if self._anonymous(asked) and mount.target == asked.destination else set()
            more, note = self._on_the_host(asked, mount, backing, kind)
            flags |= more
        known = as_sure(known, backing, boot, ground)
        if kind is P.UNKNOWN and not backing.leaves:
            known = Confidence.NONE
        why = sentence(path, mount, backing, kind, ground.boot.disks, reasons, flags, note)
        first = [Node("path", path, real if real != path else ""), Node("container", container.name, container.state)]
        if asked is not None and asked.type == "volume":
            first.append(Node("volume", asked.name, asked.driver))
        return settle(path, mount, backing, kind, boot, known, why, flags, real, container.name, tuple(first))

    def _on_the_host(self, asked: ContainerMount, mount: Mount, backing: Backing, kind: PlacementClass) -> tuple[set[str], str]:
        """Flags of the mount the source lies on, and LATE_MOUNT when the host's path now leads to another device.

        A mount deeper than the declared one came along with it (a recursive bind), or was made inside: that is never late.
        """
        if not asked.source.startswith("/"):
            return set(), ""
        rest = mount.target[len(asked.destination.rstrip("/")) :]
        volume = self._volumes.get(asked.name)
        bound = volume.bound_to if volume is not None else None  # docker repeats that bind at every start: what counts lies below
        ground, source = self._ground, tidy((bound or asked.source) + rest)
        found = locate(ground, source, ground.docker_tree)
        if found.mount is None:
            return set(), ""
        if found.mount.devno == mount.devno:
            return ground.marks.of_mount((source, found.text), found.mount, backing, kind), ""
        own_mount = volume is not None and bool(volume.options) and not bound and found.mount.target != source
        certain = found.known is Confidence.OBSERVED or found.mount.target != "/"  # by spelling, a link may lead anywhere from /
        if rest or own_mount or not certain or found.mount.fstype == "autofs":
            return set(), ""
        return {"LATE_MOUNT"}, f"{source} on the host is now on {found.mount.source} mounted at {found.mount.target}"

    def _layer(self, container: Container, path: str, root: Mount | None, known: Confidence) -> Placement:
        """No mount covers the path: it is in the writable layer, whatever disk that is on."""
        ground = self._ground
        backing = self._layer_backing(container, root)
        _, boot, reasons = ground.judge(backing)
        why = sentence(path, root, backing, P.LAYER, ground.boot.disks, reasons, ())
        first = (Node("path", path), Node("container", container.name, container.state))
        return settle(path, root, backing, P.LAYER, boot, known, why, backing.flags, path, container.name, first)

    def _layer_backing(self, container: Container, root: Mount | None) -> Backing:
        files, upper = self._ground.docker_files, container.upper_dir
        if root is not None and root.fstype != "overlay":
            return files.of(root)
        if upper is None and root is not None:
            upper = layers(root.super_options)[0]
        if upper is None:
            return not_known(container.name, f"docker does not tell where the writable layer of {container.name} is")
        if not upper.startswith("/"):  # the driver shortens long option lists to paths below its own directory
            upper = f"{self._docker.root_dir}/{self._docker.driver}/{upper}"
        return files.at(upper)

    # -- docker itself -----------------------------------------------------------------------------------------------

    def docker_root(self) -> Placement:
        """Docker's data-root. LAYERS_ELSEWHERE: images and writable layers are in containerd's root instead."""
        ground, root = self._ground, self._docker.root_dir
        asked = ground.paths.get(root)
        proof = None if asked is not None and asked.exists else self._proof(root)
        found = where(ground, root, ground.docker_tree, ground.docker_files, proof)
        if self._docker.in_containerd:
            found = found._replace(flags=tuple(sorted({*found.flags, "LAYERS_ELSEWHERE"})))
        return found

    def _proof(self, root: str) -> Mount | None:
        """The host's mount of the filesystem that docker keeps its files on, as running containers show it in /etc/hosts."""
        tree = self._ground.docker_tree
        if any(target.startswith(f"{root}/containers") for target in tree.table.targets):
            return None
        for container in self._docker.containers:
            for mount in rows_at(container.table or (), "/etc/hosts"):
                if mount.root.endswith(f"/containers/{container.id}/hosts"):
                    walked = tree.walk(tidy(root))
                    return walked if walked is not None and walked.devno == mount.devno else tree.of_devno(mount.devno)
        return None
