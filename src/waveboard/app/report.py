"""A worker's report judged: a fresh audit against the baseline of its dispatch, sentence by sentence. Its words close nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from waveboard.app.dispatch import newest
from waveboard.app.entry import ask_conditions
from waveboard.app.planning import wave_named
from waveboard.app.read import Reading, audit, understand
from waveboard.app.receipting import all_receipts, issue, new_key, subject
from waveboard.app.site import Site
from waveboard.audit import bundle as bundles
from waveboard.audit.difference import difference
from waveboard.model.claim import Claim, Comparison, Difference, Dispatch
from waveboard.model.contract import WaveSpec
from waveboard.model.errors import UsageError
from waveboard.model.evidence import Bundle
from waveboard.model.facts import ConfigFiles, HostFacts, Unavailable
from waveboard.waves import claim as claims
from waveboard.waves.claim import Answer, Observed, Run


@dataclass(frozen=True, slots=True)
class Reported:
    """The judgement of one report."""

    dispatch: Dispatch
    comparison: Comparison
    run_key: str


def report(site: Site, name: str, claim: Claim, raw: bytes) -> Reported:
    """raw: the report's exact bytes, kept as evidence. Raises: UsageError for a report on another wave, task or worker."""
    wave = wave_named(site, name)
    made = newest(site, name, claim.task)
    _same_work(claim, made)
    before = {host: bundles.from_json(site.store.get_object(digest)) for host, digest in made.baseline.items()}
    read = audit(site, tuple(made.baseline))
    after = {host: bundles.from_json(site.store.get_object(digest)) for host, digest in read.bundles.items()}
    seen = _observed(site, wave, claim, before, after, read)
    found = claims.compare(claim, made, seen)
    key, kept = new_key(site, "wave.report"), site.store.put_object(raw)
    issue(site, "report", key, (subject("report", kept),), _body(claim, made, read, found))
    return Reported(made, found, key)


def template(site: Site, name: str) -> dict[str, object]:
    """A report to fill in: everything the machine knows by itself. What was changed is the worker's to say."""
    made = newest(site, name)
    runs = [key for key, run in _runs(site).items() if run.at >= made.issued_at and run.actor == made.worker]
    return {
        "task_id": made.task,
        "terminal_id": made.worker,
        "lane": "execution",
        "status": "done",
        "files_changed": [],
        "run_keys": runs,
        "blockers": [],
        "ready_for_verify": False,
        "timestamp_utc": f"{site.clock.now():%Y-%m-%dT%H:%M:%SZ}",
        "wave_id": name,
        "actions": [],
        "statements": [],
        "evidence": [],
    }


def _same_work(claim: Claim, made: Dispatch) -> None:
    if claim.wave and claim.wave != made.wave:
        because, fix = f"it is a report on {claim.wave}", f"waveboard wave report {claim.wave} FILE"
        raise UsageError(f"judge a report on {made.wave}", because, fix)
    if claim.worker != made.worker:
        because = f"{made.task} was dispatched to {made.worker}, and the report is {claim.worker}'s"
        raise UsageError(f"judge a report on {made.wave}", because, "each worker reports its own task")


def _observed(
    site: Site, wave: WaveSpec, claim: Claim, before: Mapping[str, Bundle], after: Mapping[str, Bundle], read: Reading
) -> Observed:
    then = understand(site.contract, before, "", read.at).facts
    answers = ask_conditions(site.contract, read, [s.condition for s in claim.statements if s.condition])
    exits = ask_conditions(site.contract, read, wave.exit)
    return Observed(
        differences={host: _difference(host, then[host], read.facts[host]) for host in before},
        read={host: _files(then[host]) & _files(read.facts[host]) for host in before},
        runs=_runs(site),
        answers={a.text: Answer(a.holds, a.saw) for a in answers},
        exits=[(a.text, Answer(a.holds, a.saw)) for a in exits],
        before=_outputs(before),
        after=_outputs(after),
        files=site.contract.files,
        judging=frozenset({*site.contract.judging, *([wave.place.file] if wave.place else [])}),
        mutable=frozenset(wave.mutate_hosts),
    )


def _difference(host: str, before: HostFacts | Unavailable, after: HostFacts | Unavailable) -> Difference:
    if isinstance(before, Unavailable):
        return Difference(host, (), (f"{host}: before: {before.reason}",))
    if isinstance(after, Unavailable):
        return Difference(host, (), (f"{host}: {after.reason}",))
    return difference(before, after)


def _files(facts: HostFacts | Unavailable) -> frozenset[str]:
    files = facts.get(ConfigFiles) if isinstance(facts, HostFacts) else facts
    return frozenset(files.by_path) if isinstance(files, ConfigFiles) else frozenset()


def _outputs(found: Mapping[str, Bundle]) -> dict[tuple[str, str], str]:
    return {
        (host, name): evidence.stdout.decode("utf-8", "replace")
        for host, bundle in found.items()
        for name, evidence in bundle.probes.items()
    }


def _runs(site: Site) -> dict[str, Run]:
    """Run key -> its first receipt: what the run did stands before the receipt of the capability that asked for it."""
    found: dict[str, Run] = {}
    for r in all_receipts(site):
        found.setdefault(r.run_key, Run(r.kind, r.at, r.actor.principal))
    return found


def _body(claim: Claim, made: Dispatch, read: Reading, found: Comparison) -> dict[str, object]:
    return {
        "task": made.task,
        "wave": made.wave,
        "worker": made.worker,
        "status": claim.status,
        "holds": found.holds,
        "evidence": dict(read.bundles),
        "baseline": dict(made.baseline),
        **document(found),
    }


def document(found: Comparison) -> dict[str, object]:
    """The comparison, JSON-ready."""
    return {
        "sentences": [{"sentence": j.sentence, "verdict": j.support.value, "why": j.why} for j in found.sentences],
        "declared": list(found.declared),
        "observed": claims.differing(found.observed),
        "undeclared": claims.differing(found.undeclared),
        "not_observed": list(found.unfound),
        "outside_scope": claims.differing(found.outside),
        "unseen": list(found.unseen),
    }


def as_json(reported: Reported) -> str:
    """`waveboard.wave-report/1`."""
    told = {"schema": "waveboard.wave-report/1", "run_key": reported.run_key, "task": reported.dispatch.task}
    return json.dumps({**told, "holds": reported.comparison.holds, **document(reported.comparison)}, indent=2, ensure_ascii=False)
