"""What a plan says of a container's own layer where a step makes the container anew: what stands there, and what becomes of it.

Compose drops the old container with all it wrote beside its mounts; the hand keeps that and begins the new container with it
(docs/hand.md). Nothing is decided here but words and sizes.
"""

from dataclasses import dataclass

from waveboard.model.facts import Container, Docker, Unavailable, WriteSurfaces
from waveboard.model.units import show_size
from waveboard.waves.composed import Composed
from waveboard.waves.estimate import Amount, measured_or
from waveboard.waves.kind import Outlook


@dataclass(frozen=True, slots=True)
class OwnLayer:
    """amount: what is copied of it. keep, make: shown commands, there; keep_back, make_back: and back."""

    amount: Amount
    keep: tuple[str, ...]
    make: tuple[str, ...]
    keep_back: tuple[str, ...]
    make_back: tuple[str, ...]


def standing(outlook: Outlook, container: Container) -> str:
    """What is known of the layer's content, in words."""
    size, surfaces = container.writable_bytes, outlook.facts.get(WriteSurfaces)
    told = "size not measured" if size is None else f"{show_size(size)} by docker's count"
    listed = () if isinstance(surfaces, Unavailable) else surfaces.by_container.get(container.name, ())
    return told + "".join(f", {path} {show_size(held)}" for path, held in listed[:5])


def own_layer(outlook: Outlook, container: Container, compose: Composed, to: str) -> OwnLayer:
    """to: the place of the step's data; what is kept lies beside it."""
    name, docker = container.name, outlook.facts[Docker]
    if docker.driver != "overlay2":
        said = (
            f"# refused if {name} wrote anything beside its mounts ({standing(outlook, container)}): the driver is {docker.driver}",
        )
        return OwnLayer(Amount(0), said, (compose.up(),), said, (compose.up(),))
    anew, start = compose.up("--no-start") + "   # a new container; the old one goes", f"docker start {name}"
    keep = f"rsync -aHAXS --numeric-ids LAYER/ {to}.wb-layer-<plan>/   # all that {name} wrote beside its mounts"
    back = f"rsync -aHAXS --numeric-ids LAYER/ {to}.wb-undo-layer-<plan>/   # and what it wrote there since"
    return OwnLayer(
        measured_or(container.writable_bytes, outlook.facts, docker.root_dir).times(2),
        (f"{keep} ({standing(outlook, container)}); compared, kept: nothing is deleted",),
        (anew, "# its layer gets back all that the old one held, compared", start),
        (f"{back}; compared, kept",),
        (anew, "# its layer gets all of that, compared", start),
    )
