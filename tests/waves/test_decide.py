"""What comes next, told as sentences: what each step's host does on the left, what the journal then says on the right."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from waveboard.model.change import Action, ActionKind, Event, Plan, Reversibility, Step
from waveboard.model.errors import HaltedError, RefusedError
from waveboard.waves.decide import OPEN_PROBES, decide, turn_limit, why_not_settle, why_not_undo
from waveboard.waves.journal import Phase, tell

AT = datetime(2026, 2, 26, 3, 38, 31, tzinfo=UTC)
CLOSING = {ActionKind.FINISH: "done", ActionKind.ROLLED_BACK: "rolled-back", ActionKind.HALT: "halted"}
INTENT = {ActionKind.APPLY: "intent", ActionKind.UNDO: "undo-intent"}
SAID = {"intent": "applying", "undo-intent": "", "probed": ""}


def step(name: str, attempts: int = 3, reversibility: Reversibility = Reversibility.EXACT) -> Step:
    return Step(name, "file.write", "vm-a", name, {}, reversibility, (), (), attempts=attempts)


def plan(*steps: Step) -> Plan:
    return Plan("i", "W8B", "wave", AT, "p", "c", "g", (), (), AT, AT, steps, 1, True)


def event(seq: int, kind: str, name: str = "", attempt: int = 0, fence: int = 1, **detail: object) -> Event:
    return Event(seq, "sha256:1", kind, name, attempt, AT, fence, detail)


def opened() -> list[Event]:
    return [event(1, "opened")]


def answers(script: str) -> dict[str, Iterator[str]]:
    """`a:lost,done b:fail/undo-fail`: what the host answers, in order; after `/` the answers to undo. The last one repeats."""
    told: dict[str, Iterator[str]] = {}
    for word in script.split():
        name, _, rest = word.partition(":")
        forward, _, back = rest.partition("/")
        told[name], told[name + "/"] = iter(forward.split(",")), iter((back or "ok").split(","))
    return told


def play(script: str, what: Plan, journal: list[Event]) -> ActionKind:
    """Drive decide against scripted answers until a closing line."""
    told = answers(script)
    for _ in range(turn_limit(what)):
        action = decide(what, journal)
        seq = len(journal) + 1
        if action.kind in CLOSING:
            journal.append(event(seq, CLOSING[action.kind], why=action.why))
            return action.kind
        undoing = action.kind in (ActionKind.UNDO, ActionKind.PROBE_UNDO)
        if action.kind in INTENT:
            journal.append(event(seq, INTENT[action.kind], action.step, action.attempt))
        answer = next(told[action.step + "/" * undoing])
        if action.kind in (ActionKind.PROBE, ActionKind.PROBE_UNDO):
            journal.append(event(seq, "probed", action.step, action.attempt, found=answer))
        elif answer != "lost":
            kind = {"ok": ("applied", "undone"), "fail": ("failed", "undo-failed")}[answer][undoing]
            journal.append(event(seq + 1, kind, action.step, action.attempt, why="no"))
    raise AssertionError("never came to an end")


def words(journal: list[Event]) -> str:
    said = [(e.step, SAID.get(e.kind, e.kind) if e.kind != "probed" else str(e.detail["found"])) for e in journal if e.step]
    return " ".join(f"{name}:{word}" for name, word in said if word)


ROWS = [
    ("a:ok b:ok", "a:applying a:applied b:applying b:applied", "finish"),
    ("a:ok b:fail", "a:applying a:applied b:applying b:failed b:undone a:undone", "rolled-back"),
    ("a:fail b:ok", "a:applying a:failed a:undone", "rolled-back"),
    ("a:ok/fail b:fail", "a:applying a:applied b:applying b:failed b:undone a:undo-failed", "halt"),
    ("a:ok b:fail/fail", "a:applying a:applied b:applying b:failed b:undo-failed", "halt"),
    ("a:lost,done b:ok", "a:applying a:done b:applying b:applied", "finish"),
    ("a:lost,not-done,ok b:ok", "a:applying a:not-done a:applying a:applied b:applying b:applied", "finish"),
    ("a:lost,running,running,done b:ok", "a:applying a:running a:running a:done b:applying b:applied", "finish"),
    ("a:ok b:lost,partial", "a:applying a:applied b:applying b:partial b:undone a:undone", "rolled-back"),
    (
        "a:lost,not-done,lost,not-done,lost,not-done b:ok",
        "a:applying a:not-done a:applying a:not-done a:applying a:not-done a:undone",
        "rolled-back",
    ),
    ("a:lost" + ",unknown" * OPEN_PROBES + " b:ok", "a:applying" + " a:unknown" * OPEN_PROBES, "halt"),
    ("a:ok b:fail/lost,done", "a:applying a:applied b:applying b:failed b:done a:undone", "rolled-back"),
    ("a:ok b:fail/lost,partial,ok", "a:applying a:applied b:applying b:failed b:partial b:undone a:undone", "rolled-back"),
    (
        "a:ok b:fail/lost,not-done,lost,not-done,lost,not-done",
        "a:applying a:applied b:applying b:failed b:not-done b:not-done b:not-done",
        "halt",
    ),
]


@pytest.mark.parametrize(("script", "expected", "end"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_sequence(script: str, expected: str, end: str) -> None:
    journal = opened()
    assert play(script, plan(step("a"), step("b")), journal).value == end
    assert words(journal) == expected
    assert decide(plan(step("a"), step("b")), journal).kind.value == end  # final


def test_done_is_left_only_when_a_person_asks() -> None:
    journal, what = opened(), plan(step("a"), step("b"))
    play("a:ok b:ok", what, journal)
    assert why_not_undo(what, journal) == ""
    journal.append(event(len(journal) + 1, "undo-asked", fence=0))
    assert play("a:ok b:ok", what, journal) is ActionKind.ROLLED_BACK
    assert words(journal[-5:]) == "b:undone a:undone"
    assert why_not_undo(what, journal) == "it is rolled-back"
    journal.append(event(len(journal) + 1, "undo-asked", fence=0))
    with pytest.raises(HaltedError, match="the wave is rolled-back"):
        decide(what, journal)


def test_a_person_stops_a_wave_half_way_and_what_runs_is_looked_at_first() -> None:
    what = plan(step("a"), step("b"), step("c"))
    journal = [*opened(), event(2, "intent", "a", 1), event(3, "applied", "a", 1), event(4, "intent", "b", 1)]
    journal.append(event(5, "undo-asked", fence=0))
    assert decide(what, journal) == Action(ActionKind.PROBE, "b", 1)
    assert play("a:ok b:not-done c:ok", what, journal) is ActionKind.ROLLED_BACK
    assert words(journal) == "a:applying a:applied b:applying b:not-done b:undone a:undone"


def test_what_cannot_be_taken_back_halts_once_it_was_begun() -> None:
    final = step("b", reversibility=Reversibility.NONE)
    what, journal = plan(step("a"), final, step("c")), opened()
    assert play("a:ok b:ok c:fail", what, journal) is ActionKind.HALT
    assert words(journal) == "a:applying a:applied b:applying b:applied c:applying c:failed c:undone"
    assert journal[-1].detail["why"] == "c failed: no; b was begun and cannot be taken back"


def test_what_cannot_be_taken_back_but_was_never_begun_needs_no_undo() -> None:
    what, journal = plan(step("a"), step("b", 1, Reversibility.NONE)), opened()
    assert play("a:ok b:lost,not-done", what, journal) is ActionKind.ROLLED_BACK
    refused = [*journal[:4], event(5, "failed", "b", 1, touched=False, why="the disk holds a filesystem")]
    assert decide(what, refused) == Action(ActionKind.UNDO, "a", 1, "b failed: the disk holds a filesystem")


def test_undo_of_a_retired_path_is_refused_before_it_is_asked() -> None:
    what, journal = plan(step("a", reversibility=Reversibility.NONE)), opened()
    play("a:ok", what, journal)
    assert why_not_undo(what, journal) == "a cannot be taken back"


def test_a_wave_nobody_admitted_does_not_move() -> None:
    with pytest.raises(RefusedError, match="never admitted"):
        decide(plan(step("a")), [])
    assert why_not_undo(plan(step("a")), []) == "it was never applied"


GOOD = (
    event(1, "opened"),
    event(2, "intent", "a", 1),
    event(3, "applied", "a", 1),
    event(4, "intent", "b", 1),
    event(5, "failed", "b", 1),
    event(6, "undo-intent", "b", 1),
    event(7, "undone", "b", 1),
)

BAD = [
    (1, event(2, "opened"), "opened once"),
    (0, event(1, "intent", "a", 1), "opened once"),
    (1, event(3, "intent", "a", 1), "missing or told twice"),
    (1, event(2, "intent", "a", 1, fence=0), "older than"),
    (1, event(2, "intent", "z", 1), "no such step"),
    (1, event(2, "intent", "b", 1), "not this step's turn"),
    (1, event(2, "intent", "a", 2), "not this step's turn"),
    (2, event(3, "intent", "a", 2), "not this step's turn"),
    (1, event(2, "applied", "a", 1), "nothing was under way"),
    (2, event(3, "applied", "a", 2), "another attempt"),
    (2, event(3, "undone", "a", 1), "other direction"),
    (2, event(3, "probed", "a", 1, found="maybe"), "a probe finds one of"),
    (3, event(4, "done"), "do not stand so"),
    (5, event(6, "intent", "b", 2), "not this step's turn"),
    (5, event(6, "undo-intent", "a", 1), "turn to be undone"),
    (5, event(6, "rolled-back"), "do not stand so"),
    (6, event(7, "applied", "b", 1), "other direction"),
    (7, event(8, "gone", "a", 1), "no such kind"),
    (7, event(8, "gone"), "do not stand so"),
    (7, event(8, "settled", steps={"b": "done"}), "do not stand so"),
    (7, replace(event(8, "halted"), plan="sha256:2"), "it belongs to"),
]


HALTED = (*GOOD[:6], event(7, "undo-failed", "b", 1), event(8, "halted"))


@pytest.mark.parametrize(
    ("line", "because"),
    [
        (event(9, "undo-intent", "a", 1), "the wave is halted"),
        (event(9, "undo-asked"), "the wave is halted"),
        (event(9, "settled", steps={}), "leaves a step unresolved"),
        (event(9, "settled", steps={"a": "undone"}), "leaves a step unresolved"),
        (event(9, "settled", steps={"b": "gone"}), "leaves a step unresolved"),
        (event(9, "settled", steps={"b": "done", "z": "done"}), "leaves a step unresolved"),
        (event(9, "settled", steps=["b"]), "leaves a step unresolved"),
        (event(9, "settled"), "leaves a step unresolved"),
    ],
)
def test_only_a_whole_word_leads_out_of_a_halt(line: Event, because: str) -> None:
    assert tell(["a", "b"], HALTED).phase is Phase.HALTED
    with pytest.raises(HaltedError, match=because):
        tell(["a", "b"], [*HALTED, line])


def test_after_the_word_a_wave_finishes_or_goes_back_and_never_goes_on() -> None:
    two, three = plan(step("a"), step("b")), plan(step("a"), step("b"), step("c"))
    settled = {word: [*HALTED, event(9, "settled", steps={"b": word})] for word in ("done", "undone")}
    assert decide(two, settled["done"]).kind is ActionKind.FINISH
    assert decide(two, settled["undone"]) == Action(ActionKind.UNDO, "a", 1, "a step failed")
    assert decide(three, settled["done"]) == Action(ActionKind.UNDO, "b", 2, "a step failed"), (
        "c was never begun and never will be"
    )
    asked = [
        *GOOD[:3],
        event(4, "intent", "b", 1),
        event(5, "applied", "b", 1),
        event(6, "done"),
        event(7, "undo-asked", fence=0),
    ]
    stuck = [*asked, event(8, "undo-intent", "b", 1), event(9, "undo-failed", "b", 1), event(10, "halted")]
    assert decide(two, [*stuck, event(11, "settled", steps={"b": "done"})]).kind is ActionKind.UNDO, (
        "a person asked to take it back"
    )


def test_a_persons_word_makes_the_undo_attempts_before_it_past_history_and_only_those() -> None:
    what = plan(step("a", 1), step("b", 1), step("c", 1))
    journal = [*HALTED, event(9, "settled", steps={"b": "done"})]
    assert decide(what, journal) == Action(ActionKind.UNDO, "b", 2, "a step failed")
    again = [*journal, event(10, "undo-intent", "b", 2), event(11, "probed", "b", 2, found="not-done")]
    assert decide(what, again) == Action(ActionKind.HALT, "b", why="undo of b used up its 1 attempts")


def test_what_cannot_be_taken_back_must_be_settled_all_one_way() -> None:
    what = plan(step("a", reversibility=Reversibility.NONE), step("b"))
    assert why_not_settle(what, HALTED, {"b": "done"}) == ""
    assert why_not_settle(what, HALTED, {"b": "undone"}) == "a would be done and cannot be taken back, while b is not done"
    assert why_not_settle(what, HALTED, {"a": "undone", "b": "undone"}) == ""
    assert "not halted" in why_not_settle(what, GOOD, {"b": "done"})


@pytest.mark.parametrize(("keep", "line", "because"), BAD)
def test_a_journal_that_makes_no_sense_is_not_guessed_at(keep: int, line: Event, because: str) -> None:
    assert tell(["a", "b"], GOOD).phase is Phase.BACKWARD
    with pytest.raises(HaltedError, match=because):
        tell(["a", "b"], [*GOOD[:keep], line])
