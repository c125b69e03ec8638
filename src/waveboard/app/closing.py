"""The end of a wave: a fresh audit, the exit conditions, the seven items of the specification's section 7, one receipt.

Only machine evidence counts: what a worker says is nowhere in here. Recommends changes to gaps; makes none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from waveboard.app.check import Checked
from waveboard.app.deletions import deletions, ended
from waveboard.app.ending import Judgement, judged
from waveboard.app.entry import Asked
from waveboard.app.goalposts import changed, sentence
from waveboard.app.opening import opened, without_plan
from waveboard.app.planning import wave_named
from waveboard.app.plans import Known, from_bytes
from waveboard.app.provision import Makers
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.model.change import Event, Step, retire_name
from waveboard.model.errors import ReceiptError, RefusedError
from waveboard.model.facts import ConfigFiles, HostFacts, Unavailable
from waveboard.model.opening import MUTATING, Opening, receipt_name
from waveboard.model.receipt import Closeout, CloseoutItem
from waveboard.receipts import bundle, closeout, envelope, statement
from waveboard.register import linkage

_OUTCOMES = ("done", "rolled-back", "halted")


@dataclass(frozen=True, slots=True)
class Closed:
    """What close found. holds: the wave was done and every exit condition holds."""

    holds: bool
    text: str
    document: dict[str, object]


def close(site: Site, known: Known, makers: Makers | None = None) -> Closed:
    """Judge what the plan was for: its wave, the readiness of its VM, or its VM being whole. A retire plan closes the wave it serves.

    makers: whom to ask about a VM. Raises: RefusedError while the plan has not come to an end, and when nothing judges it; HostError.
    """
    events = site.store.events(known.digest)
    result = events[-1].kind if events else ""
    if result not in _OUTCOMES:
        raise RefusedError(
            f"close {known.plan.wave}", "the plan has not come to an end", "waveboard apply or waveboard undo goes on with it"
        )
    if known.plan.kind == "retire":
        return _close_served(site, known, result)
    return _close(site, _Ending(known, events, result, opened(site, known.plan.serves)), makers)


def _close_served(site: Site, known: Known, result: str) -> Closed:
    """A retire plan has no exit conditions of its own: it is part of the wave whose leavings it removed. Raises: RefusedError."""
    cannot, wave = f"close {known.plan.wave}", known.plan.serves
    if result != "done":
        fix = f"waveboard settle {known.plan.wave}" if result == "halted" else f"waveboard wave close {wave}"
        raise RefusedError(cannot, f"it is {result}, and removed nothing that could be judged", fix)
    opening = opened(site, wave)
    if opening is None or not opening.plan:
        because = f"it belongs to {wave}, which is not open: it was taken back, or closed already"
        fix = "waveboard receipts show has what it removed; nothing is left to close"
        raise RefusedError(cannot, because, fix)
    return close(site, from_bytes(site.store.get_object(opening.plan)))


def close_wave(site: Site, name: str) -> Closed:
    """Close a wave by its id: through its newest plan when it has one that was begun, else by its conditions alone.

    Raises: UsageError, RefusedError when the wave is not open.
    """
    wave = wave_named(site, name)
    begun = next((r for r in site.store.plans(name) if r.kind != "retire" and site.store.events(r.digest)), None)
    opening = opened(site, name)
    if begun and (wave.policy == MUTATING or (opening and begun.saved_at >= opening.at)):
        return close(site, from_bytes(site.store.get_object(begun.digest)))
    if opening is None:
        raise RefusedError(f"close {name}", "it is not open", "waveboard wave list; a wave without a plan: waveboard wave open")
    return _close(site, _Ending(Known(without_plan(site, wave), b"", ""), (), "done", opening), None)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What is being closed. known.digest is "" for a wave that needed no plan."""

    known: Known
    events: tuple[Event, ...]
    result: str
    opening: Opening | None

    @property
    def rests(self) -> tuple[str, ...]:
        """The digest that speaks for the whole wave: its plan, or the contract pinned when it was opened."""
        return (self.known.digest or str(self.opening.pins["contract"] if self.opening else ""),)


def _close(site: Site, ending: _Ending, makers: Makers | None) -> Closed:
    known, opening = ending.known, ending.opening
    wave = known.plan.wave
    leavings = _leavings(site, ending)
    seen = judged(site, known, makers)
    asked = seen.asked
    holds = ending.result == "done" and bool(asked) and all(a.holds for a in asked)
    goal = sentence(site, opening, holds, _own(known))
    items = _items(site, ending, leavings, seen, goal)
    key = new_key(site, "wave.close", "wave.end")
    told = Closeout(wave, known.digest, ending.result, items)
    body = closeout.body(told)
    for reason in closeout.unbound(told, *recorded(site)):
        raise ReceiptError(f"close {wave}", reason, "a closeout says only what earlier receipts prove; close it again")
    seq = issue(site, "closeout", key, (subject("plan", *ending.rests),), body)
    raw = next(raw for number, _, raw in site.store.receipts() if number == seq)
    name = receipt_name(opening.wave if opening else wave)
    path = site.archive.capture(name, raw)
    if opening and (holds or ending.result == "rolled-back"):
        site.store.end_wave(opening.wave, site.clock.now(), site.actor.principal, ending.result)
    still = (
        f"\n{opening.wave} stays open until every exit condition holds\n"
        if opening and not holds and ending.result == "done"
        else ""
    )
    text = _text(known, ending.result, key, asked, items) + f"\n{goal}\n{still}captured as {name} ({path})\n"
    document = {"schema": "waveboard.closeout/1", "run_key": key, "holds": holds, "goalposts": goal, "receipt": name, **body}
    return Closed(holds, text, document)


def _own(known: Known) -> dict[str, str]:
    """Files of the workspace that this plan itself edits, and the digest it leaves them with."""
    return {str(s.args["file"]): str(s.args["after_sha256"]) for s in known.plan.steps if s.verb == "contract_edit"}


def _leavings(site: Site, ending: _Ending) -> tuple[Known, ...]:
    """The retire plans of this wave that ended since it was opened, oldest first. Raises: RefusedError while one is under way."""
    name, opening = retire_name(ending.known.plan.wave), ending.opening
    under_way, found = site.store.open_plans(), list[Known]()
    for record in reversed(site.store.plans(name)):
        if record.digest in under_way:
            fix = f"bring it to its end first: waveboard apply {name}, or waveboard settle {name} when it is halted"
            raise RefusedError(f"close {ending.known.plan.wave}", f"{name} is under way", fix)
        if opening and record.saved_at >= opening.at and site.store.events(record.digest):
            found.append(from_bytes(site.store.get_object(record.digest)))
    return tuple(found)


def recorded(site: Site) -> tuple[set[str], set[str]]:
    """Every digest (hex) that a receipt of this chain names, the receipts' own among them, and every run key."""
    digests: set[str] = set()
    run_keys: set[str] = set()
    for _, digest, raw in site.store.receipts():
        payload = envelope.from_bytes(raw).payload
        digests |= {digest.removeprefix("sha256:"), *bundle.digests_named(payload)}
        run_keys.add(statement.enclosed(raw).run_key)
    return digests, run_keys


def _items(site: Site, ending: _Ending, leavings: tuple[Known, ...], seen: Judgement, goal: str) -> Mapping[str, CloseoutItem]:
    known = ending.known
    edited = changed(site, ending.opening)
    plan = ending.rests
    actions = _actions(known, ending.events)
    for one in leavings:
        actions += _actions(one, site.store.events(one.digest))
    blockers = [
        {"what": f"{a.text}: {a.saw}", "owner": site.contract.owner, "until": "the condition holds"}
        for a in seen.asked
        if not a.holds
    ]
    said = {"principal": site.actor.principal, "statement": _statement(site, known, ending.result, goal)}
    return {
        "evidence": CloseoutItem(({"run_key": seen.run_key, "result": seen.saw},), seen.evidence),
        "files_changed": CloseoutItem((*_files(known, seen.facts), *edited), (*plan, *seen.evidence)),
        "runtime_actions": CloseoutItem(tuple(actions), (*plan, *(one.digest for one in leavings))),
        "linkage": CloseoutItem(tuple(_linkage(site, known, seen.checked)), seen.reports),
        "verify": CloseoutItem(seen.verify, seen.reports),
        "blockers": CloseoutItem(tuple(blockers), (*seen.reports, *seen.evidence)),
        "attestation": CloseoutItem((said,), plan),
    }


def _files(known: Known, read: Mapping[str, HostFacts | Unavailable]) -> list[Mapping[str, str]]:
    found = []
    for step in known.plan.steps:
        facts = read.get(step.host)
        files = facts.get(ConfigFiles) if isinstance(facts, HostFacts) else None
        now = files.by_path if isinstance(files, ConfigFiles) else {}
        named = {
            "/etc/fstab": step.args.get("fstab_before_sha256"),
            "/etc/docker/daemon.json": step.args.get("daemon_json_before_sha256", False),
            str(step.args.get("compose_file", "")): step.args.get("compose_before_sha256"),
        }
        for path, before in named.items():
            if path and before is not False and (before or path.endswith("daemon.json")):
                after = now[path].digest if path in now else "not read"
                found.append({"host": step.host, "path": path, "before": str(before or "absent"), "after": after})
    return [dict(t) for t in dict.fromkeys(tuple(f.items()) for f in found)]


def _actions(known: Known, events: tuple[Event, ...]) -> list[Mapping[str, str]]:
    """Every step that came to an end, and below it each thing it was allowed to delete with what became of it."""
    steps = {step.id: step for step in known.plan.steps}
    found = _settled(steps, events)
    for event in events:
        if event.step and (result := ended(event)):
            step = steps[event.step]
            found.append({"host": step.host, "step": step.id, "action": step.title, "result": result})
            found += [
                {"host": step.host, "step": step.id, "action": f"delete {what}", "result": fate}
                for what, fate in deletions(step, event)
            ]
    return found


def _settled(steps: Mapping[str, Step], events: tuple[Event, ...]) -> list[Mapping[str, str]]:
    """What a person said of steps nobody could tell."""
    words = [
        (str(e.detail.get("by")), said) for e in events if e.kind == "settled" and isinstance(said := e.detail.get("steps"), dict)
    ]
    return [
        {"host": steps[step].host, "step": step, "action": f"settled by the word of {who}", "result": str(word)}
        for who, said in words
        for step, word in said.items()
    ]


def _linkage(site: Site, known: Known, checked: tuple[Checked, ...]) -> list[Mapping[str, str]]:
    wave = site.contract.waves.get(known.plan.wave)
    entries = linkage.over((one.report for one in checked), site.contract.findings)
    rows: list[Mapping[str, str]] = []
    for stor in wave.stor if wave else ():
        rows.append({"id": stor, "kind": "stor", "impact": _impact(entries.get(stor))})
    for gap in wave.gaps if wave else ():
        linked = [s.id for s in site.contract.findings.findings if gap in s.gaps]
        left = [s for s in linked if s not in entries or entries[s].observed is not False]
        still = ", ".join(f"{s} {_impact(entries.get(s))}" for s in left)
        impact = f"keep open: {still}" if still else "candidate to close once its own criterion is proven"
        rows.append({"id": gap, "kind": "gap", "impact": impact if linked else "no STOR id links to it"})
    return rows


def _impact(entry: linkage.Entry | None) -> str:
    if entry is None or entry.observed is None:
        return f"not known: {entry.why if entry else 'no pack was judged'}"
    return "still observed" if entry.observed else "not observed in this run"


def _statement(site: Site, known: Known, result: str, goal: str) -> str:
    eyes = "four eyes" if site.four_eyes else "a lone operator (four_eyes: false)"
    under = f"under plan {known.digest[:19]}, approved with {eyes}" if known.digest else "without a plan: nothing was carried out"
    return f"{known.plan.wave} ended {result} {under}; {goal}; every item rests on receipts of this chain"


def _text(known: Known, result: str, key: str, asked: tuple[Asked, ...], items: Mapping[str, CloseoutItem]) -> str:
    lines = [f"{known.plan.wave}: {result}   {key}", "", "exit conditions"]
    lines += [f"  {'holds  ' if a.holds else 'UNKNOWN' if a.holds is None else 'FAILS  '}  {a.text}   ({a.saw})" for a in asked]
    for name, item in items.items():
        lines += ["", name.replace("_", " ")]
        lines += [f"  {'  '.join(str(v) for v in entry.values())}" for entry in item.entries] or ["  none"]
    return "\n".join(lines) + "\n"
