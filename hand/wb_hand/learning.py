"""What became of a step whose process left no outcome: the host is looked at, and what is seen is written down as the outcome.

A power cut or a restart ends the unit between its last effect and its outcome. The controller looks and goes on; without this the
journal here would say for ever that the step is half done, and refuse the steps after it and the end of the plan.
"""

from __future__ import annotations

from .journal import PlanRecord
from .plan import Opened
from .refused import Json
from .state import locked
from .units import unit_name, unit_state
from .verb import Ctx
from .verbs import VERBS

LOST = {
    "applying": ("do", "DONE", "applied"),
    "undoing": ("undo", "NOT_DONE", "undone"),
}  # state -> phase, what proves it, the state then


def learned(plan: Opened, record: PlanRecord, step: Json, fence: int) -> str:
    """The step's state, an attempt that was lost included once the host shows that it had come to its end."""
    known = record.step(step["id"])
    if known.state not in LOST:
        return known.state
    phase, proof, then = LOST[known.state]
    attempt = known.attempts[phase]
    unit = unit_state(unit_name(plan, step["id"], phase, attempt))
    if unit is not None and unit["active"] == "running":
        return known.state
    with locked("run.lock", 2):  # held by a unit for as long as it lives
        ctx = Ctx(plan, step, phase, attempt, fence)
        verb = VERBS[step["verb"]]
        if verb.holds(Ctx(plan, step, "do", 0, 0))[0] != proof:
            return known.state
        facts = {"found": proof, **verb.seen(ctx)}
        outcome: Json = {"result": "done", "phases": [], "error": None, "facts": facts}
        ctx.record("outcome", {**outcome, "bytes_copied": 0, "downtime_s": 0, "seconds": 0})
    known.state = then
    return then
