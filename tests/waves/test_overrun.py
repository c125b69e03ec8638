"""What becomes of the next step by the hour: one or two signed slots, one freeze over them, each rule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from waveboard.model.change import Action, ActionKind, HostPin, Plan, Slot
from waveboard.model.contract import Window
from waveboard.waves.overrun import hold

AT = datetime(2026, 2, 26, 3, 0, tzinfo=UTC)
NEXT = Action(ActionKind.APPLY, "m-02", 1)
PIN = HostPin("vm-a", "m", "k", "e", "f")


def hour(count: float) -> datetime:
    return AT + timedelta(hours=count)


def plan(rule: str) -> Plan:
    """03:00 to 06:00; with pause also the next day's; with finish an hour more."""
    slots = (Slot(AT, hour(3)), *([Slot(hour(24), hour(27))] if rule == "pause" else []))
    until = slots[-1].not_after + timedelta(hours=rule == "finish")
    made = Plan("i", "W", "wave", AT, "p", "c", "g", (PIN,), (), AT, until, (), 1, True)
    return replace(made, slots=slots, overrun=rule)


ROWS = [
    # rule, hours from..to denied, hour now, what is done, what it says
    ("rollback", -1, 9, 1, "turn-back", "deny window FREEZE"),
    ("rollback", -1, 9, 10, "turn-back", "the change window closed at 2026-02-26T06:00:00Z before m-02 (overrun: rollback)"),
    ("finish", 0, 3, 0, "turn-back", "deny window FREEZE"),
    ("finish", 0, 3, 3.5, "turn-back", "the change window closed at 2026-02-26T06:00:00Z before m-02 (overrun: finish)"),
    ("finish", 2, 3, 2.5, "apply", ""),
    ("pause", -1, 30, 10, "pause", "no window of the plan is left"),
    ("pause", -1, 30, 31, "pause", "the change window closed at 2026-02-27T06:00:00Z before m-02; no window of the plan is left"),
    ("pause", -1, 9, 10, "pause", "the change window opens at 2026-02-27T03:00:00Z"),
    ("rollback", -1, 1, 0.5, "pause", "it goes on at 2026-02-26T04:00:00Z"),
    ("rollback", -2, 9, -1, "pause", "no window of the plan is left"),
    ("rollback", 1, 2, 1.5, "turn-back", "deny window FREEZE"),
]


@pytest.mark.parametrize(
    ("rule", "since", "until", "now", "kind", "says"), ROWS, ids=[f"{r[0]}-{r[1]}-{r[2]}-at-{r[3]}" for r in ROWS]
)
def test_what_takes_a_steps_place(rule: str, since: float, until: float, now: float, kind: str, says: str) -> None:
    freeze = Window("FREEZE", "deny", ("vm-a",), hour(since), hour(until))
    found = hold(plan(rule), NEXT, hour(now), (freeze,))
    assert found.kind.value == kind and says in found.why


def test_only_a_steps_beginning_asks() -> None:
    freeze = Window("FREEZE", "deny", ("vm-a",), hour(-1), hour(9))
    looking = Action(ActionKind.PROBE, "m-02", 1)
    assert hold(plan("rollback"), looking, hour(1), (freeze,)) is looking
