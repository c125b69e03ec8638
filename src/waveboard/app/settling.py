"""Closing gaps and loops: only on what the newest judgement saw under today's contracts, and a drift only once its producer is mended.

What could not be seen closes nothing, and neither does anybody's word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from waveboard.app.entry import ask_conditions
from waveboard.app.judged import newest, newest_runs, report_of
from waveboard.app.producers import proof, way_out
from waveboard.app.read import Reading, understand
from waveboard.app.receipting import new_key
from waveboard.app.registers import Recorded, change, current, gap_named, loop_named, not_anothers, record
from waveboard.app.site import Site
from waveboard.audit import bundle as bundles
from waveboard.model.contract import LinkRule
from waveboard.model.errors import RefusedError, UsageError
from waveboard.model.finding import PackReport
from waveboard.model.history import PackRun
from waveboard.model.register import Change
from waveboard.model.units import parse_instant
from waveboard.register import linkage
from waveboard.register.rules import NOT_PROVEN, refusal
from waveboard.register.view import SETTLED, GapState, View


@dataclass(frozen=True, slots=True)
class Proof:
    """What a closing rests on: run keys and digests, and what was seen, in words."""

    evidence: tuple[str, ...]
    saw: tuple[str, ...]
    producer: str = ""


def close_gap(site: Site, name: str, run_key: str, reason: str) -> tuple[Recorded, Proof]:
    """run_key "": the newest run of a pack that can see it. Raises: UsageError; RefusedError saying what is not proven."""
    cannot = f"close {name}"
    state = gap_named(current(site), name, cannot)
    if state.status in SETTLED:
        raise RefusedError(cannot, f"it is {state.status} already", "waveboard gaps show tells what it rests on")
    not_anothers(site, name, cannot)
    found = gap_proof(site, state, run_key)
    key = new_key(site, "gaps.close")

    def draft(view: View) -> list[Change]:
        not_anothers(site, name, cannot)  # once more: proving takes its time
        detail: dict[str, object] = {"saw": list(found.saw), "fixed_in": gap_named(view, name, cannot).fix}
        if found.producer:
            detail["producer_proof"] = found.producer
        return [replace(change(site, key, "gap", name, "closed", reason), evidence=found.evidence, detail=detail)]

    return record(site, key, cannot, draft), found


def gap_proof(site: Site, state: GapState, run_key: str) -> Proof:
    """Everything that must be there before the gap may be closed. Raises: RefusedError, UsageError."""
    name, cannot = state.gap.id, f"close {state.gap.id}"
    links = _links(site, {stor.id for stor in site.contract.findings.findings if name in stor.gaps})
    if not links and not state.gap.criterion:
        raise RefusedError(
            cannot,
            "it names no criterion, and no gate's findings are linked to it: nothing can prove it",
            "give it a `criterion:` in the gap register, or accept it with an owner and an end",
        )
    run = _run(site, links, run_key, cannot)
    report = _fresh(site, run, cannot)
    saw = [_absent(report, link, cannot) for link in links]
    digests = dict(report.evidence)
    if state.gap.criterion:
        (asked,) = ask_conditions(site.contract, _reading(site, run, digests), [state.gap.criterion])
        if asked.holds is not True:
            because = "cannot be judged" if asked.holds is None else "does not hold"
            fix = "read the hosts again (waveboard verify PACK)" if asked.holds is None else "the gap stays open until it holds"
            raise RefusedError(cannot, f"its criterion {because} in {run.run_key}: {asked.text} ({asked.saw})", fix)
        saw.append(f"{asked.text} ({asked.saw})")
    mended = ""
    if name in current(site).drift:
        found = proof(site, name, state.gap.producer)
        mended = found.digest
        if not mended:
            made_by = f" ({state.gap.producer})" if state.gap.producer else ""
            raise RefusedError(cannot, f"{NOT_PROVEN}{made_by}: {found.because}", way_out(site, name))
    evidence = (run.run_key, run.report, *digests.values(), *([mended] if mended else []))
    return Proof(tuple(dict.fromkeys(evidence)), tuple(dict.fromkeys(saw)), mended)


def close_loop(site: Site, name: str, run_key: str, reason: str) -> Recorded:
    """A loop is done when its gaps and loops are, and no finding linked to it is seen. Raises: UsageError, RefusedError."""
    cannot = f"close {name}"
    now = current(site)
    own = loop_named(now, name, cannot).loop.id
    not_anothers(site, own, cannot)
    key = new_key(site, "loops.close")
    closing = change(site, key, "loop", own, "closed", reason)
    because = refusal(now, replace(closing, evidence=(key, site.contract.digest)))  # what is left to do, before what proves it
    if because:
        raise RefusedError(cannot, because, f"waveboard loops show {own}")
    links = _links(site, {stor.id for stor in site.contract.findings.findings if own in stor.loops})
    run = _run(site, links, run_key, cannot)
    report = _fresh(site, run, cannot)
    saw = [_absent(report, link, cannot) for link in links]
    evidence = tuple(dict.fromkeys((run.run_key, run.report, *dict(report.evidence).values())))
    done = replace(closing, evidence=evidence, detail={"saw": saw})

    def draft(view: View) -> list[Change]:
        not_anothers(site, own, cannot)
        return [done]

    return record(site, key, cannot, draft)


def _links(site: Site, stors: set[str]) -> tuple[LinkRule, ...]:
    return tuple(link for link in site.contract.findings.links if link.stor in stors)


def _run(site: Site, links: Sequence[LinkRule], run_key: str, cannot: str) -> PackRun:
    """The run named, or the newest of a pack that asks every linked gate; either way its pack's newest, under these contracts."""
    needed = {link.gate for link in links}
    packs = [name for name, pack in site.contract.packs.items() if needed <= set(pack.gates)]
    runs = newest_runs(site, packs)
    if run_key:
        found = next((run for run in runs if run.run_key == run_key), None)
        if found is None:
            raise UsageError(
                cannot,
                f"{run_key} is not the newest run of a pack that asks {', '.join(sorted(needed)) or 'any gate'}",
                f"name one of: {', '.join(run.run_key for run in runs) or 'none yet: waveboard verify PACK'}",
            )
        runs = [found]
    run = newest(runs)
    if run is None:
        fix = f"waveboard verify {packs[0]}" if packs else "put the gates into one pack of packs.yaml"
        raise RefusedError(cannot, "no pack that could see it was judged yet", fix)
    if run.contract != site.contract.digest:
        raise RefusedError(cannot, f"{run.run_key} was judged under other contracts than today's", f"waveboard verify {run.pack}")
    return run


def _fresh(site: Site, run: PackRun, cannot: str) -> PackReport:
    """The run's report, unless what it judged is too old by now: old evidence would prove anything. Raises: RefusedError."""
    report = report_of(site, run)
    most = site.contract.packs[run.pack].evidence_max_age_s
    if most is None:
        fix = f"give {run.pack} an evidence_max_age_s in packs.yaml"
        raise RefusedError(cannot, "no contract says how old evidence may be, so none is fresh", fix)
    if (site.clock.now() - parse_instant(report.at)).total_seconds() > most:
        raise RefusedError(
            cannot,
            f"{run.run_key} judged evidence of {report.at}, which is too old by now ({most} s)",
            f"waveboard verify {run.pack} reads the hosts anew",
        )
    return report


def _absent(report: PackReport, link: LinkRule, cannot: str) -> str:
    """In words, that nothing the link covers was seen by a gate that could see. A waived finding is seen. Raises: RefusedError."""
    gate = next((one for one in report.reports if one.gate == link.gate), None)
    seen = [finding for finding in gate.findings if link.covers(finding)] if gate else []
    if seen:
        first = f"{link.gate} {seen[0].host} {seen[0].code} {seen[0].subject}"
        raise RefusedError(cannot, f"{len(seen)} of its findings are still seen: {first}", "repair it, then judge it again")
    if because := linkage.blind(gate, link):
        raise RefusedError(cannot, because, f"waveboard verify {report.pack}")
    assert gate is not None, "a gate that is not there sees nothing"
    return f"{link.gate}: none of {', '.join(link.codes)} on {', '.join(link.hosts or gate.hosts)}"


def _reading(site: Site, run: PackRun, digests: Mapping[str, str]) -> Reading:
    """What that run saw, from the evidence kept."""
    found = {host: bundles.from_json(site.store.get_object(digest)) for host, digest in digests.items()}
    return understand(site.contract, found, run.run_key, run.at)
