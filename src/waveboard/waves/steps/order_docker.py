"""Let docker, and containerd where it is asked, start only after a data disk that is mounted already, whoever mounted it.

`mount_data_disk` does this for a disk that it mounts. Without it docker, started too early, makes an empty root below the bare mount
point and fills the boot disk. Nothing is stopped or started: systemd reads the drop-ins, and the next start obeys them. A drop-in
of that name that says something else is a person's to settle. Source: systemd.unit(5), RequiresMountsFor=, AssertPathIsMountPoint=.
"""

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import ConfigFiles, Fstab, Mounts
from waveboard.model.ordering import after_mount, dropin
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param
from waveboard.waves.stateful import data_disk


def _units(spec: StepSpec) -> list[str]:
    also = spec.params.get("containerd", False)
    if not isinstance(also, bool):
        raise ContractError(f"render step {spec.kind}", f"{spec.place}: `containerd` is true or false", "mend the step")
    return ["docker", "containerd"] if also else ["docker"]


def _unordered(outlook: Outlook, units: list[str], target: str) -> list[str]:
    """The units without their drop-in. Raises: RefusedError for one that is there and does not say what it must."""
    wanted = after_mount(target)
    files = outlook.facts[ConfigFiles].by_path
    for unit in units:
        found = files.get(dropin(unit))
        if found is not None and not set(wanted) <= set(found.lines):
            fix = f"add the lines {' and '.join(wanted)} to its [Unit] by hand and run `systemctl daemon-reload`, or remove it"
            because = f"{dropin(unit)} is there and does not say (or not to everybody) that {unit} waits for {target}"
            raise RefusedError(f"plan {outlook.wave} on {outlook.facts.host}", because, f"{fix}; then audit and plan again")
    return [unit for unit in units if dropin(unit) not in files]


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    target, units, host = text_param(spec, "target"), _units(spec), outlook.facts.host
    there = any(m.target == target for m in outlook.facts[Mounts].table)
    if not there and outlook.data_target == target:
        return Rendered((), outlook, f"the step that mounts {target} orders docker after it")
    missing = _unordered(outlook, units, target)
    if not missing:
        return Rendered((), outlook, f"{' and '.join(units)} start only after {target} already")
    mount = data_disk(outlook, f"{target}/x")
    if mount["target"] != target or not any(e.target == target for e in outlook.facts[Fstab].entries):
        because = f"{target} is no mount that comes back after a restart, and docker would not start without it"
        raise RefusedError(f"plan {outlook.wave} on {host}", because, "mount it from fstab by UUID (mount_data_disk) first")
    step = Step(
        id=prefix,
        verb="docker_order",
        host=host,
        title=f"let {' and '.join(missing)} start only after {target} is mounted",
        args={"mount": mount, "units": missing},
        reversibility=Reversibility.EXACT,
        commands=(
            *(f"# {dropin(unit)}: {', '.join(after_mount(target))}" for unit in missing),
            "systemctl daemon-reload",
        ),
        undo_commands=(
            *(f"rm {dropin(unit)}   # if it is still what this step wrote" for unit in missing),
            "systemctl daemon-reload",
        ),
        evidence=("mountinfo", "fstab"),
        limit_s=60,
    )
    return Rendered((step,), outlook)


STEP = StepKind("order_docker", ("target", "containerd"), ("target",), render)
