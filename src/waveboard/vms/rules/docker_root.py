"""Docker keeps everything below its data-root on the data disk, from before it first starts."""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import Docker, Unavailable
from waveboard.model.graph import PlacementClass
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec, unknown


def steps(asked: Asked) -> Iterable[StepSpec]:
    """A docker that never ran is prepared; one that ran is moved."""
    if asked.vm.docker_root is None:
        return
    if not isinstance(asked.facts.get(Docker), Unavailable):
        yield spec(asked.vm, "move_docker_root", to=asked.vm.docker_root)
        return
    rotation = asked.vm.log_rotation
    told = {"log_max_bytes": rotation.max_bytes, "log_files": rotation.files} if rotation else {}
    yield spec(asked.vm, "prepare_docker", to=asked.vm.docker_root, **told)


def check(seen: Seen) -> Iterator[Said]:
    docker = seen.facts[Docker]
    if docker.root_dir != seen.vm.docker_root:
        yield fails(f"docker's data-root is {docker.root_dir}; {seen.vm.docker_root} is asked for")
    found = seen.places.docker_root if seen.places else None
    if found is None or found.boot is None:
        yield unknown(f"where {docker.root_dir} lives is not known{f': {found.why}' if found else ''}")
    elif found.boot or found.placement is not PlacementClass.DATA:
        yield fails(f"docker's data-root {docker.root_dir} is {found.placement.value}: {found.why}")


RULE = Rule(
    "SR-004",
    "docker's data-root on the data disk before docker first starts",
    30,
    lambda vm, policy: vm.docker_root is not None,
    {
        Stage.PROVISION: NotHere("docker is set up inside the guest; the seed leaves it stopped"),
        Stage.BOOTSTRAP: Built(("prepare_docker", "move_docker_root"), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D235": ("boot-backed", "docker-root-pending", "stale-docker-tree")}),
        Stage.WAVE: Repaired(("move_docker_root",)),
    },
)
