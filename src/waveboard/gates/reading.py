"""What stands at a path of a document, record by record, in stable names. Judges nothing and knows no kind of check.

A label names a record by its `id` or `name`, never by its place in a list, so that a finding keeps its fingerprint when records
are added before it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from waveboard.model.document import Loc
from waveboard.model.selection import Each, Named, Step, parse_path

_SHOWN = 120  # characters of a value that a message shows
_TITLES = ("id", "name")


class Missing:
    """Stands for a value that is not there. why: what was found instead."""

    def __init__(self, why: str) -> None:
        self.why = why


@dataclass(frozen=True, slots=True)
class Hit:
    """One value. record, key: the item that the last `[*]` stood on, and its key or title. loc: the nearest place there is."""

    loc: Loc
    label: str
    value: object
    record: object = None
    key: str = ""


def hits(value: object, path: str) -> Iterator[Hit]:
    """Every value the path names. What is not there is one Hit of a Missing, with the nearest place above it."""
    return _walk(value, parse_path(path), Hit((), "", value, value))


def one(value: object, path: str) -> object:
    """The first value the path names, or Missing."""
    return next((hit.value for hit in hits(value, path)), Missing("nothing is selected"))


def _walk(value: object, steps: tuple[Step, ...], at: Hit) -> Iterator[Hit]:
    if not steps:
        yield Hit(at.loc, at.label, value, at.record, at.key)
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Each | Named):
        yield from _records(value, step, rest, at)
    elif isinstance(step, int):
        label = f"{at.label}[{step}]"
        if isinstance(value, list) and step < len(value):
            yield from _walk(value[step], rest, Hit((*at.loc, step), label, None, at.record, at.key))
        else:
            yield Hit(at.loc, label, Missing("there is no such item"), at.record, at.key)
    else:
        label = f"{at.label}.{step}" if at.label else step
        if isinstance(value, dict) and step in value:
            yield from _walk(value[step], rest, Hit((*at.loc, step), label, None, at.record, at.key))
        else:
            why = "the key is missing" if isinstance(value, dict) else f"what holds it is {kind_of(value)}, not a mapping"
            below = [f".{one}" for one in rest if isinstance(one, str)]
            named = label + "".join(below) if len(below) == len(rest) else label
            yield Hit(at.loc, named, Missing(why), at.record, at.key)


def _records(value: object, step: Each | Named, rest: tuple[Step, ...], at: Hit) -> Iterator[Hit]:
    if not isinstance(value, list | dict):
        yield Hit(at.loc, f"{at.label}[]", Missing(f"it is {kind_of(value)}, not a list or mapping"), at.record, at.key)
        return
    found = False
    for key, label, item in _items(value):
        if isinstance(step, Named) and not (isinstance(item, dict) and _word(item.get(step.field)) == step.word):
            continue
        found = True
        title = str(key) if isinstance(key, str) else label
        yield from _walk(item, rest, Hit((*at.loc, key), f"{at.label}[{label}]", None, item, title))
    if isinstance(step, Named) and not found:
        label = f"{at.label}[{step.field}={step.word}]"
        yield Hit(at.loc, label, Missing("there is no such record"), at.record, at.key)


def _items(value: list[object] | dict[str, object]) -> Iterator[tuple[str | int, str, object]]:
    if isinstance(value, dict):
        yield from ((key, key, item) for key, item in value.items())
        return
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        title = next((str(item[t]) for t in _TITLES if isinstance(item.get(t), str)), "") if isinstance(item, dict) else ""
        seen[title] = seen.get(title, 0) + 1
        yield index, f"{title}#{seen[title]}" if title and seen[title] > 1 else title or str(index), item


def _word(value: object) -> str:
    return shown(value) if not isinstance(value, str) else value


def fits(record: object, key: str, predicates: Sequence[Mapping[str, object]]) -> bool | str:
    """Whether the record fits every predicate, in order; text: what is not known of it, so that it cannot be said."""
    for predicate in predicates:
        name = str(predicate["field"])
        found = key if name == "@key" else record if name == "@value" else one(record, name)
        if "present" in predicate:
            told = isinstance(found, Missing) is not predicate["present"]
        elif isinstance(found, Missing):
            return f"`{name}`: {found.why}"
        else:
            told = _tells(predicate, found)
        if not told:
            return False
    return True


def _tells(predicate: Mapping[str, object], found: object) -> bool:
    wanted = next((value for op, value in predicate.items() if op != "field"), None)
    listed = wanted if isinstance(wanted, list) else []
    match next(op for op in predicate if op != "field"):
        case "is":
            return same(found, wanted)
        case "is_not":
            return not same(found, wanted)
        case "in":
            return any(same(found, one) for one in listed)
        case "not_in":
            return not any(same(found, one) for one in listed)
        case "starts":
            return isinstance(found, str) and found.startswith(tuple(str(one) for one in listed or [wanted]))
        case "matches":
            return isinstance(found, str) and re.search(str(wanted), found) is not None
        case _:  # contains
            inside = found if isinstance(found, list) else []
            return any(same(one, wanted) for one in inside) or (isinstance(found, str) and str(wanted) in found)


def same(left: object, right: object) -> bool:
    """Equality as documents mean it: true is not 1, and order counts in lists."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


def kind_of(value: object) -> str:
    """`text`, `a number`, `a list` … as a message names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), "something else")


def blank(value: object) -> bool:
    """Null, an empty text, list or mapping, or text of nothing but white space."""
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def shown(value: object) -> str:
    """The value as a message shows it, cut short."""
    if isinstance(value, Missing):
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
