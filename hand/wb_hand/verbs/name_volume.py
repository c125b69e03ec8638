"""name_volume: a service's data under a volume of its own name."""

from __future__ import annotations

import contextlib
import os
import re

from ..aside import Aside
from ..docker import demand_container, inspect, mounted_at, volume_device, volume_path
from ..docker_life import demand_well, healthy, stop_container, wait_for
from ..files import plain_path
from ..grammar import NAME, word
from ..holdings import demand_marker
from ..mounts import demand_mount, mounted_below
from ..moves import demand_kept, demand_same
from ..place import at
from ..redis_log import redis_now
from ..refused import Json, Refused
from ..verb import Ctx, verdict
from ..writers import demand_alone
from .service_relocate import ServiceRelocate


class NameVolume(ServiceRelocate):
    """One compose service's data in a volume with a name, bound to a directory of the data disk."""

    keys = {**ServiceRelocate.keys, "volume": word(NAME)}

    def judge(self, step: Json) -> None:
        super().judge(step)
        if re.fullmatch("[0-9a-f]{64}", step["args"]["volume"]):
            raise Refused("bad-request", f"accept step {step['id']!r}", "64 hex digits are the name of a volume nobody named")

    def in_place(self, args: Json) -> bool:
        """The data already lies where the volume is bound to: only its name is new."""
        return bool(args["source"].get("path") == args["dst"])

    def uses(self, args: Json, where: str) -> bool:
        if where != "dst":
            return super().uses(args, where)
        found = inspect(args["container"])
        mount = mounted_at(found, args["data_path"]) if found else None
        named = mount is not None and mount["Type"] == "volume" and mount["Name"] == args["volume"]
        return named and volume_device(args["volume"]) == args["dst"]

    def demand_mounts_only(self, args: Json, before: Json, after: Json, cannot: str) -> None:
        """Beside the one mount only the declaration of the one volume is new."""
        service, wanted = (
            args["service"],
            {"driver": "local", "driver_opts": {"device": args["dst"], "o": "bind", "type": "none"}},
        )
        made = {key: one for key, one in (after.get("volumes") or {}).items() if one.get("name") == args["volume"]}
        told = [{key: value for key, value in one.items() if key != "name"} for one in made.values()]
        sides = []
        for one in (before, after):
            listed = one["services"][service].pop("volumes", None) or []
            sides.append([mount for mount in listed if mount.get("target") != args["data_path"]])
        mount = [one for one in listed if one.get("target") == args["data_path"]]
        known = before.pop("volumes", None) or {}
        others = {key: one for key, one in (after.pop("volumes", None) or {}).items() if key not in made}
        good = told == [wanted] and len(mount) == 1 and mount[0].get("type") == "volume" and mount[0].get("source") in made
        if not good or before != after or sides[0] != sides[1] or any(known.get(key) != one for key, one in others.items()):
            because = f"the new compose file changes more than to mount volume {args['volume']}, bound to {args['dst']}"
            raise Refused("precondition", cannot, because, "plan again")
        found = volume_path(args["volume"])
        if found is not None and (volume_device(args["volume"]) != args["dst"] or not Aside.find(volume=args["volume"])):
            because = f"there is a volume {args['volume']} that this hand did not make for {args['dst']}"
            raise Refused("precondition", cannot, because, "choose another name, or look at it and settle it by hand")

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, dst = ctx.args, ctx.args["dst"]
        if not self.in_place(args):
            return super()._copy_and_switch(ctx)
        ctx.phase("preflight")
        container = self._preflight(ctx)
        plain_path(dst)
        self._refuse_shared(args, dst)
        demand_mount(args["dst_mount"], dst)
        self.demand_keepable(ctx, container)
        ctx.phase("baseline")
        ctx.note(baseline=self.digest(args), healthy=healthy([args["container"]]))
        ctx.phase("stop")
        ctx.down()
        self.hold_down(ctx, container)
        stopped = stop_container(args["container"], args["engine"])
        self.note_stopped(ctx)
        demand_alone(dst)
        self._refuse_shared(args, dst)  # again: one may have been started meanwhile
        marker = demand_marker(dst, args["engine"])
        ctx.phase("keep", **stopped)
        ctx.note(layer=self.keep_own(ctx, "layer"))
        ctx.phase("switch")
        self.switch(ctx)
        return {"marker": marker}

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        before = redis_now(demand_container(args["container"])).told() if self._asks(args) else None
        if "before" not in ctx.notes:
            ctx.note(before=before)
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("aside")
        self.demand_at_rest(ctx)
        if not self.in_place(args):
            self.source_aside(ctx)
        ctx.phase("start")
        if "made_volume" not in ctx.notes:
            ctx.note(made_volume=True)
        self.make_anew(ctx, "filled", ctx.notes.get("layer"), "dst")
        wait_for(f"{args['container']} run", 90, lambda: bool(demand_container(args["container"])["State"]["Running"]))
        ctx.take_back(volume=args["volume"])
        self._demand_bound(args)
        ctx.phase("verify")
        after = self.digest(args)
        ctx.up()
        demand_well([args["container"]], ctx.notes.get("healthy") or [])
        demand_same(ctx.notes.get("baseline"), after, args["writers"], args["container"])
        if args["engine"] == "redis":
            demand_kept(ctx.notes.get("baseline"), after, args["writers"], args["container"])
        ctx.note(after=after)
        settings = redis_now(demand_container(args["container"])).told() if args["engine"] == "redis" else {}
        told = {
            "before": {**(ctx.notes["before"] or {}), "held": ctx.notes.get("baseline")},
            "after": {**settings, "held": after},
            "layer": ctx.notes.get("layer"),
        }
        return {**facts, **told, "volume": args["volume"], "dst": args["dst"]}

    def _asks(self, args: Json) -> bool:
        found = inspect(args["container"])
        return args["engine"] == "redis" and found is not None and bool(found["State"]["Running"])

    def _demand_bound(self, args: Json) -> None:
        """The container mounts the volume, and behind the volume is that very directory."""
        place = volume_path(args["volume"])
        there, wanted = os.stat(at(place or args["dst"])), os.stat(at(args["dst"]))
        bound = place is not None and (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino)
        if not self.uses(args, "dst") or not bound:
            because = f"it does not mount {args['dst']} by volume {args['volume']} at {args['data_path']}"
            raise Refused("not-equal", f"verify {args['container']}", because)

    def undo(self, ctx: Ctx) -> Json:
        args = ctx.args
        facts = super().undo(ctx)
        place = volume_path(args["volume"])
        if ctx.notes.get("made_volume") and place is not None and not Aside.find(volume=args["volume"]):
            if mounted_below(place):
                raise Refused(
                    "precondition", f"set volume {args['volume']} aside", "something still mounts it", "stop that first"
                )
            ctx.set_volume_aside(args["volume"], place, "undone-volume")
        return {**facts, "volume_left": args["volume"] if place is not None else None}

    def _written_since(self, ctx: Ctx) -> bool:
        if not self.in_place(ctx.args):
            return super()._written_since(ctx)
        with contextlib.suppress(Refused):  # a container that cannot answer is stopped all the same: its data stays where it is
            ctx.note(undo_baseline=self.digest(ctx.args, 60))
        return False

    def _data_back(self, ctx: Ctx, written: bool) -> bool:
        return False if self.in_place(ctx.args) else super()._data_back(ctx, written)

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args = ctx.args
        if not self.in_place(args):
            return super().holds(ctx)
        found = inspect(args["container"])
        running = bool(found and found["State"]["Running"])
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            f"{args['container']} mounts {args['dst']} by volume {args['volume']}": self.uses(args, "dst"),
            f"{args['container']} runs": running,
            "it began with what the old one wrote into its own layer": self.began_whole(ctx),
            "what it holds was compared": "after" in ctx.notes,
        }
        return verdict(facts, not self.switched(ctx) and running and self.uses(args, "source"))


VERB = NameVolume()
