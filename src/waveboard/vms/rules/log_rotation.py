"""No container's log can fill a disk: docker's json-file driver rotates at the size and count the profile gives.

A container made before the limits keeps the old ones until it is made again, so each is judged beside the daemon's settings.
"""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import Docker, Unavailable
from waveboard.model.logs import daemon_settings
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec, unknown


def steps(asked: Asked) -> Iterable[StepSpec]:
    """With prepare_docker the limits come before docker's first start; else they are set in the daemon's file."""
    rotation = asked.vm.log_rotation
    if rotation is None or (asked.vm.docker_root and isinstance(asked.facts.get(Docker), Unavailable)):
        return
    yield spec(asked.vm, "set_log_rotation", max_bytes=rotation.max_bytes, files=rotation.files)


def check(seen: Seen) -> Iterator[Said]:
    wanted, docker = seen.vm.log_rotation, seen.facts[Docker]
    if wanted is None:
        return
    if docker.daemon_json is None:
        yield unknown("daemon.json could not be read")
    elif (given := daemon_settings(docker.daemon_json)) is None:
        yield unknown("daemon.json is no JSON object")
    else:
        if given.driver != "json-file":
            yield fails(f"docker logs through {given.driver}; the limits are json-file's")
        yield from (fails(f"log-opts {above}") for above in given.above(wanted))
    for container in docker.containers:
        if container.log is None:
            yield unknown(f"{container.name}: its log settings were not told")
        else:
            yield from (fails(f"{container.name} was made so that its {above}") for above in container.log.above(wanted))


RULE = Rule(
    "SR-006",
    "docker rotates its logs",
    40,
    lambda vm, policy: vm.log_rotation is not None,
    {
        Stage.PROVISION: NotHere("docker is set up inside the guest; the seed leaves it stopped"),
        Stage.BOOTSTRAP: Built(("prepare_docker", "set_log_rotation"), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D237": ("log-limits", "container-log-limits")}),
        Stage.WAVE: Repaired(("set_log_rotation",)),
    },
)
