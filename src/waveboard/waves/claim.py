"""A worker's claim against what was observed: sentence by sentence, then both lists of mutations. Believes nobody; asks no host.

A sentence is contradicted when machine evidence speaks against it, supported when evidence carries it, and unsupported when nothing
was seen either way: a claim that nobody can check is never taken as true.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from waveboard.model.claim import Claim, Comparison, Difference, Dispatch, Judged, Mutation, Pasted, Support
from waveboard.model.contract import WORKSPACE_HOST

_SEEN, _NOT_SEEN, _AGAINST = Support.SUPPORTED, Support.UNSUPPORTED, Support.CONTRADICTED


@dataclass(frozen=True, slots=True)
class Run:
    """One run key as a receipt of this chain has it."""

    kind: str
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one condition came to on the fresh audit. holds None: it could not be judged."""

    holds: bool | None
    saw: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything the machine knows of the time since the dispatch.

    differences: by host, of every host that was read; read: host -> paths of files that were read then and now; runs: run keys of
    the chain; answers: conditions of the claim's statements; exits: the wave's exit conditions; before, after: (host, probe) ->
    output of the two audits; files: the workspace's files now, path -> sha256; judging: those of them that the claim is judged by;
    mutable: hosts the wave may change.
    """

    differences: Mapping[str, Difference]
    read: Mapping[str, frozenset[str]]
    runs: Mapping[str, Run]
    answers: Mapping[str, Answer]
    exits: Sequence[tuple[str, Answer]]
    before: Mapping[tuple[str, str], str]
    after: Mapping[tuple[str, str], str]
    files: Mapping[str, str]
    judging: frozenset[str]
    mutable: frozenset[str]


def compare(claim: Claim, dispatch: Dispatch, seen: Observed) -> Comparison:
    """The whole comparison."""
    moved = _goalposts(dispatch, seen)
    mutations = (*(m for difference in seen.differences.values() for m in difference.mutations), *moved)
    names = {m.name for m in mutations}
    own = [m.name for m in moved if m.subject in claim.files_changed]
    declared = tuple(dict.fromkeys([d.name for d in claim.actions] + _host_files(claim, seen) + own))
    return Comparison(
        sentences=tuple(_sentences(claim, dispatch, seen, names)),
        declared=declared,
        observed=mutations,
        undeclared=tuple(m for m in mutations if m.name not in declared),
        unfound=tuple(d for d in declared if d not in names),
        outside=tuple(m for m in mutations if m.host not in {*seen.mutable, WORKSPACE_HOST}),
        unseen=tuple(why for difference in seen.differences.values() for why in difference.unseen),
    )


def _goalposts(dispatch: Dispatch, seen: Observed) -> tuple[Mutation, ...]:
    """What the claim is judged by, where it is not what it was at the dispatch: there anything can be made true."""
    pairs = ((path, dispatch.files.get(path, ""), seen.files.get(path, "")) for path in sorted(seen.judging))
    return tuple(Mutation(WORKSPACE_HOST, "file", path, then, now) for path, then, now in pairs if then != now)


def _host_files(claim: Claim, seen: Observed) -> list[str]:
    split = (path.partition(":") for path in claim.files_changed)
    return [f"{host} file:{path}" for host, colon, path in split if colon and host in seen.differences]


def _sentences(claim: Claim, dispatch: Dispatch, seen: Observed, names: set[str]) -> Iterator[Judged]:
    if claim.status == "done":
        yield _by_exits(f"{claim.wave or dispatch.wave} is done", seen)
    if claim.ready_for_verify:
        yield _by_exits(f"{claim.wave or dispatch.wave} is ready to be verified", seen)
    for key in claim.run_keys:
        yield _run(key, dispatch, seen)
    for path in claim.files_changed:
        yield _file(path, dispatch, seen, names)
    for action in claim.actions:
        yield _action(action.host, action.name, seen, names)
    for said in claim.statements:
        yield _statement(said.text, said.condition, seen)
    for pasted in claim.evidence:
        yield _pasted(pasted, seen)


def _by_exits(sentence: str, seen: Observed) -> Judged:
    against = [f"{text}: {answer.saw}" for text, answer in seen.exits if answer.holds is False]
    if against:
        return Judged(sentence, _AGAINST, against[0])
    unknown = [f"{text}: {answer.saw}" for text, answer in seen.exits if answer.holds is None]
    if unknown or not seen.exits:
        return Judged(sentence, _NOT_SEEN, unknown[0] if unknown else "the wave has no exit condition to judge it by")
    return Judged(sentence, _SEEN, f"all {len(seen.exits)} exit conditions hold")


def _run(key: str, dispatch: Dispatch, seen: Observed) -> Judged:
    sentence, run = f"run {key}", seen.runs.get(key)
    if run is None:
        return Judged(sentence, _AGAINST, "no receipt of this chain has that run key")
    if run.at < dispatch.issued_at:
        return Judged(sentence, _AGAINST, f"it is of {run.at:%Y-%m-%d %H:%M:%SZ}, before this dispatch")
    return Judged(sentence, _SEEN, f"{run.kind} by {run.actor}")


def _file(path: str, dispatch: Dispatch, seen: Observed, names: set[str]) -> Judged:
    host, colon, below = path.partition(":")
    sentence = f"{path} changed"
    if colon and host in seen.differences:
        if f"{host} file:{below}" in names:
            return Judged(sentence, _SEEN, "its digest differs from before")
        if below in seen.read.get(host, frozenset()):
            return Judged(sentence, _AGAINST, "it is byte for byte as before")
        return Judged(sentence, _NOT_SEEN, "it is not among the files that are read")
    if path not in dispatch.files and path not in seen.files:
        return Judged(sentence, _NOT_SEEN, "it is no file of the workspace's contracts, nor `host:path`")
    if dispatch.files.get(path) == seen.files.get(path):
        return Judged(sentence, _AGAINST, "it is byte for byte as before")
    return Judged(sentence, _SEEN, "its digest differs from before")


def _action(host: str, name: str, seen: Observed, names: set[str]) -> Judged:
    if name in names:
        return Judged(name, _SEEN, "observed")
    if host not in seen.differences:
        return Judged(name, _NOT_SEEN, f"{host} was not read")
    if seen.differences[host].unseen:
        return Judged(name, _NOT_SEEN, f"{host} could not be compared whole: {seen.differences[host].unseen[0]}")
    return Judged(name, _AGAINST, f"nothing of that name changed on {host}")


def _statement(text: str, condition: str, seen: Observed) -> Judged:
    if not condition:
        return Judged(text, _NOT_SEEN, "it names no condition that could be checked")
    answer = seen.answers.get(condition)
    if answer is None or answer.holds is None:
        return Judged(text, _NOT_SEEN, answer.saw if answer else "it was not asked")
    return Judged(
        text, _SEEN if answer.holds else _AGAINST, f"{condition}: {answer.saw}"
    )  # the words are the worker's, not the condition's


def _pasted(pasted: Pasted, seen: Observed) -> Judged:
    sentence, at = f"output of {pasted.probe} on {pasted.host}", (pasted.host, pasted.probe)
    now, then = seen.after.get(at), seen.before.get(at)
    if now is None:
        return Judged(sentence, _NOT_SEEN, "there is no such probe in the fresh audit")
    if _same(pasted.output, now):
        return Judged(sentence, _SEEN, "it is what the host says now")
    if then is not None and _same(pasted.output, then):
        return Judged(sentence, _AGAINST, "it is the output from before the dispatch; the host says something else now")
    return Judged(sentence, _AGAINST, "the host says something else")


def _same(one: str, other: str) -> bool:
    """Equal but for line endings and trailing space: terminals and editors change those."""
    return [line.rstrip() for line in one.strip().splitlines()] == [line.rstrip() for line in other.strip().splitlines()]


def differing(mutations: Sequence[Mutation]) -> list[dict[str, str]]:
    """JSON-ready rows."""
    return [{"host": m.host, "subject": f"{m.kind}:{m.subject}", "before": m.before, "after": m.after} for m in mutations]
