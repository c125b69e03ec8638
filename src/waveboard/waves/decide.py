"""plan x journal -> the one next action. Everything the runner is allowed to do comes from here; it acts on nothing itself.

Rules:
- look before repeat: an intent without an outcome is probed, never applied again unseen;
- attempts are bounded; a step that failed, was found half done or used its attempts up takes the wave back;
- undo goes in reverse order and includes the step that failed (undo tolerates half-done work and work never begun);
- a failed undo, a question no probe can settle, or a touched step that has no undo halts: nothing further is touched;
- done and rolled back are final, but a person's `undo-asked` leads from done to rolled back;
- halted ends only by a person's signed `settled`: then the wave is finished when every step is done, and goes back otherwise.
"""

from collections.abc import Mapping, Sequence

from waveboard.model.change import Action, ActionKind, Event, Plan, Reversibility, Step, StepState
from waveboard.model.errors import RefusedError
from waveboard.waves.journal import Phase, StepRecord, Story, settled, tell, unresolved

OPEN_PROBES = 8  # probes in a row that settle nothing before a person is called; each already waited for what runs


def decide(plan: Plan, events: Sequence[Event]) -> Action:
    """The next action for this journal. Raises: RefusedError before `opened`; HaltedError for a journal that makes no sense."""
    story = tell([step.id for step in plan.steps], events)
    match story.phase:
        case Phase.UNOPENED:
            raise RefusedError(f"go on with {plan.wave}", "it was never admitted", "`waveboard apply` admits an approved plan")
        case Phase.DONE:
            return Action(ActionKind.FINISH)
        case Phase.ROLLED_BACK:
            return Action(ActionKind.ROLLED_BACK, why=story.why)
        case Phase.HALTED:
            return Action(ActionKind.HALT, why=story.why)
        case Phase.FORWARD:
            return _forward(plan, story)
        case Phase.BACKWARD:
            return _backward(plan, story, _cause(story))


def turn_limit(plan: Plan) -> int:
    """More turns than any drive of this plan can need: beyond it something is wrong with the runner, not with the host."""
    return 8 + sum(2 * step.attempts * (OPEN_PROBES + 2) for step in plan.steps)


def why_not_undo(plan: Plan, events: Sequence[Event]) -> str:
    """Why a person may not ask to undo this wave now; "" when they may. Ask before appending `undo-asked`."""
    story = tell([step.id for step in plan.steps], events)
    if story.phase is Phase.UNOPENED:
        return "it was never applied"
    if story.phase is Phase.HALTED:
        return "it is halted, and only a person's signed word on its unresolved steps leads on (waveboard settle)"
    if story.phase is Phase.ROLLED_BACK:
        return "it is rolled-back"
    final = [s.id for s in plan.steps if s.reversibility is Reversibility.NONE and story.steps[s.id].touched]
    return f"{', '.join(final)} cannot be taken back" if final else ""


def why_not_settle(plan: Plan, events: Sequence[Event], said: Mapping[str, str]) -> str:
    """Why this word on the steps (id -> done | undone) does not lead out of the halt; "" when it does."""
    story = tell([step.id for step in plan.steps], events)
    if story.phase is not Phase.HALTED:
        return f"it is {story.phase.value}, not halted"
    open_ = unresolved(story)
    if missing := [step for step in open_ if step not in said]:
        told = "; ".join(f"{step}: {story.steps[step].state.value} {story.steps[step].why}".strip() for step in missing)
        return f"nothing is said of {told}"
    if strange := [step for step in said if step not in story.steps or not story.steps[step].attempts]:
        return f"{', '.join(strange)} was never begun in this plan"
    after = settled(story, said)
    if after.phase is Phase.FORWARD:
        return ""
    stuck = [step.id for step in plan.steps if step.reversibility is Reversibility.NONE and after.steps[step.id].touched]
    rest = [step.id for step in plan.steps if after.steps[step.id].state is not StepState.APPLIED]
    return f"{', '.join(stuck)} would be done and cannot be taken back, while {', '.join(rest)} is not done" if stuck else ""


def _forward(plan: Plan, story: Story) -> Action:
    for step in plan.steps:
        record = story.steps[step.id]
        if record.state is StepState.APPLIED:
            continue
        if record.state is StepState.APPLYING:
            return _look(ActionKind.PROBE, step, record, record.attempts)
        if record.attempts < step.attempts:
            return Action(ActionKind.APPLY, step.id, record.attempts + 1)
        return _backward(plan, story, f"{step.id} used up its {step.attempts} attempts")
    return Action(ActionKind.FINISH)


def _backward(plan: Plan, story: Story, cause: str) -> Action:
    for step in reversed(plan.steps):
        record = story.steps[step.id]
        if not record.attempts or record.state is StepState.UNDONE:
            continue
        if record.state is StepState.UNDO_FAILED:
            return Action(ActionKind.HALT, step.id, why=f"undo of {step.id} failed: {record.why}")
        if record.state is StepState.APPLYING:
            return _look(ActionKind.PROBE, step, record, record.attempts)
        if record.state is StepState.UNDOING:
            return _look(ActionKind.PROBE_UNDO, step, record, record.undo_attempts)
        if step.reversibility is Reversibility.NONE:
            if record.touched:
                return Action(ActionKind.HALT, step.id, why=f"{cause}; {step.id} was begun and cannot be taken back")
            continue
        if record.undo_attempts - record.forgiven < step.attempts:
            return Action(ActionKind.UNDO, step.id, record.undo_attempts + 1, cause)
        return Action(ActionKind.HALT, step.id, why=f"undo of {step.id} used up its {step.attempts} attempts")
    return Action(ActionKind.ROLLED_BACK, why=cause)


def _look(kind: ActionKind, step: Step, record: StepRecord, attempt: int) -> Action:
    if record.open_probes < OPEN_PROBES:
        return Action(kind, step.id, attempt)
    return Action(ActionKind.HALT, step.id, why=f"{record.open_probes} probes of {step.id} could not tell: {record.why}")


def _cause(story: Story) -> str:
    for step, record in story.steps.items():
        if record.why and record.state is not StepState.UNDO_FAILED:
            return f"{step} failed: {record.why}"
    return (story.why or "a person asked for it") if story.undo_asked else "a step failed"
