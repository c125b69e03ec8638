"""What becomes of the next action when the plan's window is closed: nothing begins outside it. What has begun is always seen to its end.

Only a step's beginning asks: looking, undoing and closing go on at any hour. `finish` lets steps begin until the plan's own end, then
turns back like `rollback`; `pause` waits between two steps, and after the last window for a person. A deny window of today's contracts
cuts the signed slots too, whenever it was added: it closes the window, and the plan's own rule says what follows. Where it covers a slot's
beginning the rest of that slot is waited for; where it leaves nothing, the slot has closed when it would have opened.
"""

from collections.abc import Sequence
from datetime import datetime

from waveboard.model.change import Action, ActionKind, Plan, Slot
from waveboard.model.contract import Window
from waveboard.model.units import instant_text
from waveboard.waves.windows import denied_by, denying, undenied


def slots_left(plan: Plan, windows: Sequence[Window]) -> tuple[Slot, ...]:
    """The plan's slots without what deny windows of today's contracts take of them."""
    return undenied(plan.slots, windows, _hosts(plan), plan.not_before)


def may_begin(plan: Plan, slots: Sequence[Slot], at: datetime) -> bool:
    """Whether a step may begin at `at`. slots: those `slots_left`; `finish` goes on for a while after the last of them that has closed."""
    ended = _ended(plan, slots, at)
    return any(slot.holds(at) for slot in slots) or (plan.overrun == "finish" and ended is not None and at < ended)


def hold(plan: Plan, action: Action, at: datetime, windows: Sequence[Window]) -> Action:
    """The action, or what takes its place now. windows: of today's contracts."""
    slots = slots_left(plan, windows)
    if action.kind is not ActionKind.APPLY or may_begin(plan, slots, at):
        return action
    ended = _ended(plan, slots, at)
    later = [slot for slot in slots if slot.not_before > at]
    denied = denying(windows, _hosts(plan), at)
    because = denied_by(_hosts(plan), denied[0]) if denied else _closed(plan, ended, later, at)
    begun = at >= plan.slots[0].not_before  # by what was signed: a slot denied from end to end has gone by all the same
    if plan.overrun == "pause" or not begun or (ended is None and later):
        wait = f"it goes on at {instant_text(later[0].not_before)}" if later else "no window of the plan is left"
        return Action(ActionKind.PAUSE, action.step, action.attempt, f"{because} before {action.step}; {wait}")
    why = f"{because} before {action.step} (overrun: {plan.overrun})"
    return Action(ActionKind.TURN_BACK, action.step, action.attempt, why)


def _hosts(plan: Plan) -> tuple[str, ...]:
    return tuple(pin.host for pin in plan.hosts)


def _ended(plan: Plan, slots: Sequence[Slot], at: datetime) -> datetime | None:
    """Until when steps could begin after the newest slot that has closed: its end, with `finish` so much later; None before any has."""
    closed = [slot.not_after for slot in slots if slot.not_after <= at]
    return closed[-1] + (plan.not_after - plan.slots[-1].not_after) if closed else None


def _closed(plan: Plan, ended: datetime | None, later: Sequence[Slot], at: datetime) -> str:
    signed = [slot.not_after for slot in plan.slots if slot.not_after <= at]
    if ended is None and (later or not signed):
        opens = later[0] if later else plan.slots[0]
        return f"the change window opens at {instant_text(opens.not_before)}, it is {instant_text(at)}"
    return f"the change window closed at {instant_text(ended or signed[-1])}"
