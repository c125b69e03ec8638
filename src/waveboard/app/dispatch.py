"""Give a wave to a worker: a fresh reading as the baseline, the prompt, the lease in time, the receipt. Also: take it back.

The worker may apply approved plans of the wave until the dispatch ends; nobody else may while it lasts. It approves nothing.
"""

import json
from dataclasses import dataclass
from datetime import timedelta

from waveboard.app.planning import wave_named
from waveboard.app.read import audit
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.model.claim import Dispatch
from waveboard.model.contract import WaveSpec
from waveboard.model.errors import HostError, RefusedError, UsageError
from waveboard.model.evidence import digest_of
from waveboard.model.facts import Unavailable
from waveboard.model.history import DispatchRecord
from waveboard.model.receipt import Actor, ActorKind
from waveboard.model.units import instant_text
from waveboard.waves import order, prompt


@dataclass(frozen=True, slots=True)
class Given:
    """A dispatch with the text for the worker and its digest."""

    made: Dispatch
    text: str
    run_key: str


def dispatch(site: Site, name: str, worker: str, hours: int) -> Given:
    """Raises: UsageError (no such wave), RefusedError (an agent, a draft, a wave in other hands), HostError (a host without a
    baseline: what cannot be read before cannot be compared after)."""
    wave = wave_named(site, name)
    _may(site, wave)
    at = site.clock.now().replace(microsecond=0)
    _free(site, wave)
    read = audit(site, (*wave.mutate_hosts, *wave.read_only_hosts))
    for host, facts in read.facts.items():
        if isinstance(facts, Unavailable):
            raise HostError(f"dispatch {name}", f"{host} has no baseline: {facts.reason}", "make the host readable first")
    until = at + timedelta(hours=hours)
    task, plan = f"{name}-{site.clock.token(6)}", _approved(site, name)
    text = prompt.render(wave, prompt.Order(task, worker, site.contract.name, site.contract.digest, plan, until))
    made = Dispatch(
        task=task,
        wave=name,
        worker=worker,
        by=site.actor.principal,
        issued_at=at,
        expires_at=until,
        prompt=digest_of(text.encode()),
        plan=plan,
        contract=site.contract.digest,
        baseline=read.bundles,
        files=site.contract.files,
    )
    kept = site.store.put_object(order.to_bytes(made))
    site.store.put_object(text.encode())
    site.store.save_dispatch(DispatchRecord(task, name, worker, at, until, kept), wave.excludes)
    key = new_key(site, "wave.dispatch")
    issue(site, "dispatch", key, (subject("dispatch", kept), subject("prompt", made.prompt)), order.to_json(made))
    return Given(made, text, key)


def recall(site: Site, name: str) -> DispatchRecord:
    """Take the wave back from its worker now. Raises: RefusedError when nobody has it; an agent gives back only its own."""
    wave_named(site, name)
    held = live(site, name)
    if held is None:
        raise RefusedError(f"recall {name}", "nobody has it", "waveboard wave list")
    if site.actor.kind is ActorKind.AGENT and held.worker != site.actor.principal:
        raise RefusedError(f"recall {name}", f"{held.worker} has it, and an agent may give back only its own", "ask a person")
    site.store.end_dispatch(held.task, site.clock.now())
    body: dict[str, object] = {"task": held.task, "wave": name, "worker": held.worker}
    issue(site, "recall", new_key(site, "wave.recall"), (subject("dispatch", held.order),), body)
    return held


def live(site: Site, wave: str) -> DispatchRecord | None:
    """Who has the wave now, if anybody."""
    return next((d for d in site.store.dispatches(wave) if d.live(site.clock.now())), None)


def all_live(site: Site) -> list[DispatchRecord]:
    """Every wave that is in somebody's hands now."""
    return [d for d in site.store.dispatches() if d.live(site.clock.now())]


def newest(site: Site, wave: str, task: str = "") -> Dispatch:
    """The newest dispatch of a wave, or the one of that task. Raises: UsageError."""
    found = [d for d in site.store.dispatches(wave) if task in ("", d.task)]
    if not found:
        because = f"no task {task} was dispatched for it" if task else "it was never dispatched"
        raise UsageError(f"judge a report on {wave}", because, f"waveboard wave dispatch {wave} --to WORKER")
    return order.from_json(json.loads(site.store.get_object(found[0].order)))


def why_not(actor: Actor, wave: str, held: DispatchRecord | None) -> str:
    """Why this actor may not apply plans of the wave now, "" when it may: an agent needs a dispatch, and one wave has one worker."""
    if held is None:
        return "an agent works only on what was dispatched to it" if actor.kind is ActorKind.AGENT else ""
    if held.worker != actor.principal:
        return f"{wave} is dispatched to {held.worker} as {held.task} until {instant_text(held.expires_at)}"
    return ""


def _may(site: Site, wave: WaveSpec) -> None:
    if site.actor.kind is ActorKind.AGENT:
        raise RefusedError(f"dispatch {wave.id}", f"{site.actor.principal} is an agent", "a person gives out work")
    if wave.draft:
        raise RefusedError(f"dispatch {wave.id}", "the wave is a draft", "see its file")


def _free(site: Site, wave: WaveSpec) -> None:
    """Said before any host is read; the store says it again when it counts."""
    for held in (live(site, name) for name in (wave.id, *wave.excludes)):
        if held:
            because = f"{held.worker} has {held.wave} as {held.task} until {instant_text(held.expires_at)}"
            raise RefusedError(f"dispatch {wave.id}", because, f"waveboard wave recall {held.wave}")


def _approved(site: Site, wave: str) -> str:
    """The newest plan of the wave that somebody signed and nobody began, "" when there is none."""
    for record in site.store.plans(wave):
        if record.kind == "wave" and site.store.approvals(record.digest) and not site.store.events(record.digest):
            return record.digest
    return ""
