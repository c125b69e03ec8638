"""A declared gate -> a Gate: its checks run over its documents, its codes and documentation gathered. Knows no kind by name."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from waveboard.gates import proof, tables
from waveboard.gates.gate import Deviation, Doubt, Fleet, Gate, Observation
from waveboard.gates.kind import Asked, Blind
from waveboard.gates.shelf import kinds
from waveboard.model.declared import CheckSpec, DeclaredGate, Need
from waveboard.model.document import CommandAsk, Desk, Prose, Sight
from waveboard.model.facts import Unavailable

NO_PAPERS = "this run was given no documents"


def gates(declared: Mapping[str, DeclaredGate]) -> Mapping[str, Gate]:
    """The workspace's own gates by id."""
    return {gate_id: gate(spec) for gate_id, spec in declared.items()}


def gate(spec: DeclaredGate) -> Gate:
    """One of them."""
    return Gate(
        id=spec.id,
        title=spec.title,
        doc=_doc(spec),
        severity=spec.severity,
        needs=(),
        codes={code: says for check in spec.checks for code, says in kinds()[check.kind].codes.items()},
        canary=None,
        fleet=(partial(_judged, spec),),
        ring=spec.ring,
        prove=partial(_proven, spec),
    )


def _judged(spec: DeclaredGate, fleet: Fleet) -> Iterator[Observation]:
    yield from judge(spec, desk_of(spec, fleet))


def _proven(spec: DeclaredGate, fleet: Fleet) -> str:
    return proof.blindness(spec, partial(judge, spec), desk_of(spec, fleet))


def desk_of(spec: DeclaredGate, fleet: Fleet) -> Desk:
    """The gate's documents of this run, tables read. A need that nobody brought is there as unavailable."""
    given = fleet.papers.desks.get(spec.id, {})
    return {need.alias: _seen(need, given.get(need.alias)) for need in spec.needs}


def _seen(need: Need, sights: tuple[Sight, ...] | None) -> tuple[Sight, ...]:
    if sights is None:
        return (Sight(need.alias, Unavailable(NO_PAPERS)),)
    if need.form != "table":
        return sights
    return tuple(
        replace(one, seen=tables.read(one.address, one.seen.text, need.pattern)) if isinstance(one.seen, Prose) else one
        for one in sights
    )


def judge(spec: DeclaredGate, desk: Desk) -> Iterator[Deviation | Doubt]:
    """Every check in its order; what could not be seen is a doubt of that check, and the others go on."""
    for one in (one for sights in desk.values() for one in sights):
        if isinstance(one.seen, Unavailable):
            yield Doubt(one.address, one.seen.reason)
    for check in spec.checks:
        asked: tuple[Sight | None, ...] = desk.get(str(check.params["doc"]), ()) if "doc" in check.params else (None,)
        for sight in asked:
            try:
                yield from kinds()[check.kind].run(_asked(spec, check, desk, sight))
            except Blind as blind:
                yield blind.doubt


def _asked(spec: DeclaredGate, check: CheckSpec, desk: Desk, sight: Sight | None) -> Asked:
    return Asked(check.params, desk, check.severity or spec.severity, check.says, spec.fix, sight, check.name)


def _doc(spec: DeclaredGate) -> str:
    lines = [f"{spec.id} {spec.title}: {spec.why.strip()}", "", f"Way out: {spec.fix.strip()}", "", "Needs:"]
    lines += [f"- {need.alias}: {_where(need)}" for need in spec.needs]
    lines += ["", "Checks:"]
    lines += [f"- {check.kind}: {check.says or _params(check)}" for check in spec.checks]
    lines += ["", f"Ring {spec.ring}. Proven in every run by: {'; '.join(one.about for one in spec.violations)}."]
    return "\n".join(lines)


def _where(need: Need) -> str:
    return f"command {' '.join(need.ask.argv)}" if isinstance(need.ask, CommandAsk) else need.ask.address(need.ask.pattern)


def _params(check: CheckSpec) -> str:
    return ", ".join(f"{name} {value}" for name, value in check.params.items())
