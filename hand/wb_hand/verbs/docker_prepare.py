"""docker_prepare: docker's first start, on the data disk, while it holds nothing."""

from __future__ import annotations

import os

from ..directories import make_directory
from ..docker import DAEMON_JSON, containers, docker_root
from ..docker_life import start_docker
from ..files import read_or_none, sha_of, swap, write_atomic
from ..grammar import DIGEST, content, is_path, or_null, word
from ..mounts import MOUNT, demand_mount
from ..place import at
from ..refused import Json, Refused
from ..tools import run
from ..units import active, systemctl
from ..unused import demand_unused
from ..verb import Ctx, Verb, verdict

DOCKER_UNITS = ("containerd.service", "docker.service", "docker.socket")


class DockerPrepare(Verb):
    """Docker's settings before it first starts, and that first start. Only where docker holds nothing."""

    keys = {
        "dst": is_path,
        "dst_mount": MOUNT,
        "daemon_json_before_sha256": or_null(word(DIGEST)),
        "daemon_json_after": content(1 << 16),
    }

    def prepare(self, ctx: Ctx) -> Json:
        args, now = ctx.args, read_or_none(DAEMON_JSON)
        demand_mount(args["dst_mount"], args["dst"])
        if "units" not in ctx.notes:  # the first call: whatever is there, this step did not make it
            if (sha_of(now) if now is not None else None) != args["daemon_json_before_sha256"]:
                raise Refused("changed", "prepare docker", f"{DAEMON_JSON} is not what the plan was made from", "plan again")
            self._demand_unused(args)
            if now is not None:
                ctx.keep("daemon.json", now)
            states = {unit: run(["systemctl", "is-enabled", unit], check=False).text.strip() for unit in DOCKER_UNITS}
            ctx.note(units=states, ran=[unit for unit in DOCKER_UNITS if active(unit)])
        return {"units": ctx.notes["units"]}

    def _demand_unused(self, args: Json) -> None:
        demand_unused("prepare docker", args["dst_mount"]["target"], args["dst"])

    def do(self, ctx: Ctx) -> Json:
        args, raw = ctx.args, ctx.args["daemon_json_after"].encode()
        demand_mount(args["dst_mount"], args["dst"])
        ctx.phase("settings")
        trial = f"{ctx.plan.directory}/daemon.json.try"
        write_atomic(trial, raw)
        run(["dockerd", "--validate", "--config-file", at(trial)])
        if "writing" not in ctx.notes or read_or_none(DAEMON_JSON) != raw:
            self._demand_unused(args)
            ctx.note(writing=read_or_none(DAEMON_JSON) != raw)  # False: the settings were right before, and stay at an undo
        make_directory(ctx, args["dst"])
        os.makedirs(at(os.path.dirname(DAEMON_JSON)), 0o755, exist_ok=True)
        swap(DAEMON_JSON, args["daemon_json_before_sha256"], raw, 0o644)
        ctx.phase("start")
        systemctl("unmask", *DOCKER_UNITS, check=False)
        systemctl("enable", *DOCKER_UNITS)
        start_docker(True)
        ctx.phase("verify")
        if docker_root() != args["dst"]:
            raise Refused("not-equal", "verify docker's data-root", f"docker works on {docker_root()}")
        return {"root": args["dst"]}

    def undo(self, ctx: Ctx) -> Json:
        args, raw = ctx.args, ctx.args["daemon_json_after"].encode()
        ctx.phase("stop")
        writing = ctx.notes.get("writing", None if "ran" in ctx.notes else True)  # a hand that notes no `ran` wrote no such note
        if writing is None:
            return {"left": "this step never changed anything"}
        root = docker_root()
        looked = "stopping" in ctx.notes  # an attempt that was cut off, and stopped docker itself
        if not looked and (containers() if root == args["dst"] else root is None and self._holds_something(args["dst"])):
            because = "docker has containers since" if root else "docker does not answer, and containers or volumes lie there"
            raise Refused("refused", "take docker's data-root back", because, "remove what was started on it, then undo again")
        ctx.note(stopping=True)
        systemctl("stop", "docker.socket", "docker.service", "containerd.service", check=False)
        ctx.phase("settings")
        if writing and read_or_none(DAEMON_JSON) == raw:
            swap(DAEMON_JSON, sha_of(raw), ctx.kept("daemon.json"), 0o644)
        for unit, before in ctx.notes.get("units", {}).items():
            if before != "enabled":
                systemctl("disable", unit, check=False)
            if before == "masked":
                systemctl("mask", unit, check=False)
        ctx.phase("root")
        left = ctx.retire_undone(args["dst"])
        for unit in ctx.notes.get("ran", ()):
            systemctl("start", unit)
        return {"left": left}

    def _holds_something(self, root: str) -> bool:
        return any(os.path.isdir(at(f"{root}/{one}")) and self._directories(f"{root}/{one}") for one in ("containers", "volumes"))

    def _directories(self, place: str) -> list[str]:
        return [one for one in os.listdir(at(place)) if os.path.isdir(at(f"{place}/{one}"))]

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args, now = ctx.args, read_or_none(DAEMON_JSON)
        facts = {
            "daemon.json is the planned one": now == args["daemon_json_after"].encode(),
            f"docker works on {args['dst']}": docker_root() == args["dst"],
        }
        unwritten = now != args["daemon_json_after"].encode() or sha_of(now or b"") == args["daemon_json_before_sha256"]
        started = facts[f"docker works on {args['dst']}"] or os.path.lexists(at(args["dst"]))
        return verdict(facts, unwritten and not started)


VERB = DockerPrepare()
