"""The life of a unit: one step done or undone, its outcome written. Reached by the hand itself only, never through sudo."""

from __future__ import annotations

import os
import time

from .journal import Journal, history
from .judging import stored_plan
from .refused import Json, Refused
from .state import locked
from .verb import Ctx
from .verbs import VERBS


def run_step(digest: str, name: str, phase: str, attempt: int, fence: int) -> int:
    """The unit's whole life: perform the verb, write the outcome. Reached by --run only, never through sudo."""
    os.umask(0o022)  # directories and drop-ins on the host are as a person would make them; our own state names its modes
    with locked("run.lock", 30):
        plan = stored_plan(digest)
        ctx = Ctx(plan, plan.step(name), phase, attempt, fence)
        record = history(Journal().entries())[digest].step(name)
        if record.attempts[phase] != attempt or (phase, attempt) in record.outcomes:
            raise Refused("already-started", "run the step", "the journal does not await this attempt")
        begun, error, facts = time.monotonic(), None, {}
        verb = VERBS[ctx.step["verb"]]
        try:
            facts = verb.do(ctx) if phase == "do" else verb.undo(ctx)
        except Refused as why:
            error = why.told()
        except Exception as why:
            error = Refused("internal", f"{phase} {name}", f"{type(why).__name__}: {why}").told()
        ctx.up()
        outcome: Json = {"result": "failed" if error else "done", "phases": ctx.phases, "error": error, "facts": facts}
        outcome.update(bytes_copied=ctx.copied, downtime_s=round(ctx.downtime, 3), seconds=round(time.monotonic() - begun, 3))
        ctx.record("outcome", outcome)
        return 1 if error else 0


def revert(digest: str, name: str, fence: int) -> int:
    """The undo timer fired: nobody confirmed the step. Reached by --revert only, never through sudo."""
    with locked("run.lock", 3600):
        plan = stored_plan(digest)
        record = history(Journal().entries())[digest].step(name)
        if record.state not in ("applying", "failed"):
            return 0
        attempt = record.attempts["undo"] + 1
        ctx = Ctx(plan, plan.step(name), "undo", attempt, fence)
        ctx.record("intent", {"verb": ctx.step["verb"], "unit": "undo timer", "args": "", "undo": {"backup": ctx.notes}})
    return run_step(digest, name, "undo", attempt, fence)
