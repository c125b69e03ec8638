"""Docker cannot start before the data disk is mounted: else it makes an empty root where the disk should be, and fills the boot disk."""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import ConfigFiles, Mounts, Unavailable
from waveboard.model.ordering import after_mount, dropin
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec, unknown
from waveboard.vms.rules.data_disk_mounted import steps as mount_steps


def steps(asked: Asked) -> Iterable[StepSpec]:
    """The step that mounts the disk orders docker too; a disk that is mounted already, by whomever, needs only that."""
    yield from mount_steps(asked)
    mounts, files, data = asked.facts.get(Mounts), asked.facts.get(ConfigFiles), asked.vm.data
    if data is None or isinstance(mounts, Unavailable) or isinstance(files, Unavailable):
        return
    if any(m.target == data.mount for m in mounts.table) and any(unordered(asked, "docker")):
        yield spec(asked.vm, "order_docker", target=data.mount)


def check(seen: Seen) -> Iterator[Said]:
    yield from unordered(seen, "docker")


def unordered(seen: Seen | Asked, unit: str) -> Iterator[Said]:
    """What lets that unit start before the data disk is mounted."""
    if seen.vm.data is None:
        return
    file = dropin(unit)
    found = seen.facts[ConfigFiles].by_path.get(file)
    if found is None:
        yield fails(f"{file} is not there: {unit} may start before {seen.vm.data.mount} is mounted")
        return
    for line in after_mount(seen.vm.data.mount):
        if line not in found.lines:
            yield unknown(f"{file} has lines that are not told") if None in found.lines else fails(f"{file} lacks {line}")


RULE = Rule(
    "SR-005",
    "docker starts only after the data disk is mounted",
    22,
    lambda vm, policy: vm.data is not None,
    {
        Stage.PROVISION: NotHere("docker is set up inside the guest; the seed leaves it stopped"),
        Stage.BOOTSTRAP: Built(("mount_data_disk", "order_docker"), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D236": ("late-mount",)}),
        Stage.WAVE: Repaired(("mount_data_disk", "order_docker")),
    },
)
