"""A service of one compose file: edits by whole lines, compared as compose itself renders them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from .docker import docker, name_of
from .docker_life import start_containers
from .documents import parse_json
from .files import plain_path, read_bytes, read_or_none, sha_of, swap, write_atomic
from .grammar import DIGEST, NAME, STEP, Check, content, integer, is_path, list_of, or_null, shape, word
from .moves import WRITERS
from .place import at
from .refused import Json, Refused
from .tools import Ran
from .verb import Ctx, Verb


def edited(raw: bytes, edits: Sequence[Json], path: str) -> bytes:
    """The file's bytes with whole lines replaced; every line named must read exactly as planned."""
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    for edit in sorted(edits, key=lambda one: -one["line"]):
        number, new = edit["line"], edit["new"]
        if number > len(lines) or lines[number - 1] != edit["old"] or any("\n" in line for line in new):
            raise Refused("changed", f"edit {path}", f"line {number} does not read as planned", "plan again")
        lines[number - 1 : number] = new
    return "\n".join(lines).encode("utf-8", "surrogateescape")


COMPOSE_KEYS: Mapping[str, Check] = {
    "container": word(NAME),
    "project": word(NAME),
    "service": word(NAME),
    "compose_file": is_path,
    "compose_before_sha256": word(DIGEST),
    "compose_edited_by": or_null(word(STEP)),
    "compose_edits": list_of(
        shape({"line": integer(1, 1 << 20), "old": content(1 << 12), "new": list_of(content(1 << 12), 64)}), 64
    ),
    "data_path": word(r"(/[A-Za-z0-9._-]+)+", 256),
    "writers": WRITERS,
}


class ComposeService(Verb):
    """What changes one service by whole-line edits of its one compose file."""

    def text_after(self, ctx: Ctx) -> bytes | None:
        """The compose file as this step leaves it: its kept copy with the planned line edits; None before a copy was kept."""
        before = ctx.kept("compose")
        return None if before is None else edited(before, ctx.args["compose_edits"], ctx.args["compose_file"])

    def demanded(self, ctx: Ctx) -> str:
        """Digest the file must have before the switch: the plan's, or what the earlier step of this plan left."""
        by = ctx.args["compose_edited_by"]
        if by is None:
            return str(ctx.args["compose_before_sha256"])
        left = self.text_after(Ctx(ctx.plan, ctx.plan.step(by), "do", 1, ctx.fence))
        if left is None:
            raise Refused("out-of-order", f"edit {ctx.args['compose_file']}", f"step {by} has not edited it")
        return sha_of(left)

    def switched(self, ctx: Ctx) -> bool:
        after = self.text_after(ctx)
        return after is not None and read_or_none(ctx.args["compose_file"]) == after

    def compose(self, args: Json, *argv: str, files: Sequence[str] = (), seconds: float = 300) -> Ran:
        file = args["compose_file"]
        given = [word_ for one in (files or [file]) for word_ in ("-f", at(one))]
        place = ["--project-directory", at(os.path.dirname(file))]
        return docker("compose", "-p", args["project"], *place, *given, *argv, seconds=seconds)

    def rendered(self, args: Json, file: str) -> Json:
        return parse_json(self.compose(args, "config", "--format", "json", files=[file]).out, "compose config")

    def up(self, args: Json, *argv: str, files: Sequence[str] = ()) -> None:
        flags = ["--no-deps", "--no-build", "--pull", "never", *argv]
        self.compose(args, "up", *(flags if "--no-start" in argv else ["-d", *flags]), args["service"], files=files)

    def prepare(self, ctx: Ctx) -> Json:
        args, now = ctx.args, read_bytes(ctx.args["compose_file"])
        plain_path(args["compose_file"])
        if not self.switched(ctx):
            if sha_of(now) != self.demanded(ctx):
                raise Refused(
                    "changed",
                    f"change {args['container']}",
                    f"{args['compose_file']} is not what the plan was made from",
                    "plan again",
                )
            edited(now, args["compose_edits"], args["compose_file"])
            ctx.keep("compose", now)
        return {"compose": sha_of(now), **({"source": args["source"]} if "source" in args else {})}

    def demand_labels(self, args: Json, container: Json, cannot: str) -> None:
        """Raises: Refused unless compose made the container from the planned file and from nothing else."""
        labels = container["Config"].get("Labels") or {}
        agreed = {"project": args["project"], "service": args["service"], "project.config_files": args["compose_file"]}
        for label, value in agreed.items():
            if labels.get(f"com.docker.compose.{label}") != value:
                raise Refused(
                    "precondition",
                    cannot,
                    f"compose's label {label} is {labels.get(f'com.docker.compose.{label}')!r}, not {value!r}",
                )

    def demand_file(self, ctx: Ctx) -> bytes:
        """The kept copy of the compose file, which now is either that copy or what this step made of it. Raises: Refused."""
        before, file = ctx.kept("compose"), ctx.args["compose_file"]
        if before is None:
            raise Refused("not-undoable", f"undo {ctx.args['container']}", "the compose file was never backed up")
        if not self.switched(ctx) and read_bytes(file) != before:
            raise Refused("changed", f"restore {file}", "somebody else changed it since", "restore it by hand, then undo again")
        return before

    def trial(self, ctx: Ctx) -> tuple[Json, Json]:
        """The compose file as it is and as it will be, both as compose itself reads them."""
        trial = f"{ctx.plan.directory}/{ctx.step['id']}.compose.yml"
        write_atomic(trial, self.text_after(ctx) or b"")
        return self.rendered(ctx.args, ctx.args["compose_file"]), self.rendered(ctx.args, trial)

    def switch(self, ctx: Ctx) -> None:
        before, after = ctx.kept("compose"), self.text_after(ctx)
        if before is None or after is None:
            raise Refused("precondition", f"switch {ctx.args['container']}", "the compose file was never backed up")
        swap(ctx.args["compose_file"], sha_of(before), after)
        ctx.note(compose=sha_of(after))

    def refuse_other_image(self, args: Json, image: str) -> None:
        """Compose takes whatever image has the name now; what a service wrote fits the one it was written by. Raises: Refused."""
        rendered = self.rendered(args, args["compose_file"])["services"][args["service"]]
        named = str(rendered.get("image") or f"{args['project']}-{args['service']}")
        ran = docker("image", "inspect", "--format", "{{.Id}}", named, check=False)
        if ran.code != 0 or ran.text.strip() != image:
            because = f"{named} is no longer the image {args['container']} runs"
            raise Refused("precondition", f"recreate {args['container']}", because, "deploy that image first, then plan again")

    def hold_down(self, ctx: Ctx, container: Json) -> None:
        """Nothing but us starts it again. The policy it had is remembered once: a second attempt would only see ours."""
        if "restart" not in ctx.notes:
            ctx.note(restart=container["HostConfig"]["RestartPolicy"])
        docker("update", "--restart", "no", name_of(container))

    def start_unchanged(self, ctx: Ctx) -> None:
        """Start the container that was only stopped, with the restart policy it had."""
        policy, name = ctx.notes.get("restart") or {}, ctx.args["container"]
        if policy.get("Name"):
            most = policy.get("MaximumRetryCount")
            docker("update", "--restart", policy["Name"] + (f":{most}" if policy["Name"] == "on-failure" and most else ""), name)
        start_containers([name])
