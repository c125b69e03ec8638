"""Journal lines -> where every step stands. Reads only; it decides nothing and repairs nothing.

Rules it holds every journal to (a line that breaks one makes the whole journal unreadable: HaltedError, never a guess):
- lines are numbered 1, 2, 3 …, belong to one plan and begin with `opened`;
- fences never fall (a person's `undo-asked`, outside any lease, has fence 0);
- an outcome answers an intent; an intent is never followed by another before the first is settled by an outcome or a probe;
- forward steps run in order, undo runs in reverse, and nothing goes forward once anything has gone wrong;
- nothing follows `rolled-back`, only `undo-asked` follows `done`, and only a person's signed `settled` follows `halted`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from waveboard.model.change import Event, StepState
from waveboard.model.errors import HaltedError

FOUND = ("done", "not-done", "partial", "running", "unknown")  # what `probed` may say, under detail["found"]

# what a settled probe makes of a step: (state while asked, found) -> state. Not here: the question stays open.
_SETTLED = {
    (StepState.APPLYING, "done"): StepState.APPLIED,
    (StepState.APPLYING, "not-done"): StepState.TODO,
    (StepState.APPLYING, "partial"): StepState.FAILED,
    (StepState.UNDOING, "done"): StepState.UNDONE,
    (StepState.UNDOING, "not-done"): StepState.FAILED,
    (StepState.UNDOING, "partial"): StepState.FAILED,
}


class Phase(Enum):
    """Which way the wave goes."""

    UNOPENED = "unopened"
    FORWARD = "forward"
    BACKWARD = "backward"
    DONE = "done"
    ROLLED_BACK = "rolled-back"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step's standing. attempts, undo_attempts: intents so far; open_probes: probes in a row that settled nothing;
    touched: it may have left something on the host; why: the last failure in the host's words; forgiven: undo attempts that a
    person's statement made past history.
    """

    state: StepState = StepState.TODO
    attempts: int = 0
    undo_attempts: int = 0
    open_probes: int = 0
    touched: bool = False
    why: str = ""
    forgiven: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """The whole journal, told. why: the reason on a closing line; fence: the highest seen; seq: the last line's; settled: a person
    said how the unresolved steps stand after a halt, and nothing new goes forward.
    """

    phase: Phase = Phase.UNOPENED
    steps: Mapping[str, StepRecord] = field(default_factory=dict)
    undo_asked: bool = False
    settled: bool = False
    why: str = ""
    fence: int = 0
    seq: int = 0


def tell(steps: Sequence[str], events: Sequence[Event]) -> Story:
    """Fold the journal of the plan with these step ids in order. Raises: HaltedError naming the line that makes no sense."""
    story = Story(steps={step: StepRecord() for step in steps})
    for event in events:
        if event.plan != events[0].plan:
            raise _unreadable(event, f"it belongs to {event.plan}")
        if event.seq != story.seq + 1:
            raise _unreadable(event, f"line {story.seq + 1} is missing or told twice")
        if event.fence < story.fence and not (event.kind == "undo-asked" and event.fence == 0):
            raise _unreadable(event, f"its fence {event.fence} is older than {story.fence}")
        story = _take(story, event)
        story = replace(story, seq=event.seq, fence=max(story.fence, event.fence))
    return story


def _take(story: Story, event: Event) -> Story:
    if (event.kind == "opened") != (story.phase is Phase.UNOPENED):
        raise _unreadable(event, "a journal is opened once, by its first line")
    if event.kind == "opened":
        return replace(story, phase=Phase.FORWARD)
    only = {Phase.DONE: "undo-asked", Phase.HALTED: "settled", Phase.ROLLED_BACK: ""}.get(story.phase, event.kind)
    if event.kind != only:
        raise _unreadable(event, f"the wave is {story.phase.value}")
    if event.step:
        return _take_step(story, event)
    match event.kind:
        case "undo-asked":
            return replace(story, phase=Phase.BACKWARD, undo_asked=True, why=_why(event))
        case "settled" if story.phase is Phase.HALTED:
            return settled(story, _said(story, event))
        case "halted":
            return replace(story, phase=Phase.HALTED, why=_why(event))
        case "done" if story.phase is Phase.FORWARD and _all(story, StepState.APPLIED):
            return replace(story, phase=Phase.DONE)
        case "rolled-back" if not any(record.touched for record in story.steps.values()):
            return replace(story, phase=Phase.ROLLED_BACK, why=_why(event))
    raise _unreadable(event, "the steps do not stand so")


def unresolved(story: Story) -> tuple[str, ...]:
    """The begun steps of which nobody can tell from the journal that they are done, or that they are undone."""
    sure = (StepState.APPLIED, StepState.UNDONE)
    return tuple(step for step, record in story.steps.items() if record.attempts and record.state not in sure)


def settled(story: Story, said: Mapping[str, str]) -> Story:
    """The story after a person's word on its steps. Everything done and nobody asked to undo: it may finish. Else it goes back."""
    steps = {step: _settled(record, said.get(step)) for step, record in story.steps.items()}
    told = replace(story, steps=steps, settled=True, why="")
    forward = _all(told, StepState.APPLIED) and not story.undo_asked
    return replace(told, phase=Phase.FORWARD if forward else Phase.BACKWARD)


def _settled(record: StepRecord, said: str | None) -> StepRecord:
    if said is None:
        return record
    state = StepState.APPLIED if said == "done" else StepState.UNDONE
    return replace(record, state=state, touched=said == "done", open_probes=0, forgiven=record.undo_attempts, why="")


def _said(story: Story, event: Event) -> Mapping[str, str]:
    said = event.detail.get("steps")
    known = isinstance(said, dict) and all(step in story.steps and word in ("done", "undone") for step, word in said.items())
    if not isinstance(said, dict) or not known or any(step not in said for step in unresolved(story)):
        raise _unreadable(event, "it leaves a step unresolved")
    if any(not story.steps[step].attempts for step in said):
        raise _unreadable(event, "it speaks of a step that was never begun")
    return {str(step): str(word) for step, word in said.items()}


def _take_step(story: Story, event: Event) -> Story:
    record = story.steps.get(event.step)
    if record is None:
        raise _unreadable(event, "the plan has no such step")
    match event.kind:
        case "intent" | "undo-intent":
            record = _begin(story, record, event)
        case "applied" | "failed" | "undone" | "undo-failed" | "probed":
            record = _settle(record, event)
        case _:
            raise _unreadable(event, "there is no such kind of line")
    backward = record.state not in (StepState.TODO, StepState.APPLYING, StepState.APPLIED)
    phase = Phase.BACKWARD if backward else story.phase
    return replace(story, phase=phase, steps={**story.steps, event.step: record})


def _begin(story: Story, record: StepRecord, event: Event) -> StepRecord:
    """An intent line, forward or back."""
    order = list(story.steps)
    here = order.index(event.step)
    before = [story.steps[step] for step in order[:here]]
    after = [story.steps[step] for step in order[here + 1 :]]
    if event.kind == "intent":
        ready = story.phase is Phase.FORWARD and record.state is StepState.TODO
        if not ready or any(r.state is not StepState.APPLIED for r in before) or event.attempt != record.attempts + 1:
            raise _unreadable(event, "it was not this step's turn")
        return replace(record, state=StepState.APPLYING, attempts=event.attempt, open_probes=0, touched=True, why="")
    ready = record.attempts > 0 and record.state in (StepState.APPLIED, StepState.FAILED, StepState.TODO)
    unsettled = any(other.touched for other in after)
    if not ready or unsettled or event.attempt != record.undo_attempts + 1:
        raise _unreadable(event, "it was not this step's turn to be undone")
    return replace(record, state=StepState.UNDOING, undo_attempts=event.attempt, open_probes=0, touched=True)


def _settle(record: StepRecord, event: Event) -> StepRecord:
    """An outcome or a probe's answer."""
    undoing = record.state is StepState.UNDOING
    if record.state not in (StepState.APPLYING, StepState.UNDOING):
        raise _unreadable(event, "nothing was under way")
    if event.attempt != (record.undo_attempts if undoing else record.attempts):
        raise _unreadable(event, "it answers another attempt")
    match event.kind, undoing:
        case "applied", False:
            return replace(record, state=StepState.APPLIED, open_probes=0, why="")
        case "failed", False:
            return replace(record, state=StepState.FAILED, why=_why(event), touched=event.detail.get("touched") is not False)
        case "undone", True:
            return replace(record, state=StepState.UNDONE, touched=False)
        case "undo-failed", True:
            return replace(record, state=StepState.UNDO_FAILED, why=_why(event))
        case "probed", _:
            return _probed(record, event)
    raise _unreadable(event, "it answers the other direction")


def _probed(record: StepRecord, event: Event) -> StepRecord:
    found = event.detail.get("found")
    if found not in FOUND:
        raise _unreadable(event, f"a probe finds one of {', '.join(FOUND)}")
    state = _SETTLED.get((record.state, str(found)))
    if state is None:
        return replace(record, open_probes=record.open_probes + 1, why=_why(event) or str(found))
    if state is StepState.FAILED and record.state is StepState.APPLYING:
        return replace(record, state=state, open_probes=0, why=_why(event) or "it was found half done")
    kept = "" if state in (StepState.APPLIED, StepState.TODO) else record.why
    return replace(record, state=state, open_probes=0, touched=state not in (StepState.TODO, StepState.UNDONE), why=kept)


def _all(story: Story, state: StepState) -> bool:
    return all(record.state is state for record in story.steps.values())


def _why(event: Event) -> str:
    return str(event.detail.get("why", ""))


def _unreadable(event: Event, because: str) -> HaltedError:
    line = f"{event.kind} {event.step}".strip()
    return HaltedError(
        f"read the journal of {event.plan}",
        f"line {event.seq} ({line}, attempt {event.attempt}): {because}",
        "nothing further is touched; compare the journal with the hand's own on the host, then decide by hand",
    )
