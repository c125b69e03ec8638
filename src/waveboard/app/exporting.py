"""The registers as they stand, written back in the operator's own formats: every key a file gave, with today's status and owner loop."""

from collections.abc import Mapping
from datetime import datetime

from waveboard.contracts.dump import dump
from waveboard.model.units import RUN_KEY, instant_text
from waveboard.register.ownership import owned
from waveboard.register.view import GapState, LoopState, View

_GAP_KEYS = ("discovered_by", "discovered_at", "type", "description", "severity", "owner", "criterion", "producer")
_LOOP_KEYS = ("created", "owner", "scope", "severity", "objective")


def gaps_yaml(view: View, at: datetime) -> str:
    """`operational.gaps.yaml`: read again, it gives the same gaps with the same statuses."""
    return dump({"version": 1, "updated": instant_text(at), "gaps": [_gap(state) for state in view.gaps.values()]})


def gaps_markdown(view: View) -> str:
    """One table, open gaps first."""
    states = sorted(view.gaps.values(), key=lambda s: (not s.open, s.gap.id))
    lines = ["| gap | severity | status | loop | what |", "|---|---|---|---|---|"]
    lines += [
        f"| {_cell(s.gap.id)} | {_cell(s.gap.severity)} | {_cell(s.status)} | {_cell(s.parent_loop)} | {_cell(s.gap.description)} |"
        for s in states
    ]
    return "\n".join(lines) + "\n"


def loop_markdown(state: LoopState) -> str:
    """`LOOP-….scope.md`: front matter, then the text its file has."""
    loop = state.loop
    front: dict[str, object] = dict(loop.written) or {"loop_id": loop.id, **_given(loop, _LOOP_KEYS)}
    front["status"] = state.status or front.get("status")
    if state.parent_loop or "parent_loop" in front:
        front["parent_loop"] = state.parent_loop or None
    return f"---\n{dump(front)}---\n\n{loop.body or f'# {loop.objective or loop.id}' + chr(10)}"


def loops_markdown(view: View) -> str:
    """One table, open loops first."""
    states = sorted(view.loops.values(), key=lambda s: (not s.open, s.loop.id))
    lines = ["| loop | status | owner | open gaps | objective |", "|---|---|---|---|---|"]
    owns = owned(view)
    for s in states:
        gaps = " ".join(g.gap.id for g in owns[s.loop.id] if g.open)
        lines.append(
            f"| {_cell(s.loop.id)} | {_cell(s.status)} | {_cell(s.loop.owner)} | {_cell(gaps)} | {_cell(s.loop.objective)} |"
        )
    return "\n".join(lines) + "\n"


def _gap(state: GapState) -> Mapping[str, object]:
    told: dict[str, object] = dict(state.gap.written) or {"id": state.gap.id, **_given(state.gap, _GAP_KEYS)}
    if state.status or "status" in told:
        told["status"] = state.status or told["status"]
    if state.parent_loop or "parent_loop" in told:
        told["parent_loop"] = state.parent_loop or None
    if state.fix:
        told["fixed_in"] = state.fix
    if state.status == "accepted" and state.until is not None:
        told |= {"accepted_until": instant_text(state.until), "accepted_reason": state.why}
        told |= {"accepted_by": state.owner} if state.owner else {}
    elif state.status != "accepted" and state.gap.accepted_until is not None:  # it ended
        for key in ("accepted_until", "accepted_reason", "accepted_by"):
            told.pop(key, None)
    runs = [one for one in state.evidence if RUN_KEY.match(one)]
    if runs and not state.open:
        told["evidence_run_keys"] = runs
    return told


def _given(noun: object, keys: tuple[str, ...]) -> dict[str, object]:
    return {key: value for key in keys if (value := getattr(noun, key))}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
