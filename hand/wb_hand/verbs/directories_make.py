"""directories_make: empty directories on the data disk."""

from __future__ import annotations

import os

from ..directories import make_directory
from ..grammar import is_path, list_of
from ..mounts import MOUNT, demand_mount
from ..place import at
from ..refused import Json
from ..verb import Ctx, Verb, mine, verdict


class DirectoriesMake(Verb):
    """Empty directories on the data disk; those that exist are left as they are."""

    keys = {"paths": list_of(is_path, 200), "dst_mount": MOUNT}

    def prepare(self, ctx: Ctx) -> Json:
        for path in ctx.args["paths"]:
            demand_mount(ctx.args["dst_mount"], path)
        return {"there": [path for path in ctx.args["paths"] if os.path.isdir(at(path))]}

    def do(self, ctx: Ctx) -> Json:
        ctx.phase("make")
        for path in ctx.args["paths"]:
            demand_mount(ctx.args["dst_mount"], path)
            if not os.path.isdir(at(path)) or mine(ctx, path):
                make_directory(ctx, path)
                os.chmod(at(path), 0o755)
        return {"made": sorted(ctx.notes.get("made", {}))}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("remove")
        left = []
        for path in reversed(ctx.args["paths"]):
            if mine(ctx, path):
                try:
                    os.rmdir(at(path))
                except OSError:
                    left.append(path)  # something lies in it: it is nobody's to remove
        return {"left": left}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        facts = {f"{path} is there": os.path.isdir(at(path)) for path in ctx.args["paths"]}
        return verdict(facts, not any(mine(ctx, path) for path in ctx.args["paths"]))


VERB = DirectoriesMake()
