"""Line edits that give one compose service's data path a volume with a name, bound to a directory of the data disk.

The volume is declared with its full name and the local driver's bind options, so that it is found by its name and lies where
the policy wants the bytes. Refuses a key that is taken: the file may mean another volume by it.
"""

import re
from collections.abc import Sequence

from waveboard.model.errors import RefusedError
from waveboard.waves.compose_edit import Edit, bind, block, find

_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def key_for(project: str, volume: str) -> str:
    """The short key that compose files use for a volume of their own project, else its whole name."""
    short = volume.removeprefix(f"{project}_")
    return short if _KEY.fullmatch(short) else volume


def named(
    path: str, lines: Sequence[str | None], service: str, data_path: str, key: str, volume: str, device: str
) -> tuple[Edit, ...]:
    """Edits after which `service` mounts `volume` at `data_path`. Raises: RefusedError."""
    declared = [
        f"  {key}:",
        f"    name: {volume}",
        "    driver: local",
        "    driver_opts:",
        "      type: none",
        "      o: bind",
        f"      device: {device}",
    ]
    top = find(lines, "volumes", 0, len(lines))
    if top is None:  # before the services: that line is always told, the file's last one may not be
        at = next((n for n, line in enumerate(lines) if line is not None and line.startswith("services:")), 0)
        old = lines[at]
        return ({"line": at + 1, "old": old, "new": ["volumes:", *declared, old]}, *bind(path, lines, service, data_path, key))
    inside = lines[top[0] + 1 : block(lines, *top)]
    if any(_names(line, key) for line in inside):
        raise RefusedError(f"edit {path}", f"it already declares a volume `{key}`", "choose another name for the volume")
    head = lines[top[0]]
    return ({"line": top[0] + 1, "old": head, "new": [head, *declared]}, *bind(path, lines, service, data_path, key))


def _names(line: str | None, key: str) -> bool:
    return line is not None and re.match(rf"\s+[\"']?{re.escape(key)}[\"']?:\s*(#.*)?$", line) is not None
