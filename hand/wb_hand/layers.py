"""The writable layer of a container on overlay2."""

from __future__ import annotations

import os
from typing import NamedTuple

from .docker import name_of
from .place import at
from .refused import Json, Refused


class Layer(NamedTuple):
    """A container's own writable layer and the layers below it, topmost first, as directories of this host."""

    upper: str
    lower: tuple[str, ...]


def layer_of(container: Json) -> Layer:
    """Raises: Refused where docker does not keep layers as plain directories."""
    graph = container.get("GraphDriver") or {}
    told = graph.get("Data") or {}
    if graph.get("Name") != "overlay2" or not told.get("UpperDir"):
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
