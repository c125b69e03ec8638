"""Remove images nobody uses, each listed by its full id before a person signs; nothing is pruned by rule on the host.

The list is made here, from the evidence: every image but those a container in any state uses, those a compose file of a
container names, and those `keep_images` lists (tags or ids: the release to fall back to belongs there). The hand removes exactly
these ids, without force and without their parents, and refuses one that came into use or got other tags meanwhile.

Reversibility is what is true: with `save_to` the hand first saves them all to one archive, reads it back against the ids and keeps
it until a `retire` plan lists it (restorable: the same ids come back). Without it, an image that a registry can give again by
digest is compensable; one built here and pushed nowhere is gone (none), and the plan then asks for a second signer.
Source: notes on safe moves 5f; Engine API 1.45, ImageDelete.
"""

import re
from fnmatch import fnmatchcase

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import ConfigFiles, Docker, Image
from waveboard.model.units import show_size
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param

_IMAGE_LINE = re.compile(r"\s*image:\s*[\"']?([^\s\"'#]+)[\"']?\s*(?:#.*)?")
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,250}:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,250}@sha256:[0-9a-f]{64}")
_LIMIT = 200  # images in one plan, so that a person can read it


def _asked(spec: StepSpec) -> set[str]:
    given = spec.params.get("keep_images", [])
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) and one for one in given):
        raise ContractError(f"render step {spec.kind}", f"{spec.place}: `keep_images` is a list of tags or ids", "mend the step")
    return set(given)


def _composed(outlook: Outlook) -> set[str]:
    """Images the compose files of containers name: a service that is down now wants its image when it comes back. A variable in a
    name stands for anything. Raises: MissingFact when the files were not read: then nobody knows what they want."""
    lines = (line for file in outlook.facts[ConfigFiles].by_path.values() for line in file.lines)
    names = {_VARIABLE.sub("*", found[1]) for line in lines if line is not None and (found := _IMAGE_LINE.fullmatch(line))}
    return names | {f"{name}:latest" for name in names if ":" not in name.rpartition("/")[2]}


def _tags(image: Image) -> list[str]:
    return sorted(tag for tag in image.tags if tag != "<none>:<none>")


def _listed(spec: StepSpec, outlook: Outlook) -> list[Image]:
    docker, cannot = outlook.facts[Docker], f"plan {outlook.wave} on {outlook.facts.host}"
    if docker.images is None or any(image.digests is None for image in docker.images):
        raise RefusedError(
            cannot, "the evidence does not tell the images with their digests", "install the reader and audit again"
        )
    if docker.driver_status.get("driver-type") == "io.containerd.snapshotter.v1":
        raise RefusedError(
            cannot,
            "docker keeps its images in containerd's store, where an id names something else and a saved image need not come back under it",
            "remove them by hand until a step for that store exists",
        )
    kept, used = _asked(spec) | _composed(outlook), {c.image_id for c in docker.containers}
    loose = sorted(_asked(spec) - {name for image in docker.images for name in (image.id, *image.tags)})
    if loose:
        raise RefusedError(
            cannot, f"{spec.place}: no image is called {', '.join(loose)}", "a rule that keeps nothing is an error"
        )
    odd = [
        n
        for i in docker.images
        for n in (i.id, *_tags(i), *(i.digests or ()))
        if not any(p.fullmatch(n) for p in (_ID, _TAG, _DIGEST))
    ]
    if odd:
        raise RefusedError(cannot, f"{odd[0]!r} is no name of an image", "look at the host's engine")
    loosely = [name for name in kept if "*" in name]
    found = [
        i
        for i in docker.images
        if i.id not in used
        and i.id not in kept
        and not kept & set(i.tags)
        and not any(fnmatchcase(tag, pattern) for tag in _tags(i) for pattern in loosely)
    ]
    return sorted(found, key=lambda i: (i.created, i.id))[:_LIMIT]


def _reversibility(images: list[Image], save_to: str | None) -> Reversibility:
    if save_to is not None:
        return Reversibility.RESTORABLE
    return Reversibility.COMPENSABLE if all(i.digests for i in images) else Reversibility.NONE


def _undo(images: list[Image], archive: str | None) -> tuple[str, ...]:
    if archive is not None:
        return (f"docker image load -i {archive}   # the same ids and tags, compared",)
    return tuple(
        f"docker pull {i.digests[0]}" if i.digests else f"# none: {i.id} was built here and no registry has it" for i in images
    )


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    if text_param(spec, "keep") != "in-use":
        raise ContractError(f"render step {spec.kind}", f"{spec.place}: `keep` is in-use", "there is no other rule")
    save_to = text_param(spec, "save_to") if "save_to" in spec.params else None
    images = _listed(spec, outlook)
    if not images:
        return Rendered((), outlook, "every image is in use or kept by the wave")
    archive = f"{save_to}/images.wb-{outlook.wave}-<plan>.tar" if save_to else None
    shown = [f"{i.id}   # {' '.join(_tags(i)) or 'no tag'}, {show_size(i.size_bytes)}" for i in images]
    names = " ".join(name for i in images for name in (_tags(i) or [i.id]))
    size = sum(i.size_bytes for i in images)
    step = Step(
        id=prefix,
        verb="image_remove",
        host=outlook.facts.host,
        title=f"remove {len(images)} images that nothing uses (at most {show_size(size)})",
        args={
            "images": [{"id": i.id, "tags": _tags(i), "digests": sorted(i.digests or ()), "bytes": i.size_bytes} for i in images],
            "save_to": save_to,
        },
        reversibility=_reversibility(images, save_to),
        commands=(
            *((f"docker image save -o {archive} {names}   # read back and compared; kept: not deleted here",) if archive else ()),
            *(f"docker image rm --no-prune {line}" for line in shown),
        ),
        undo_commands=_undo(images, archive),
        copy_bytes=size if archive else 0,
        deletes=tuple(f"image:{i.id}" for i in images),
        evidence=("docker", "df"),
        limit_s=3600,
    )
    return Rendered((step,), outlook)


STEP = StepKind("remove_images", ("keep", "keep_images", "save_to"), ("keep",), render)
