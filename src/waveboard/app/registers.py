"""The current view of gaps, loops and findings, and the one way to change it: decided on a view, appended whole, receipted.

Whatever a crash left without its receipt gets it from the next change.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.contracts.text import hidden
from waveboard.model.errors import RefusedError, UsageError
from waveboard.model.register import Change, Claim
from waveboard.model.units import instant_text
from waveboard.register import fold
from waveboard.register.rules import refusal
from waveboard.register.view import GapState, LoopState, View

MEND_PRODUCER = "mend what makes it come back, and prove it: waveboard vm prove HOST; until then the gap stays open"
_SAID = ("filed", "reparented", "fix-said", "accepted")  # kinds whose detail is somebody's words, and no host's
_ATTEMPTS = 20  # changes are decided anew when another terminal was faster
Draft = Callable[[View], Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one verb appended; no changes: there was nothing to say. view: after them."""

    run_key: str
    changes: tuple[Change, ...]
    view: View


def current(site: Site) -> View:
    """The register now: the workspace's files, and every change since."""
    linked = {gap for stor in site.contract.findings.findings for gap in stor.gaps}
    return fold.view(site.contract.registers, site.store.changes(), linked, site.clock.now())


def change(site: Site, key: str, noun: str, name: str, kind: str, reason: str = "") -> Change:
    """A change that has yet to be numbered."""
    return Change(0, noun, name, kind, site.clock.now().replace(microsecond=0), site.actor.principal, key, reason)


def record(site: Site, key: str, cannot: str, draft: Draft) -> Recorded:
    """Append what `draft` makes of the current view. cannot: what could not be done, for the error.

    Raises: RefusedError with the rule that a change would break; what `draft` raises.
    """
    _settle(site)
    for _ in range(_ATTEMPTS):
        now = current(site)
        changes = tuple(replace(one, seq=now.head + n) for n, one in enumerate(draft(now), 1))
        for one in changes:
            _readable(one, cannot)
            because = refusal(now, one)
            if because:
                raise RefusedError(cannot, because, _way_out(one, because))
        if site.store.append_changes(changes, now.head):
            if changes:
                _receipt(site, changes)
            return Recorded(key, changes, current(site))
    raise RefusedError(cannot, "other terminals change the register all the time", "run it again")


def _readable(one: Change, cannot: str) -> None:
    """Raises: UsageError when a person says what no register file may hold: it could neither be exported nor read by another."""
    said = [one.reason, *(map(str, one.detail.values()) if one.kind in _SAID else ())]
    if found := next(filter(None, map(hidden, said)), ""):
        raise UsageError(
            cannot, f"what it says holds the invisible or control character {found}", "say it without that character"
        )


def gap_named(view: View, name: str, cannot: str) -> GapState:
    """Raises: UsageError."""
    if name not in view.gaps:
        raise UsageError(cannot, f"the register has no gap {name}", "waveboard gaps status lists the open ones")
    return view.gaps[name]


def loop_named(view: View, name: str, cannot: str) -> LoopState:
    """Raises: UsageError."""
    found = view.loop(name)
    if found is None:
        raise UsageError(cannot, f"there is no loop {name}", "waveboard loops status lists the open ones")
    return found


def owner(site: Site) -> str:
    """Who holds what this caller claims: the person, under whatever name they came."""
    return site.person(site.actor.principal)


def not_anothers(site: Site, name: str, cannot: str) -> None:
    """Raises: RefusedError naming who works on it now."""
    for claim in site.store.claims(site.clock.now()):
        if claim.subject == name and claim.owner != owner(site):
            raise RefusedError(
                cannot,
                f"{claim.owner} holds it until {instant_text(claim.expires_at)}",
                f"wait, or ask {claim.owner} to release it",
            )


def claims(site: Site) -> dict[str, Claim]:
    """Live claims by what is claimed."""
    return {claim.subject: claim for claim in site.store.claims(site.clock.now())}


def take(site: Site, noun: str, name: str, hours: int) -> Claim:
    """Claim a gap or loop for this caller. Raises: RefusedError naming the holder; UsageError."""
    cannot = f"claim {name}"
    own = named(noun, current(site), name, cannot)
    claim = site.store.claim(own, owner(site), site.clock.now().replace(microsecond=0), hours * 3600)
    key = new_key(site, f"{noun}s.claim")
    told = {"owner": claim.owner, "until": instant_text(claim.expires_at)}
    record(site, key, cannot, lambda view: [replace(change(site, key, noun, own, "claimed"), detail=told)])
    return claim


def release(site: Site, noun: str, name: str) -> None:
    """Raises: RefusedError when this caller holds no claim on it; UsageError."""
    cannot = f"release {name}"
    own = named(noun, current(site), name, cannot)
    if not site.store.release_claim(own, owner(site)):
        holder = claims(site).get(own)
        because = f"{holder.owner} holds it" if holder else "nobody holds it"
        raise RefusedError(cannot, because, "a claim is released by its owner, and ends by itself")
    key = new_key(site, f"{noun}s.release")
    record(site, key, cannot, lambda view: [replace(change(site, key, noun, own, "released"), detail={"owner": owner(site)})])


def named(noun: str, view: View, name: str, cannot: str) -> str:
    """The register's own spelling of a gap's or loop's id. Raises: UsageError."""
    return gap_named(view, name, cannot).gap.id if noun == "gap" else loop_named(view, name, cannot).loop.id


def _way_out(one: Change, because: str) -> str:
    if "producer" in because:
        return MEND_PRODUCER
    if "evidence" in because:
        return "waveboard verify PACK makes evidence; name its run key"
    return f"waveboard {one.noun}s status shows where things stand" if one.noun != "finding" else ""


def _settle(site: Site) -> None:
    """The receipt of the newest changes, where a crash came in between."""
    changes = site.store.changes()
    if changes and not site.store.receipted(changes[-1].run_key):
        _receipt(site, tuple(one for one in changes if one.run_key == changes[-1].run_key))


def _receipt(site: Site, changes: tuple[Change, ...]) -> None:
    told = [
        {"seq": c.seq, "noun": c.noun, "subject": c.subject, "kind": c.kind, "reason": c.reason, "evidence": list(c.evidence)}
        for c in changes
    ]
    full = [
        {**row, "actor": c.actor, "at": instant_text(c.at), "detail": dict(c.detail)}
        for row, c in zip(told, changes, strict=True)
    ]
    stored = site.store.put_object(json.dumps(full, sort_keys=True, separators=(",", ":")).encode())
    body: dict[str, object] = {"contract": site.contract.digest, "changes": told}
    issue(site, "register", changes[0].run_key, (subject("register/changes", stored),), body)
