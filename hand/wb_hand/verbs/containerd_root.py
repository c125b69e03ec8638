"""containerd_root: containerd's root on the data disk, before docker first starts."""

from __future__ import annotations

import contextlib
import os
import re

from ..directories import make_directory
from ..files import plain_path, read_or_none, sha_of, swap, write_atomic
from ..grammar import DIGEST, is_path, or_null, truth, word
from ..mounts import MOUNT, demand_mount
from ..place import at
from ..refused import Json, Refused
from ..tools import run
from ..units import active, systemctl
from ..unused import demand_unused
from ..verb import Ctx, Verb, mine, verdict
from .mount_data import DROPIN, after_mount

CONTAINERD_TOML = "/etc/containerd/config.toml"
TOML_ROOT = re.compile(r"""\s*root\s*=\s*["']([^"']*)["']\s*""")


def containerd_with(text: str, root: str) -> str:
    """config.toml with that root, in place of its top-level line or as its first one; every other line byte for byte."""
    lines, line = text.splitlines(keepends=True), f'root = "{root}"\n'
    top = next((at_ for at_, one in enumerate(lines) if one.lstrip().startswith("[")), len(lines))
    found = [number for number in range(top) if re.match(r"\s*root\s*=", lines[number])]
    if len(found) > 1:
        raise Refused("precondition", "set containerd's root", f"{CONTAINERD_TOML} names two", "mend the file")
    return "".join([*lines[: found[0]], line, *lines[found[0] + 1 :]] if found else [line, *lines])


def containerd_named(text: str) -> str | None:
    """The root that containerd itself says (`config dump`) or a file of ours names before its first table."""
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            return None
        if match := TOML_ROOT.fullmatch(line):
            return match.group(1)
    return None


class ContainerdRoot(Verb):
    """containerd's root on the data disk before docker first starts; containerd ordered after the mount like docker."""

    keys = {"root": is_path, "root_mount": MOUNT, "config_before_sha256": or_null(word(DIGEST)), "dropin": truth}

    def _dropin(self, args: Json) -> dict[str, bytes]:
        return {DROPIN.format(unit="containerd"): after_mount(args["root_mount"]["target"])} if args["dropin"] else {}

    def prepare(self, ctx: Ctx) -> Json:
        args, now = ctx.args, read_or_none(CONTAINERD_TOML)
        demand_mount(args["root_mount"], args["root"])
        plain_path(CONTAINERD_TOML)
        if "ran" not in ctx.notes:
            if (sha_of(now) if now is not None else None) != args["config_before_sha256"]:
                raise Refused("changed", "set containerd's root", f"{CONTAINERD_TOML} is not what the plan was made from")
            for path in self._dropin(args):
                if read_or_none(path) is not None:
                    raise Refused("precondition", f"write {path}", "it exists already")
            self._demand_unused(args)
            if now is not None:
                ctx.keep("config.toml", now)
            ctx.note(ran=active("containerd.service"), made_etc=not os.path.lexists(at(os.path.dirname(CONTAINERD_TOML))))
        return {"before": args["config_before_sha256"], "ran": ctx.notes["ran"]}

    def _demand_unused(self, args: Json) -> None:
        """Docker must never have run: its images may lie in containerd's root, and a changed root would leave them behind."""
        demand_unused("set containerd's root", args["root_mount"]["target"])

    def _texts(self, ctx: Ctx) -> tuple[bytes | None, bytes]:
        before = ctx.kept("config.toml")
        return before, containerd_with((before or b"").decode(), ctx.args["root"]).encode()

    def do(self, ctx: Ctx) -> Json:
        args, (before, after) = ctx.args, self._texts(ctx)
        demand_mount(args["root_mount"], args["root"])
        ctx.phase("try")
        trial = f"{ctx.plan.directory}/config.toml.try"
        write_atomic(trial, after, 0o600)
        told = containerd_named(run(["containerd", "--config", at(trial), "config", "dump"]).text)
        if told != args["root"]:
            raise Refused("not-equal", "set containerd's root", f"with the new settings containerd would use {told or 'its own'}")
        ctx.phase("config")
        if "writing" not in ctx.notes or read_or_none(CONTAINERD_TOML) != after:
            self._demand_unused(args)
        ctx.note(writing=True)
        if before != after or not os.path.lexists(at(args["root"])):  # else containerd uses it already, and it stays at an undo
            make_directory(ctx, args["root"])
            os.chmod(at(args["root"]), 0o711)  # as containerd makes it
        os.makedirs(at(os.path.dirname(CONTAINERD_TOML)), 0o755, exist_ok=True)
        swap(CONTAINERD_TOML, sha_of(before) if before is not None else None, after)
        for path, raw in self._dropin(args).items():
            os.makedirs(at(os.path.dirname(path)), 0o755, exist_ok=True)
            swap(path, None, raw)
        systemctl("daemon-reload")
        ctx.phase("restart")
        if active("containerd.service"):
            systemctl("restart", "containerd.service")
        ctx.phase("verify")
        if bad := [name for name, good in self._facts(args).items() if not good]:
            raise Refused("not-equal", "verify containerd's root", f"not: {', '.join(bad)}")
        return {"root": args["root"], "sha256": sha_of(after)}

    def _facts(self, args: Json) -> dict[str, bool]:
        named = containerd_named((read_or_none(CONTAINERD_TOML) or b"").decode("utf-8", "replace"))
        return {f"{CONTAINERD_TOML} names {args['root']}": named == args["root"]} | {
            f"{path} is in place": read_or_none(path) == raw for path, raw in self._dropin(args).items()
        }

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("stop")
        if not ctx.notes.get("writing"):
            return {"left": "this step never wrote anything"}
        if active("docker.service"):
            raise Refused("refused", "take containerd's root back", "docker runs on it", "stop docker, then undo again")
        systemctl("stop", "containerd.service", check=False)
        ctx.phase("restore")
        before, after = self._texts(ctx)
        if read_or_none(CONTAINERD_TOML) != before:
            swap(CONTAINERD_TOML, sha_of(after), before)
        for path, raw in self._dropin(ctx.args).items():
            if read_or_none(path) == raw:
                os.unlink(at(path))
            with contextlib.suppress(OSError):  # the directory goes only if it is empty
                os.rmdir(at(os.path.dirname(path)))
        if ctx.notes.get("made_etc"):
            with contextlib.suppress(OSError):
                os.rmdir(at(os.path.dirname(CONTAINERD_TOML)))
        systemctl("daemon-reload")
        ctx.phase("root")
        left = ctx.retire_undone(ctx.args["root"])
        if ctx.notes.get("ran"):
            systemctl("start", "containerd.service")
        return {"left": left}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args, now, facts = ctx.args, read_or_none(CONTAINERD_TOML), self._facts(ctx.args)
        config, *dropins = facts.values()
        right_before = (
            now is not None and config and sha_of(now) == args["config_before_sha256"]
        )  # then the step has not written it
        root = mine(ctx, args["root"]) if right_before else os.path.lexists(at(args["root"]))
        return verdict(facts, not any(dropins) and (right_before or not config) and not root)


VERB = ContainerdRoot()
