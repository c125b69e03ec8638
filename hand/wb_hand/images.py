"""Images as the engine lists them and as an archive holds them."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile

from .docker import asked
from .manifest import hash_file
from .place import at


def images_now() -> dict[str, list[str]]:
    """Every image the engine shows: id -> its tags, sorted."""
    listed = asked("/images/json")
    return {one["Id"]: sorted(tag for tag in one["RepoTags"] or [] if tag != "<none>:<none>") for one in listed}


def digests_now() -> dict[str, set[str]]:
    """Every image the engine shows: id -> the digests by which it came from registries, as `repo@sha256:…`."""
    return {one["Id"]: set(one.get("RepoDigests") or []) for one in asked("/images/json")}


def saved_images(path: str) -> dict[str, list[str]]:
    """What an archive of `docker image save` holds, each layer's bytes checked against the image: id -> tags. Raises: Refused."""
    digests: dict[str, str] = {}
    small: dict[str, bytes] = {}
    with tarfile.open(at(path), "r:") as archive:
        for member in archive:
            if member.issym():  # older engines share a layer by a link
                digests[member.name] = "link:" + os.path.normpath(f"{os.path.dirname(member.name)}/{member.linkname}")
                continue
            file = archive.extractfile(member) if member.isfile() else None
            whole = hashlib.sha256()
            while file is not None and (chunk := file.read(1 << 20)):
                whole.update(chunk)
                if member.size <= 4 << 20:
                    small[member.name] = small.get(member.name, b"") + chunk
            digests[member.name] = "sha256:" + whole.hexdigest()
    held = {}
    for one in json.loads(small.get("manifest.json") or b"[]"):
        layers = [digests.get(name, "") for name in one["Layers"]]
        layers = [digests.get(found[5:], "") if found.startswith("link:") else found for found in layers]
        if layers == json.loads(small[one["Config"]])["rootfs"]["diff_ids"]:
            held[digests[one["Config"]]] = sorted(one["RepoTags"] or [])
    return held


def hash_of(path: str) -> str:
    return "sha256:" + hash_file(os.fsencode(at(path)))
