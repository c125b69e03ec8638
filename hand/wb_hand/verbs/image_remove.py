"""image_remove: images by their ids, saved or pullable before they go."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from ..aside import Aside
from ..directories import existing, own_directory
from ..docker import asked, containers, docker, engine, name_of, said_by
from ..files import plain_path, sync_directory
from ..grammar import DIGEST, integer, is_path, list_of, or_null, shape, word
from ..images import digests_now, hash_of, images_now, saved_images
from ..place import at
from ..refused import Json, Refused
from ..verb import Ctx, Verb, verdict

TAG = word(r"[a-z0-9][A-Za-z0-9._/:-]{0,250}:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
PULLABLE = word(r"[a-z0-9][A-Za-z0-9._/:-]{0,250}@sha256:[0-9a-f]{64}")


class ImageRemove(Verb):
    """Exactly the listed images, each by its id and never by force; saved to one proven archive first where the plan says so."""

    keys = {
        "images": list_of(
            shape({"id": word(DIGEST), "tags": list_of(TAG, 64), "digests": list_of(PULLABLE, 64), "bytes": integer(0, 1 << 60)}),
            500,
        ),
        "save_to": or_null(is_path),
    }

    def judge(self, step: Json) -> None:
        images, cannot = step["args"]["images"], f"accept step {step['id']!r}"
        if not images or step["deletes"] != [f"image:{one['id']}" for one in images]:
            raise Refused("bad-request", cannot, "its deletes are not exactly its images")
        honest = "compensable" if all(one["digests"] for one in images) else "none"
        honest = "restorable" if step["args"]["save_to"] else honest
        if step["reversibility"] != honest:
            raise Refused("bad-request", cannot, f"it calls itself {step['reversibility']}; what it removes is {honest}")

    def archive(self, ctx: Ctx) -> str:
        return ctx.aside_name(f"{ctx.args['save_to']}/images") + ".tar"

    def _check(self, one: Json, now: Mapping[str, list[str]], used: Mapping[str, str], touched: bool) -> None:
        """Raises: Refused unless a listed image that is there is the planned one and free."""
        cannot, tags = f"remove image {one['id']}", now[one["id"]]
        if one["id"] in used:
            raise Refused("refused", cannot, f"container {used[one['id']]} uses it", "plan again: what is in use stays")
        if tags != sorted(one["tags"]) and not (touched and set(tags) <= set(one["tags"])):
            raise Refused("changed", cannot, f"its tags are {', '.join(tags) or 'none'} now, not as planned", "plan again")

    def _free(self, ctx: Ctx) -> dict[str, list[str]]:
        """The images now, after every listed one was found as planned, or gone. Raises: Refused."""
        now = images_now()
        used = {one["Image"]: f"{name_of(one)} ({one['State']['Status']})" for one in containers()}
        known = {} if ctx.args["save_to"] else digests_now()
        for one in ctx.args["images"]:
            if one["id"] in now:
                touched = one["id"] in ctx.notes.get("removing", [])
                self._check(one, now, used, touched)
                unknown = sorted({*one["digests"]} - known.get(one["id"], set()))
                if unknown and known and not touched:  # with a name goes its digest, so only before the first one went
                    because = f"the engine knows no {unknown[0]} of it, so no registry can be said to have it"
                    raise Refused("changed", f"remove image {one['id']}", because, "plan again")
        return now

    def prepare(self, ctx: Ctx) -> Json:
        now = self._free(ctx)
        if ctx.args["save_to"] and "saved" not in ctx.notes:
            self._demand_room(ctx)
        there = [one for one in ctx.args["images"] if one["id"] in now]
        return {"images": there, "archive": self.archive(ctx) if ctx.args["save_to"] else None}

    def _demand_room(self, ctx: Ctx) -> None:
        place = existing(ctx.args["save_to"])
        there = os.statvfs(at(place))
        free, need = there.f_bavail * there.f_frsize, int(1.05 * sum(one["bytes"] for one in ctx.args["images"])) + (256 << 20)
        if need > free:
            because = f"{place} has {free} bytes free; the archive needs {need} (a twentieth more than the images and 256 MiB)"
            raise Refused("no-space", f"save images to {ctx.args['save_to']}", because, "name a directory with more room")

    def do(self, ctx: Ctx) -> Json:
        ctx.phase("look")
        now = self._free(ctx)
        ctx.note(before=ctx.notes.get("before") or now)
        there = [one for one in ctx.args["images"] if one["id"] in now]
        if ctx.args["save_to"] and there and "saved" not in ctx.notes:
            ctx.phase("save", path=self.archive(ctx))
            self._save(ctx, there)
        unsaved = [one["id"] for one in there if "saved" in ctx.notes and one["id"] not in ctx.notes["saved"]["images"]]
        if unsaved:
            because = "it was not there when the others were saved, so nothing could bring it back"
            raise Refused("changed", f"remove image {unsaved[0]}", because, "plan again")
        if "saved" in ctx.notes and Aside.find(path=self.archive(ctx)) is None:
            ctx.keep_aside(self.archive(ctx), "docker images", "saved-images")
        ctx.phase("remove", images=[one["id"] for one in there])
        for one in there:
            self._remove(ctx, one)
        ctx.phase("verify")
        after, listed = images_now(), {one["id"] for one in ctx.args["images"]}
        if left := sorted(listed & set(after)):
            raise Refused("not-equal", "see the images gone", f"{', '.join(left)} came back")
        before = ctx.notes["before"]
        facts = {"before": sorted(before), "removed": sorted(ctx.notes.get("removing", [])), "after": sorted(after)}
        gone_already = sorted(listed - set(ctx.notes.get("removing", [])))
        return {**facts, "gone_already": gone_already, "saved": ctx.notes.get("saved")}

    def _save(self, ctx: Ctx, there: Sequence[Json]) -> None:
        """One archive of them all, written beside its place, read back and compared with the images, then named."""
        path = self.archive(ctx)
        part = path + ".part"
        own_directory(ctx.args["save_to"])
        if os.path.lexists(at(path)):
            os.rename(at(path), at(part))  # its name is this plan's own: an attempt that was cut off before it said so
        with contextlib.suppress(FileNotFoundError):
            os.unlink(at(part))
        names = [name for one in there for name in (one["tags"] or [one["id"]])]
        docker("image", "save", "-o", at(part), *names, seconds=ctx.step["limit_s"])
        handle = os.open(at(part), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(handle, 0o600)
            os.fsync(handle)
        finally:
            os.close(handle)
        held = saved_images(part)
        wrong = [one["id"] for one in there if held.get(one["id"]) != sorted(one["tags"])]
        if wrong:
            raise Refused("not-equal", f"prove {part}", f"it does not hold {', '.join(wrong)} whole, with their tags")
        digest, status = hash_of(part), os.lstat(at(part))
        os.rename(at(part), at(path))
        sync_directory(ctx.args["save_to"])
        ctx.note(saved={"path": path, "sha256": digest, "bytes": status.st_size, "images": sorted(held)})

    def _remove(self, ctx: Ctx, one: Json) -> None:
        self._free(ctx)
        ctx.note(removing=sorted({*ctx.notes.get("removing", []), one["id"]}))
        said: list[Json] = []
        for name in [*images_now().get(one["id"], [])[1:], one["id"]]:  # by its id goes only what has one name left
            if name != one["id"] and asked(f"/images/{quote(name, safe='/:')}/json")["Id"] != one["id"]:
                raise Refused("changed", f"remove image {one['id']}", f"{name} names another image now", "plan again")
            status, body = engine("DELETE", f"/images/{quote(name, safe='/:')}", {"force": "0", "noprune": "1"}, seconds=600)
            if status != 200:
                raise Refused("refused", f"remove image {one['id']}", said_by(status, body), "plan again: what is in use stays")
            said += body or []
        ctx.record("removed", {"image": one["id"], "tags": one["tags"], "bytes": one["bytes"], "engine": said[:200]})

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("look")
        wanted = [one for one in ctx.args["images"] if one["id"] in ctx.notes.get("removing", [])]
        now = images_now()
        missing = [one for one in wanted if one["id"] not in now]
        holders = {tag: one for one, tags in now.items() for tag in tags}
        newer = {tag: holders[tag] for one in wanted for tag in one["tags"] if holders.get(tag, one["id"]) != one["id"]}
        newer = {**{tag: one for tag, one in ctx.notes.get("newer", {}).items() if one in now}, **newer}
        ctx.note(newer=newer)  # before anything comes back: a load takes its names from whoever has them
        if missing and "saved" in ctx.notes:
            ctx.phase("load", **ctx.notes["saved"])
            self._load(ctx)
        for one in missing if "saved" not in ctx.notes else []:
            ctx.phase("pull", image=one["id"])
            if not one["digests"]:
                raise Refused("not-undoable", f"bring image {one['id']} back", "it was not saved and no registry has it")
            docker("pull", "--quiet", one["digests"][0], seconds=ctx.step["limit_s"])
        ctx.phase("verify")
        after = images_now()
        if lost := [one["id"] for one in wanted if one["id"] not in after]:
            raise Refused("not-equal", "bring the images back", f"{', '.join(lost)} did not come back under that id")
        for one in wanted:
            for tag in one["tags"]:
                docker("image", "tag", newer.get(tag, one["id"]), tag)  # a name given to a newer image since stays with it
        after = images_now()
        return {"restored": sorted(one["id"] for one in wanted), "after": sorted(after), "names_kept_by_newer": newer}

    def _load(self, ctx: Ctx) -> None:
        saved = ctx.notes["saved"]
        cannot = f"load {saved['path']}"
        plain_path(saved["path"])
        if not os.path.lexists(at(saved["path"])):
            raise Refused("not-undoable", cannot, "it is gone (retired, or removed by somebody)")
        if hash_of(saved["path"]) != saved["sha256"]:
            raise Refused("not-undoable", cannot, "its bytes are not what was saved", "somebody changed it; look at it by hand")
        docker("image", "load", "--quiet", "--input", at(saved["path"]), seconds=ctx.step["limit_s"])

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        now, images = images_now(), ctx.args["images"]
        gone = {f"image {one['id']} is gone": one["id"] not in now for one in images}
        as_planned = [one["id"] in now and set(one["tags"]) <= {*now[one["id"]], *self._elsewhere(now, one)} for one in images]
        return verdict(gone, all(as_planned))

    def _elsewhere(self, now: Mapping[str, list[str]], one: Json) -> set[str]:
        return {tag for other, tags in now.items() if other != one["id"] for tag in tags}


VERB = ImageRemove()
