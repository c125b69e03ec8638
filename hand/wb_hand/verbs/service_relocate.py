"""service_relocate: one service's data carried to the data disk and proven equal."""

from __future__ import annotations

import contextlib
import os

from ..anew import MadeAnew
from ..aside import Aside
from ..compose import COMPOSE_KEYS
from ..copying import copy_tree
from ..directories import make_directory
from ..docker import containers, demand_container, docker, docker_root, inspect, mounted_at, name_of, volume_device, volume_path
from ..docker_life import demand_well, healthy, start_containers, stop_container, wait_for
from ..documents import dumped
from ..files import plain_path, read_bytes, sha_of, swap, write_atomic
from ..grammar import NAME, integer, is_path, one_of, or_null, shape, word
from ..guards import immutable, is_guard, leave_guard, lift_guard
from ..holdings import demand_marker, ready_digest
from ..manifest import Manifest
from ..mounts import MOUNT, demand_mount
from ..moves import ENGINE, demand_same
from ..place import at
from ..proof import prove_equal, read_ahead
from ..redis_log import demand_restart_keeps
from ..refused import Json, Refused
from ..s3 import S3Access
from ..sizes import demand_space, tree_size
from ..still import Since
from ..verb import Ctx, mine, verdict
from ..writers import demand_alone


class ServiceRelocate(MadeAnew):
    """One compose service's data in a directory of the data disk, mounted by bind.

    The container is made anew for it, and begins with what the old one had written into its own layer: only the data moves.
    """

    keys = {
        **COMPOSE_KEYS,
        "engine": ENGINE,
        "source": lambda value: (
            shape({"kind": one_of("volume"), "name": word(NAME)})(value)
            or shape({"kind": one_of("bind"), "path": is_path})(value)
        ),
        "dst": is_path,
        "dst_mount": MOUNT,
        "s3": or_null(shape({"port": integer(1, 65535), "access_env": word("[A-Z0-9_]+"), "secret_env": word("[A-Z0-9_]+")})),
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        if step["args"]["s3"] is not None and step["args"]["engine"] != "s3":
            raise Refused("bad-request", f"accept step {step['id']!r}", "s3 is for engine s3 only")

    def access(self, args: Json) -> S3Access | None:
        return S3Access(**args["s3"]) if args["s3"] else None

    def digest(self, args: Json, seconds: float = 120) -> Json | None:
        return ready_digest(args["container"], args["engine"], self.access(args), seconds)

    def uses(self, args: Json, where: str) -> bool:
        """Whether the container mounts its planned source ("source") or destination ("dst") at data_path."""
        found = inspect(args["container"])
        mount = mounted_at(found, args["data_path"]) if found else None
        if mount is None:
            return False
        if where == "dst":
            return bool(mount["Type"] == "bind" and mount["Source"] == args["dst"])
        source = args["source"]
        if source["kind"] == "volume":
            return bool(mount["Type"] == "volume" and mount["Name"] == source["name"])
        return bool(mount["Type"] == "bind" and mount["Source"] == source["path"])

    def source_path(self, args: Json) -> str:
        if args["source"]["kind"] == "bind":
            return str(args["source"]["path"])
        found = volume_device(args["source"]["name"]) or volume_path(args["source"]["name"])
        if found is None:
            raise Refused("precondition", f"find volume {args['source']['name']}", "docker has none of that name")
        return found

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("aside")
        self.demand_at_rest(ctx)
        self.source_aside(ctx)
        ctx.phase("start")
        self.make_anew(ctx, "filled", ctx.notes.get("layer"), "dst")
        wait_for(f"{args['container']} run", 90, lambda: bool(demand_container(args["container"])["State"]["Running"]))
        ctx.phase("verify")
        after = self.digest(args)
        ctx.up()
        demand_well([args["container"]], ctx.notes.get("healthy") or [])
        demand_same(ctx.notes.get("baseline"), after, args["writers"], args["container"])
        ctx.note(after=after)
        told = {"before": ctx.notes.get("baseline"), "after": after, "layer": ctx.notes.get("layer")}
        return {**facts, **told, "dst": args["dst"]}

    def source_aside(self, ctx: Ctx) -> None:
        """The old directory renamed and a guard in its place; an old volume stays where it is and is registered."""
        src = ctx.args["source"].get("path")
        if src is None:
            place = self.source_path(ctx.args)
            if "old" not in ctx.notes:
                ctx.note(old=held_by(place))
            ctx.set_volume_aside(ctx.args["source"]["name"], place)
            return
        if os.path.lexists(at(src)) and not is_guard(src):
            ctx.note(old=held_by(src))
            ctx.set_aside(src, ctx.aside_name(src), "old-copy")
        ctx.note(guard=True)
        leave_guard(src)

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, dst = ctx.args, ctx.args["dst"]
        ctx.phase("preflight")
        container = self._preflight(ctx)
        src = self.source_path(args)
        plain_path(src)
        self._refuse_shared(args, src)
        demand_mount(args["dst_mount"], dst)
        if not mine(ctx, dst):
            demand_space(src, args["dst_mount"]["target"])
            self.demand_keepable(ctx, container)
        make_directory(ctx, dst)
        ctx.phase("copy")
        copy_tree(ctx, src, dst, live=True, seconds=ctx.step["limit_s"])
        proof = read_ahead(ctx, src, dst)
        ctx.phase("baseline")
        ctx.note(baseline=self.digest(args), healthy=healthy([args["container"]]))
        ctx.phase("stop")
        ctx.down()
        self.hold_down(ctx, container)
        stopped = stop_container(args["container"], args["engine"])
        self.note_stopped(ctx)
        demand_alone(src)
        self._refuse_shared(args, src)  # again: the copy may have taken hours
        marker = demand_marker(src, args["engine"])
        ctx.phase("final-copy", **stopped)
        copy_tree(ctx, src, dst, live=False, seconds=ctx.step["limit_s"])
        ctx.phase("prove")
        proven = prove_equal(ctx, src, dst, "do", proof)
        if demand_marker(dst, args["engine"]) != marker:
            raise Refused("not-equal", f"prove {dst}", "its engine files are not those of the source")
        demand_alone(src)  # again: the proof read both sides for a while
        ctx.phase("keep")
        ctx.note(manifest=proven["manifest"], layer=self.keep_own(ctx, "layer"))
        ctx.phase("switch", **proven)
        self.switch(ctx)
        return {**proven, "marker": marker}

    def _preflight(self, ctx: Ctx) -> Json:
        """The container is the planned compose service on its planned source, and the new file changes only its volumes."""
        args, cannot = ctx.args, f"relocate {ctx.args['container']}"
        container = demand_container(args["container"])
        if not container["State"]["Running"]:  # an earlier attempt may have been cut off after the stop
            if "restart" not in ctx.notes:
                raise Refused("precondition", cannot, "it is not running", "start it and see that it works before it is moved")
            docker("start", args["container"])
            wait_for(f"{args['container']} run", 60, lambda: bool(demand_container(args["container"])["State"]["Running"]))
        self.demand_labels(args, container, cannot)
        if not self.uses(args, "source"):
            raise Refused("precondition", cannot, f"at {args['data_path']} it mounts {mounted_at(container, args['data_path'])}")
        self.refuse_other_image(args, container["Image"])
        ctx.note(image=container["Image"])
        before, after = self.trial(ctx)
        self.demand_mounts_only(args, before, after, cannot)
        if args["engine"] == "redis":
            demand_restart_keeps(args["container"], after["services"][args["service"]].get("command"))
        return container

    def demand_mounts_only(self, args: Json, before: Json, after: Json, cannot: str) -> None:
        for one in (before, after):
            one["services"][args["service"]].pop("volumes", None)
            one.pop("volumes", None)
        if before != after:
            raise Refused("precondition", cannot, "the new compose file changes more than this service's volumes", "plan again")

    def _refuse_shared(self, args: Json, src: str) -> None:
        """Another running container on the same data would keep writing to the old copy."""
        for one in containers():
            if not one["State"]["Running"] or name_of(one) == args["container"]:
                continue
            written = [mount for mount in one["Mounts"] if mount["Type"] in ("bind", "volume") and mount.get("RW")]
            bound = [volume_device(mount["Name"]) for mount in written if mount["Type"] == "volume"]
            found = [str(place).rstrip("/") + "/" for place in (*(mount.get("Source") for mount in written), *bound) if place]
            if any(place.startswith(src + "/") or (place != "/" and (src + "/").startswith(place)) for place in found):
                because = f"{name_of(one)} mounts the same data"
                raise Refused("precondition", f"relocate {args['container']}", because, "plan both together")

    def undo(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("look")
        before = self.demand_file(ctx)
        written, carried = False, False
        if self.switched(ctx) or self.uses(args, "dst"):
            demand_mount(args["dst_mount"], args["dst"])
            self._refuse_other_image(ctx)
            self.demand_way_back(ctx)
            written = self._written_since(ctx) or not self._old_whole(ctx)
            if written:
                self._room_back_or_up(args)
            ctx.phase("stop")
            ctx.down()
            with contextlib.suppress(Refused):
                docker("update", "--restart", "no", name)
            stop_container(name, args["engine"])
            self.keep_since(ctx)
        ctx.phase("data")
        carried = self._data_back(ctx, written)
        ctx.phase("restore")
        if self.switched(ctx):
            swap(args["compose_file"], sha_of(read_bytes(args["compose_file"])), before)
        ctx.phase("start")
        self._start_old(ctx)
        ctx.phase("verify")
        if not self.uses(args, "source"):
            raise Refused("not-equal", f"verify {name}", "it does not mount its old data")
        after = self.digest(args)
        ctx.up()
        still = ctx.notes.get("undo_still")  # else its files were proven equal, and clients may have written after it answered
        demand_same(ctx.notes.get("undo_baseline"), after, args["writers"] if still else "live", name)
        ctx.phase("keep")
        left = ctx.retire_undone(args["dst"])
        return {"carried": carried, "left": left, "after": after, "layer": ctx.notes.get("undo_layer")}

    def _refuse_other_image(self, ctx: Ctx) -> None:
        """Before anything stops: what is recreated must be what ran. A container that was never recreated is only started."""
        found = inspect(ctx.args["container"])
        image = found["Image"] if found else ctx.notes.get("image")
        if image and not self.uses(ctx.args, "source"):
            self.refuse_other_image(ctx.args, image)

    def _written_since(self, ctx: Ctx) -> bool:
        """Whether the new place holds anything else than at the switch. Where the service cannot say, its files decide."""
        args = ctx.args
        if self.uses(args, "source"):  # it never ran on the new place, whatever was written to the old one since
            if "after" in ctx.notes:
                because = f"{args['container']} is on its old data again, and was on {args['dst']} before: nobody can say which is newer"
                raise Refused("changed", f"undo {args['container']}", because, "settle by hand which of the two it shall have")
            return False
        held = since = None
        with contextlib.suppress(Refused):
            if demand_container(args["container"])["State"]["Running"]:
                since = Since(args["container"], args["engine"], args["dst"])
                held = self.digest(args, 60)
        then = ctx.notes.get("after") or ctx.notes.get("baseline")
        if held is not None and then is not None and since is not None:
            ctx.note(undo_baseline=held)
            fleeting = held.get("keys_with_expiry") or then.get("keys_with_expiry")  # whose values the digest leaves out
            if held["digest"] != then["digest"] or fleeting:
                return True
            ctx.down()
            still = since.stopped()
            ctx.note(undo_still=still)
            return not still
        with contextlib.suppress(Refused):
            stop_container(args["container"], args["engine"])
        look = Manifest(args["dst"])
        look.write(f"{ctx.plan.directory}/manifests/{ctx.step['id']}-undo.gz")
        return look.digest != ctx.notes.get("manifest")

    def _room_back_or_up(self, args: Json) -> None:
        """A service must not be left down for want of room: one that had to stop to be judged runs on before that is said."""
        try:
            self._demand_room_back(args)
        except Refused:
            with contextlib.suppress(Refused):
                start_containers([args["container"]])
            raise

    def _demand_room_back(self, args: Json) -> None:
        src = args["source"].get("path") or volume_path(args["source"]["name"]) or f"{docker_root()}/volumes"
        demand_space(args["dst"], os.path.dirname(src), 1.05, 64 << 20, "a twentieth more than its size and 64 MiB")

    def _data_back(self, ctx: Ctx, written: bool) -> bool:
        """The old data at its place. Written since the switch: carried back into a fresh directory, the old kept beside it."""
        args, src = ctx.args, ctx.args["source"].get("path")
        if src is None:
            if volume_path(args["source"]["name"]) is None:  # somebody pruned it; what it held is in dst
                docker("volume", "create", args["source"]["name"])
                written = True
            src = self.source_path(args)
            if not written:
                ctx.take_back(volume=args["source"]["name"])
                return False
            if os.path.lexists(at(src)) and not mine(ctx, src):
                ctx.take_back(volume=args["source"]["name"])
                ctx.set_aside(src, f"{src}.wb-before-{ctx.short}", "before-undo")
        else:
            aside = ctx.aside_name(src)
            if self._set_aside(ctx, src) and not mine(ctx, src) and is_guard(src):
                lift_guard(src)
            if not written:
                if os.path.lexists(at(aside)) and not os.path.lexists(at(src)):
                    ctx.take_back(path=aside, origin=src)
                return False
            if os.path.lexists(at(src)) and not mine(ctx, src):
                ctx.set_aside(src, f"{src}.wb-before-{ctx.short}", "before-undo")
        self._demand_room_back(args)
        make_directory(ctx, src)
        copy_tree(ctx, args["dst"], src, live=False, seconds=ctx.step["limit_s"])
        prove_equal(ctx, args["dst"], src, "undo")
        return True

    def _old_whole(self, ctx: Ctx) -> bool:
        """The old data is there as it was left, as far as names and sizes tell. Where it is not, retired or removed by hand in part at
        least, or an undo that was cut off has begun to carry the new back over it, the new place is the one that holds all of it."""
        source = ctx.args["source"]
        if source["kind"] == "volume":
            place, entry = volume_path(source["name"]), Aside.find(volume=source["name"])
            if place is None or not os.path.lexists(at(place)) or mine(ctx, place):
                return False
            return entry is None or (
                os.lstat(at(place)).st_ino == entry["ino"] and ctx.notes.get("old") in (None, held_by(place))
            )
        src, aside = source["path"], ctx.aside_name(source["path"])
        if os.path.lexists(at(src)) and not is_guard(src):
            return not mine(ctx, src)  # never set aside, or taken back already
        entry = Aside.find(path=aside)
        if not os.path.lexists(at(aside)):
            return os.path.lexists(at(src)) and not self._set_aside(ctx, src)
        return entry is not None and ctx.notes.get("old") in (None, held_by(aside))

    def _set_aside(self, ctx: Ctx, src: str) -> bool:
        """Whether this step took the data away from there; else an empty directory is somebody's, and stays."""
        return bool(ctx.notes.get("guard")) or os.path.lexists(at(ctx.aside_name(src))) or (is_guard(src) and immutable(src))

    def _start_old(self, ctx: Ctx) -> None:
        """The container as it was. Compose would let it inherit the new bind where its image declares a volume that the
        old file does not name, so an anonymous volume is first mounted by an override and then inherited by compose itself."""
        args, name = ctx.args, ctx.args["container"]
        found = inspect(name)
        back = found is not None and found["Id"] == ctx.notes.get("refilled")  # made anew by this undo, which was cut off
        if self.uses(args, "source") and (back or "undo_layer" not in ctx.notes):  # else only its restart policy was changed
            self.start_unchanged(ctx)
            return
        if args["source"]["kind"] == "volume" and not self._declared(args):
            keep = {"type": "volume", "source": "wb_old", "target": args["data_path"]}
            volumes = {"wb_old": {"external": True, "name": args["source"]["name"]}}
            override = f"{ctx.plan.directory}/{ctx.step['id']}.override.json"
            write_atomic(override, dumped({"services": {args["service"]: {"volumes": [keep]}}, "volumes": volumes}).encode())
            self.up(args, "--no-start", files=[args["compose_file"], override])
        self.make_anew(ctx, "refilled", self.layer_back(ctx), "source")
        wait_for(f"{name} run", 90, lambda: bool(demand_container(name)["State"]["Running"]))

    def _declared(self, args: Json) -> bool:
        """Whether the compose file itself mounts something at data_path."""
        listed = self.rendered(args, args["compose_file"])["services"][args["service"]].get("volumes") or []
        return any(one.get("target") == args["data_path"] and one.get("source") for one in listed)

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args = ctx.args
        found = inspect(args["container"])
        running = bool(found and found["State"]["Running"])
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            f"{args['container']} mounts {args['dst']}": self.uses(args, "dst"),
            f"{args['container']} runs": running,
            "it began with what the old one wrote into its own layer": self.began_whole(ctx),
            "what it holds was compared": "after" in ctx.notes,
        }
        src = args["source"].get("path")
        if src is not None:
            facts[f"{src} is an empty guard"] = is_guard(src)
        begun = (
            self.switched(ctx)
            or os.path.lexists(at(args["dst"]))
            or (src is not None and os.path.lexists(at(ctx.aside_name(src))))
        )
        return verdict(facts, not begun and running and self.uses(args, "source"))


def held_by(tree: str) -> list[int]:
    """Bytes and entries of a tree, which a rename leaves as they are."""
    size = tree_size(tree)
    return [size.apparent, size.inodes]


VERB = ServiceRelocate()
