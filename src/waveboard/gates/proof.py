"""Violations planted in copies of a gate's own documents: does it still see them? Changes no document that is judged.

Planted in what this very run reads, so that a gate that has gone blind for the estate it judges is caught, and not only for an
estate that somebody once thought up. What could not be read cannot be planted in; the gate is unknown by its own doubts then.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from waveboard.gates.gate import Deviation, Doubt
from waveboard.model.declared import DeclaredGate, Patch, Planted
from waveboard.model.document import Desk, Prose, Sight, Tree
from waveboard.model.facts import Unavailable
from waveboard.model.selection import Each, Named, Step, parse_path

Judge = Callable[[Desk], Iterator[Deviation | Doubt]]


def blindness(spec: DeclaredGate, judge: Judge, desk: Desk) -> str:
    """Why the gate cannot be trusted on these documents; "" when it sees what is planted and nothing at the look-alike."""
    plain = list(judge(desk))
    known = {(one.code, one.subject) for one in plain if isinstance(one, Deviation)}
    doubted = any(isinstance(one, Doubt) for one in plain)
    proven = 0
    for violation in spec.violations:
        planted = plant(desk, violation)
        if planted is None:
            continue
        proven += 1
        missed = set(violation.expect) - {one.code for one in judge(planted) if isinstance(one, Deviation)}
        if missed:
            return f"canary: it does not see its own seeded violation: {violation.about} ({', '.join(sorted(missed))})"
    if not proven and not doubted:
        return "canary: none of its seeded violations could be planted"
    clean = plant(desk, spec.lookalike)
    for one in judge(clean) if clean is not None else ():
        if isinstance(one, Deviation) and (one.code, one.subject) not in known:
            return f"canary: it does not clear the clean look-alike: {spec.lookalike.about} ({one.code})"
    dark = {
        alias: tuple(replace(s, seen=Unavailable("dark"), exit=None, absent=False) for s in sights)
        for alias, sights in desk.items()
    }
    if not any(isinstance(one, Doubt) for one in judge(dark)):
        return "canary: it clears documents that it could not see"
    return ""


def plant(desk: Desk, planted: Planted) -> Desk | None:
    """The documents with the patches in them; None when one of those to be patched was not seen."""
    changed = dict(desk)
    for patch in planted.patches:
        sights = changed.get(patch.doc, ())
        if not sights or (isinstance(sights[0].seen, Unavailable) and not patch.absent):
            return None
        changed[patch.doc] = (_patched(sights[0], patch), *sights[1:])
    return changed


def _patched(sight: Sight, patch: Patch) -> Sight:
    if patch.absent:
        return Sight(sight.address, Unavailable("no such file"), absent=True)
    seen = sight.seen
    if isinstance(seen, Prose):
        text = seen.text
        for old, new in patch.replace.items():
            text = text.replace(old, new)
        seen = Prose(text + patch.add)
    elif isinstance(seen, Tree):
        value = _copy(seen.value)
        for path, wanted in patch.set.items():
            value = _put(value, parse_path(path), wanted, append=False)
        for path, wanted in patch.append.items():
            value = _put(value, parse_path(path), wanted, append=True)
        for path in patch.remove:
            _take(value, parse_path(path))
        seen = replace(seen, value=value)
    return replace(sight, seen=seen, exit=sight.exit if patch.exit is None else patch.exit)


def _copy(value: object) -> object:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _put(value: object, steps: tuple[Step, ...], new: object, *, append: bool) -> object:
    """The value with `new` at that path; what stands in the way is replaced, for a planted violation must stand."""
    if not steps:
        return [*(value if isinstance(value, list) else []), _copy(new)] if append else _copy(new)
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        table = value if isinstance(value, dict) else {}
        table[step] = _put(table.get(step), rest, new, append=append)
        return table
    items = value if isinstance(value, list) else []
    at = _index(items, step)
    if at == len(items):
        items.append({step.field: step.word} if isinstance(step, Named) else None)
    items[at] = _put(items[at], rest, new, append=append)
    return items


def _take(value: object, steps: tuple[Step, ...]) -> None:
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            if rest:
                _take(value[step], rest)
            else:
                del value[step]
    elif isinstance(value, list) and (at := _index(value, step)) < len(value):
        if rest:
            _take(value[at], rest)
        else:
            del value[at]


def _index(items: list[object], step: int | Each | Named) -> int:
    """Where the item is; one after the last when it is not there."""
    if isinstance(step, Named):
        found = (at for at, item in enumerate(items) if isinstance(item, dict) and str(item.get(step.field)) == step.word)
        return next(found, len(items))
    return min(step, len(items)) if isinstance(step, int) else len(items)
