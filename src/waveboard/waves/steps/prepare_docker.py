"""Give docker its data-root on the data disk before it first starts, with its log limits, and start it.

Only for a docker that holds nothing: one that has run is moved (`move_docker_root`), since a changed data-root alone would leave
its images and volumes behind. Undo stops docker again, restores its settings byte for byte and renames the new root aside.
Source: dockerd(8) `data-root`; docker's json-file logging driver.
"""

import json
from dataclasses import replace

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.model.facts import Docker, PathFact, Paths, Unavailable
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param
from waveboard.waves.steps.set_log_rotation import DAEMON_JSON, limits, named_root, settings_text

STOCK = "/var/lib/docker"


def refuse_used(outlook: Outlook, to: str | None = None) -> None:
    """Docker holds nothing: not in its stock root, and its settings name no other root than `to` (without it: below the data disk).

    A docker that cannot be read may well have been given another root before. Raises: RefusedError.
    """
    where, fix = f"plan {outlook.wave} on {outlook.facts.host}", "start docker, audit again, and bootstrap moves it"
    named = named_root(outlook)
    paths = outlook.facts[Paths].by_path
    if named not in (None, STOCK, to) and (to or not str(named).startswith(f"{outlook.data_target}/")):
        raise RefusedError(where, f"{DAEMON_JSON} names the data-root {named}, so docker may hold data there", fix)
    looked = {STOCK: paths.get(STOCK, PathFact(STOCK, None, False, None, problem="it was not looked at"))}
    looked |= {path: paths[path] for path in (to, named) if path and path in paths}
    for path, found in looked.items():
        if found.problem or found.blocked or (found.exists and found.non_empty is not False):
            told = (
                f"could not be looked at ({found.problem or found.blocked})" if found.problem or found.blocked else "is not empty"
            )
            raise RefusedError(where, f"{path} {told}, so docker may hold data", fix)


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    to, host = text_param(spec, "to"), outlook.facts.host
    docker = outlook.facts.get(Docker)
    if not isinstance(docker, Unavailable):
        because = f"docker runs already, on {docker.root_dir}"
        raise RefusedError(f"plan {outlook.wave} on {host}", because, "move_docker_root moves what it holds")
    refuse_used(outlook, to)
    if outlook.data_uuid is None or outlook.data_target is None or not to.startswith(outlook.data_target + "/"):
        raise RefusedError(
            f"plan {outlook.wave} on {host}", f"{to} is not below a data disk this wave mounts", "mount_data_disk comes first"
        )
    digest, text = settings_text(outlook)
    told = json.loads(text) if text.strip() else {}
    after = json.dumps({**told, "data-root": to, **limits(spec, told, "log_max_bytes", "log_files")}, indent=2) + "\n"
    step = Step(
        id=prefix,
        verb="docker_prepare",
        host=host,
        title=f"give docker its data-root {to} and start it for the first time",
        args={
            "dst": to,
            "dst_mount": {"target": outlook.data_target, "uuid": outlook.data_uuid},
            "daemon_json_before_sha256": digest,
            "daemon_json_after": after,
        },
        reversibility=Reversibility.RESTORABLE,
        commands=(
            f"mkdir -m 0710 {to}   # {STOCK} must be empty: docker has never run",
            f"# {DAEMON_JSON}: data-root and log limits, validated by dockerd --validate",
            "systemctl enable --now containerd docker",
        ),
        undo_commands=(
            "systemctl disable --now docker.socket docker containerd   # as they were",
            f"mv {to} {to}.wb-undone-<plan>; # {DAEMON_JSON} restored byte for byte",
        ),
        evidence=("docker", "mountinfo"),
        limit_s=600,
    )
    return Rendered((step,), replace(outlook, docker_root=to, daemon_json=after))


STEP = StepKind("prepare_docker", ("to", "log_max_bytes", "log_files"), ("to",), render)
