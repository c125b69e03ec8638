"""redis_aof_live: the append-only log on in the running server."""

from __future__ import annotations

import contextlib
import os

from ..compose import COMPOSE_KEYS
from ..docker import demand_container
from ..docker_life import start_containers, wait_for
from ..grammar import NAME, word
from ..place import at
from ..redis import redis_cli
from ..redis_log import RedisNow, aof_at_start, demand_log, redis_now, redis_tree, wait_log, wait_snapshot
from ..refused import Json, Refused
from ..verb import Ctx, Verb, verdict


class RedisAofLive(Verb):
    """The append-only log turned on in the running server, its base on disk before the step ends. Nothing is restarted."""

    keys = {"container": word(NAME), "data_path": COMPOSE_KEYS["data_path"]}

    def prepare(self, ctx: Ctx) -> Json:
        return self._ask(ctx)[1].told()

    def _ask(self, ctx: Ctx) -> tuple[Json, RedisNow, str]:
        """The running container, its server's word and its data directory on the host. Raises: Refused when it cannot keep a log."""
        args, cannot = ctx.args, f"let {ctx.args['container']} keep an append-only log"
        container = demand_container(args["container"])
        if not container["State"]["Running"]:
            raise Refused("precondition", cannot, "it is not running", "start it and see that it works first")
        now = redis_now(container)
        if not {"dir", "save", "appendonly", "appenddirname", "appendfilename"} <= set(now.settings):
            because = (
                f"redis {now.info['redis_version']} does not tell these settings: a server before 7, or CONFIG is not allowed"
            )
            raise Refused("precondition", cannot, because, "use redis 7 or later and allow CONFIG to its own administrator")
        if not (now.settings["dir"] + "/").startswith(args["data_path"].rstrip("/") + "/"):
            raise Refused("precondition", cannot, f"its data is in {now.settings['dir']}, the contract says {args['data_path']}")
        return container, now, redis_tree(container, now)

    def do(self, ctx: Ctx) -> Json:
        seconds = ctx.step["limit_s"]
        ctx.phase("look")
        container, now, tree = self._ask(ctx)
        if "before" not in ctx.notes:
            ctx.note(before=now.told(), was_on=now.live)
        if not now.live:
            self._demand_clear(ctx, tree, now)
            self._demand_room(tree, now)
            ctx.phase("snapshot")
            wait_snapshot(ctx, container, seconds)
            ctx.phase("enable")
            ctx.note(enabled=True)
            self.tell(container, "yes")
        ctx.phase("rewrite")
        log = wait_log(ctx, container, seconds)
        ctx.phase("verify")
        return {"before": ctx.notes["before"], "after": redis_now(container).told(), "log": log}

    def tell(self, container: Json, value: str) -> None:
        said = redis_cli(container, "CONFIG", "SET", "appendonly", value, seconds=120).strip()
        if said != "OK":
            raise Refused("tool-failed", f"set appendonly {value}", said[:300])

    def _demand_clear(self, ctx: Ctx, tree: str, now: RedisNow) -> None:
        """No log of an earlier time lies there; one that this step began, and a restart made old, is set aside."""
        if not os.path.lexists(at(f"{tree}/{now.settings['appenddirname']}")):
            return
        if not ctx.notes.get("enabled"):
            raise Refused(
                "precondition",
                f"turn the log of {ctx.args['container']} on",
                f"{tree}/{now.settings['appenddirname']} is there although its log is off: an old log that redis would overwrite",
                "look at it and move it away by hand",
            )
        self.log_aside(ctx, tree, now)

    def log_aside(self, ctx: Ctx, tree: str, now: RedisNow) -> str | None:
        """Rename the log's directory out of redis's sight, beside its data. Only while the log is off."""
        name = now.settings["appenddirname"]
        if not os.path.lexists(at(f"{tree}/{name}")):
            return None
        beside = os.lstat(at(tree)).st_dev == os.lstat(at(os.path.dirname(tree))).st_dev
        new, number = ctx.aside_name(f"{tree}.{name}" if beside else f"{tree}/old-{name}"), 1
        while os.path.lexists(at(new)):
            number += 1
            new = f"{ctx.aside_name(f'{tree}.{name}' if beside else f'{tree}/old-{name}')}-{number}"
        ctx.set_aside(f"{tree}/{name}", new, "old-log")
        return new

    def _demand_room(self, tree: str, now: RedisNow) -> None:
        there, held = os.statvfs(at(tree)), int(now.info.get("used_memory", "0"))
        free, need = there.f_bavail * there.f_frsize, 2 * held + (64 << 20)
        if need > free:
            because = f"{tree} has {free} bytes free; a snapshot and the log's base may need {need} (twice its memory and 64 MiB)"
            raise Refused("no-space", "write an append-only log", because, "enlarge the data disk or free space on it")

    def undo(self, ctx: Ctx) -> Json:
        if not ctx.notes.get("enabled"):
            ctx.phase("leave")
            return {"left": "the log was on before this step, or was never turned on"}
        ctx.phase("look")
        start_containers([ctx.args["container"]])
        wait_for(
            f"{ctx.args['container']} answer",
            120,
            lambda: redis_now(demand_container(ctx.args["container"])).info["loading"] == "0",
        )
        container, now, tree = self._ask(ctx)
        if aof_at_start(container, now):
            because = "it starts with appendonly yes now: without its log it would start empty"
            raise Refused("changed", f"turn the log of {ctx.args['container']} off", because, "take that setting back first")
        if now.live:
            ctx.phase("snapshot")
            wait_snapshot(ctx, container, ctx.step["limit_s"])
            ctx.phase("disable")
            self.tell(container, "no")
        ctx.phase("aside")
        aside = self.log_aside(ctx, tree, now)
        ctx.phase("verify")
        return {"before": ctx.notes["before"], "after": redis_now(container).told(), "aside": aside}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        try:
            container, now, tree = self._ask(ctx)
        except Refused as why:  # not running after a power cut, say: undo starts it, and knows what to do with its log
            return "PARTIAL", [str(why)]
        whole = False
        with contextlib.suppress(Refused):
            whole = bool(demand_log(container, now))
        facts = {"the append-only log is on": now.live, "it has a base on disk": whole}
        return verdict(facts, not now.live and not os.path.lexists(at(f"{tree}/{now.settings['appenddirname']}")))


VERB = RedisAofLive()
