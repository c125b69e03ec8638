"""Is the VM as its contracts ask? Every rule's ready check and the four plain questions. Pure; unknown is not ready.

It gives no birth certificate: that is a receipt, and app's to issue.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from waveboard.model.facts import Docker, MissingFact, Unavailable
from waveboard.vms import shelf
from waveboard.vms.rule import Checked, NotHere, Rule, Said, Seen, Stage, State, fails, unknown


@dataclass(frozen=True, slots=True)
class Answer:
    """One rule, or one plain question, about one VM."""

    id: str
    title: str
    state: State
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """answers: in the order asked. A VM of which nothing was asked is not ready."""

    host: str
    answers: tuple[Answer, ...]

    @property
    def ready(self) -> bool:
        """Every question was asked and answered with yes."""
        return bool(self.answers) and all(one.state is State.HOLDS for one in self.answers)

    @property
    def doubtful(self) -> bool:
        """Nothing is known to be wrong, and not everything is known."""
        states = {one.state for one in self.answers}
        return State.UNKNOWN in states and State.FAILS not in states


def assess(seen: Seen, rules: Sequence[Rule] | None = None, holes: Sequence[str] = ()) -> Readiness:
    """holes: what parity found. A rule that some stage leaves to nobody cannot make a VM ready, whatever this one looks like."""
    answers = [
        _answer("running", "the machine runs, its agent answers", _running, seen),
        _answer("docker", "docker answers", _docker, seen),
    ]
    for rule in shelf.rules() if rules is None else rules:
        if rule.asked(seen.vm, seen.policy):
            answers.append(_of_rule(rule, seen))
    answers += [Answer("parity", "every storage rule has its enforcers", State.FAILS, tuple(holes))] if holes else []
    return Readiness(seen.vm.host, tuple(answers))


def _of_rule(rule: Rule, seen: Seen) -> Answer:
    stage = rule.stages.get(Stage.READY)
    if isinstance(stage, Checked):
        return _answer(rule.id, rule.title, stage.check, seen)
    if isinstance(stage, NotHere):
        return Answer(rule.id, rule.title, State.HOLDS, (f"not judged here: {stage.reason}",))
    return Answer(rule.id, rule.title, State.UNKNOWN, ("nothing checks it",))


def _answer(name: str, title: str, check: object, seen: Seen) -> Answer:
    told: list[Said] = []
    try:
        for one in check(seen):  # type: ignore[operator]
            told.append(one)
    except MissingFact as missing:
        told.append(unknown(f"{missing.noun.__name__}: {missing.reason}"))
    states = {one.state for one in told}
    state = State.FAILS if State.FAILS in states else State.UNKNOWN if told else State.HOLDS
    return Answer(name, title, state, tuple(one.reason for one in told))


def _running(seen: Seen) -> Iterator[Said]:
    if seen.facts.identity.machine_id is None:
        yield unknown("its evidence names no machine: a birth certificate is one machine's own")
    if seen.facts.identity.boot_id is None:
        yield unknown("its evidence names no boot")
    if not seen.vm.hypervisor:
        return
    state = seen.state()
    if isinstance(state, Said):
        yield state
        return
    if state.status != "running":
        yield fails(f"{seen.vm.hypervisor} says it is {state.status}")
    if state.locked:
        yield fails(f"{seen.vm.hypervisor} has it locked: {state.locked}")
    if seen.vm.agent and state.agent is not True:
        yield fails("its guest agent does not answer") if state.agent is False else unknown("its guest agent was not asked")


def _docker(seen: Seen) -> Iterator[Said]:
    found = seen.facts.get(Docker)
    if isinstance(found, Unavailable):
        yield unknown(f"docker: {found.reason}")
