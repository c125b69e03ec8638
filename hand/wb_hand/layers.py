"""The writable layer of a container on overlay2."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from .docker import asked, name_of
from .place import at
from .refused import Json, Refused


class Layer(NamedTuple):
    """A container's own writable layer and the layers below it, topmost first, as directories of this host."""

    upper: str
    lower: tuple[str, ...]


MADE_AT_START = ("/run", "/var/run")  # what lies there is of one run of a system, and is made at its start


def plain(container: Json) -> bool:
    """Whether docker keeps this container's layers as directories of the host."""
    graph = container.get("GraphDriver") or {}
    return graph.get("Name") == "overlay2" and bool((graph.get("Data") or {}).get("UpperDir"))


def layer_of(container: Json) -> Layer:
    """Raises: Refused where docker does not keep layers as plain directories."""
    graph = container.get("GraphDriver") or {}
    told = graph.get("Data") or {}
    if not plain(container):
        cannot = f"reach the writable layer of {name_of(container)}"
        raise Refused("precondition", cannot, f"its storage driver is {graph.get('Name') or 'not told'}, not overlay2")
    return Layer(str(told["UpperDir"]), tuple(one for one in str(told.get("LowerDir") or "").split(":") if one))


def inside_layers(layer: Layer, path: str, cannot: str) -> str:
    """The one directory whose content is all a container sees at path. Raises: Refused when layers are mixed there."""
    found = []
    for root in (layer.upper, *layer.lower):
        grown = root
        for part in path.strip("/").split("/"):
            grown += "/" + part
            if os.path.islink(at(grown)):
                raise Refused("precondition", cannot, f"{path} leads through a symbolic link in the container")
        if os.path.lexists(at(root + path)):
            if not os.path.isdir(at(root + path)):
                raise Refused("precondition", cannot, f"{path} is no directory in the container")
            if root != layer.upper and os.listdir(at(root + path)):
                raise Refused("precondition", cannot, f"the image itself keeps files at {path}", "a bind mount would hide them")
            found.append(root + path)
    if not found:
        raise Refused("precondition", cannot, f"the container has no {path}")
    return found[0]


def own_writes(container: Json) -> list[str]:
    """What a container has in its own layer, beside the places of its mounts, as paths inside it: the first 20.

    Empty: one that is made anew from the same image lacks nothing of it. Times of directories do not count.
    """
    return list(islice(_own(container), 20))


def demand_nothing_own(container: Json, cannot: str) -> None:
    """Raises: Refused when it wrote something that a container made anew would lack, and does not make at its start."""
    found = list(islice(_lasting(_own(container)), 20))
    if found:
        because = f"that would lose what it wrote into its own layer: {', '.join(found[:5])}"
        raise Refused("precondition", cannot, because, "save that and remove it in the container, then try again")


def _own(container: Json) -> Iterator[str]:
    return _differing(container) if plain(container) else _lasting(_told(container))


def _mount_places(container: Json) -> set[str]:
    """Where its mounts are and what leads there: docker makes these in the layer of every new container."""
    tmpfs = (container.get("HostConfig") or {}).get("Tmpfs") or {}
    found = {os.path.normpath(one) for one in (*(mount["Destination"] for mount in container["Mounts"]), *tmpfs)}
    for one in tuple(found):
        while (one := os.path.dirname(one)) != "/":
            found.add(one)
    return found


def _differing(container: Json) -> Iterator[str]:
    layer, places, waiting = layer_of(container), _mount_places(container), [""]
    while waiting:
        inside = waiting.pop()
        for name in sorted(os.listdir(at(layer.upper + inside))):
            path = f"{inside}/{name}"
            status = os.lstat(at(layer.upper + path))
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            if path not in places and not _as_in_image(layer, path, status):
                yield path


def _as_in_image(layer: Layer, path: str, status: os.stat_result) -> bool:
    """Whether it is a directory that the topmost layer below has too, with the same owner and mode, and that hides nothing of it."""
    below = next((root + path for root in layer.lower if os.path.lexists(at(root + path))), None)
    if below is None or not stat.S_ISDIR(status.st_mode) or "trusted.overlay.opaque" in os.listxattr(at(layer.upper + path)):
        return False
    there = os.lstat(at(below))
    return (there.st_mode, there.st_uid, there.st_gid) == (status.st_mode, status.st_uid, status.st_gid)


def _told(container: Json) -> Iterator[str]:
    """As docker itself compares: it does not say which is a directory, so what has something below it is taken for one."""
    changes = asked(f"/containers/{container['Id']}/changes") or []
    places, parents = _mount_places(container), {os.path.dirname(one["Path"]) for one in changes}
    for one in changes:
        path = str(one["Path"])
        if path not in places and not (one["Kind"] == 0 and path in parents):
            yield path


def _lasting(paths: Iterable[str]) -> Iterator[str]:
    return (path for path in paths if not any((path + "/").startswith(place + "/") for place in MADE_AT_START))
