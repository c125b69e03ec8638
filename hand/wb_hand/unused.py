"""That docker holds nothing yet: not where it would start by itself, and not where its settings say."""

from __future__ import annotations

import os

from .docker import DAEMON_JSON
from .documents import parse_json
from .files import read_or_none
from .place import at
from .refused import Refused
from .units import active

STOCK_ROOT = "/var/lib/docker"


def named_root() -> str | None:
    """The data-root that daemon.json names, None when it names none. Raises: Refused when the file cannot be understood."""
    raw = read_or_none(DAEMON_JSON)
    if raw is None or not raw.strip():
        return None
    named = parse_json(raw, DAEMON_JSON).get("data-root")
    return os.path.normpath(str(named)) if named else None


def demand_unused(cannot: str, target: str, dst: str | None = None) -> None:
    """Docker does not run and holds nothing at its stock root, at `dst`, or where its settings say.

    They may name the stock root or `dst`; without a `dst`, any place below `target`, where the data disk is mounted: elsewhere a
    directory may be empty only because its disk is not mounted. Raises: Refused.
    """
    if active("docker.service"):
        raise Refused("precondition", cannot, "docker runs already", "audit again and plan again")
    named, fix = named_root(), "start docker, audit again, and plan its move"
    if named not in (None, STOCK_ROOT, dst) and (dst is not None or not str(named).startswith(target + "/")):
        raise Refused("precondition", cannot, f"{DAEMON_JSON} names the data-root {named}: docker may hold data there", fix)
    for path in (STOCK_ROOT, dst, named):
        if path and os.path.isdir(at(path)) and os.listdir(at(path)):
            raise Refused("precondition", cannot, f"{path} is not empty: docker may hold data", fix)
