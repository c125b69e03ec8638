"""The programs that a host is given: the hand, built into its one file, and the reader. What they do on a host is told elsewhere."""

import runpy
from pathlib import Path

from waveboard.model.errors import UsageError
from waveboard.world.files import read_named

PACKAGE = Path(__file__).resolve().parents[2]


def hand() -> bytes:
    """wb-hand, the same bytes for the same sources. Raises: UsageError."""
    place = sources()
    built: bytes = runpy.run_path(str(place / "build.py"))["hand_file"](place)
    return built


def reader() -> bytes:
    """wb-ro. Raises: UsageError."""
    return read_named(str(sources() / "wb_ro.py"), "reader")


def sources(package: Path = PACKAGE) -> Path:
    """The directory `hand`: inside an installed package, beside `src` in a checkout. Raises: UsageError when there is neither."""
    for place in (package / "hand", package.parents[1] / "hand"):
        if (place / "build.py").is_file():
            return place
    because = f"neither {package / 'hand'} nor {package.parents[1] / 'hand'} holds them"
    raise UsageError("find the programs of a host", because, "install waveboard again, or run it from a whole checkout")
