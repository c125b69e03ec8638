"""Whether every storage rule has its enforcer at every stage: the matrix, and its holes. Pure; looks at the shelves as it is told them.

An enforcer that is named and does not exist is as much a hole as none at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from waveboard.model import canonical
from waveboard.model.contract import Known
from waveboard.vms import shelf
from waveboard.vms.rule import FITTING, Built, Checked, Configured, NotHere, Repaired, Rule, Stage, Watched


@dataclass(frozen=True, slots=True)
class Cell:
    """One rule at one stage. by: who enforces it, or why nobody does. hole: why this is no answer, "" when it is one."""

    rule: str
    stage: Stage
    enforced: bool
    by: str
    hole: str = ""


@dataclass(frozen=True, slots=True)
class Parity:
    """titles: (rule id, title), by id."""

    cells: tuple[Cell, ...]
    titles: tuple[tuple[str, str], ...]

    @property
    def holes(self) -> tuple[str, ...]:
        """Each hole as a sentence."""
        return tuple(f"{c.rule} at {c.stage.value}: {c.hole}" for c in self.cells if c.hole)

    @property
    def digest(self) -> str:
        """`sha256:…` over every cell: another enforcer, or another reason for none, is another parity."""
        told = [[c.rule, c.stage.value, c.enforced, c.by, c.hole] for c in self.cells]
        return f"sha256:{sha256(canonical.encode(told)).hexdigest()}"


def parity(known: Known, rules: Sequence[Rule] | None = None) -> Parity:
    """known: the gates and kinds of step that exist. rules: the shelf's, unless a test brings its own."""
    asked = shelf.rules() if rules is None else tuple(rules)
    cells = tuple(_cell(rule, stage, known) for rule in asked for stage in Stage)
    return Parity(cells, tuple((rule.id, rule.title) for rule in asked))


def _cell(rule: Rule, stage: Stage, known: Known) -> Cell:
    given = rule.stages.get(stage)
    if given is None:
        return Cell(rule.id, stage, False, "", "it names no enforcer and no reason for having none")
    if isinstance(given, NotHere):
        return Cell(rule.id, stage, False, given.reason, "" if given.reason else "it gives no reason for having no enforcer")
    if not isinstance(given, FITTING[stage]):
        return Cell(rule.id, stage, False, type(given).__name__, f"{type(given).__name__} enforces nothing at this stage")
    wrong = "; ".join(_wrong(given, known))
    return Cell(rule.id, stage, not wrong, _by(given), wrong)


def _by(given: object) -> str:
    if isinstance(given, Built | Repaired):
        return ", ".join(given.kinds)
    if isinstance(given, Watched):
        return "; ".join(f"{gate} {', '.join(codes)}" for gate, codes in given.by.items())
    return "configuration" if isinstance(given, Configured) else "ready check"


def _wrong(given: object, known: Known) -> Iterator[str]:
    if isinstance(given, Built | Repaired):
        yield from (f"there is no kind of step `{kind}`" for kind in given.kinds if kind not in known.steps)
        if not given.kinds:
            yield "it names no kind of step"
    if isinstance(given, Watched):
        if not given.by:
            yield "it names no gate"
        for gate, codes in given.by.items():
            if gate not in known.gates:
                yield f"there is no gate `{gate}`"
                continue
            yield from (f"{gate} never says `{code}`" for code in codes if code not in known.gates[gate])
            if not codes:
                yield f"it names no code of {gate}"
    call = given.puts if isinstance(given, Configured) else given.check if isinstance(given, Checked) else None
    if isinstance(given, Configured | Checked) and not callable(call):
        yield "its enforcer cannot be called"
