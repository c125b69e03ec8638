"""Does redis keep what it is told? Judged from CONFIG GET and INFO persistence.

That is the running state: the file or arguments it starts with next time are not seen here.
"""

from collections.abc import Iterator, Mapping

from waveboard.gates.gate import Deviation, Doubt, Observation, Skip
from waveboard.gates.matrix import below
from waveboard.model.contract import HostPolicy, RedisRule, Sourced
from waveboard.model.facts import Container, ContainerMount, Docker, HostFacts, RedisConfig
from waveboard.model.finding import Severity

CODES = {
    "redis-appendonly-off": "the contract asks for an append-only log and redis keeps none",
    "redis-aof-no-base": "the append-only log is on and has no sound base: restarting now may lose everything",
    "redis-save-empty": "redis takes no snapshots at all",
    "redis-snapshot-failing": "the last snapshot of redis failed",
    "redis-dir-elsewhere": "redis writes to another directory than those the contract declares",
    "redis-volume-not-named": "redis keeps its data in no volume or bind mount of the prefix the contract asks for",
}
# INFO persistence, redis 7: what each must say before an append-only log can be started from
BASE = {
    "aof_enabled": "1",
    "aof_rewrite_in_progress": "0",
    "aof_rewrite_scheduled": "0",
    "aof_last_bgrewrite_status": "ok",
    "aof_last_write_status": "ok",
}


def redis(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    """Every redis of the host against the host's redis rule."""
    if policy.redis is None:
        yield Skip("no contract gives a redis rule")
        return
    configs = facts.get(RedisConfig)
    by_container = configs.by_container if isinstance(configs, RedisConfig) else {}
    why = "redis did not answer in it" if isinstance(configs, RedisConfig) else configs.reason
    declared = {service.container: service.data_paths for service in policy.services if service.engine == "redis"}
    names = list(declared) or sorted(by_container)
    if not names:
        yield Doubt("redis", f"there is a redis rule, and neither the contract nor the facts name a redis container ({why})")
    containers = {container.name: container for container in facts[Docker].containers}
    for name in names:
        if name not in containers:
            yield Doubt(f"container:{name}", "its durability cannot be judged: docker has no such container")
            continue
        config = by_container.get(name)
        if config is None:
            yield Doubt(f"container:{name}", f"its configuration is not known: {why}")
        else:
            yield from _durable(name, config, policy.redis)
            yield from _at_home(name, config, declared.get(name, ()))
        paths = declared.get(name) or tuple(filter(None, [(config or {}).get("dir")]))
        if paths:
            yield from _named(containers[name], paths[0], policy.redis)
        else:
            yield Doubt(f"container:{name}", "neither the contract nor redis says where its data directory is")


def _at_home(name: str, config: Mapping[str, str], declared: tuple[str, ...]) -> Iterator[Observation]:
    """What was judged is what the contract declares: sound storage there keeps nothing that redis writes elsewhere."""
    subject, told = f"container:{name}", config.get("dir")
    if told is None:
        yield Doubt(subject, "redis did not tell `dir`")
    elif declared and not any(below(told, path) for path in declared):
        why = f"{name} writes to {told}; the contract declares {', '.join(declared)}"
        fix = "find out which of the two is meant; never change `dir` before the data has been copied"
        yield Deviation("redis-dir-elsewhere", subject, Severity.HIGH, why, fix=fix)


def _durable(name: str, config: Mapping[str, str], rule: RedisRule) -> Iterator[Observation]:
    subject = f"container:{name}"
    appendonly = config.get("appendonly")
    if rule.require_appendonly is not None and rule.require_appendonly.value:
        if appendonly is None:
            yield Doubt(subject, "redis did not tell `appendonly`")
        elif appendonly != "yes":
            fix = (
                "turn it on live, wait for the rewrite to end, then persist the setting; never by editing the file and restarting"
            )
            why = f"{name} runs with appendonly {appendonly}"
            yield Deviation("redis-appendonly-off", subject, Severity.HIGH, why, fix=fix)
    if appendonly == "yes":
        yield from _based(name, config)
    save, snapshot = config.get("save"), config.get("rdb_last_bgsave_status")
    if save is None:
        yield Doubt(subject, "redis did not tell `save`")
    elif not save.strip():
        why = f"{name} has an empty save schedule"
        yield Deviation("redis-save-empty", subject, Severity.MEDIUM, why, fix="give it a save schedule")
    if snapshot is not None and snapshot != "ok":
        why = f"the last background save of {name} ended {snapshot}"
        yield Deviation(
            "redis-snapshot-failing", subject, Severity.HIGH, why, fix="read its log; look for disk and memory limits"
        )


def _based(name: str, config: Mapping[str, str]) -> Iterator[Observation]:
    """An append-only log that could be started from: no rewrite running or failed, and a base that is not empty."""
    untold = [key for key in BASE if key not in config]
    wrong = [f"{key}:{config[key]}" for key, wanted in BASE.items() if key in config and config[key] != wanted]
    if config.get("aof_base_size") == "0":
        wrong.append("aof_base_size:0")
    if wrong:
        why = f"{name} has appendonly yes and no sound log to start from ({', '.join(wrong)})"
        fix = "do not restart it; wait for or repeat BGREWRITEAOF until all of these are right"
        yield Deviation("redis-aof-no-base", f"container:{name}", Severity.CRITICAL, why, fix=fix)
    if untold:
        yield Doubt(f"container:{name}", f"redis did not tell {', '.join(untold)}")


def _named(container: Container, path: str, rule: RedisRule) -> Iterator[Observation]:
    volume, bind = _prefix(rule.require_volume_prefix), _prefix(rule.require_bind_prefix)
    if not volume and not bind:
        return  # neither is asked for; an anonymous volume is the matrix's to judge
    covering = [mount for mount in container.mounts if below(path, mount.destination)]
    mount = max(covering, key=lambda m: len(m.destination), default=None)
    if mount is not None and _fits(mount, volume, bind):
        return
    asked = " or ".join(text for text in (volume and f"a named volume {volume}…", bind and f"a bind mount below {bind}") if text)
    found = "no mount at all" if mount is None else f"{mount.type} {mount.name or mount.source}"
    yield Deviation(
        "redis-volume-not-named",
        f"container:{container.name}:{path}",
        Severity.HIGH,
        f"{path} of {container.name} is {found}; the contract asks for {asked}",
        fix="copy the data to it with the container stopped, prove the copy, recreate the container on it",
    )


def _fits(mount: ContainerMount, volume: str, bind: str) -> bool:
    if mount.type == "volume":
        return bool(volume) and mount.name.startswith(volume)
    return mount.type == "bind" and bool(bind) and below(mount.source, bind)


def _prefix(rule: Sourced[str] | None) -> str:
    return rule.value if rule else ""
