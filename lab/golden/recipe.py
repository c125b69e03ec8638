"""Names golden images after everything that goes into them, so that a changed recipe is a new image; it builds nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.estate import Machine
from lab.golden import containers, tree

LAB = Path(__file__).resolve().parent.parent
# A change to how a machine runs (keeper, network, relay) needs no new image.
BAKERS = ("golden/bake.py", "golden/tree.py", "golden/containers.py")


def tree_key() -> str:
    return digest([tree.SUITE, *tree.PACKAGES, *tree.UNWANTED])


def images_key() -> str:
    return digest([tree.IMAGE_SUITE, *tree.IMAGE_PACKAGES, containers.SEAWEED, *files(LAB / "plant" / "images")])


def golden_key(machine: Machine) -> str:
    """One key a host: packages, images, guest files, plant files, sizes and the code that bakes."""
    parts = [tree_key(), images_key(), repr(machine)]
    parts += files(LAB / "guest") + files(LAB / "plant" / machine.name)
    parts += [(LAB / name).read_text() for name in BAKERS]
    return digest(parts)


def files(directory: Path) -> list[str]:
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            found += [str(path.relative_to(directory)), path.read_text()]
    return found


def digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
