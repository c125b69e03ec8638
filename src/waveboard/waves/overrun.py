"""What becomes of the next action when the plan's window is closed: nothing begins outside it. What has begun is always seen to its end.

Only a step's beginning asks: looking, undoing and closing go on at any hour. `finish` lets steps begin until the plan's own end, then
turns back like `rollback`; `pause` waits between two steps, and after the last window for a person.
"""

from datetime import datetime

from waveboard.model.change import Action, ActionKind, Plan, Slot
from waveboard.model.units import instant_text


def hold(plan: Plan, action: Action, at: datetime) -> Action:
    """The action, or what takes its place now."""
    if action.kind is not ActionKind.APPLY or any(slot.holds(at) for slot in plan.slots):
        return action
    if plan.overrun == "finish" and plan.slots[0].not_before <= at < plan.not_after:
        return action
    closed = [slot for slot in plan.slots if slot.not_after <= at]
    later = [slot for slot in plan.slots if slot.not_before > at]
    if plan.overrun == "pause" or not closed:
        wait = f"it goes on at {instant_text(later[0].not_before)}" if later else "it was the plan's last"
        return Action(ActionKind.PAUSE, action.step, action.attempt, f"{_closed(plan, closed, at)} before {action.step}; {wait}")
    return Action(
        ActionKind.TURN_BACK,
        action.step,
        action.attempt,
        f"{_closed(plan, closed, at)} before {action.step} (overrun: {plan.overrun})",
    )


def _closed(plan: Plan, closed: list[Slot], at: datetime) -> str:
    if not closed:
        return f"the change window opens at {instant_text(plan.slots[0].not_before)}, it is {instant_text(at)}"
    end = plan.not_after if plan.overrun == "finish" else closed[-1].not_after
    return f"the change window closed at {instant_text(end)}"
