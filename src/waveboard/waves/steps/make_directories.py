"""Make directories on the data disk for services that will come: empty, root's, so that a stack finds the place it names.

What exists is left as it is. Undo removes only those that this step made and that are still empty.
"""

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import Paths
from waveboard.waves.kind import Outlook, Rendered, StepKind


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    paths, host = spec.params.get("paths"), outlook.facts.host
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        raise ContractError("render step make_directories", f"{spec.place}: `paths` is a list of paths", "give at least one")
    known = outlook.facts[Paths].by_path
    missing = sorted(path for path in paths if path not in known or not known[path].exists)
    if not missing:
        return Rendered((), outlook, "the directories are there already")
    stray = [path for path in missing if outlook.data_target is None or not path.startswith(outlook.data_target + "/")]
    if outlook.data_uuid is None or stray:
        because = f"{', '.join(stray or missing)} is not below a data disk this wave mounts"
        raise RefusedError(f"plan {outlook.wave} on {host}", because, "mount_data_disk comes first")
    step = Step(
        id=prefix,
        verb="directories_make",
        host=host,
        title=f"make {len(missing)} directories for services",
        args={"paths": missing, "dst_mount": {"target": outlook.data_target, "uuid": outlook.data_uuid}},
        reversibility=Reversibility.EXACT,
        commands=tuple(f"mkdir -p {path}" for path in missing),
        undo_commands=tuple(f"rmdir {path}   # only if still empty" for path in reversed(missing)),
        evidence=("paths",),
        limit_s=60,
    )
    return Rendered((step,), outlook)


STEP = StepKind("make_directories", ("paths",), ("paths",), render)
