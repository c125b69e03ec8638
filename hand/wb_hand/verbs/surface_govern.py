"""surface_govern: a directory that a container writes into its own layer becomes a bind mount."""

from __future__ import annotations

import os

from ..anew import MadeAnew
from ..compose import COMPOSE_KEYS
from ..copying import copy_tree
from ..directories import existing, make_directory
from ..docker import demand_container, docker, inspect, mounted_at
from ..docker_life import demand_well, healthy, start_containers, stop_container
from ..files import plain_path, read_bytes, sha_of, swap
from ..grammar import is_path, or_null
from ..layers import inside_layers, layer_of
from ..mounts import MOUNT, demand_mount
from ..place import at
from ..proof import prove_equal
from ..refused import Json, Refused
from ..sizes import demand_space
from ..verb import Ctx, mine, verdict


class SurfaceGovern(MadeAnew):
    """A directory that a container writes in its own layer becomes a bind mount.

    A container that is made anew loses its layer. Here the whole layer is first copied aside, proven equal and registered, and
    the new container begins with it: only the governed directory moves, and nothing else the application wrote is lost.
    """

    keys = {
        **{key: check for key, check in COMPOSE_KEYS.items() if key != "writers"},
        "dst": is_path,
        "dst_mount": or_null(MOUNT),  # null: the directory lies on the root filesystem
    }

    def uses(self, args: Json, where: str) -> bool:
        found = inspect(args["container"])
        mount = mounted_at(found, args["data_path"]) if found else None
        if where == "dst":
            return mount is not None and mount["Type"] == "bind" and mount["Source"] == args["dst"]
        return found is not None and mount is None

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("recreate")
        self.make_anew(ctx, "filled", self.kept_layer(ctx), "dst")
        ctx.up()
        ctx.phase("verify")
        demand_well([args["container"]], ctx.notes.get("healthy") or [])
        return {**facts, "dst": args["dst"], "layer": self.kept_layer(ctx)}

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, dst, kept = ctx.args, ctx.args["dst"], self.kept_layer(ctx)
        ctx.phase("preflight")
        container = self._preflight(ctx)
        self.refuse_other_image(args, container["Image"])
        layer = layer_of(container)
        src = inside_layers(layer, args["data_path"], f"govern {args['data_path']} of {args['container']}")
        self._demand_place(args)
        if not mine(ctx, dst):
            demand_space(src, existing(dst))
            demand_space(layer.upper, existing(dst))
        make_directory(ctx, dst)
        ctx.phase("copy")
        copy_tree(ctx, src, dst, live=True, seconds=ctx.step["limit_s"])
        ctx.phase("stop")
        were_healthy = ctx.notes.get("healthy") or healthy([args["container"]])
        ctx.note(container=container["Id"], image=container["Image"], healthy=were_healthy)
        ctx.down()
        self.hold_down(ctx, container)
        stop_container(args["container"], "other")
        self.note_stopped(ctx)
        src = inside_layers(layer, args["data_path"], f"govern {args['data_path']}")  # the first write may have come meanwhile
        ctx.phase("final-copy")
        copy_tree(ctx, src, dst, live=False, seconds=ctx.step["limit_s"])
        ctx.phase("prove")
        proven = prove_equal(ctx, src, dst, "do")
        ctx.phase("keep")
        self.keep_layer(ctx, layer.upper, kept, "layer-copy")
        ctx.note(manifest=proven["manifest"])
        ctx.phase("switch", **proven)
        self.switch(ctx)
        return {**proven, "files": count_files(dst)}

    def _preflight(self, ctx: Ctx) -> Json:
        """The container is the planned compose service, nothing covers the path, and the new file changes only its volumes."""
        args, cannot = ctx.args, f"govern {ctx.args['data_path']} of {ctx.args['container']}"
        container = demand_container(args["container"])
        if not container["State"]["Running"]:
            if "restart" not in ctx.notes:  # else an earlier attempt was cut off after the stop
                raise Refused("precondition", cannot, "it is not running", "start it and see that it works first")
            start_containers([args["container"]])
        self.demand_labels(args, container, cannot)
        if not self.uses(args, "source"):
            raise Refused("precondition", cannot, f"at {args['data_path']} it mounts {mounted_at(container, args['data_path'])}")
        before, after = self.trial(ctx)
        for one in (before, after):
            one["services"][args["service"]].pop("volumes", None)
        if before != after:
            raise Refused("precondition", cannot, "the new compose file changes more than this service's volumes", "plan again")
        return container

    def _demand_place(self, args: Json) -> None:
        if args["dst_mount"] is not None:
            demand_mount(args["dst_mount"], args["dst"])
            return
        plain_path(args["dst"])
        if os.lstat(at(existing(args["dst"]))).st_dev != os.stat(at("/")).st_dev:
            raise Refused("precondition", f"use {args['dst']}", "it is not on the root filesystem, as the plan says")

    def fill(self, ctx: Ctx, fresh: Json, layer: str, side: str, skip: str = "") -> None:
        """With all of the layer but the governed directory."""
        upper, path = layer_of(fresh).upper, ctx.args["data_path"]
        super().fill(ctx, fresh, layer, side, skip=path)
        if side == "source":  # the way back: what lies in the mounted directory now belongs in the layer again
            make_directory(ctx, upper + path)
            copy_tree(ctx, ctx.args["dst"], upper + path, live=False, seconds=ctx.step["limit_s"])
            prove_equal(ctx, ctx.args["dst"], upper + path, "undo")

    def undo(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("look")
        before, found = self.demand_file(ctx), inspect(name)
        untouched = found is not None and found["Id"] == ctx.notes.get("container", found["Id"])
        if not untouched and "undo_layer" not in ctx.notes:
            self.refuse_other_image(args, ctx.notes["image"])
            self._stop_and_keep(ctx, found)
        ctx.phase("restore")
        ctx.down()
        if self.switched(ctx):
            swap(args["compose_file"], sha_of(read_bytes(args["compose_file"])), before)
        ctx.phase("start")
        if untouched:
            self.start_unchanged(ctx)
        else:
            self.make_anew(ctx, "refilled", ctx.notes["undo_layer"], "source")
        ctx.up()
        ctx.phase("verify")
        if not self.uses(args, "source"):
            raise Refused("not-equal", f"verify {name}", f"something is mounted at {args['data_path']}")
        demand_well([name], ctx.notes.get("healthy") or [])
        ctx.phase("keep")
        return {"left": ctx.retire_undone(args["dst"]), "recreated": not untouched}

    def _stop_and_keep(self, ctx: Ctx, found: Json | None) -> None:
        """What the new container wrote into its own layer since goes back as well; before it was filled, the kept layer does."""
        layer = self.kept_layer(ctx)
        ctx.phase("stop")
        ctx.down()
        if found is not None and found["Id"] == ctx.notes.get("filled"):
            upper = layer_of(found).upper
            demand_space(upper, existing(ctx.args["dst"]), 1.05, 64 << 20, "a twentieth more than its size and 64 MiB")
            docker("update", "--restart", "no", ctx.args["container"])
            stop_container(ctx.args["container"], "other")
            layer = self.kept_layer(ctx, "undo-layer")
            self.keep_layer(ctx, upper, layer, "undo-layer-copy")
        elif found is not None and not found["State"]["StartedAt"].startswith("0001-"):
            because = "somebody made it anew since, and what it wrote into its own layer would be lost"
            raise Refused("changed", f"undo {ctx.args['container']}", because, "save what it wrote, then settle by hand")
        ctx.note(undo_layer=layer)

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args = ctx.args
        found = inspect(args["container"])
        running = bool(found and found["State"]["Running"])
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            f"{args['container']} mounts {args['dst']}": self.uses(args, "dst"),
            f"{args['container']} runs": running,
            "it began with the layer that was kept": found is not None and ctx.notes.get("filled") == found["Id"],
        }
        begun = self.switched(ctx) or os.path.lexists(at(args["dst"]))
        return verdict(facts, not begun and running and self.uses(args, "source"))


def count_files(path: str) -> int:
    return sum(len(files) for _, _, files in os.walk(at(path)))


VERB = SurfaceGovern()
