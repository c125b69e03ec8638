"""Give a directory that a container writes in its own layer a place on the host: a bind mount, with everything that is there.

The container is made anew, so its writable layer would be lost; the hand copies the whole layer aside, proves it equal and starts
the new container with it. The directory itself keeps its owner and modes, so the application can go on writing. Bounding what
grows there is not done here. From then on a rename from `/tmp` into the directory crosses filesystems (EXDEV).
Source: notes on safe moves 5e; overlayfs documentation (changes to an upper directory that is not mounted are allowed).
"""

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.model.facts import Container, Docker, Mounts, Unavailable, WriteSurfaces
from waveboard.waves.compose_edit import bind, shown
from waveboard.waves.composed import composed
from waveboard.waves.estimate import Amount, measured_or, move_seconds
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param
from waveboard.waves.stateful import data_disk, running


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _filesystem(outlook: Outlook, to: str) -> dict[str, str] | None:
    """Mount point and uuid of the filesystem `to` will lie on; None for the root filesystem. Raises: RefusedError."""
    below_another = any(m.target != "/" and _below(to, m.target) for m in outlook.facts[Mounts].table)
    return data_disk(outlook, to) if below_another or (outlook.data_target and _below(to, outlook.data_target)) else None


def _amount(outlook: Outlook, container: Container, path: str) -> Amount:
    """The directory, which is a part of the layer, and the whole layer twice."""
    listed, layer = outlook.facts.get(WriteSurfaces), container.writable_bytes
    whole = measured_or(layer, outlook.facts, outlook.facts[Docker].root_dir)
    found = () if isinstance(listed, Unavailable) else listed.by_container.get(container.name, ())
    size = next((size for directory, size in found if directory == path), None)
    part = Amount(size) if size is not None else whole + Amount(0, "at-most")
    return part + whole.times(2)


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    name, path, to = text_param(spec, "container"), text_param(spec, "path"), text_param(spec, "to")
    container = running(outlook, name)
    covering = max((m for m in container.mounts if _below(path, m.destination)), key=lambda m: len(m.destination), default=None)
    if covering is not None and covering.type == "bind" and covering.source == to and covering.destination == path:
        return Rendered((), outlook, f"{name} already keeps {path} at {to}")
    if covering is not None or any(_below(path, target) for target in container.tmpfs):
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"{path} of {name} is not in its writable layer: {covering.destination if covering else 'a tmpfs'} covers it",
            "relocate_service moves what a mount holds",
        )
    compose = composed(outlook, container)
    edits = bind(compose.file, compose.lines, compose.service, path, to)
    amount = _amount(outlook, container, path)
    step = Step(
        id=prefix,
        verb="surface_govern",
        host=outlook.facts.host,
        title=f"keep {path} of {name} at {to} instead of in its writable layer",
        args={
            "container": name,
            **compose.args(edits),
            "data_path": path,
            "dst": to,
            "dst_mount": _filesystem(outlook, to),
        },
        reversibility=Reversibility.RESTORABLE,
        commands=(
            f"docker update --restart no {name} && docker stop -t 120 {name}",
            f"rsync -aHAXS --numeric-ids LAYER{path}/ {to}/   # then compare: modes, owners, xattrs, sha256; stop unless equal",
            f"rsync -aHAXS --numeric-ids LAYER/ {to}.wb-layer-<plan>/   # the whole layer, compared; kept: nothing is deleted",
            f"# {compose.file}, compare-and-swap:\n{shown(edits)}",
            compose.up("--no-start") + "   # a new container; the old one goes",
            f"# its layer gets back everything the old one held but {path}, compared",
            f"docker start {name}",
        ),
        undo_commands=(
            f"docker stop -t 120 {name}",
            f"rsync -aHAXS --numeric-ids LAYER/ {to}.wb-undo-layer-<plan>/   # what was written since is kept and carried back",
            f"# {compose.file} restored byte for byte",
            compose.up("--no-start"),
            f"# its layer gets all of that and, at {path}, what {to} holds now; compared",
            f"docker start {name} && mv {to} {to}.wb-undone-<plan>",
        ),
        copy_bytes=amount.size_bytes,
        downtime_s=move_seconds(amount.size_bytes),
        amount=amount.told,
        stops=(name,),
        evidence=("docker", "mountinfo"),
        limit_s=3600,
    )
    return Rendered((step,), compose.after(edits, prefix))


STEP = StepKind("govern_write_surface", ("container", "path", "to"), ("container", "path", "to"), render)
