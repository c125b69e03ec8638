"""Gaps and loops as rows: what the doors print and what their JSON says. Reads the view; changes nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from waveboard.model.register import SEVERITIES, Claim
from waveboard.model.units import instant_text
from waveboard.register.ownership import owned, owners
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


def belonging(state: GapState, loops: Sequence[LoopState]) -> str:
    """`standalone`, `missing scope file: X`, `ORPHANED: X is closed`, or its loops, each with its status."""
    if not loops:
        return f"missing scope file: {state.parent_loop}" if state.parent_loop else "standalone"
    if state.parent_loop and loops[0].closed:
        return f"ORPHANED: {loops[0].loop.id} is closed"
    return ", ".join(f"{one.loop.id} ({one.status or 'no status'})" for one in loops)


def gap_rows(view: View, states: Iterable[GapState], held: Mapping[str, Claim]) -> list[Row]:
    """Each as one row, JSON-ready."""
    loops = owners(view)
    return [_gap(view, state, loops[state.gap.id], held.get(state.gap.id)) for state in states]


def loop_rows(view: View, states: Iterable[LoopState], held: Mapping[str, Claim]) -> list[Row]:
    """Each as one row, JSON-ready; its gaps are derived from the gaps' side."""
    gaps = owned(view)
    return [_loop(state, gaps[state.loop.id], held.get(state.loop.id)) for state in states]


def orphans(view: View) -> int:
    """How many open gaps name a loop that is closed, or nowhere."""
    loops = owners(view)
    named = (state for state in view.gaps.values() if state.open and state.parent_loop)
    return sum(1 for state in named if all(loop.closed for loop in loops[state.gap.id]))


def _gap(view: View, state: GapState, loops: Sequence[LoopState], claim: Claim | None) -> Row:
    gap = state.gap
    return {
        "id": gap.id,
        "status": state.status or "unknown",
        "open": state.open,
        "severity": gap.severity,
        "type": gap.type,
        "description": gap.description,
        "parent_loop": state.parent_loop,
        "belongs": belonging(state, loops),
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


def _loop(state: LoopState, gaps: Sequence[GapState], claim: Claim | None) -> Row:
    loop = state.loop
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
