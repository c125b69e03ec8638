"""Promotion of a pack from report to enforce, and back: advice, the plan a person signs, its admission, and demotion.

A promotion is a plan whose one host is the workspace and whose steps are exact edits of contract files; approve, apply and undo are the
same doors as for any plan. What makes it due is computed in gates/promote.py from kept runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from waveboard.app.judged import report_of
from waveboard.app.planning import keep_told
from waveboard.app.plans import Known, from_bytes
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.contracts import edit
from waveboard.gates import outcome, promote
from waveboard.model.change import HostPin, Plan, Reversibility, Slot, Step
from waveboard.model.condition import Predicate, parse_condition
from waveboard.model.contract import WORKSPACE_HOST, Contract, Pack, Switch
from waveboard.model.errors import ApprovalNeeded, ContractError, RefusedError, UsageError
from waveboard.model.finding import Mode, PackReport, Verdict
from waveboard.model.opening import MUTATING
from waveboard.model.units import parse_instant

KIND = "promotion"
_LOOK_BACK, _VALID = 200, timedelta(days=7)
_S = 60.0


@dataclass(frozen=True, slots=True)
class Advice:
    """Promote or hold, and everything it rests on. loose: STOR ids of the findings map without a gap or a loop."""

    pack: Pack
    row: promote.Stability
    loose: tuple[str, ...]
    wave: str  # the wave that governs this promotion, "" when none does
    wave_open: bool

    @property
    def against(self) -> tuple[str, ...]:
        """Why not, in words; empty when it is due."""
        found = [] if self.row.holds else [self.row.text]
        found += [f"not linked to a gap and a loop: {', '.join(self.loose)}"] if self.loose else []
        found += [] if self.pack.switches else ["nothing of it is in report mode"]
        found += [f"{self.wave} governs it and is not open"] if self.wave and not self.wave_open else []
        return tuple(found)

    @property
    def holds(self) -> bool:
        """True when it may be planned."""
        return not self.against

    def document(self) -> dict[str, object]:
        """JSON-ready, `waveboard.promote/1`."""
        fields = [
            {"file": s.file, "field": s.field, "line": s.place.line, "before": s.report, "after": s.enforce}
            for s in self.pack.switches
        ]
        return {
            "schema": "waveboard.promote/1",
            "pack": self.pack.id,
            "recommendation": "promote" if self.holds else "hold",
            "against": list(self.against),
            "runs": list(self.row.counted),
            "wanted": self.row.wanted,
            "linkage": "complete" if not self.loose else list(self.loose),
            "wave": self.wave,
            "fields": fields,
        }

    def text(self) -> str:
        """For a person."""
        lines = [f"{self.pack.id}: {'promote' if self.holds else 'hold'}", f"  {self.row.text}"]
        lines += [f"    {key}" for key in self.row.counted]
        lines += [f"  linkage {'complete' if not self.loose else 'lacks ' + ', '.join(self.loose)}"]
        lines += [f"  against: {because}" for because in self.against]
        lines += [f"  would change {s.place}  {s.field}: {s.report} -> {s.enforce}" for s in self.pack.switches]
        return "\n".join(lines) + "\n"


def stable(site: Site, name: str, wanted: int) -> promote.Stability:
    """The row of stable report runs. Raises: UsageError for an unknown pack or one that may not be promoted."""
    pack = _pack(site.contract, name)
    assert pack.promotion
    kept = (promote.Run(run.run_key, report_of(site, run)) for run in site.store.pack_runs(name, _LOOK_BACK))
    seen = (run for run in kept if _read_here(site, run.report))  # a replay is somebody's word
    ended = {one.id for one in site.contract.registers.waivers if one.until is not None and one.until <= site.clock.now()}
    return promote.stability(seen, pack, site.contract.policy, wanted, pack.promotion.min_interval_s, ended)


def _read_here(site: Site, report: PackReport) -> bool:
    digests = frozenset(dict(report.evidence).values())
    return site.store.collected(digests) == digests


def told(site: Site) -> Mapping[str, Callable[[object], tuple[bool | None, str]]]:
    """What history answers of a wave's conditions."""

    def report_stable(argument: object) -> tuple[bool | None, str]:
        if not isinstance(argument, dict) or argument.get("pack") not in site.contract.packs:
            return None, "there is no such pack"
        if site.contract.packs[str(argument["pack"])].promotion is None:
            return None, "no contract says how far apart the runs must be"
        row = stable(site, str(argument["pack"]), int(argument["runs"]))
        return row.holds, f"{row.text} ({', '.join(row.counted) or 'none'})"

    return {"report_stable": report_stable}


def advise(site: Site, name: str) -> Advice:
    """Raises: UsageError."""
    pack = _pack(site.contract, name)
    assert pack.promotion
    row = stable(site, name, pack.promotion.runs)
    loose = tuple(s.id for s in site.contract.findings.findings if not s.gaps or not s.loops)
    wave = _governing(site.contract, name)
    return Advice(pack, row, loose, wave, any(one.wave == wave for one in site.store.board()))


def plan(site: Site, name: str) -> Known:
    """The exact document a person signs. Raises: RefusedError when it is not due, ApprovalNeeded without approvals."""
    advice, approvals = advise(site, name), site.contract.approvals
    if not advice.holds:
        raise RefusedError(f"promote {name}", "; ".join(advice.against), f"waveboard promote {name} says what is missing")
    if approvals is None:
        raise ApprovalNeeded(f"promote {name}", "the workspace names no approvals", "add `approvals:` to waveboard.yaml")
    steps = tuple(_steps(site, advice))
    at = site.clock.now().replace(microsecond=0)
    files = edit.sum_of("".join(str(s.args["before_sha256"]) for s in steps).encode())
    last = next(run for run in site.store.pack_runs(name, _LOOK_BACK) if run.run_key == advice.row.counted[0])
    made = Plan(
        instance=site.instance, wave=advice.wave or f"PROMOTE-{name}", kind=KIND, created_at=at,
        proposer=site.acting(f"promote {name}"), contract=site.contract.digest, gates=site.gates,
        hosts=(HostPin(WORKSPACE_HOST, site.instance, "none", last.report, files),), read_only_hosts=advice.pack.hosts,
        not_before=at, not_after=at + _VALID, steps=steps, quorum=approvals.quorum, four_eyes=approvals.four_eyes,
        title=f"promote {name} from report to enforce after {', '.join(advice.row.counted)}",
        slots=(Slot(at, at + _VALID),), overrun="pause",
    )  # fmt: skip
    return keep_told(site, made, _facts(made), "pack.promote")


def admit(site: Site, known: Known, approvals: tuple[str, ...], under_way: tuple[str, ...]) -> None:
    """Judge again what was judged at planning; issue the admission. Raises: ApprovalNeeded, RefusedError."""
    made, at = known.plan, site.clock.now()
    pack = str(made.steps[0].args["pack"]) if made.steps else ""
    against = [f"{other} is under way, and waves never overlap" for other in under_way]
    against += [] if made.instance == site.instance else ["the plan belongs to another workspace"]
    against += [] if made.contract == site.contract.digest else ["the contracts changed after the plan was made"]
    against += [] if made.gates == site.gates else ["the gates' code changed after the plan was made"]
    against += [] if any(slot.holds(at) for slot in made.slots) else ["the plan is too old"]
    against += [
        f"step {s.id} is no edit of a contract" for s in made.steps if (s.verb, s.host) != ("contract_edit", WORKSPACE_HOST)
    ]
    against += list(advise(site, pack).against)
    body = {**_facts(made), "plan": known.digest, "admitted": not (against or approvals), "refusals": [*against, *approvals]}
    issue(site, "admission", new_key(site, "wave.apply"), (subject("plan", known.digest),), body)
    if against:
        raise RefusedError(
            f"apply {made.wave}", "; ".join(against), f"waveboard promote {pack} -o FILE makes a new plan when it is due"
        )
    if approvals:
        raise ApprovalNeeded(f"apply {made.wave}", "; ".join(approvals), "waveboard approve PLAN --key KEY --as PRINCIPAL")


def undoable(site: Site, known: Known) -> None:
    """Raises: RefusedError when a file is no longer what the promotion left: its undo would not be byte-equal."""
    done = {e.step for e in site.store.events(known.digest) if e.kind == "applied"}
    for step in known.plan.steps:
        looked = site.hand.call(site.target(WORKSPACE_HOST), {"op": "holds", "args": dict(step.args)}, _S)
        if step.id in done and looked.get("holds") == "PARTIAL":
            because = f"{step.args['file']} has been changed since the promotion"
            raise RefusedError(f"undo {known.plan.wave}", because, "edit the mode back by hand, or put the file back first")


def demote(site: Site, report: PackReport, run_key: str) -> None:
    """An enforce failure after a promotion: the same fields go back to report, with a receipt before the edit."""
    failed = [r.gate for r in report.reports if r.mode is Mode.ENFORCE and r.verdict is Verdict.FAIL]
    if not failed:
        return
    for record in site.store.plans():
        if record.kind != KIND:
            continue
        known = from_bytes(site.store.get_object(record.digest))
        events = site.store.events(record.digest)
        if events and events[-1].kind == "done" and parse_instant(report.at) >= events[-1].at.replace(microsecond=0):
            for step in known.plan.steps:
                _back(site, report, run_key, failed, step)


def _back(site: Site, report: PackReport, run_key: str, failed: list[str], step: Step) -> None:
    listed, file = step.args["edits"], str(step.args["file"])
    if step.args["pack"] != report.pack or not isinstance(listed, list):
        return
    raw = _read(site, file)
    fields = [
        (tuple(e["path"]), str(e["new"]), str(e["old"])) for e in listed if _says(file, raw, tuple(e["path"]), str(e["new"]))
    ]
    if not fields:
        return
    made = edit.edits(file, raw, fields)
    after = edit.applied(file, raw, made)
    args = _args(
        report.pack, file, raw, after, made, {e.field: next(p for p, *_ in fields if ".".join(p) == e.field) for e in made}
    )
    body: dict[str, object] = {
        "pack": report.pack,
        "cause": run_key,
        "failed": failed,
        "summary": outcome.summary(report),
        **args,
    }
    issue(site, "demotion", new_key(site, "pack.demote"), (subject(f"file/{file}", edit.sum_of(after)),), body)
    answer = site.hand.call(site.target(WORKSPACE_HOST), {"op": "do", "args": args}, _S)
    if not answer.get("ok"):
        raise RefusedError(f"demote {report.pack}", f"{file} changed under the edit", f"waveboard verify {report.pack}")
    said = ", ".join(f"{e.field} {e.old} -> {e.new}" for e in made)
    site.say(f"{report.pack} is demoted: {', '.join(failed)} failed in enforce; {file}: {said}")


def _says(file: str, raw: bytes, path: tuple[str, ...], word: str) -> bool:
    try:
        return bool(edit.edits(file, raw, [(path, word, word)]))
    except ContractError:  # somebody edited it already: nothing of ours is left to take back
        return False


def _steps(site: Site, advice: Advice) -> list[Step]:
    made = []
    ordered = sorted(advice.pack.switches, key=lambda s: s.file)
    for number, (file, group) in enumerate(groupby(ordered, key=lambda s: s.file), 1):
        switches: list[Switch] = list(group)
        raw = _read(site, file)
        edits = edit.edits(file, raw, [(s.path, s.report, s.enforce) for s in switches])
        after = edit.applied(file, raw, edits)
        args = _args(advice.pack.id, file, raw, after, edits, {s.field: s.path for s in switches})
        args["runs"] = list(advice.row.counted)
        told = tuple(f"{file}: {e.field}: {e.old} -> {e.new}" for e in edits)
        back = tuple(f"{file}: {e.field}: {e.new} -> {e.old}" for e in edits)
        title = f"{advice.pack.id} to enforce: {len(edits)} fields of {file}"
        made.append(
            Step(
                f"promote-{number:02d}", "contract_edit", WORKSPACE_HOST, title, args, Reversibility.EXACT, told, back, limit_s=60
            )
        )
    return made


def _args(
    pack: str, file: str, raw: bytes, after: bytes, edits: tuple[edit.Edit, ...], paths: Mapping[str, tuple[str, ...]]
) -> dict[str, object]:
    listed = [{"at": e.at, "old": e.old, "new": e.new, "field": e.field, "path": list(paths[e.field])} for e in edits]
    return {"pack": pack, "file": file, "edits": listed, "before_sha256": edit.sum_of(raw), "after_sha256": edit.sum_of(after)}


def _read(site: Site, file: str) -> bytes:
    raw = site.hand.call(site.target(WORKSPACE_HOST), {"op": "read", "file": file}, _S).get("raw")
    assert isinstance(raw, bytes)
    return raw


def _facts(made: Plan) -> dict[str, object]:
    edits = [{"step": s.id, **s.args} for s in made.steps]
    return {
        "wave": made.wave,
        "kind": KIND,
        "contract": made.contract,
        "gates": made.gates,
        "edits": edits,
        "report": made.hosts[0].evidence,
    }


def _pack(contract: Contract, name: str) -> Pack:
    if name not in contract.packs:
        raise UsageError(
            f"promote {name}", "the workspace has no such pack", f"packs: {', '.join(contract.packs) or 'none (packs.yaml)'}"
        )
    pack = contract.packs[name]
    if pack.promotion is None:
        fix = "add `promotion: {runs: 3, min_interval_s: …}` to the pack"
        raise UsageError(f"promote {name}", f"{pack.place or 'packs.yaml'} does not say how far apart its runs must be", fix)
    return pack


def _governing(contract: Contract, name: str) -> str:
    """The wave whose entry waits for this pack's stability and which changes no host."""
    for wave in contract.waves.values():
        for text in wave.entry if wave.policy != MUTATING else ():
            asked = parse_condition(text)
            if (
                isinstance(asked, Predicate)
                and asked.name == "report_stable"
                and isinstance(asked.argument, dict)
                and asked.argument.get("pack") == name
            ):
                return wave.id
    return ""
