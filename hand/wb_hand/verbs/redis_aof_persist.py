"""redis_aof_persist: the append-only log on in the compose file, proven by a restart."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..compose import COMPOSE_KEYS, ComposeService
from ..docker import demand_container, docker, inspect, mounted_at, volume_device
from ..docker_life import demand_well, healthy, start_containers, stop_container, wait_for
from ..files import read_bytes, sha_of, swap
from ..holdings import digest_service, ready_digest
from ..layers import demand_nothing_own
from ..manifest import Manifest
from ..moves import demand_kept
from ..redis_log import RedisNow, aof_at_start, aof_on_disk, demand_log, demand_log_soon, redis_now, redis_tree, wait_log
from ..refused import Json, Refused
from ..verb import Ctx, verdict
from .redis_aof_live import RedisAofLive


class RedisAofPersist(ComposeService):
    """`--appendonly yes` in the command that compose starts redis with. Only with a live log whose base is proven."""

    keys = {**COMPOSE_KEYS}

    def without(self, words: Sequence[str]) -> list[str]:
        """A command less its --appendonly option."""
        found, number = [], 0
        while number < len(words):
            if words[number] == "--appendonly":
                number += 2
            else:
                found.append(words[number])
                number += 1
        return found

    def recreated(self, container: Json, ctx: Ctx) -> bool:
        return bool(ctx.notes.get("old")) and container["Id"] != ctx.notes["old"]

    def prepare(self, ctx: Ctx) -> Json:
        if not ctx.notes.get("rest"):  # else an earlier attempt stopped it; what lies there is looked at before it starts
            container = demand_container(ctx.args["container"])
            demand_log_soon(container, 20)
        return super().prepare(ctx)

    def do(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        if not self.switched(ctx):
            self._stop(ctx)
            ctx.phase("switch")
            self.switch(ctx)
        ctx.phase("start")
        if not self.recreated(demand_container(name), ctx):
            self._demand_rest(ctx)
        ctx.down()
        self.up(args)
        wait_for(f"{name} run", 90, lambda: bool(demand_container(name)["State"]["Running"]))
        ctx.phase("verify")
        after = ready_digest(name, "redis")
        ctx.up()
        container = demand_container(name)
        log, now = wait_log(ctx, container, 600), redis_now(container)
        if not aof_at_start(container, now) or not self.same_place(ctx, container):
            raise Refused("not-equal", f"verify {name}", "it does not start with appendonly yes on the data it had")
        demand_kept(ctx.notes.get("baseline"), after, args["writers"], name)
        demand_well([name], ctx.notes.get("healthy") or [])
        ctx.note(after=after)
        return {
            "before": {**ctx.notes["before"], "held": ctx.notes["baseline"]},
            "after": {**now.told(), "held": after},
            "log": log,
        }

    def same_place(self, ctx: Ctx, container: Json) -> bool:
        mount = mounted_at(container, ctx.args["data_path"]) or {}
        return [mount.get("Type"), mount.get("Name") or mount.get("Source")] == ctx.notes.get("place")

    def _stop(self, ctx: Ctx) -> None:
        """Everything is judged while redis serves; then it is stopped cleanly, and what it left on disk is written down."""
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("preflight")
        container = demand_container(name)
        if not container["State"]["Running"]:
            self._demand_rest(ctx)  # an earlier attempt stopped it; nothing has started it since
            return
        cannot = f"make appendonly last for {name}"
        self.demand_labels(args, container, cannot)
        self.refuse_other_image(args, container["Image"])
        demand_nothing_own(container, cannot)
        before, after = self.trial(ctx)
        mount = mounted_at(container, args["data_path"])
        was = [
            one.replace("$$", "$")
            for one in before["services"][args["service"]].pop("command", None) or container["Config"]["Cmd"]
        ]
        now = [one.replace("$$", "$") for one in after["services"][args["service"]].pop("command", None) or []]
        told = redis_now(container)
        if before != after or self.without(now) != self.without(was) or not aof_at_start(container, told, now):
            raise Refused(
                "precondition", cannot, "the new compose file changes more than --appendonly in its command", "plan again"
            )
        if was != container["Config"]["Cmd"]:
            raise Refused(
                "precondition", cannot, "its compose file gives it another command than the one it runs with", "settle that"
            )
        if mount is None:
            raise Refused("precondition", cannot, f"{args['data_path']} has no mount: a recreate would lose the data")
        if not (redis_tree(container, told) + "/").startswith(self.host_place(mount) + "/"):
            raise Refused("precondition", cannot, f"its data is in {told.settings['dir']}, not below {args['data_path']}")
        demand_log_soon(container)
        ctx.phase("baseline")
        ctx.note(before=told.told(), old=container["Id"])
        ctx.note(place=[mount["Type"], mount.get("Name") or mount["Source"]], healthy=healthy([name]))
        ctx.note(baseline=digest_service(name, "redis"))
        ctx.phase("stop")
        ctx.down()
        self.hold_down(ctx, container)
        demand_log_soon(container)
        tree = redis_tree(container, told)
        ctx.note(rest={"started": container["State"]["StartedAt"], "tree": tree, "settings": told.settings, "log": None})
        stop_container(name, "redis")
        aof_on_disk(tree, told)
        ctx.note(rest={**ctx.notes["rest"], "log": self._log_digest(ctx)})

    def host_place(self, mount: Json) -> str:
        return str((volume_device(mount["Name"]) if mount["Type"] == "volume" else None) or mount["Source"])

    def _log_digest(self, ctx: Ctx) -> str:
        rest = ctx.notes["rest"]
        log = Manifest(f"{rest['tree']}/{rest['settings']['appenddirname']}")
        return sha_of(b"".join(log.lines()))

    def _demand_rest(self, ctx: Ctx) -> None:
        """The old container is stopped since we stopped it and its log is what it left: only then may redis start from that log."""
        rest, cannot = ctx.notes.get("rest"), f"start {ctx.args['container']} with appendonly yes"
        container = demand_container(ctx.args["container"])
        if not rest:
            raise Refused(
                "precondition", cannot, "it is not running, and this step did not stop it", "start it and see that it works"
            )
        if container["State"]["Running"] or container["State"]["StartedAt"] != rest["started"]:
            because = "somebody started it with its old settings meanwhile: its log misses what was written since"
            raise Refused("refused", cannot, because, "undo, then begin again with redis_aof_live")
        demand_nothing_own(container, cannot)
        if rest["log"] is None:  # cut off between the stop and the look: it ended by itself, so its log is whole or it is not
            aof_on_disk(rest["tree"], RedisNow(rest["settings"], {}))
            if container["State"]["ExitCode"] != 0:
                raise Refused(
                    "refused", cannot, f"it ended with {container['State']['ExitCode']}, so its log may lack its end", "undo"
                )
            ctx.note(rest={**rest, "log": self._log_digest(ctx)})
        elif rest["log"] != self._log_digest(ctx):
            raise Refused("refused", cannot, "its log on disk is not the one it left when it was stopped", "undo")

    def undo(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("look")
        before = self.demand_file(ctx)
        container = demand_container(name)
        if self.recreated(container, ctx):
            self.refuse_other_image(args, container["Image"])
            demand_nothing_own(container, f"undo {name}")
        held = self._stop_new(ctx, container) if self.recreated(container, ctx) else None
        ctx.phase("restore")
        if self.switched(ctx):
            swap(args["compose_file"], sha_of(read_bytes(args["compose_file"])), before)
        ctx.phase("start")
        if "old" not in ctx.notes:
            return {"left": "nothing was stopped"}
        if self.recreated(container, ctx):
            self.up(args)
        else:
            self.start_unchanged(ctx)
        wait_for(f"{name} run", 90, lambda: bool(demand_container(name)["State"]["Running"]))
        after = ready_digest(name, "redis")
        ctx.up()
        ctx.phase("verify")
        container = demand_container(name)
        if not self.same_place(ctx, container):
            raise Refused("not-equal", f"verify {name}", "it does not mount the data it had")
        demand_kept(held, after, args["writers"], name)
        ctx.phase("enable")  # as it was before this step: on, in the running server only
        if not redis_now(container).live:
            RedisAofLive().tell(container, "yes")
        log, now = wait_log(ctx, container, ctx.step["limit_s"]), redis_now(container)
        return {"before": ctx.notes["before"], "after": {**now.told(), "held": after}, "log": log}

    def _stop_new(self, ctx: Ctx, container: Json) -> Json | None:
        """Stop the recreated container so that its dump holds everything: without the log, the dump is what it starts from."""
        name = ctx.args["container"]
        if not container["State"]["Running"] and self._log_digest(ctx) == ctx.notes["rest"]["log"]:
            return None  # it never wrote: the dump from before the switch is current
        if not self.switched(ctx) and not container["State"]["Running"]:
            return None  # this undo stopped it already
        start_containers([name])
        held = ready_digest(name, "redis")
        ctx.phase("stop")
        ctx.down()
        docker("update", "--restart", "no", name)
        stop_container(name, "redis")
        return held

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        container = inspect(ctx.args["container"])
        running = container is not None and bool(container["State"]["Running"])
        starts = whole = False
        if container is not None and running:
            with contextlib.suppress(Refused):
                now = redis_now(container)
                starts = aof_at_start(container, now)
                whole = bool(demand_log(container, now))
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            "redis runs and starts with appendonly yes": starts,
            "its append-only log is on and whole": whole,
        }
        return verdict(facts, running and not self.switched(ctx) and not ctx.notes.get("rest"))


VERB = RedisAofPersist()
