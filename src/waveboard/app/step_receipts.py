"""A receipt for every settled step, read from the journal: a crash between the journal line and its receipt loses neither.

A receipt names the journal line it speaks of, so what is missing can be told, and is issued before anything else happens.
"""

from waveboard.app.letting_go import DRIVING
from waveboard.app.receipting import all_receipts, issue, new_key, subject
from waveboard.app.site import Site
from waveboard.model.change import Event, Plan

_SETTLED = ("applied", "failed", "undone", "undo-failed")
_KINDS = ("step", "undo", "settlement")


def receipted(site: Site, digest: str) -> set[int]:
    """Journal lines of this plan that have their receipt."""
    found: set[int] = set()
    for receipt in all_receipts(site):
        line = receipt.body.get("line")
        if receipt.kind in _KINDS and receipt.body.get("plan") == digest and isinstance(line, int):
            found.add(line)
    return found


def settle(site: Site, plan: Plan, digest: str, known: set[int]) -> None:
    """Issue what is missing, in journal order; `known` grows by what was issued."""
    steps = {step.id: step for step in plan.steps}
    for event in site.store.events(digest):
        if event.seq in known or not _speaks(event):
            continue
        if event.kind == "settled":
            word = {"plan": digest, "wave": plan.wave, "line": event.seq, "fence": event.fence, **event.detail}
            issue(site, "settlement", new_key(site, "wave.settle", *DRIVING), (subject("plan", digest),), word)
            known.add(event.seq)
            continue
        step, backwards = steps[event.step], event.kind.startswith("undo") or event.detail.get("phase") == "undo"
        body: dict[str, object] = {
            "plan": digest,
            "line": event.seq,
            "step": step.id,
            "verb": step.verb,
            "host": step.host,
            "phase": "undo" if backwards else "do",
            "attempt": event.attempt,
            "result": event.kind if event.kind != "probed" else f"found {event.detail.get('found')}",
            "fence": event.fence,
            "why": str(event.detail.get("why", "")),
            "outcome": event.detail.get("outcome", {}),
        }
        key = new_key(site, "wave.undo" if backwards else "wave.apply", *DRIVING)
        issue(site, "undo" if backwards else "step", key, (subject("plan", digest),), body)
        known.add(event.seq)


def _speaks(event: Event) -> bool:
    """A line after which a step stands differently; a probe that settled nothing is not one."""
    return event.kind == "settled" or (
        bool(event.step)
        and (event.kind in _SETTLED or (event.kind == "probed" and event.detail.get("found") in ("done", "not-done", "partial")))
    )
