"""Gaps and loops as rows: what the doors print and what their JSON says. Reads the view; changes nothing."""

from collections import Counter
from collections.abc import Mapping

from waveboard.model.register import SEVERITIES, Claim
from waveboard.model.units import instant_text
from waveboard.register.view import GapState, LoopState, View

Row = dict[str, object]


def totals(view: View) -> dict[str, int]:
    """total and open, then every other status there is, by name."""
    states = view.gaps.values()
    rest = Counter(state.status or "unknown" for state in states if not state.open)
    return {"total": len(view.gaps), "open": sum(state.open for state in states), **dict(sorted(rest.items()))}


def loop_totals(view: View) -> dict[str, int]:
    """open, closed, total, and unknown where a loop is neither."""
    states = view.loops.values()
    told = {"open": sum(s.open for s in states), "closed": sum(s.closed for s in states), "total": len(view.loops)}
    unknown = told["total"] - told["open"] - told["closed"]
    return {**told, "unknown": unknown} if unknown else told


def belonging(view: View, state: GapState) -> str:
    """`standalone`, `missing scope file: X`, `ORPHANED: X is closed`, or the loop with its status."""
    if not state.parent_loop:
        listing = [one for one in view.loops.values() if state.gap.id in one.loop.gaps]
        if not listing:
            return "standalone"
        return ", ".join(f"{one.loop.id} ({one.status or 'no status'})" for one in listing)
    loop = view.loop(state.parent_loop)
    if loop is None:
        return f"missing scope file: {state.parent_loop}"
    return f"ORPHANED: {loop.loop.id} is closed" if loop.closed else f"{loop.loop.id} ({loop.status or 'no status'})"


def gap_row(view: View, state: GapState, held: Mapping[str, Claim]) -> Row:
    """One gap, JSON-ready."""
    gap, claim = state.gap, held.get(state.gap.id)
    return {
        "id": gap.id,
        "status": state.status or "unknown",
        "open": state.open,
        "severity": gap.severity,
        "type": gap.type,
        "description": gap.description,
        "parent_loop": state.parent_loop,
        "belongs": belonging(view, state),
        "criterion": gap.criterion,
        "drift": gap.id in view.drift,
        "producer": gap.producer,
        "fix_said": state.fix,
        "why": state.why,
        "until": instant_text(state.until) if state.until else "",
        "evidence": list(state.evidence),
        "held_by": claim.owner if claim else "",
        "held_until": instant_text(claim.expires_at) if claim else "",
        "place": str(gap.place) if gap.place else "",
    }


def loop_row(view: View, state: LoopState, held: Mapping[str, Claim]) -> Row:
    """One loop, JSON-ready; its gaps are derived from the gaps' side."""
    loop, claim = state.loop, held.get(state.loop.id)
    gaps = list(view.gaps_of(state))
    return {
        "id": loop.id,
        "status": state.status or "unknown",
        "open": state.open,
        "severity": loop.severity,
        "owner": loop.owner,
        "scope": loop.scope,
        "objective": loop.objective,
        "parent_loop": state.parent_loop,
        "open_gaps": [g.gap.id for g in gaps if g.open],
        "settled_gaps": [g.gap.id for g in gaps if not g.open],
        "evidence": list(state.evidence),
        "held_by": claim.owner if claim else "",
        "held_until": instant_text(claim.expires_at) if claim else "",
        "place": str(loop.place) if loop.place else "",
    }


def by(rows: list[Row], key: str) -> dict[str, int]:
    """How many rows have each value, the known severities first in their order."""
    found = Counter(str(row[key]) or "none" for row in rows)
    order = {word: at for at, word in enumerate(SEVERITIES)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))
