"""Every declared service has its directory on the data disk, and a service that runs keeps its data there."""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import Docker, Paths, Unavailable
from waveboard.model.graph import PlacementClass
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec, unknown


def steps(asked: Asked) -> Iterable[StepSpec]:
    """A service that runs with its data elsewhere is moved to its place; for one that does not run yet the place is made. A container
    moves by its first data path only: a wave moves the others."""
    moved = dict(_elsewhere(asked))
    if left := [path for path in asked.vm.directories if path not in moved]:
        yield spec(asked.vm, "make_directories", paths=left)
    for path, container in moved.items():
        yield spec(asked.vm, "relocate_service", container=container, to=path)


def _elsewhere(asked: Asked) -> Iterator[tuple[str, str]]:
    """(its place, container) of every declared service that runs on another mount."""
    docker = asked.facts.get(Docker)
    running = {} if isinstance(docker, Unavailable) else {c.name: c for c in docker.containers if c.state == "running"}
    for service in asked.policy.services:
        container, place = running.get(service.container), service.data_dir
        if container is None or place not in asked.vm.directories or "com.docker.compose.service" not in container.labels:
            continue  # what no compose file makes is not rebuilt by guesswork: a person moves it, and is told until then
        mounts = [m for m in container.mounts if m.destination == service.data_paths[0]]
        if mounts and (mounts[0].type, mounts[0].source) != ("bind", place):
            yield place, service.container


def check(seen: Seen) -> Iterator[Said]:
    paths = seen.facts[Paths].by_path
    for path in seen.vm.directories:
        told = paths.get(path)
        if told is None or told.problem or told.blocked:
            yield unknown(f"{path}: {(told and (told.problem or told.blocked)) or 'it was not looked at'}")
        elif not told.exists:
            yield fails(f"{path} does not exist")
        else:
            yield from _placed(seen, path)
    docker = seen.facts.get(Docker)
    running = set() if isinstance(docker, Unavailable) else {one.name for one in docker.containers}
    for service in seen.policy.services:
        for path in service.data_paths if service.container in running and service.data_dir in seen.vm.directories else ():
            found = (seen.places.containers.get(service.container, {}) if seen.places else {}).get(path)
            if found is None or found.boot is None:
                yield unknown(f"{service.container}:{path}: {found.why if found else 'where it lives was not worked out'}")
            elif found.boot or found.placement is not PlacementClass.DATA:
                yield fails(f"{service.container} keeps {path} on {found.placement.value}: {found.why}")
            elif "ANONYMOUS" in found.flags:
                yield fails(f"{service.container} keeps {path} in a volume that nobody named: recreating it loses the data")


def _placed(seen: Seen, path: str) -> Iterator[Said]:
    found = seen.places.paths.get(path) if seen.places else None
    if found is None or found.boot is None:
        yield unknown(f"{path}: {found.why if found else 'where it lives was not worked out'}")
    elif found.boot or found.placement is not PlacementClass.DATA:
        yield fails(f"{path} is {found.placement.value}: {found.why}")


RULE = Rule(
    "SR-007",
    "declared services keep their data on the data disk",
    50,
    lambda vm, policy: bool(vm.directories),
    {
        Stage.PROVISION: NotHere("a hypervisor knows no directories"),
        Stage.BOOTSTRAP: Built(("make_directories", "relocate_service"), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D236": ("boot-backed", "anonymous-volume", "no-mount", "wrong-prefix")}),
        Stage.WAVE: Repaired(("relocate_service", "name_volume")),
    },
)
