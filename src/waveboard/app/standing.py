"""Where every plan stands, from the journal. Reads only."""

from waveboard.app.plans import from_bytes
from waveboard.app.site import Site
from waveboard.waves.journal import tell


def plans(site: Site, limit: int = 20) -> list[dict[str, object]]:
    """Newest first: wave, digest, state, steps (id -> state), approvals (who), held (by whom, until when)."""
    holds = {hold.plan: hold for hold in site.store.holds(site.clock.now())}
    rows: list[dict[str, object]] = []
    for record in site.store.plans()[:limit]:
        known = from_bytes(site.store.get_object(record.digest))
        story = tell([s.id for s in known.plan.steps], site.store.events(record.digest))
        hold = holds.get(record.digest)
        rows.append(
            {
                "wave": record.wave,
                "kind": record.kind,
                "digest": record.digest,
                "state": story.phase.value,
                "why": story.why,
                "steps": {step: r.state.value + (f" ({r.why})" if r.why else "") for step, r in story.steps.items()},
                "approvals": ", ".join(a.principal for a in site.store.approvals(record.digest)),
                "held": f"{hold.owner} until {hold.expires_at:%H:%M:%SZ}" if hold else "",
            }
        )
    return rows
