"""Give containerd its root on the data disk before docker first starts, and let it start only after the mount.

Docker from 29 on keeps images and writable layers in containerd's root, which docker's data-root does not move. Only for a host whose
docker has never run: what a used containerd holds is not moved. What others than docker keep in it stays where it is and comes back
with the undo. Source: containerd-config.toml(5) `root`; docker's documentation of the containerd image store.
"""

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.model.facts import ConfigFile, ConfigFiles, Docker, Unavailable
from waveboard.model.ordering import after_mount, dropin
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param
from waveboard.waves.steps.prepare_docker import refuse_used

CONFIG = "/etc/containerd/config.toml"
DROPIN = dropin("containerd")


def _named(file: ConfigFile | None) -> set[str]:
    """The roots that the told lines name."""
    lines = (line.partition("=")[2].strip().strip("\"'") for line in (file.lines if file else ()) if line)
    return set(lines)


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    to, where = text_param(spec, "to"), f"plan {outlook.wave} on {outlook.facts.host}"
    docker, files = outlook.facts.get(Docker), outlook.facts[ConfigFiles].by_path
    if not isinstance(docker, Unavailable):
        if docker.containerd_root == to:
            return Rendered((), outlook, f"containerd's root is {to} already")
        because = f"docker runs already, and containerd's root is {docker.containerd_root or 'not known'}: it may hold images"
        raise RefusedError(where, because, "no step moves what containerd holds; it is set before docker first starts")
    if outlook.data_uuid is None or outlook.data_target is None or not to.startswith(outlook.data_target + "/"):
        raise RefusedError(where, f"{to} is not below a data disk this wave mounts", "mount_data_disk comes first")
    before, ordered = files.get(CONFIG), files.get(DROPIN)
    if ordered and not set(after_mount(outlook.data_target)) <= set(ordered.lines):
        raise RefusedError(where, f"{DROPIN} is there and says something else", "remove it, or make it say what docker's does")
    if ordered and _named(before) == {to}:
        return Rendered((), outlook, f"containerd's root is {to} already")
    refuse_used(outlook)
    step = Step(
        id=prefix,
        verb="containerd_root",
        host=outlook.facts.host,
        title=f"give containerd its root {to} before docker first starts",
        args={
            "root": to,
            "root_mount": {"target": outlook.data_target, "uuid": outlook.data_uuid},
            "config_before_sha256": before.digest if before else None,
            "dropin": ordered is None,
        },
        reversibility=Reversibility.RESTORABLE,
        commands=(
            f"mkdir -m 0711 {to}",
            f'# {CONFIG}: root = "{to}"; proven by containerd config dump',
            *((f"# {DROPIN}: {', '.join(after_mount(outlook.data_target))}",) if ordered is None else ()),
            "systemctl try-restart containerd",
        ),
        undo_commands=(
            f"# {CONFIG} restored byte for byte{'; drop-in removed' if ordered is None else ''}",
            f"mv {to} {to}.wb-undone-<plan>",
        ),
        evidence=("docker", "mountinfo"),
        limit_s=300,
    )
    return Rendered((step,), outlook)


STEP = StepKind("set_containerd_root", ("to",), ("to",), render)
