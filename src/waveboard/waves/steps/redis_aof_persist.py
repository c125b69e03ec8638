"""Make redis's append-only log outlive a restart: the option in the command its compose file starts it with.

The container is recreated once, so the setting is proven and not only written. CONFIG REWRITE is not used: it writes into a
container that the next recreate throws away. The hand refuses unless the log is on, whole and of this very data directory.
Source: notes on safe moves 5d; the compose file reference (command).
"""

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.waves.compose_command import says_log, start_with_log
from waveboard.waves.compose_edit import shown
from waveboard.waves.composed import composed
from waveboard.waves.estimate import move_seconds
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param, writers
from waveboard.waves.own_layer import standing
from waveboard.waves.stateful import declared, mount_at, running


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    name = text_param(spec, "container")
    service, container = declared(outlook, name), running(outlook, name)
    if service.engine != "redis":
        raise RefusedError(
            f"plan {outlook.wave}", f"{spec.place}: {name} is {service.engine}, not redis", "name a redis container"
        )
    data_path = service.data_paths[0]
    mount_at(container, data_path)
    if container.command is None:
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"the reader does not tell the command of {name}: it is not plain redis-server, or an option may hold a secret",
            "start redis-server itself, its password in its configuration file; install the present reader; audit again",
        )
    if says_log(container.command):
        return Rendered((), outlook, f"{name} already starts with appendonly yes")
    compose = composed(outlook, container)
    edits = start_with_log(compose.file, compose.lines, compose.service, container.command)
    step = Step(
        id=prefix,
        verb="redis_aof_persist",
        host=outlook.facts.host,
        title=f"let {name} start with its append-only log on",
        args={
            "container": name,
            **compose.args(edits),
            "data_path": data_path,
            "writers": writers(spec),
        },
        reversibility=Reversibility.RESTORABLE,
        commands=(
            "# refused unless the log is on, its rewrite ended well and its base is on disk in the directory that redis starts from",
            f"# refused too if {name} holds more in its own layer than its start makes in /run: the new one would lack it",
            f"#   (now: {standing(outlook, container)})",
            "# record CONFIG GET dir save appendonly and every key's value",
            f"docker exec {name} redis-cli SAVE; docker update --restart no {name} && docker stop -t 120 {name}",
            f"# {compose.file}, compare-and-swap:\n{shown(edits)}",
            compose.up(),
            "# compare with the record: same mount, same keys, appendonly yes, a whole log; roll back unless equal",
        ),
        undo_commands=(
            f"docker exec {name} redis-cli SAVE; docker stop -t 120 {name}   # the dump holds all, writes since the change too",
            f"# {compose.file} restored byte for byte",
            f"{compose.up()}   # starts from the dump",
            f"docker exec {name} redis-cli CONFIG SET appendonly yes   # on in the running server only, as it was before this step",
        ),
        downtime_s=move_seconds(0),
        stops=(name,),
        evidence=("docker",),
        limit_s=3600,
    )
    return Rendered((step,), compose.after(edits, prefix))


STEP = StepKind("redis_aof_persist", ("container", "writers"), ("container",), render)
