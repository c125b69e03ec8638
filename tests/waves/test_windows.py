"""When a window is open: local clocks, changes of clocks, denials; and what a closing window makes of the next action."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.model.change import Action, ActionKind, HostPin, Plan, Slot
from waveboard.model.contract import Recurrence, Window
from waveboard.waves.overrun import hold
from waveboard.waves.windows import denying, occurrences, openings

BERLIN = ZoneInfo("Europe/Berlin")
FAR = datetime(9999, 1, 1, tzinfo=UTC)


def recurring(
    rule: str, starts: str, hours: float = 4, kind: str = "allow", zone: str = "Europe/Berlin", name: str = "r"
) -> Window:
    local = datetime.fromisoformat(starts)
    return Window(
        name, kind, ("a", "b"), local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC), FAR, None,
        Recurrence(rule, local, zone, int(hours * 3600)),
    )  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans(window: Window, since: str, until: str) -> list[tuple[str, str]]:
    found = occurrences(window, utc(since), utc(until))
    return [(f"{s.not_before:%m-%dT%H:%M}", f"{s.not_after:%m-%dT%H:%M}") for s in found]


CLOCKS = [
    ("the wall clock stays, UTC moves", "FREQ=DAILY", "2026-03-01T22:00:00", ("2026-03-28", "2026-03-30"),
     [("03-27T21:00", "03-28T01:00"), ("03-28T21:00", "03-29T01:00"), ("03-29T20:00", "03-30T00:00")]),
    ("an hour that is skipped begins by the offset before", "FREQ=DAILY", "2026-03-01T02:30:00", ("2026-03-29", "2026-03-29T03:00"),
     [("03-29T01:30", "03-29T05:30")]),
    ("an hour that comes twice is the first of the two", "FREQ=DAILY", "2026-03-01T02:30:00", ("2026-10-25", "2026-10-25T03:00"),
     [("10-25T00:30", "10-25T04:30")]),
    ("the last day of a quarter", "FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1", "2026-03-31T12:00:00", ("2026-03-01", "2026-07-01"),
     [("03-31T10:00", "03-31T14:00"), ("06-30T10:00", "06-30T14:00")]),
    ("COUNT ends it", "FREQ=WEEKLY;BYDAY=TU;COUNT=2", "2026-03-03T22:00:00", ("2026-03-01", "2026-06-01"),
     [("03-03T21:00", "03-04T01:00"), ("03-10T21:00", "03-11T01:00")]),
    ("nothing before it starts", "FREQ=DAILY", "2026-03-03T22:00:00", ("2026-01-01", "2026-03-03T21:30"), [("03-03T21:00", "03-04T01:00")]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "starts", "asked", "wanted"), [row[1:] for row in CLOCKS], ids=[row[0] for row in CLOCKS])
def test_recurrences_follow_the_local_clock(
    rule: str, starts: str, asked: tuple[str, str], wanted: list[tuple[str, str]]
) -> None:
    assert spans(recurring(rule, starts), *asked) == wanted


def test_until_ends_a_rule() -> None:
    window = replace(recurring("FREQ=DAILY;UNTIL=20260303T000000Z", "2026-03-01T22:00:00"), not_after=utc("2026-03-03"))
    assert len(spans(window, "2026-02-01", "2026-05-01")) == 2


def test_a_window_must_cover_every_host_and_deny_cuts() -> None:
    nights = recurring("FREQ=DAILY", "2026-03-01T22:00:00", 8)
    deny = Window("d", "deny", ("b",), utc("2026-03-02T23:00:00"), utc("2026-03-03T01:00:00"))
    at = utc("2026-03-02T20:00:00")
    assert not openings((nights,), ("a", "c"), at)
    pieces = [o.slot for o in openings((nights, deny), ("a", "b"), at, utc("2026-03-03T06:00:00"))]
    assert [(p.not_before.hour, p.not_after.hour) for p in pieces] == [(21, 23), (1, 5)]
    whole = openings((nights, deny), ("a",), at, utc("2026-03-03T06:00:00"))
    assert len(whole) == 1  # the denial names another host
    assert denying((nights, deny), ("b",), utc("2026-03-03T00:00:00"))[0].window.id == "d"
    assert not denying((nights, deny), ("b",), utc("2026-03-03T01:00:00"))


def test_a_denial_that_has_just_ended_still_cuts_what_began_before_it() -> None:
    """Found by hypothesis: at the very instant a denial ended, the slot was whole again, back to its beginning."""
    allow, deny = (
        recurring("FREQ=DAILY", "2026-03-01T00:00:00", 10, zone="UTC"),
        recurring("FREQ=DAILY", "2026-03-01T02:00:00", 7, "deny", zone="UTC"),
    )
    (first, *_) = openings((allow, deny), ("a",), utc("2026-03-06T09:00:00"))
    assert (first.slot.not_before, first.slot.not_after) == (utc("2026-03-06T09:00:00"), utc("2026-03-06T10:00:00"))


@given(
    st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,SU", "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=DAILY;INTERVAL=3;BYHOUR=1,13"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.integers(0, 1_000_000),
    st.integers(1, 30),
)
def test_what_is_open_is_allowed_and_not_denied(rule: str, zone: str, minutes: int, hours: int) -> None:
    now = utc("2026-01-01") + timedelta(minutes=minutes)
    allow, deny = (
        recurring(rule, "2026-01-01T01:00:00", hours, zone=zone),
        recurring("FREQ=WEEKLY", "2026-01-02T03:00:00", 7, "deny"),
    )
    for opening in openings((allow, deny), ("a",), now, now + timedelta(days=40)):
        slot = opening.slot
        assert slot.not_before < slot.not_after and slot.not_after > now
        middle = slot.not_before + (slot.not_after - slot.not_before) / 2
        assert any(one.holds(middle) for one in occurrences(allow, middle, middle))
        assert not denying((allow, deny), ("a",), middle)
    if any(one.holds(now) for one in occurrences(allow, now, now)) and not denying((deny,), ("a",), now):
        assert any(o.slot.holds(now) for o in openings((allow, deny), ("a",), now))


# -- what a closing window makes of the next action

BEGIN = utc("2026-03-03T22:00:00")
ONE, TWO = Slot(BEGIN, BEGIN + timedelta(hours=4)), Slot(BEGIN + timedelta(days=2), BEGIN + timedelta(days=2, hours=4))
APPLY = Action(ActionKind.APPLY, "w-02", 1)


def plan(overrun: str) -> Plan:
    slots = (ONE, TWO) if overrun == "pause" else (ONE,)
    end = slots[-1].not_after + (timedelta(hours=1) if overrun == "finish" else timedelta(0))
    return Plan("i", "W", "wave", BEGIN, "p", "c", "g", (), (), BEGIN, end, (), 1, True, "", slots, overrun)


HELD = [
    ("rollback", 0, "apply"), ("rollback", 3.99, "apply"), ("rollback", 4, "turn-back"), ("rollback", -1, "pause"),
    ("finish", 4, "apply"), ("finish", 4.99, "apply"), ("finish", 5, "turn-back"), ("finish", -1, "pause"),
    ("pause", 3, "apply"), ("pause", 4, "pause"), ("pause", 47, "pause"), ("pause", 48, "apply"), ("pause", 52, "pause"),
]  # fmt: skip


@pytest.mark.parametrize(("overrun", "hours", "wanted"), HELD)
def test_a_step_begins_only_inside_the_window(overrun: str, hours: float, wanted: str) -> None:
    assert hold(plan(overrun), APPLY, BEGIN + timedelta(hours=hours), ()).kind.value == wanted


@given(
    st.sampled_from(["rollback", "finish", "pause"]),
    st.sampled_from([k for k in ActionKind if k is not ActionKind.APPLY]),
    st.floats(-100, 1000),
)
def test_what_has_begun_is_always_seen_to_its_end(overrun: str, kind: ActionKind, hours: float) -> None:
    action = Action(kind, "w-02", 1, "why")
    assert hold(plan(overrun), action, BEGIN + timedelta(hours=hours), ()) == action


@given(st.sampled_from(["rollback", "finish", "pause"]), st.floats(-100, 1000))
def test_nothing_begins_outside_the_plan(overrun: str, hours: float) -> None:
    at, made = BEGIN + timedelta(hours=hours), plan(overrun)
    held = hold(made, APPLY, at, ())
    if held.kind is ActionKind.APPLY:
        assert made.not_before <= at < made.not_after
    else:
        assert "window" in held.why and not any(slot.holds(at) for slot in made.slots)


@given(st.sampled_from(["rollback", "pause"]), st.floats(-10, 60), st.floats(-10, 60), st.floats(0.1, 30))
def test_nothing_begins_in_a_denied_time_whenever_the_denial_was_written(
    overrun: str, hours: float, begins: float, lasts: float
) -> None:
    at = BEGIN + timedelta(hours=hours)
    begin = BEGIN + timedelta(hours=begins)
    pin = HostPin("a", "m", "k", "e", "f")
    deny = Window("D", "deny", ("a",), begin, begin + timedelta(hours=lasts))
    made = replace(plan(overrun), hosts=(pin,))
    held = hold(made, APPLY, at, (deny,))
    free = any(slot.holds(at) for slot in made.slots)
    assert (held.kind is ActionKind.APPLY) == (free and not Slot(deny.not_before, deny.not_after).holds(at))
    if free and held.kind is not ActionKind.APPLY:
        assert "deny window D" in held.why


def test_finish_goes_on_for_its_time_after_a_denial_and_no_longer() -> None:
    deny = Window("D", "deny", ("a",), BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=9))
    made = replace(plan("finish"), hosts=(HostPin("a", "m", "k", "e", "f"),))
    kinds = [hold(made, APPLY, BEGIN + timedelta(hours=h), (deny,)).kind.value for h in (1.9, 2.9, 3.1)]
    assert kinds == ["apply", "apply", "turn-back"]
