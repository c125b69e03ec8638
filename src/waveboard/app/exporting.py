"""The registers as they stand, written back in the operator's own formats: every key a file gave, with today's status and owner loop."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from waveboard.contracts.dump import dump
from waveboard.contracts.nodes import Document, Table
from waveboard.contracts.rewrite import rewritten
from waveboard.model.units import RUN_KEY, instant_text
from waveboard.register.ownership import owned
from waveboard.register.view import GapState, LoopState, View

_GAP_KEYS = ("discovered_by", "discovered_at", "type", "description", "severity", "owner", "criterion", "producer")
_LOOP_KEYS = ("created", "owner", "scope", "severity", "objective")


def gaps_yaml(view: View, at: datetime, files: Sequence[Document]) -> str:
    """`operational.gaps.yaml`: read again, it gives the same gaps with the same statuses.

    files: the register's own files, usable ones. The first is the frame: what stands in it stays, and changes where the register did.
    """
    updated = instant_text(at)
    if not files:
        return dump({"version": 1, "updated": updated, "gaps": [_gap(state) for state in view.gaps.values()]})
    order = {document.file: at for at, document in enumerate(files)}
    states = sorted(view.gaps.values(), key=lambda s: order.get(s.gap.place.file if s.gap.place else "", len(order)))
    text = rewritten(files[0], "gaps", [_gap(state) for state in states], {"updated": updated})
    return text + "".join(_beside(document) for document in files[1:])


def _beside(document: Document) -> str:
    """What a further file says beside its gaps, as comments: one file has one head."""
    assert isinstance(document.root, Table), "a usable register"
    start, end = document.root.keys["gaps"].start, document.root.entries["gaps"].span.end
    lines = (document.text[:start] + document.text[end:]).splitlines()
    said = "".join(f"# {line}".rstrip() + "\n" for line in lines if line.strip())
    return f"\n# {document.file} says beside its gaps:\n{said}" if said else ""


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
    gap = state.gap
    told: dict[str, object] = dict(gap.written) or {"id": gap.id, **_given(gap, _GAP_KEYS)}
    if state.status != (told.get("status") or ""):
        told["status"] = state.status
    if state.parent_loop != (told.get("parent_loop") or ""):
        told["parent_loop"] = state.parent_loop or None
    if state.fix:
        told["fixed_in"] = state.fix
    accepted = (state.until, state.why, state.owner)
    if state.status == "accepted" and state.until and accepted != (gap.accepted_until, gap.accepted_reason, gap.accepted_by):
        told |= {"accepted_until": instant_text(state.until), "accepted_reason": state.why}
        told |= {"accepted_by": state.owner} if state.owner else {}
    runs = [one for one in state.evidence if RUN_KEY.match(one)]
    if runs and not state.open:
        known = told.get("evidence_run_keys")
        told["evidence_run_keys"] = list(
            dict.fromkeys([*(known if isinstance(known, list) else [known] if known else []), *runs])
        )
    return told


def _given(noun: object, keys: tuple[str, ...]) -> dict[str, object]:
    return {key: value for key in keys if (value := getattr(noun, key))}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
