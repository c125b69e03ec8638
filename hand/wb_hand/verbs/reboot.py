"""reboot: the host restarts once."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..files import text_of
from ..grammar import Check
from ..refused import Json, Refused
from ..tools import run
from ..units import systemctl
from ..verb import Ctx, Verb, verdict


def boot_now() -> str:
    return text_of("/proc/sys/kernel/random/boot_id").strip()


class Restart(Verb):
    """The host restarted: proven by a boot id that is another than before, and by nothing else."""

    keys: Mapping[str, Check] = {}

    def prepare(self, ctx: Ctx) -> Json:
        if "boot_before" not in ctx.notes:
            ctx.note(boot_before=boot_now())
        return {"boot_before": ctx.notes["boot_before"]}

    def do(self, ctx: Ctx) -> Json:
        before = ctx.notes["boot_before"]
        if boot_now() == before:
            ctx.phase("restart")
            ctx.note(asked=True)
            systemctl("--no-block", "reboot")
            time.sleep(ctx.step["limit_s"])  # the restart ends this process; outliving it is the failure
            raise Refused("tool-failed", "restart the host", f"it still runs {ctx.step['limit_s']} s after it was told to")
        return {"boot_before": before, "boot_after": boot_now()}

    def seen(self, ctx: Ctx) -> Json:
        return {"boot_before": ctx.notes["boot_before"], "boot_after": boot_now()}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("leave")
        return {"left": "a restart cannot be taken back"}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        before, until = ctx.notes.get("boot_before"), time.monotonic() + 50
        while ctx.notes.get("asked") and boot_now() == before and time.monotonic() < until:
            if run(["systemctl", "is-system-running"], check=False).text.strip() != "stopping":
                break
            time.sleep(1)  # going down: the restart ends this answer, and the next one comes from the new boot
        done = before is not None and boot_now() != before
        return verdict({f"it runs another boot than {before} ({boot_now()})": done}, not done)


VERB = Restart()
