"""No container's log can fill a disk: docker's json-file driver rotates at the size and count the profile gives.

A container made before the limits keeps the old ones until it is made again; the daemon's settings are what is judged.
"""

import json
import re
from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import Docker, Unavailable
from waveboard.model.vm import LogRotation
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec, unknown


def steps(asked: Asked) -> Iterable[StepSpec]:
    """With prepare_docker the limits come before docker's first start; else they are set in the daemon's file."""
    rotation = asked.vm.log_rotation
    if rotation is None or (asked.vm.docker_root and isinstance(asked.facts.get(Docker), Unavailable)):
        return
    yield spec(asked.vm, "set_log_rotation", max_bytes=rotation.max_bytes, files=rotation.files)


def check(seen: Seen) -> Iterator[Said]:
    wanted, text = seen.vm.log_rotation, seen.facts[Docker].daemon_json
    if wanted is None:
        return
    if text is None:
        yield unknown("daemon.json could not be read")
        return
    try:
        told = json.loads(text) if text.strip() else {}
    except ValueError:
        yield unknown("daemon.json is not JSON")
        return
    yield from _limits(told if isinstance(told, dict) else {}, wanted)


def _limits(told: dict[str, object], wanted: LogRotation) -> Iterator[Said]:
    options = told.get("log-opts")
    limits = options if isinstance(options, dict) else {}
    if told.get("log-driver", "json-file") != "json-file":
        yield fails(f"docker logs through {told.get('log-driver')}; the limits are json-file's")
    size = _bytes(limits.get("max-size"))
    if size is None or size > wanted.max_bytes:
        yield fails(f"log-opts max-size is {limits.get('max-size') or 'not set'}; {wanted.max_bytes} bytes are asked for")
    files = str(limits.get("max-file") or "")
    if not files.isdigit() or int(files) > wanted.files:
        yield fails(f"log-opts max-file is {files or 'not set'}; {wanted.files} is asked for")


def _bytes(value: object) -> int | None:
    """`10m`, `10000k`: decimal, as docker counts its own log sizes."""
    found = re.fullmatch(r"([0-9]{1,15})\s*([kmgt]?)b?", str(value).casefold())
    return int(found[1]) * 1000 ** " kmgt".index(found[2] or " ") if found else None


RULE = Rule(
    "SR-006",
    "docker rotates its logs",
    40,
    lambda vm, policy: vm.log_rotation is not None,
    {
        Stage.PROVISION: NotHere("docker is set up inside the guest; the seed leaves it stopped"),
        Stage.BOOTSTRAP: Built(("prepare_docker", "set_log_rotation"), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D237": ("root-usage", "data-usage")}),
        Stage.WAVE: Repaired(("set_log_rotation",)),
    },
)
