"""write_file: one configuration file of docker by compare-and-swap."""

from __future__ import annotations

import os

from ..docker import DAEMON_JSON
from ..documents import parse_json
from ..files import plain_path, read_or_none, sha_of, swap, write_atomic
from ..grammar import DIGEST, content, one_of, or_null, word
from ..place import at
from ..refused import Json, Refused
from ..tools import run
from ..verb import Ctx, Verb, verdict


class WriteFile(Verb):
    """One of a few configuration files, whole, by compare-and-swap."""

    keys = {
        "path": word(r"/etc/docker/daemon\.json|/etc/systemd/system/(docker|containerd)\.service\.d/[a-z0-9][a-z0-9-]*\.conf"),
        "before_sha256": or_null(word(DIGEST)),
        "after": content(1 << 16),
        "mode": one_of(0o644, 0o600),
    }

    def prepare(self, ctx: Ctx) -> Json:
        now, args = read_or_none(ctx.args["path"]), ctx.args
        plain_path(args["path"])
        if now != args["after"].encode():
            if (sha_of(now) if now is not None else None) != args["before_sha256"]:
                raise Refused("changed", f"write {args['path']}", "its content is not what the plan was made from", "plan again")
            if now is not None:
                ctx.keep("file", now)
        return {"before": args["before_sha256"]}

    def do(self, ctx: Ctx) -> Json:
        args, raw = ctx.args, ctx.args["after"].encode()
        ctx.phase("validate")
        if args["path"] == DAEMON_JSON:
            parse_json(raw, "daemon.json")
            trial = f"{ctx.plan.directory}/daemon.json.try"
            write_atomic(trial, raw)
            run(["dockerd", "--validate", "--config-file", at(trial)])
        ctx.phase("write")
        os.makedirs(at(os.path.dirname(args["path"])), 0o755, exist_ok=True)
        if read_or_none(args["path"]) != raw:
            ctx.note(writing=True)
            swap(args["path"], args["before_sha256"], raw, args["mode"])
        return {"sha256": sha_of(raw)}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("restore")
        if not ctx.notes.get("writing"):
            return {"left": "this step never wrote it"}
        before = ctx.kept("file")
        if read_or_none(ctx.args["path"]) != before:
            swap(ctx.args["path"], sha_of(ctx.args["after"].encode()), before)
        return {"sha256": ctx.args["before_sha256"]}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        now, args = read_or_none(ctx.args["path"]), ctx.args
        untouched = (sha_of(now) if now is not None else None) == args["before_sha256"]
        return verdict({f"{args['path']} is the planned one": now == args["after"].encode()}, untouched)


VERB = WriteFile()
