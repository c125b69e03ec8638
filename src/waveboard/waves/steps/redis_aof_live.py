"""Turn redis's append-only log on in the running server and wait until its base is on disk. Restarts nothing.

Editing the setting and restarting is the classic loss: redis then starts from a log that is not there, empty, and ignores its
dump. So the log is made by the server that holds the data, and only redis_aof_persist, which demands a whole log, writes the
setting down. Source: redis.io, persistence, "switch from RDB to AOF in a live server"; redis issue 12484; notes on safe moves 5d.
"""

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.model.facts import RedisConfig
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param
from waveboard.waves.stateful import declared, mount_at, running


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    name = text_param(spec, "container")
    service = declared(outlook, name)
    if service.engine != "redis":
        raise RefusedError(
            f"plan {outlook.wave}", f"{spec.place}: {name} is {service.engine}, not redis", "name a redis container"
        )
    data_path = service.data_paths[0]
    mount_at(running(outlook, name), data_path)
    told = outlook.facts.get(RedisConfig)
    settings = told.by_container.get(name, {}) if isinstance(told, RedisConfig) else {}
    before = " ".join(f"{key}={settings[key]!r}" for key in ("dir", "save", "appendonly") if key in settings)
    step = Step(
        id=prefix,
        verb="redis_aof_live",
        host=outlook.facts.host,
        title=f"turn the append-only log of {name} on in the running server",
        args={"container": name, "data_path": data_path},
        reversibility=Reversibility.RESTORABLE,
        commands=(
            f"docker exec {name} redis-cli CONFIG GET dir save appendonly   # recorded before and after; now: {before or 'not told'}",
            f"docker exec {name} redis-cli BGSAVE   # and wait: the dump is current before anything changes",
            f"docker exec {name} redis-cli CONFIG SET appendonly yes",
            "# wait until INFO persistence says the rewrite ended well and the log's manifest names a base on disk; fail otherwise",
            "# nothing stops; from now on a power cut loses at most the last second of writes, before it lost all since the last dump",
        ),
        undo_commands=(
            f"docker exec {name} redis-cli BGSAVE   # and wait",
            f"docker exec {name} redis-cli CONFIG SET appendonly no",
            f"# the log is renamed aside as appendonlydir.wb-{outlook.wave}-<plan>: a log left behind would grow old; nothing is deleted",
        ),
        evidence=("docker",),
        limit_s=3600,
    )
    return Rendered((step,), outlook)


STEP = StepKind("redis_aof_live", ("container",), ("container",), render)
