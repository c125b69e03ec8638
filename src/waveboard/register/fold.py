"""The registers' files and the changes since -> the current view. Pure; a change that the rules refuse counts for nothing and is told.

The same changes in any order, any number of times, give the same view: each has its number, and counts once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from waveboard.model.register import Change, Gap, Loop, Registers
from waveboard.model.units import instant_text, parse_instant
from waveboard.register.rules import refusal
from waveboard.register.view import FindingState, GapState, LoopState, View


def view(files: Registers, changes: Iterable[Change], linked: Iterable[str], at: datetime) -> View:
    """linked: gaps that the findings map ties to observed drift; `at` ends acceptances."""
    once = {change.seq: change for change in changes}
    gaps = {gap.id: _filed(gap) for gap in files.gaps}
    loops = {loop.id: LoopState(loop, loop.status, loop.parent_loop) for loop in files.loops}
    shelf = _Shelf(gaps, loops, {}, {*linked, *(gap.id for gap in files.gaps if gap.producer)})
    void = []
    head = 0
    for head in sorted(once):
        change = once[head]
        why = refusal(shelf.view(head, change.at), change)
        if why:
            void.append((head, f"{change.kind} of {change.subject}: {why}"))
        else:
            shelf.take(change)
    ended = {name: _ended(state, at) for name, state in gaps.items()}
    return replace(shelf.view(head, at), gaps=ended, drift=frozenset(shelf.drift), void=tuple(void))


@dataclass(slots=True)
class _Shelf:
    """The view while it is being made."""

    gaps: dict[str, GapState]
    loops: dict[str, LoopState]
    findings: dict[str, FindingState]
    drift: set[str]

    def view(self, head: int, at: datetime) -> View:
        """The shelf as it stands, not copied: a register of a thousand gaps is looked at for each change."""
        return View(self.gaps, self.loops, self.findings, self.drift, head, at)

    def take(self, change: Change) -> None:
        if change.noun == "gap":
            state = self.gaps[change.subject] = _gap(self.gaps.get(change.subject), change)
            self.drift |= {change.subject} if state.gap.producer else set()
        elif change.noun == "loop":
            self.loops[change.subject] = _loop(self.loops.get(change.subject), change)
        else:
            self.findings[change.subject] = _finding(self.findings.get(change.subject), change)


def _ended(state: GapState, at: datetime) -> GapState:
    if state.status != "accepted" or state.until is None or state.until > at:
        return state
    return replace(state, status="open", why=f"its acceptance ended at {instant_text(state.until)}")


def _filed(gap: Gap) -> GapState:
    if gap.status != "accepted":
        return GapState(gap, gap.status, gap.parent_loop)
    return GapState(gap, gap.status, gap.parent_loop, why=gap.accepted_reason, until=gap.accepted_until, owner=gap.accepted_by)


def _gap(state: GapState | None, change: Change) -> GapState:
    told = change.detail
    if state is None:
        gap = gap_from(change.subject, told)
        status = gap.status if change.kind == "imported" else "open"  # what is filed here is settled here, by evidence
        return GapState(gap, status, gap.parent_loop, why=change.reason, evidence=change.evidence, seqs=(change.seq,))
    state = replace(state, seqs=(*state.seqs, change.seq))
    match change.kind:
        case "reparented":
            return replace(state, parent_loop=str(told.get("to") or ""))
        case "fix-said":
            return replace(state, fix=str(told["fixed_in"]))
        case "accepted":
            until = parse_instant(str(told["until"]))
            owner = str(told.get("owner") or "")
            return replace(state, status="accepted", until=until, why=change.reason, owner=owner, evidence=change.evidence)
        case "closed":
            return replace(state, status="closed", until=None, why=change.reason, evidence=change.evidence)
        case "reopened":
            return replace(state, status="open", until=None, why=change.reason, evidence=change.evidence)
    return state


def _loop(state: LoopState | None, change: Change) -> LoopState:
    if state is None:
        loop = loop_from(change.subject, change.detail)
        return LoopState(
            loop, loop.status if change.kind == "imported" else "active", loop.parent_loop, change.evidence, (change.seq,)
        )
    state = replace(state, seqs=(*state.seqs, change.seq))
    if change.kind == "reparented":
        return replace(state, parent_loop=str(change.detail.get("to") or ""))
    return replace(state, status="closed", evidence=change.evidence) if change.kind == "closed" else state


def _finding(state: FindingState | None, change: Change) -> FindingState:
    if change.kind == "vanished" and state is not None:
        return replace(state, present=False, run_key=change.run_key, at=change.at)
    told = {key: str(change.detail.get(key, "")) for key in ("gate", "host", "code", "subject", "severity", "message")}
    gaps = change.detail.get("gaps")
    names = tuple(str(gap) for gap in gaps) if isinstance(gaps, list | tuple) else ()
    return FindingState(change.subject, **told, gaps=names, present=True, run_key=change.run_key, at=change.at)


_GAP_TEXTS = ("status", "severity", "type", "description", "discovered_by", "discovered_at", "owner", "parent_loop", "fixed_in",
              "criterion", "producer")  # fmt: skip
_LOOP_TEXTS = ("status", "owner", "severity", "scope", "objective", "created", "parent_loop", "also", "body")


def gap_from(name: str, told: Mapping[str, object]) -> Gap:
    """The gap that a `filed` or `imported` change tells of."""
    written = told.get("written")
    texts: dict[str, Any] = {key: str(told.get(key) or "") for key in _GAP_TEXTS}
    return Gap(name, **texts, written=written if isinstance(written, Mapping) else {})


def loop_from(name: str, told: Mapping[str, object]) -> Loop:
    """The loop that a `filed` or `imported` change tells of."""
    gaps, written = told.get("gaps"), told.get("written")
    names = tuple(str(gap) for gap in gaps) if isinstance(gaps, list | tuple) else ()
    texts: dict[str, Any] = {key: str(told.get(key) or "") for key in _LOOP_TEXTS}
    return Loop(name, **texts, gaps=names, written=written if isinstance(written, Mapping) else {})


def detail_of(noun: Gap | Loop) -> dict[str, object]:
    """What a `filed` or `imported` change carries; `gap_from` and `loop_from` read it back."""
    keys = _GAP_TEXTS if isinstance(noun, Gap) else _LOOP_TEXTS
    told: dict[str, object] = {key: value for key in keys if (value := getattr(noun, key))}
    if noun.written:
        told["written"] = dict(noun.written)
    if isinstance(noun, Loop) and noun.gaps:
        told["gaps"] = list(noun.gaps)
    return told
