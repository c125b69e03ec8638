"""cache_remove: records of the build cache by their ids."""

from __future__ import annotations

from ..docker import asked, engine, said_by
from ..documents import dumped
from ..grammar import list_of, word
from ..refused import Json, Refused
from ..verb import Ctx, Verb, verdict


class CacheRemove(Verb):
    """Exactly the listed records of the build cache, one request a record. Nothing brings a record back but the next build."""

    keys = {"records": list_of(word("[a-z0-9]{10,64}"), 1000)}

    def judge(self, step: Json) -> None:
        records, cannot = step["args"]["records"], f"accept step {step['id']!r}"
        if not records or len(set(records)) != len(records) or step["deletes"] != [f"build-cache:{one}" for one in records]:
            raise Refused("bad-request", cannot, "its deletes are not exactly its records")
        if step["reversibility"] not in ("compensable", "none"):
            raise Refused("bad-request", cannot, f"it calls itself {step['reversibility']}; a record never comes back")

    def _now(self) -> dict[str, Json]:
        return {one["ID"]: one for one in asked("/system/df", {"type": "build-cache"}).get("BuildCache") or []}

    def _free(self, ctx: Ctx) -> dict[str, Json]:
        """The records now, after no listed one was found in use or below an unlisted one. Raises: Refused."""
        now, listed = self._now(), set(ctx.args["records"])
        for name, one in now.items():
            if name in listed and one.get("InUse"):
                raise Refused("refused", f"remove cache record {name}", "a build uses it", "wait for the build, then plan again")
            for parent in one.get("Parents") or one.get(" Parents") or []:  # engine 26 spells the key with a space before it
                if parent in listed and name not in listed:
                    because = f"{name}, which the plan does not list, was built on it since"
                    raise Refused("changed", f"remove cache record {parent}", because, "plan again")
        return now

    def prepare(self, ctx: Ctx) -> Json:
        now = self._free(ctx)
        there = [one for one in ctx.args["records"] if one in now]
        return {"records": there, "undo": "none of them comes back; the next build makes what it needs"}

    def do(self, ctx: Ctx) -> Json:
        ctx.phase("look")
        now = self._free(ctx)
        ctx.note(before=ctx.notes.get("before") or sorted(now))
        ctx.phase("remove")
        for name in ctx.args["records"]:
            if name in now:
                ctx.note(removing=sorted({*ctx.notes.get("removing", []), name}))
                self._remove(ctx, name)
        ctx.phase("verify")
        after, listed = self._now(), set(ctx.args["records"])
        if left := sorted(listed & set(after)):
            raise Refused("not-equal", "see the records gone", f"the engine keeps {', '.join(left[:5])}")
        gone_already = sorted(listed - set(ctx.notes.get("removing", [])))
        facts = {"before": ctx.notes["before"], "removed": sorted(ctx.notes.get("removing", [])), "after": sorted(after)}
        return {**facts, "gone_already": gone_already}

    def _remove(self, ctx: Ctx, name: str) -> None:
        """The engine's prune with a filter that only this one id matches (the engine reads the filter as an expression)."""
        cannot = f"remove cache record {name}"
        query = {"all": "1", "filters": dumped({"id": [f"^{name}$"]})}
        status, body = engine("POST", "/build/prune", query, seconds=600)
        gone = (body or {}).get("CachesDeleted") or [] if isinstance(body, dict) else []
        if status != 200:
            raise Refused("tool-failed", cannot, said_by(status, body))
        if others := [one for one in gone if one != name]:
            raise Refused("not-equal", cannot, f"the engine removed {', '.join(others[:5])} instead or as well")
        if not gone and name in self._now():
            raise Refused("refused", cannot, "the engine keeps it: something still rests on it", "plan again")
        ctx.record("removed", {"cache": name, "bytes": (body or {}).get("SpaceReclaimed", 0)})

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("leave")
        return {"gone": ctx.notes.get("removing", []), "left": "nothing to put back: the next build makes what it needs"}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        now = self._now()
        gone = {f"cache record {name} is gone": name not in now for name in ctx.args["records"]}
        return verdict(gone, not any(gone.values()))


VERB = CacheRemove()
