"""retire: removes exactly what this hand set aside and a plan of its own names."""

from __future__ import annotations

import os
import shutil
import stat

from ..aside import RETIRABLE, Aside
from ..docker import containers, docker, docker_root, name_of, volume_path
from ..files import plain_path, sync_directory
from ..grammar import NAME, is_path, list_of, word
from ..journal import Journal, history
from ..mounts import mounted_below
from ..place import at
from ..refused import Json, Refused
from ..verb import Ctx, Verb, verdict


class Retire(Verb):
    """Gives space back: removes exactly what this hand set aside and a person listed."""

    keys = {"paths": list_of(is_path), "volumes": list_of(word(NAME))}

    def judge(self, step: Json) -> None:
        if step["deletes"] != step["args"]["paths"] + [f"volume:{name}" for name in step["args"]["volumes"]]:
            raise Refused("bad-request", f"accept step {step['id']!r}", "its deletes are not exactly its paths and volumes")
        if step["reversibility"] != "none":
            because = f"it calls itself {step['reversibility']}; what it removes is gone"
            raise Refused("bad-request", f"accept step {step['id']!r}", because)

    def prepare(self, ctx: Ctx) -> Json:
        return {"entries": [one["id"] for one in self._entries(ctx)], "undo": "none: what is removed is gone"}

    def _entries(self, ctx: Ctx) -> list[Json]:
        """The live register entries that are meant, each checked on the spot. Raises: Refused."""
        found = []
        for path in ctx.args["paths"]:
            entry = Aside.find(path=path, states=RETIRABLE)
            found += [self._checked(entry, path, path)] if entry or os.path.lexists(at(path)) else []
        for name in ctx.args["volumes"]:
            entry, place = Aside.find(volume=name, states=RETIRABLE), volume_path(name)
            found += [self._checked(entry, place, f"volume {name}")] if entry or place else []
        return found

    def _checked(self, entry: Json | None, path: str | None, what: str) -> Json:
        cannot = f"remove {what}"
        if entry is None:
            raise Refused(
                "refused", cannot, "this hand did not set it aside (or it was put back)", "it is not the hand's to remove"
            )
        if path is None or not os.path.lexists(at(path)):
            return entry  # gone already: an earlier attempt removed it
        plain_path(path)
        status = os.lstat(at(path))
        if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)) or status.st_ino != entry["ino"]:
            raise Refused("refused", cannot, "it is not the directory or file that was set aside")
        if because := Aside.still_needed(entry, history(Journal().entries())):
            raise Refused("refused", cannot, because)
        if mounted_below(path):
            raise Refused("refused", cannot, f"mounted below it: {', '.join(mounted_below(path)[:5])}")
        self._refuse_used(entry, path, cannot)
        return entry

    def _refuse_used(self, entry: Json, path: str, cannot: str) -> None:
        root = docker_root()
        if root is None:
            raise Refused("precondition", cannot, "docker does not answer, so nobody can say whether a container uses it")
        used = [(root, "docker's data-root")]
        used += [(mount.get("Source") or "", name_of(one)) for one in containers() for mount in one["Mounts"]]
        used += [
            (path, name_of(one))
            for one in containers()
            for mount in one["Mounts"]
            if entry["volume"] and mount.get("Name") == entry["volume"]
        ]
        for place, who in used:
            if place and ((place + "/").startswith(path + "/") or (not entry["volume"] and place == path)):
                raise Refused("refused", cannot, f"{who} uses {place}")

    def do(self, ctx: Ctx) -> Json:
        freed = 0
        for entry in self._entries(ctx):
            ctx.phase("remove", path=entry["path"], volume=entry["volume"], bytes=entry["bytes"])
            Aside.mark(entry["id"], "retiring")  # from here on it is nobody's way back, however far the removal comes
            if entry["kind"] == "path":
                if os.path.lexists(at(entry["path"])):
                    if stat.S_ISDIR(os.lstat(at(entry["path"])).st_mode):
                        shutil.rmtree(at(entry["path"]))
                    else:
                        os.unlink(at(entry["path"]))
                    sync_directory(os.path.dirname(entry["path"]))
            elif volume_path(entry["volume"]) is not None:
                docker("volume", "rm", entry["volume"])
            freed += entry["bytes"]
            self._retired(ctx, entry)
        return {"bytes": freed}

    def _retired(self, ctx: Ctx, entry: Json) -> None:
        Aside.mark(entry["id"], "retired")
        ctx.record("retired", {"path": entry["path"], "volume": entry["volume"], "bytes": entry["bytes"]})

    def seen(self, ctx: Ctx) -> Json:
        """Cut off after the last removal: the register hears of it here."""
        entries = [Aside.find(path=path, states=("retiring",)) for path in ctx.args["paths"]]
        entries += [Aside.find(volume=name, states=("retiring",)) for name in ctx.args["volumes"]]
        for entry in filter(None, entries):
            self._retired(ctx, entry)
        return {}

    def undo(self, ctx: Ctx) -> Json:
        raise Refused("not-undoable", "undo retire", "what was removed is gone")

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        gone = {path: not os.path.lexists(at(path)) for path in ctx.args["paths"]}
        gone.update({f"volume {name}": volume_path(name) is None for name in ctx.args["volumes"]})
        return verdict({f"{what} is gone": good for what, good in gone.items()}, not any(gone.values()))


VERB = Retire()
