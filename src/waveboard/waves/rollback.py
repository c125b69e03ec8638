"""The rollback receipt's template: every undo of a plan in the order it would run, with room for what came of it. Performs nothing.

It is rendered from the plan before anything runs, so that its digest can be recorded at planning and again at admission.
"""

from waveboard.model import canonical
from waveboard.model.change import Plan, Reversibility

SCHEMA = "waveboard.rollback/1"


def template(plan: Plan, plan_digest: str) -> bytes:
    """Canonical JSON. The steps stand newest first; `outcome` is empty until an undo fills it in the step's own receipt."""
    steps = [
        {
            "step": step.id,
            "host": step.host,
            "undoes": step.title,
            "reversibility": step.reversibility.value,
            "loss_window_s": step.loss_window_s,
            "commands": list(step.undo_commands),
            "outcome": "",
        }
        for step in reversed(plan.steps)
    ]
    return canonical.encode({"schema": SCHEMA, "plan": plan_digest, "wave": plan.wave, "instance": plan.instance, "steps": steps})


def missing(plan: Plan) -> tuple[str, ...]:
    """Steps that have no undo: the template cannot promise a way back for them."""
    return tuple(s.id for s in plan.steps if s.reversibility is Reversibility.NONE or not s.undo_commands)
