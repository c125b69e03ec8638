"""What declared gates judge: documents read and commands run once a run, parsed, kept as one piece of evidence under its digest.

A command is run only where the workspace allows it. On given evidence none is run: its recorded answer counts, or nothing does.
A file that the evidence does not hold is read from the workspace as it stands now.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from waveboard.app import paper_files
from waveboard.app.ports import Clock, Commands, Documents, Store
from waveboard.model.contract import Contract, Pack, Unreadable
from waveboard.model.declared import Need
from waveboard.model.document import CommandAnswer, CommandAsk, FileAsk, Papers, Recorded, Sight
from waveboard.model.evidence import digest_of
from waveboard.model.facts import Unavailable


class Gatherer:
    """One run's documents. Nothing is read or run twice, whichever gates and packs ask for it.

    commands: None on given evidence. recorded: that evidence.
    """

    def __init__(
        self, contract: Contract, documents: Documents, commands: Commands | None, store: Store, clock: Clock, recorded: Recorded
    ) -> None:
        self._contract, self._documents, self._commands = contract, documents, commands
        self._store, self._clock = store, clock
        self._files = dict(recorded.files)
        self._answers = {answer.argv: answer for answer in recorded.answers}

    def papers(self, pack: Pack, at: datetime) -> Papers:
        """The desks of the pack's declared gates. at: the instant of the run, by which the age of command answers is told."""
        declared = [self._contract.declared[gate] for gate in pack.gates if gate in self._contract.declared]
        if not declared:
            return Papers()
        needs = [need for gate in declared for need in gate.needs]
        wanted = dict.fromkeys(need.ask for need in needs if isinstance(need.ask, FileAsk) and need.ask not in self._files)
        self._files.update(self._documents.read(tuple(wanted)))
        for ask in dict.fromkeys(need.ask for need in needs if isinstance(need.ask, CommandAsk)):
            if ask.argv not in self._answers:
                self._answers[ask.argv] = self._answer(ask)
        kept = Recorded(
            {need.ask: self._files[need.ask] for need in needs if isinstance(need.ask, FileAsk)},
            tuple(self._answers[ask.argv] for ask in dict.fromkeys(n.ask for n in needs) if isinstance(ask, CommandAsk)),
        )
        digest = self._store.put_object(paper_files.to_bytes(kept))
        desks = {gate.id: {need.alias: tuple(self._sights(need, pack, at)) for need in gate.needs} for gate in declared}
        return Papers(desks, digest, tuple(_sums(kept)))

    def _answer(self, ask: CommandAsk) -> CommandAnswer:
        if ask.argv[0] not in self._contract.commands.allow:
            why = f"not run: the workspace does not allow `{ask.argv[0]}` (commands.allow of waveboard.yaml)"
        elif self._commands is None:
            why = "not run: no command is run on given evidence, and the evidence holds no answer of this one"
        else:
            return self._commands.run(ask)
        return CommandAnswer(ask.argv, None, b"", b"", self._clock.now(), why)

    def _sights(self, need: Need, pack: Pack, at: datetime) -> Iterator[Sight]:
        if isinstance(need.ask, CommandAsk):
            yield _old(paper_files.printed(need, self._answers[need.ask.argv]), self._answers[need.ask.argv], pack, at)
            return
        found = self._files[need.ask]
        if not found:
            yield Sight(need.ask.address(need.ask.pattern), Unavailable("no file is named like this"), absent=True)
        for path, raw in found:
            yield paper_files.document(need, need.ask.address(path), raw)


def _old(sight: Sight, answer: CommandAnswer, pack: Pack, at: datetime) -> Sight:
    """The sight, or what stands for it when the answer is older than the pack lets evidence be."""
    age = abs(at - answer.at)
    if answer.failure or pack.evidence_max_age_s is None or age <= timedelta(seconds=pack.evidence_max_age_s):
        return sight
    said = f"its answer is {int(age.total_seconds())} s away from this run; the pack asks for {pack.evidence_max_age_s} s"
    return replace(sight, seen=Unavailable(said), exit=None)


def _sums(kept: Recorded) -> Iterator[tuple[str, str]]:
    for ask, found in kept.files.items():
        for path, raw in found:
            yield ask.address(path), f"unreadable: {raw.reason}" if isinstance(raw, Unreadable) else digest_of(raw)
    for answer in kept.answers:
        name = f"command:{' '.join(answer.argv)}"
        yield name, f"unanswered: {answer.failure}" if answer.failure else digest_of(answer.stdout)
