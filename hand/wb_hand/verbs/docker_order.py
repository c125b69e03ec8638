"""docker_order: docker, and containerd where it is asked, start only after a data disk that others mounted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from ..files import plain_path, read_or_none, swap
from ..grammar import list_of, one_of
from ..mounts import MOUNT, demand_mount
from ..place import at
from ..refused import Json, Refused
from ..units import systemctl
from ..verb import Ctx, Verb, verdict
from .mount_data import DROPIN, after_mount


class DockerOrder(Verb):
    """One drop-in a unit; the mount itself is left as it is. Nothing is stopped or started."""

    keys = {"mount": MOUNT, "units": list_of(one_of("docker", "containerd"), 2)}

    def judge(self, step: Json) -> None:
        super().judge(step)
        units = step["args"]["units"]
        if not units or len(set(units)) != len(units):
            raise Refused("bad-request", f"accept step {step['id']!r}", "its units are none, or name one twice")

    def _dropins(self, args: Json) -> Mapping[str, bytes]:
        return {DROPIN.format(unit=unit): after_mount(args["mount"]["target"]) for unit in args["units"]}

    def prepare(self, ctx: Ctx) -> Json:
        demand_mount(ctx.args["mount"], f"{ctx.args['mount']['target']}/.wb-{ctx.short}")
        for path in self._dropins(ctx.args):
            plain_path(path)
            if "writing" not in ctx.notes and read_or_none(path) is not None:
                raise Refused("precondition", f"write {path}", "it exists already", "audit again and plan again")
        return {"write": sorted(self._dropins(ctx.args))}

    def do(self, ctx: Ctx) -> Json:
        ctx.phase("dropins")
        ctx.note(writing=True)
        for path, raw in self._dropins(ctx.args).items():
            os.makedirs(at(os.path.dirname(path)), 0o755, exist_ok=True)
            swap(path, None, raw)
        systemctl("daemon-reload")
        ctx.phase("verify")
        if bad := [name for name, good in self._facts(ctx.args).items() if not good]:
            raise Refused("not-equal", "order docker after the mount", f"not: {', '.join(bad)}")
        return {"written": sorted(self._dropins(ctx.args))}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("dropins")
        left = []
        for path, raw in self._dropins(ctx.args).items():
            now = read_or_none(path)
            if ctx.notes.get("writing") and now == raw:
                os.unlink(at(path))
            elif now is not None:
                left.append(path)  # somebody wrote it since, or it was there before: it is theirs
            with contextlib.suppress(OSError):  # the directory goes only if it is empty
                os.rmdir(at(os.path.dirname(path)))
        systemctl("daemon-reload")
        return {"left": left}

    def _facts(self, args: Json) -> dict[str, bool]:
        return {f"{path} is in place": read_or_none(path) == raw for path, raw in self._dropins(args).items()}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        facts = self._facts(ctx.args)
        return verdict(facts, not any(facts.values()))


VERB = DockerOrder()
