"""A service whose container is made anew. Compose drops the old container and with it all that it wrote outside its mounts, its own
writable layer; here that is kept, proven equal and registered, and the new container begins with it, as it would after a restart."""

from __future__ import annotations

import os

from .compose import ComposeService
from .copying import copy_tree
from .directories import existing, make_directory
from .docker import demand_container, inspect, mounted_at, name_of
from .docker_life import start_containers
from .layers import layer_of, own_writes, plain
from .place import at
from .proof import prove_equal
from .refused import Json, Refused
from .sizes import demand_space
from .verb import Ctx


class MadeAnew(ComposeService):
    """What makes a service's container anew and loses nothing of what the old one wrote into its own layer."""

    def uses(self, args: Json, where: str) -> bool:
        """Whether the container mounts what it had ("source") or what it shall have ("dst") at data_path."""
        raise NotImplementedError

    def kept_layer(self, ctx: Ctx, what: str = "layer") -> str:
        return f"{ctx.args['dst']}.wb-{what}-{ctx.short}"

    def demand_keepable(self, ctx: Ctx, container: Json) -> None:
        """Before anything stops: its own layer can be kept, with room for it. Raises: Refused."""
        if demand_reachable(container):
            told = "a twentieth more than its size and 64 MiB"
            demand_space(layer_of(container).upper, existing(ctx.args["dst"]), 1.05, 64 << 20, told)

    def note_stopped(self, ctx: Ctx) -> None:
        """Which container was stopped, and by when it was started last: see `demand_at_rest`."""
        container = demand_container(ctx.args["container"])
        ctx.note(container=container["Id"], stopped=container["State"]["StartedAt"])

    def keep_own(self, ctx: Ctx, what: str) -> str | None:
        """Where the stopped container's whole layer is now kept as well; None when it wrote nothing of its own."""
        container = demand_container(ctx.args["container"])
        if not demand_reachable(container):
            return None
        kept = self.kept_layer(ctx, what)
        self.keep_layer(ctx, layer_of(container).upper, kept, f"{what}-copy")
        return kept

    def keep_layer(self, ctx: Ctx, upper: str, kept: str, why: str) -> None:
        make_directory(ctx, kept)
        copy_tree(ctx, upper, kept, live=False, seconds=ctx.step["limit_s"])
        prove_equal(ctx, upper, kept, why)
        ctx.keep_aside(kept, upper, why)

    def demand_at_rest(self, ctx: Ctx) -> None:
        """The old container, as long as it is there, has not run since it was stopped. Raises: Refused."""
        found, stopped = inspect(ctx.args["container"]), ctx.notes.get("stopped")
        if found is None or stopped is None or found["Id"] != ctx.notes.get("container"):
            return
        if found["State"]["Running"] or found["State"]["StartedAt"] != stopped:
            because = "somebody started it after its data was copied: what it wrote since is in the old places only"
            raise Refused("changed", f"make {ctx.args['container']} anew", because, "undo: it keeps what it has; then plan again")

    def make_anew(self, ctx: Ctx, done: str, layer: str | None, side: str) -> None:
        """The container as the compose file says, `layer` as its own (None: the old one wrote nothing), and running.

        `done` is the note that says which container has begun so: one that is there already is never filled a second time.
        """
        args, name = ctx.args, ctx.args["container"]
        self.demand_at_rest(ctx)
        self.up(args, "--no-start")
        fresh = demand_container(name)
        if not self.uses(args, side):
            because = f"at {args['data_path']} it has {mounted_at(fresh, args['data_path'])}"
            raise Refused("not-equal", f"make {name} anew", because)
        if ctx.notes.get(done) != fresh["Id"]:
            if fresh["Id"] == ctx.notes.get("container") or (layer is not None and fresh["State"]["Running"]):
                raise Refused("not-equal", f"make {name} anew", "compose left the old container, or somebody started the new one")
            if layer is not None:
                self.fill(ctx, fresh, layer, side)
            ctx.note(**{done: fresh["Id"]})
        start_containers([name])

    def began_whole(self, ctx: Ctx) -> bool:
        """Whether the new container has begun with what the old one wrote, if that was anything."""
        return not ctx.notes.get("layer") or "filled" in ctx.notes

    def with_own(self, ctx: Ctx) -> Json | None:
        """The container an undo is about to replace, when it may have written into its layer; None: it is the old one, or never ran.

        Raises: Refused when somebody started it before it was filled, so that neither its layer nor the kept one is whole.
        """
        found = inspect(ctx.args["container"])
        if found is None or self.uses(ctx.args, "source"):
            return None
        if not self.began_whole(ctx):
            if found["State"]["StartedAt"].startswith("0001-"):
                return None
            because = f"somebody started it before it had what the old one wrote, which is kept at {ctx.notes['layer']}"
            raise Refused("changed", f"undo {ctx.args['container']}", because, "bring both together, then settle by hand")
        return found

    def demand_way_back(self, ctx: Ctx) -> None:
        """Before an undo stops anything: what the container wrote into its layer can be kept for the next. Raises: Refused."""
        found = self.with_own(ctx)
        if found is not None:
            self.demand_keepable(ctx, found)

    def keep_since(self, ctx: Ctx) -> None:
        """What the stopped container has in its layer, the old one's writes among it, is kept for the one that takes its place."""
        if not self.uses(ctx.args, "source"):
            found = self.with_own(ctx)
            ctx.note(undo_layer=self.keep_own(ctx, "undo-layer") if found is not None else self._kept(ctx))

    def layer_back(self, ctx: Ctx) -> str | None:
        """What a container that an undo makes begins with."""
        return ctx.notes["undo_layer"] if "undo_layer" in ctx.notes else self._kept(ctx)

    def _kept(self, ctx: Ctx) -> str | None:
        layer: str | None = ctx.notes.get("layer")
        return layer if layer and os.path.lexists(at(layer)) else None

    def fill(self, ctx: Ctx, fresh: Json, layer: str, side: str, skip: str = "") -> None:
        """A container that never ran gets this layer as its own. skip: a directory of it that is left out."""
        upper = layer_of(fresh).upper
        status = os.lstat(at(upper))
        ctx.note(made={**ctx.notes.get("made", {}), upper: [status.st_dev, status.st_ino]})
        copy_tree(ctx, layer, upper, live=False, seconds=ctx.step["limit_s"], skip=skip)
        prove_equal(ctx, layer, upper, f"fill-{side}", skip=skip)


def demand_reachable(container: Json) -> bool:
    """Whether it wrote anything of its own, which the hand can then keep. Raises: Refused when it cannot."""
    found = own_writes(container)
    if found and not plain(container):
        name = name_of(container)
        because = (
            f"that would lose what it wrote into its own layer ({', '.join(found[:5])}): only layers of overlay2 can be kept"
        )
        fix = "save that, make the container anew yourself (docker compose up --force-recreate), then plan again"
        raise Refused("precondition", f"make {name} anew", because, fix)
    return bool(found)
