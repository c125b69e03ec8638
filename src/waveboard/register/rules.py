"""Whether a change may happen to a register that stands like this, in words. The fold and the verbs ask the same question here.

A gap or loop is settled by evidence only: a run key and the digest of what that run left. Nobody's word is enough.
"""

import re
from collections.abc import Callable, Mapping

from waveboard.model.register import Change
from waveboard.model.units import RUN_KEY, parse_instant
from waveboard.register.ownership import below, owned
from waveboard.register.view import SETTLED, LoopState, View

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NOT_PROVEN = "its producer is not proven fixed"


def refusal(view: View, change: Change) -> str:
    """Why the change may not happen; "" when it may."""
    rules = _RULES.get(change.noun, {})
    if change.kind not in rules:
        return f"`{change.kind}` means nothing to a {change.noun}"
    known = view.gaps if change.noun == "gap" else view.loops if change.noun == "loop" else view.findings
    if change.kind in ("filed", "imported"):
        if change.subject in known:
            return "it is registered already"
    elif change.noun != "finding" and change.subject not in known:
        return f"there is no such {change.noun}"
    return rules[change.kind](view, change)


def proven(evidence: tuple[str, ...]) -> bool:
    """Whether it names a run and the bytes that run left."""
    return any(RUN_KEY.match(one) for one in evidence) and any(_DIGEST.fullmatch(one) for one in evidence)


def _free(view: View, change: Change) -> str:
    return ""


def _brought(view: View, change: Change) -> str:
    return "" if any(_DIGEST.fullmatch(one) for one in change.evidence) else "it does not name the file it came from"


def _filed_gap(view: View, change: Change) -> str:
    loop = str(change.detail.get("parent_loop") or "")
    return _owner(view, loop) if loop else ""


def _reparented_gap(view: View, change: Change) -> str:
    to = str(change.detail.get("to") or "")
    return _owner(view, to) if to else "" if change.reason else "taking its loop away needs a reason"


def _owner(view: View, name: str) -> str:
    loop = view.loop(name)
    if loop is None:
        return f"there is no loop {name}"
    return f"the loop {name} is closed" if loop.closed else ""


def _fix_said(view: View, change: Change) -> str:
    if not change.detail.get("fixed_in"):
        return "it does not say what fixed it"
    return _unsettled(view, change)


def _accepted(view: View, change: Change) -> str:
    if not change.reason or not change.detail.get("owner"):
        return "an acceptance needs a reason and an owner"
    try:
        until = parse_instant(str(change.detail.get("until")))
    except (ValueError, OverflowError):
        return "an acceptance needs an end"
    return "it would end before it begins" if until <= change.at else _unsettled(view, change)


def _closed_gap(view: View, change: Change) -> str:
    if not proven(change.evidence):
        return "it brings no evidence: neither a run key nor what the run left"
    if change.subject in view.drift and change.detail.get("producer_proof") not in change.evidence:
        return NOT_PROVEN
    return _unsettled(view, change)


def _unsettled(view: View, change: Change) -> str:
    state = view.gaps[change.subject]
    return f"it is {state.status} already" if state.status in SETTLED else ""


def _reopened_gap(view: View, change: Change) -> str:
    state = view.gaps[change.subject]
    if state.status not in SETTLED:
        return f"it is {state.status}"
    return "" if proven(change.evidence) else "it does not name the run that saw it again"


def _filed_loop(view: View, change: Change) -> str:
    to = str(change.detail.get("parent_loop") or "")
    return f"{to} stands below {change.subject}: they would own each other" if to and _below(view, change.subject, to) else ""


def _imported_loop(view: View, change: Change) -> str:
    return _brought(view, change) or _filed_loop(view, change)


def _reparented_loop(view: View, change: Change) -> str:
    to = str(change.detail.get("to") or "")
    if not to:
        return ""
    return _owner(view, to) or (
        f"{to} stands below {change.subject}: they would own each other" if _below(view, change.subject, to) else ""
    )


def _below(view: View, upper: str, name: str) -> bool:
    """Whether the way up from `name` leads through `upper`, which need not be registered yet."""
    seen: set[str] = set()
    while name and name not in seen:
        loop = view.loop(name)
        if name == upper or (loop and loop.loop.id == upper):
            return True
        seen.add(name)
        name = loop.parent_loop if loop else ""
    return False


def _closed_loop(view: View, change: Change) -> str:
    loop: LoopState = view.loops[change.subject]
    if loop.closed:
        return "it is closed already"
    gaps = sorted(state.gap.id for state in owned(view)[loop.loop.id] if state.open)
    if gaps:
        return f"it still owns open gaps: {', '.join(gaps)}"
    loops = sorted(state.loop.id for state in below(view, loop) if not state.closed)
    if loops:
        return f"it still owns loops that are not closed: {', '.join(loops)}"
    return "" if proven(change.evidence) else "it brings no evidence: neither a run key nor what the run left"


def _vanished(view: View, change: Change) -> str:
    state = view.findings.get(change.subject)
    if state is None or not state.present:
        return "nobody has seen it"
    return "" if proven(change.evidence) else "it does not name the run that looked"


_RULES: Mapping[str, Mapping[str, Callable[[View, Change], str]]] = {
    "gap": {
        "filed": _filed_gap,
        "imported": _brought,
        "claimed": _free,
        "released": _free,
        "reparented": _reparented_gap,
        "fix-said": _fix_said,
        "accepted": _accepted,
        "closed": _closed_gap,
        "reopened": _reopened_gap,
    },
    "loop": {
        "filed": _filed_loop,
        "imported": _imported_loop,
        "claimed": _free,
        "released": _free,
        "reparented": _reparented_loop,
        "closed": _closed_loop,
    },
    "finding": {"seen": _free, "vanished": _vanished},
}
