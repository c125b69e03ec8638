"""docker_root_move: docker's data-root carried to the data disk and proven equal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from ..copying import copy_tree
from ..directories import make_directory
from ..docker import DAEMON_JSON, containers, demand_container, docker, docker_root, name_of
from ..docker_life import demand_well, healthy, start_containers, start_docker, stop_containers, stop_docker
from ..documents import parse_json
from ..files import plain_path, read_or_none, sha_of, swap, write_atomic
from ..grammar import DIGEST, NAME, content, is_path, list_of, or_null, shape, truth, word
from ..guards import is_guard, leave_guard, lift_guard
from ..holdings import ready_digest
from ..manifest import Manifest
from ..mounts import MOUNT, demand_mount
from ..moves import ENGINE, WRITERS, demand_same
from ..place import at
from ..postgres import postgres_directory
from ..proof import both_sides, prove_equal, read_ahead
from ..redis_log import demand_restart_keeps, redis_now, redis_tree
from ..refused import Json, Refused
from ..sizes import demand_space
from ..still import Since
from ..tools import run
from ..units import systemctl
from ..unused import named_root
from ..verb import Ctx, Verb, mine, verdict


class DockerRootMove(Verb):
    """Docker's whole data-root on another disk; the old tree stays aside."""

    keys = {
        "src": is_path,
        "dst": is_path,
        "dst_mount": MOUNT,
        "daemon_json_before_sha256": or_null(word(DIGEST)),
        "daemon_json_after": content(1 << 16),
        "containerd": truth,
        "stop_containers": list_of(word(NAME)),
        "start_order": list_of(word(NAME)),
        "services": list_of(shape({"container": word(NAME), "engine": ENGINE})),
        "writers": WRITERS,
        "expected": shape(
            {
                "containers": list_of(shape({"id": word("[0-9a-f]{64}"), "name": word(NAME), "running": truth})),
                "volumes": list_of(word(NAME)),
            }
        ),
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        args = step["args"]
        after = parse_json(args["daemon_json_after"], "daemon_json_after")
        running = sorted(one["name"] for one in args["expected"]["containers"] if one["running"])
        problem = ""
        if after.get("data-root") != args["dst"]:
            problem = "daemon_json_after does not name dst as data-root"
        elif (args["dst"] + "/").startswith(args["src"] + "/") or (args["src"] + "/").startswith(args["dst"] + "/"):
            problem = "src and dst lie inside each other"
        elif sorted(args["stop_containers"]) != running or sorted(args["start_order"]) != running:
            problem = "stop_containers and start_order must both name exactly the containers expected to run"
        elif not {one["container"] for one in args["services"]} <= set(running):
            problem = "services names a container that is not expected to run"
        if problem:
            raise Refused("bad-request", f"accept step {step['id']!r}", problem)

    def engines(self, args: Json) -> dict[str, str]:
        return {one["container"]: one["engine"] for one in args["services"]}

    def switched(self, ctx: Ctx) -> bool:
        """daemon.json is the planned one and this step made it so: its bytes alone say nothing, a person may have written them."""
        noted = ctx.notes.get("switching") or os.path.lexists(at(self.aside(ctx)))  # the old tree goes aside after the switch
        wanted: str = ctx.args["daemon_json_after"]
        return bool(noted) and read_or_none(DAEMON_JSON) == wanted.encode()

    def aside(self, ctx: Ctx) -> str:
        return ctx.aside_name(str(ctx.args["src"]))

    def prepare(self, ctx: Ctx) -> Json:
        now = read_or_none(DAEMON_JSON)
        if not self.switched(ctx):
            if (sha_of(now) if now is not None else None) != ctx.args["daemon_json_before_sha256"]:
                raise Refused(
                    "changed", "move docker's data-root", f"{DAEMON_JSON} is not what the plan was made from", "plan again"
                )
            named = named_root()
            if named is not None and os.path.realpath(at(named)) != os.path.realpath(at(ctx.args["src"])):
                because = f"{DAEMON_JSON} names {named} already, while docker works on {ctx.args['src']}"
                fix = "take that line out again, or restart docker if that root is the right one, then audit and plan again"
                raise Refused("precondition", "move docker's data-root", because, fix)
            if now is not None:
                ctx.keep("daemon.json", now)
        return {"daemon_json": ctx.args["daemon_json_before_sha256"], "aside": self.aside(ctx)}

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("aside")
        if os.path.lexists(at(args["src"])) and not is_guard(args["src"]):
            ctx.set_aside(args["src"], self.aside(ctx), "old-copy")
        leave_guard(args["src"])
        ctx.phase("start")
        start_docker(args["containerd"])
        start_containers(args["start_order"])
        ctx.up()
        ctx.phase("verify")
        demand_well(args["start_order"], ctx.notes.get("healthy") or [])
        self._expect(args, args["dst"])
        digests = self._digests(ctx, args["services"])
        for name, before in (ctx.notes.get("baseline") or {}).items():
            demand_same(before, digests.get(name), args["writers"], name)
        ctx.note(after=digests)
        return {**facts, "root": args["dst"], "aside": self.aside(ctx), "before": ctx.notes.get("baseline"), "after": digests}

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, src, dst = ctx.args, ctx.args["src"], ctx.args["dst"]
        ctx.note(switching=False)
        ctx.phase("preflight")
        if docker_root() is None:  # an earlier attempt may have been cut off while docker was stopped
            start_docker(args["containerd"])
        start_containers(args["start_order"])
        self._expect(args, src)
        self._refuse_traps()
        for name in (one for one, engine in self.engines(args).items() if engine == "redis"):
            demand_restart_keeps(name)
        demand_mount(args["dst_mount"], dst)
        plain_path(src)
        if not mine(ctx, dst):
            demand_space(src, args["dst_mount"]["target"])
        make_directory(ctx, dst)
        ctx.phase("copy")
        copy_tree(ctx, src, dst, live=True, seconds=ctx.step["limit_s"])
        proof = read_ahead(ctx, src, dst)
        ctx.phase("baseline")
        ctx.note(baseline=self._digests(ctx, args["services"]), healthy=healthy(args["start_order"]))
        ctx.phase("stop")
        ctx.down()
        stop_containers(args["stop_containers"], self.engines(args))
        stop_docker(args["containerd"], src)
        ctx.phase("final-copy")
        copy_tree(ctx, src, dst, live=False, seconds=ctx.step["limit_s"])
        ctx.phase("prove")
        proven = prove_equal(ctx, src, dst, "do", proof)
        ctx.phase("switch", **proven)
        trial = f"{ctx.plan.directory}/daemon.json.try"
        write_atomic(trial, args["daemon_json_after"].encode())
        run(["dockerd", "--validate", "--config-file", at(trial)])
        ctx.note(switching=True)
        swap(DAEMON_JSON, args["daemon_json_before_sha256"], args["daemon_json_after"].encode())
        return proven

    def _refuse_traps(self) -> None:
        status = docker("info", "--format", "{{json .DriverStatus}} {{json .LiveRestoreEnabled}}").text
        if "io.containerd.snapshotter" in status:
            raise Refused(
                "precondition", "move docker's data-root", "images live in containerd's own store, which data-root does not move"
            )
        if status.strip().endswith("true"):
            raise Refused(
                "precondition", "move docker's data-root", "live-restore keeps containers running", "turn live-restore off first"
            )
        pid = systemctl("show", "docker.service", "--property=MainPID").text.strip().partition("=")[2]
        with open(f"/proc/{int(pid)}/cmdline", "rb") as file:
            flags = file.read().split(b"\0")
        if any(flag.split(b"=")[0] in (b"--data-root", b"-g", b"--graph") for flag in flags):
            raise Refused(
                "precondition", "move docker's data-root", "dockerd gets its data-root as a flag, which daemon.json cannot change"
            )

    def _expect(self, args: Json, root: str) -> None:
        """Docker works on `root` and has exactly the planned containers and at least the planned volumes."""
        cannot = f"find docker as planned on {root}"
        if docker_root() != root:
            raise Refused("precondition", cannot, f"its data-root is {docker_root()}")
        found = {one["Id"]: one for one in containers()}
        for wanted in args["expected"]["containers"]:
            one = found.pop(wanted["id"], None)
            if one is None or name_of(one) != wanted["name"] or (wanted["running"] and not one["State"]["Running"]):
                raise Refused(
                    "precondition",
                    cannot,
                    f"container {wanted['name']} is not what or as it was",
                    "plan again from fresh evidence",
                )
        if found:
            raise Refused(
                "precondition", cannot, f"containers unknown to the plan: {', '.join(name_of(one) for one in found.values())}"
            )
        missing = set(args["expected"]["volumes"]) - set(docker("volume", "ls", "-q").text.split())
        if missing:
            raise Refused("precondition", cannot, f"volumes missing: {', '.join(sorted(missing))}")

    def _digests(self, ctx: Ctx, services: Sequence[Json]) -> dict[str, Json | None]:
        ctx.progress(message="reading what the services hold")
        return {one["container"]: ready_digest(one["container"], one["engine"]) for one in services}

    def undo(self, ctx: Ctx) -> Json:
        args, src, dst, aside = ctx.args, ctx.args["src"], ctx.args["dst"], self.aside(ctx)
        carried: list[str] = []
        old = aside if os.path.lexists(at(aside)) else src
        if not os.path.isdir(at(old)) or is_guard(old):
            because = f"neither {aside} nor {src} holds the old tree"
            raise Refused(
                "not-undoable", "put docker's data-root back", because, "it was retired: make a plan that moves the root instead"
            )
        if self.switched(ctx) or old == aside:
            ctx.phase("look")
            self._demand_new_tree(args)
            running, watched = self._writes_now(ctx)
            ctx.phase("stop")
            ctx.down()
            if running:
                others = dict.fromkeys([*args["stop_containers"], *running])
                stop_containers([one for one in others if one not in watched], self.engines(args))
            unchanged = [volume for since, volume in watched.values() if since.stopped()]
            stop_docker(args["containerd"], dst)
            ctx.phase("carry")
            carried = self._carried_or_up(ctx, old, unchanged, running)
            ctx.phase("restore")
            if self.switched(ctx):
                swap(DAEMON_JSON, sha_of(args["daemon_json_after"].encode()), ctx.kept("daemon.json"))
            if old == aside:
                lift_guard(src)
                ctx.take_back(path=aside, origin=src)
        elif read_or_none(DAEMON_JSON) != ctx.kept("daemon.json"):
            raise Refused(
                "changed", f"restore {DAEMON_JSON}", "somebody else changed it since", "restore it by hand, then undo again"
            )
        ctx.phase("start")
        if docker_root() is None:
            start_docker(args["containerd"])
        start_containers(args["start_order"])
        ctx.up()
        ctx.phase("keep")
        left = ctx.retire_undone(dst)
        ctx.phase("verify")
        self._expect(args, src)
        self._digests(ctx, args["services"])
        return {"root": src, "left": left, "carried": carried}

    def _demand_new_tree(self, args: Json) -> None:
        """What was written since the switch lies there and nowhere else. Raises: Refused while its disk is away."""
        demand_mount(args["dst_mount"], args["dst"])
        if not os.path.isdir(at(args["dst"])):
            because = f"{args['dst']}, on which docker worked since, is gone"
            raise Refused("precondition", "put docker's data-root back", because, "bring it back, or settle by hand")

    def _writes_now(self, ctx: Ctx) -> tuple[list[str], dict[str, tuple[Since, str]]]:
        """Which containers run now; and of the services that hold exactly what they held at the switch, by name, what would tell of a
        write from now on and the volume it is true of. Raises: Refused when docker has containers that the plan knows nothing of."""
        if docker_root() is None:
            with contextlib.suppress(Refused):
                start_docker(ctx.args["containerd"])
        if docker_root() is None:
            return [], {}
        planned = {one["name"] for one in ctx.args["expected"]["containers"]}
        strange = sorted(name_of(one) for one in containers() if name_of(one) not in planned)
        if strange and docker_root() == ctx.args["dst"]:
            because = f"containers were made since: {', '.join(strange)}; on the old root there would be none of them"
            raise Refused(
                "changed", "put docker's data-root back", because, "remove them or move them elsewhere, then undo again"
            )
        before = ctx.notes.get("after") or ctx.notes.get("baseline") or {}
        watched: dict[str, tuple[Since, str]] = {}
        for name, engine in self.engines(ctx.args).items():
            with contextlib.suppress(Refused):
                if (then := before.get(name)) and (found := self._watched(name, engine, then)):
                    watched[name] = found
        running = [name_of(one) for one in containers() if one["State"]["Running"]]
        return running, watched

    def _watched(self, name: str, engine: str, then: Json) -> tuple[Since, str] | None:
        """None for a service whose answer says less than its files: then those are compared."""
        volume = service_volume(demand_container(name), engine)
        if volume is None:
            return None
        since = Since(name, engine, volume["Source"])
        held = ready_digest(name, engine, seconds=60) or {}
        if held.get("digest") != then["digest"] or held.get("keys_with_expiry") or then.get("keys_with_expiry"):
            return None
        return since, volume["Name"]

    def _carried_or_up(self, ctx: Ctx, old: str, unchanged: Sequence[str], running: Sequence[str]) -> list[str]:
        """Docker must not be left down for want of room: it works on as it did before that is said."""
        try:
            return self._carry(ctx, f"{ctx.args['dst']}/volumes", f"{old}/volumes", unchanged)
        except Refused as why:
            if why.code == "no-space":
                with contextlib.suppress(Refused):
                    start_docker(ctx.args["containerd"])
                ordered = [one for one in ctx.args["start_order"] if one in running]
                for name in dict.fromkeys([*ordered, *running]):
                    with contextlib.suppress(Refused):
                        start_containers([name])
            raise

    def _carry(self, ctx: Ctx, new: str, old: str, unchanged: Sequence[str]) -> list[str]:
        """Bring volumes written since the switch back into the old tree; what they held there stays beside them."""
        carried: list[str] = []
        for name in sorted(os.listdir(at(new))) if os.path.isdir(at(new)) else []:
            source, target = f"{new}/{name}/_data", f"{old}/{name}/_data"
            if not os.path.isdir(at(source)):
                continue
            if name in unchanged and os.path.isdir(at(target)) and not mine(ctx, target) and os.listdir(at(target)):
                continue  # else its old copy is gone, or an attempt that was cut off has begun to carry it
            if os.path.isdir(at(target)) and not mine(ctx, target):
                same = Manifest(source), Manifest(target)
                sides = [f"{ctx.plan.directory}/manifests/{ctx.step['id']}-undo-{side}.gz" for side in ("new", "old")]
                both_sides(list(same), lambda one, same=same, sides=sides: one.write(sides[0] if one is same[0] else sides[1]))  # type: ignore[misc]
                if same[0].digest == same[1].digest:
                    continue
                kept = f"{target}.wb-before-{ctx.short}"
                ctx.set_aside(target, kept, "before-undo")
            demand_space(source, os.path.dirname(old), 1.05, 64 << 20, "a twentieth more than its size and 64 MiB")
            make_directory(ctx, target)
            copy_tree(ctx, source, target, live=False, seconds=ctx.step["limit_s"])
            prove_equal(ctx, source, target, f"carry-{len(carried)}")
            carried.append(name)
        return carried

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args, root = ctx.args, docker_root()
        running = {name_of(one) for one in containers() if one["State"]["Running"]} if root else set()
        facts = {
            "daemon.json is the planned one": self.switched(ctx),
            f"docker works on {args['dst']}": root == args["dst"],
            f"{args['src']} is an empty guard": is_guard(args["src"]),
            f"{self.aside(ctx)} holds the old tree": os.path.isdir(at(self.aside(ctx))),
            "the planned containers run": set(args["start_order"]) <= running,
            "what they hold was compared": "after" in ctx.notes,
        }
        started = any(
            [facts["daemon.json is the planned one"], os.path.lexists(at(args["dst"])), os.path.lexists(at(self.aside(ctx)))]
        )
        back = root == args["src"] and set(args["start_order"]) <= running
        return verdict(facts, not started and back)


def service_volume(container: Json, engine: str) -> Json | None:
    """The volume that holds what the service answers for; None where that cannot be told. Another of its volumes is only files."""
    volumes = [one for one in container["Mounts"] if one["Type"] == "volume"]
    if engine == "postgres":
        return next((one for one in volumes if postgres_directory(one["Source"]) is not None), None)
    if engine == "redis":
        tree = redis_tree(container, redis_now(container))
        return next((one for one in volumes if (tree + "/").startswith(one["Source"] + "/")), None)
    return None


VERB = DockerRootMove()
