"""One pack over facts and contracts: every gate asked, every answer told. Decides no consequence; prints nothing.

Rules:
- Findings beat doubts for the verdict: a certain violation is a failure even when the rest could not be seen. The doubts stay in
  `reasons`, and a report with reasons is never complete, so nothing is promoted or closed on it.
- A gate that misses its own seeded violation, speaks at the look-alike, or clears a host that told nothing votes error.
- A gate that breaks is in error, one that outlives the limit of its ring is cut and unknown; the others are not its victims.
- The mode changes no finding and no verdict, only what outcome.py makes of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial

from waveboard.gates import declare, shelf
from waveboard.gates.gate import FLEET, NO_PAPERS, Deviation, Doubt, Fleet, FleetCheck, Gate, Observation, Skip
from waveboard.model.bounded import Cut, Job, Lost, Runner, inline
from waveboard.model.contract import Contract, Pack
from waveboard.model.document import Papers
from waveboard.model.facts import HostFacts, MissingFact, Unavailable
from waveboard.model.finding import Finding, GateReport, PackReport, Severity, Verdict
from waveboard.model.graph import HostPlacements
from waveboard.model.units import instant_text
from waveboard.model.unsearched import unsearched


@dataclass(slots=True)
class Tally:
    """What one gate has said so far in one run. doubts, skipped: (host, text). judged: hosts it judged something of.
    blind: why its canary does not sing.
    """

    findings: list[Finding]
    doubts: list[tuple[str, str]]
    skipped: list[tuple[str, str]]
    judged: set[str]
    broken: list[str]
    blind: str = ""


def run(
    pack: Pack,
    contract: Contract,
    facts: Mapping[str, HostFacts | Unavailable],
    places: Mapping[str, HostPlacements],
    at: datetime,
    gates: Mapping[str, Gate] | None = None,
    papers: Papers = NO_PAPERS,
    runner: Runner = inline,
) -> PackReport:
    """Ask every gate of the pack about every host of the pack.

    gates: the shelf and the workspace's own, unless a test brings its own. papers: what declared gates judge. runner: keeps each
    gate within the limit of its ring.
    """
    known = {**shelf.gates(), **declare.gates(contract.declared)} if gates is None else gates
    placed = {host: _placed(fact, places.get(host)) for host, fact in facts.items()}
    fleet = Fleet(pack, contract, placed, at, papers=papers)
    asked = {gate_id: known[gate_id] for gate_id in pack.gates if gate_id in known}
    with unsearched():
        tallies = ask(fleet, asked, runner)
    told = {gate_id: _report(gate, tallies[gate_id], pack) for gate_id, gate in asked.items()}
    reports = tuple(told.get(gate_id) or _no_such_gate(gate_id, pack) for gate_id in pack.gates)
    return PackReport(
        pack=pack.id,
        reports=reports,
        contract=contract.digest,
        policy=contract.policy,
        evidence=tuple((host, fact.bundle) for host in pack.hosts if isinstance(fact := fleet.facts_of(host), HostFacts)),
        at=instant_text(at),
        waived=sum(1 for report in reports for finding in report.findings if finding.waiver),
        counts=_counts(reports),
        later=pack.later,
        documents=papers.digest,
        inputs=papers.sums,
    )


def ask(fleet: Fleet, gates: Mapping[str, Gate], runner: Runner = inline) -> dict[str, Tally]:
    """What the gates say: host and fleet checks first, then closing checks over everything said before about hosts."""
    tallies = _run(fleet, gates, {gate_id: partial(_ask, gate, fleet) for gate_id, gate in gates.items()}, runner)
    hosts = {gate_id: tally for gate_id, tally in tallies.items() if gates[gate_id].prove is None}
    closing: dict[str, Callable[[], Tally]] = {}
    for gate_id, gate in gates.items():
        if gate.closing:
            others = {name: tally for name, tally in hosts.items() if name != gate_id}
            findings = tuple(finding for tally in others.values() for finding in tally.findings)
            doubts = tuple((name, *doubt) for name, tally in others.items() for doubt in tally.doubts)
            told = replace(fleet, findings=fleet.findings + findings, doubts=fleet.doubts + doubts)
            closing[gate_id] = partial(_close, gate, told, tallies[gate_id])
    return {**tallies, **_run(fleet, gates, closing, runner)}


def _run(fleet: Fleet, gates: Mapping[str, Gate], work: Mapping[str, Callable[[], Tally]], runner: Runner) -> dict[str, Tally]:
    """Each gate's tally; a gate that was cut is in doubt, one that broke its process is in error."""
    limits = fleet.contract.rings
    done = runner([Job(gate_id, ask, limits.get(gates[gate_id].ring)) for gate_id, ask in work.items()])
    return {gate_id: _tally(gates[gate_id], done[gate_id]) for gate_id in work}


def _tally(gate: Gate, done: object) -> Tally:
    if isinstance(done, Tally):
        return done
    if isinstance(done, Cut):
        said = f"cut: it was stopped at the {done.limit_s:g} s that ring {gate.ring} gives it, so nothing it judged counts"
        return Tally([], [(FLEET, said)], [], set(), [])
    reason = done.reason if isinstance(done, Lost) else "it gave no answer"
    return Tally([], [], [], set(), [f"{FLEET}: the gate broke: {reason}"])


def _ask(gate: Gate, fleet: Fleet) -> Tally:
    tally = _heard(gate, gate.fleet, fleet)
    tally.blind = _blind(gate, fleet)
    return tally


def _close(gate: Gate, fleet: Fleet, tally: Tally) -> Tally:
    _ask_fleet(gate, gate.closing, fleet, tally)
    return tally


def _blind(gate: Gate, fleet: Fleet) -> str:
    if gate.prove is None:
        return blindness(gate)
    try:
        return gate.prove(fleet)
    except Exception as problem:  # a proof that cannot even be made proves nothing
        return f"canary: {type(problem).__name__}: {problem}"


def _placed(fact: HostFacts | Unavailable, placements: HostPlacements | None) -> HostFacts | Unavailable:
    if isinstance(fact, Unavailable) or placements is None:
        return fact
    return replace(fact, nouns={**fact.nouns, HostPlacements: placements})


def _ask_host(gate: Gate, fleet: Fleet, host: str, tally: Tally) -> None:
    facts, policy = fleet.facts_of(host), fleet.contract.policies.get(host)
    if policy is None:
        tally.doubts.append((host, "no contract says anything about this host"))
        return
    if isinstance(facts, Unavailable):
        tally.doubts.append((host, facts.reason))
        return
    for check in gate.hosts:
        _listen(gate, partial(check, facts, policy), host, facts.bundle, tally)


def _ask_fleet(gate: Gate, checks: Iterable[Callable[[Fleet], Iterator[Observation]]], fleet: Fleet, tally: Tally) -> None:
    for check in checks:
        _listen(gate, partial(check, fleet), FLEET, "", tally)


def _listen(gate: Gate, check: Callable[[], Iterator[Observation]], host: str, bundle: str, tally: Tally) -> None:
    """Take what one check says, however it ends. A broken check breaks its gate, with what it had said kept."""
    skipped = False
    try:
        for one in check():
            where = one.host or host
            if isinstance(one, Skip):
                tally.skipped.append((where, one.reason))
                skipped = True
            elif isinstance(one, Doubt):
                tally.doubts.append((where, f"{one.subject}: {one.reason}"))
            else:
                tally.findings.append(_finding(gate, one, where, bundle))
    except MissingFact as missing:
        tally.doubts.append((host, f"{missing.noun.__name__}: {missing.reason}"))
    except Exception as problem:  # the shelf is open: one broken gate must not cost the others their answer
        tally.broken.append(f"{host}: the gate broke: {type(problem).__name__}: {problem}")
    if not skipped:
        tally.judged.add(host)


def _finding(gate: Gate, seen: Deviation, host: str, bundle: str) -> Finding:
    if seen.code not in gate.codes:
        raise LookupError(f"{gate.id} does not document the code {seen.code}")
    evidence = (bundle,) if bundle else ()
    return Finding(gate.id, host, seen.code, seen.subject, seen.severity, seen.message, seen.fix, seen.measured, evidence)


def _report(gate: Gate, tally: Tally, pack: Pack) -> GateReport:
    blind = tally.blind
    reasons = [blind] if blind else []
    reasons += tally.broken + [f"{host}: {text}" for host, text in tally.doubts]
    return GateReport(
        gate=gate.id,
        title=gate.title,
        verdict=_verdict(tally, bool(blind)),
        mode=pack.modes.get(gate.id, pack.mode),
        severity=gate.severity,
        findings=_once_each(tally.findings),
        reasons=tuple(dict.fromkeys(reasons)),
        hosts=tuple(host for host in pack.hosts if host in tally.judged),
        canary=not blind,
        skipped=tuple(dict.fromkeys(f"{host}: {text}" for host, text in tally.skipped)),
    )


def _once_each(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In order; what has one fingerprint is one finding, told as it was first seen."""
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        first.setdefault((finding.host, finding.code, finding.subject), finding)
    return tuple(first[key] for key in sorted(first))


def _verdict(tally: Tally, blind: bool) -> Verdict:
    if blind or tally.broken:
        return Verdict.ERROR
    if any(not finding.waiver for finding in tally.findings):
        return Verdict.FAIL
    if tally.doubts:
        return Verdict.UNKNOWN
    return Verdict.PASS if tally.judged else Verdict.NOT_APPLICABLE


@cache
def blindness(gate: Gate) -> str:
    """Why this gate cannot be trusted in this process, "" when its canary sings: proven once a process, as the gate is pure."""
    if gate.canary is None:
        return "canary: it has none"
    try:
        canary = gate.canary()
        lit = _alone(gate, canary.seeded)
        clean = _alone(gate, canary.lookalike)
        mute = {host: HostFacts(host, canary.seeded.at, fact.identity, fact.bundle) for host, fact in _told(canary.seeded)}
        dark = _alone(gate, replace(canary.seeded, facts=mute))
    except Exception as problem:  # a canary that cannot even be built proves nothing
        return f"canary: {type(problem).__name__}: {problem}"
    seen = {finding.code for finding in lit.findings}
    if not canary.codes or canary.codes - seen:
        return f"canary: it does not see its own seeded violation: {', '.join(sorted(canary.codes - seen)) or 'none is seeded'}"
    if clean.findings or clean.doubts or clean.broken or not clean.judged:
        said = [f.code for f in clean.findings] + [text for _, text in clean.doubts] + clean.broken
        return f"canary: it does not clear the clean look-alike: {'; '.join(said) or 'it judged nothing'}"
    if gate.hosts and lit.judged - {FLEET} - {host for host, _ in dark.doubts}:
        return "canary: it clears a host that told it nothing"
    return ""


def _alone(gate: Gate, fleet: Fleet) -> Tally:
    """Everything one gate says of built facts; its canary is not asked again."""
    return _heard(gate, (*gate.fleet, *gate.closing), fleet)


def _heard(gate: Gate, checks: tuple[FleetCheck, ...], fleet: Fleet) -> Tally:
    tally = Tally([], [], [], set(), [])
    for host in fleet.pack.hosts if gate.hosts else ():
        _ask_host(gate, fleet, host, tally)
    _ask_fleet(gate, checks, fleet, tally)
    return tally


def _told(fleet: Fleet) -> Iterator[tuple[str, HostFacts]]:
    return ((host, fact) for host, fact in fleet.facts.items() if isinstance(fact, HostFacts))


def _no_such_gate(gate_id: str, pack: Pack) -> GateReport:
    reason = f"{FLEET}: no gate of this id is on the shelf, so nothing was judged"
    mode = pack.modes.get(gate_id, pack.mode)
    return GateReport(gate_id, "", Verdict.ERROR, mode, Severity.HIGH, reasons=(reason,), canary=False)


def _counts(reports: tuple[GateReport, ...]) -> dict[str, int]:
    counts = {"gates": len(reports)}
    counts |= {verdict.value: sum(1 for report in reports if report.verdict is verdict) for verdict in Verdict}
    counts["findings"] = sum(len(report.findings) for report in reports)
    counts["waived"] = sum(1 for report in reports for finding in report.findings if finding.waiver)
    return counts
