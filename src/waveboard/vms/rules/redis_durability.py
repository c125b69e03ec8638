"""A redis that must keep what it is told keeps an append-only log. One that does not run yet has nothing to lose."""

from collections.abc import Iterator

from waveboard.model.facts import Docker, RedisConfig
from waveboard.vms.rule import Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, unknown


def check(seen: Seen) -> Iterator[Said]:
    known = {one.name: one for one in seen.facts[Docker].containers}
    names = [s.container for s in seen.policy.services if s.engine == "redis" and s.container in known]
    for name in names:
        told = seen.facts[RedisConfig].by_container.get(name)
        if told is None or "appendonly" not in told:
            yield unknown(f"{name} did not tell its configuration")
        elif told["appendonly"] != "yes":
            yield fails(f"{name} keeps no append-only log")


def _asked(policy_redis: object) -> bool:
    wanted = getattr(policy_redis, "require_appendonly", None)
    return wanted is not None and wanted.value is True


RULE = Rule(
    "SR-008",
    "redis keeps an append-only log",
    60,
    lambda vm, policy: _asked(policy.redis),
    {
        Stage.PROVISION: NotHere("a hypervisor knows no services"),
        Stage.BOOTSTRAP: NotHere("a VM is born without services: the stack that brings redis brings its settings"),
        Stage.READY: Checked(check),
        Stage.GATE: Watched(
            {"D236": ("redis-appendonly-off", "redis-aof-no-base", "redis-dir-elsewhere", "redis-volume-not-named")}
        ),
        Stage.WAVE: Repaired(("redis_aof_live", "redis_aof_persist", "name_volume")),
    },
)
