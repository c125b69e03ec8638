"""tmp_aside: named files of /tmp renamed aside."""

from __future__ import annotations

import contextlib
import os
import stat

from ..aside import Aside
from ..directories import existing, own_directory
from ..files import plain_path, text_of_real
from ..grammar import integer, is_path, list_of, shape, word
from ..place import at
from ..refused import Json, Refused
from ..verb import Ctx, Verb, verdict


class TmpAside(Verb):
    """Large files nobody owns leave the host's /tmp: renamed, each by its name, into a directory of root's. Nothing is removed."""

    keys = {
        "files": list_of(shape({"path": word(r"/tmp(/[A-Za-z0-9._@+:%=,-]+){1,2}"), "bytes": integer(0, 1 << 60)}), 500),
        "to": is_path,
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        names = [self._name(one["path"]) for one in step["args"]["files"]]
        dots = any(part in (".", "..") for one in step["args"]["files"] for part in one["path"].split("/"))
        if dots or len(set(names)) != len(names):
            raise Refused("bad-request", f"accept step {step['id']!r}", "two files are, or would become, the same")

    def _name(self, path: str) -> str:
        return path[len("/tmp/") :].replace("/", "+")

    def aside(self, ctx: Ctx, path: str) -> str:
        return ctx.aside_name(f"{ctx.args['to']}/{self._name(path)}")

    def prepare(self, ctx: Ctx) -> Json:
        for one in ctx.args["files"]:
            self._look(ctx, one)
        return {"back": {self.aside(ctx, one["path"]): one["path"] for one in ctx.args["files"]}}

    def _look(self, ctx: Ctx, one: Json) -> bool:
        """Whether it is still to be moved. Raises: Refused unless it is the planned file, whole and at rest."""
        path, cannot = one["path"], f"set {one['path']} aside"
        if os.path.lexists(at(self.aside(ctx, path))):
            if path in ctx.notes.get("moving", {}):
                return False
            raise Refused("precondition", cannot, f"{self.aside(ctx, path)} exists already")
        plain_path(path)
        try:
            status = os.lstat(at(path))
        except FileNotFoundError:
            raise Refused("changed", cannot, "it is not there any more", "plan again") from None
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_size != one["bytes"]:
            raise Refused("changed", cannot, f"it is no longer the one file of {one['bytes']} bytes the plan names", "plan again")
        if status.st_dev != os.stat(at(existing(ctx.args["to"]))).st_dev:
            because = f"{ctx.args['to']} is on another filesystem: a move would be a copy and a removal"
            raise Refused("precondition", cannot, because, "name a directory on the filesystem of /tmp")
        users = open_by(status)
        if users:
            raise Refused("refused", cannot, f"{', '.join(users[:3])} has it open", "settle who writes it, then plan again")
        return True

    def do(self, ctx: Ctx) -> Json:
        moved = []
        ctx.phase("look")
        waiting = [one["path"] for one in ctx.args["files"] if self._look(ctx, one)]
        own_directory(ctx.args["to"])
        for path in waiting:
            new, status = self.aside(ctx, path), os.lstat(at(path))
            ctx.phase("aside", path=path, to=new)
            ctx.note(moving={**ctx.notes.get("moving", {}), path: [status.st_dev, status.st_ino]})
            move_between(path, new)
            if not self._ours(ctx, path, new):
                move_between(new, path)
                raise Refused("changed", f"set {path} aside", "another file took its name in that moment", "plan again")
            ctx.keep_aside(new, path, "tmp-file")
        for one in ctx.args["files"]:
            new = self.aside(ctx, one["path"])
            if Aside.find(path=new) is None:  # killed between the rename and the register
                ctx.keep_aside(new, one["path"], "tmp-file")
            moved.append({"from": one["path"], "to": new, "bytes": one["bytes"]})
        return {"moved": moved}

    def _ours(self, ctx: Ctx, path: str, place: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(at(place))
            return bool(ctx.notes.get("moving", {}).get(path) == [status.st_dev, status.st_ino])
        return False

    def undo(self, ctx: Ctx) -> Json:
        back = []
        ctx.phase("back")
        for path in ctx.notes.get("moving", {}):
            new = self.aside(ctx, path)
            if self._ours(ctx, path, path):
                continue
            if not self._ours(ctx, path, new):
                raise Refused("not-undoable", f"put {path} back", f"{new} is not what was set aside", "look at it by hand")
            if os.path.lexists(at(path)):
                raise Refused("changed", f"put {path} back", "something new is there", "move it away by hand, then undo again")
            move_between(new, path)
            entry = Aside.find(path=new)
            if entry:
                Aside.mark(entry["id"], "restored")
            ctx.record("restored", {"path": new, "volume": None, "origin": path})
            back.append(path)
        return {"back": back}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        paths = [one["path"] for one in ctx.args["files"]]
        facts = {f"{path} is set aside": self._ours(ctx, path, self.aside(ctx, path)) for path in paths}
        return verdict(facts, not any(facts.values()) and all(os.path.lexists(at(path)) for path in paths))


def move_between(old: str, new: str) -> None:
    """rename(2) between two directories held open, so that nobody can swap a directory of /tmp for a link meanwhile."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    held: list[int] = []
    try:
        for path in (old, new):
            parts = os.path.dirname(path).strip("/").split("/")
            grown = os.open(at("/"), flags)
            for part in parts:
                held.append(grown)
                grown = os.open(part, flags, dir_fd=grown)
            held.append(grown)
            if path == old:
                source = grown
        with contextlib.suppress(FileNotFoundError):
            os.stat(new.rpartition("/")[2], dir_fd=held[-1], follow_symlinks=False)
            raise Refused("changed", f"rename {old}", f"{new} exists already")
        os.rename(old.rpartition("/")[2], new.rpartition("/")[2], src_dir_fd=source, dst_dir_fd=held[-1])
        os.fsync(source)
        os.fsync(held[-1])
    finally:
        for handle in held:
            os.close(handle)


def open_by(status: os.stat_result) -> list[str]:
    """Processes that have this very file open, as "pid name"."""
    found = []
    for pid in (one for one in os.listdir("/proc") if one.isdigit() and int(one) != os.getpid()):
        with contextlib.suppress(OSError):
            for one in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    seen = os.stat(f"/proc/{pid}/fd/{one}")
                    if (seen.st_dev, seen.st_ino) == (status.st_dev, status.st_ino):
                        found.append(f"{pid} {text_of_real(f'/proc/{pid}/comm')}")
                        break
    return found


VERB = TmpAside()
