"""Document -> typed value: every mistake of the file at once, each at its line and column. Looks at one file only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from waveboard.contracts.formats.shape import Operator, Unread
from waveboard.contracts.nodes import Document, Loc, Scalar, Table, plain, show
from waveboard.model.contract import Complaint, Place

M = TypeVar("M", bound=BaseModel)
_MOST = 200  # complaints a file; a file that wrong is told so once

_CODES = {
    "outside_workspace": "outside-workspace",
    "missing": "missing-key",
    "extra_forbidden": "unknown-key",
    "literal_error": "unknown-enum",
    "greater_than": "out-of-range",
    "greater_than_equal": "out-of-range",
    "less_than": "out-of-range",
    "less_than_equal": "out-of-range",
    "too_short": "out-of-range",
    "too_long": "out-of-range",
    "string_too_short": "out-of-range",
    "string_too_long": "out-of-range",
}


@dataclass(frozen=True, slots=True)
class Read(Generic[M]):
    """A file that fits its format, and where everything in it stands."""

    document: Document
    value: M

    def at(self, *loc: str | int) -> Place:
        """Where that value stands."""
        return self.document.place(loc)

    def key(self, *loc: str | int) -> Place:
        """Where that key stands."""
        return self.document.key_place(loc)


def fit(document: Document, model: type[M], loc: Loc = (), apart: str = "") -> tuple[M | None, tuple[Complaint, ...]]:
    """The typed value of the node at `loc`, or None and every error; beside it, what nothing reads.

    apart: top-level keys with this ending are another format's, read by another call.
    """
    node = document.node(loc)
    try:
        value = model.model_validate(plain(node) if node else None)
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        found = [_complaint(document, model, (*loc, *e["loc"]), e) for e in errors[:_MOST]]
        if len(errors) > _MOST:
            said = f"{len(errors) - _MOST} more mistakes in this file are not shown"
            found.append(Complaint("error", Place(document.file), "", "too-many", said, "mend the first ones and check again"))
        return None, tuple(found)
    return value, tuple(_unread(document, value, tuple(loc), apart))


def _complaint(document: Document, model: type[BaseModel], loc: tuple[Any, ...], error: Any) -> Complaint:
    kind, said = error["type"], error["msg"]
    code = _CODES.get(
        kind, "wrong-type" if kind.endswith("_type") or kind.startswith(("int_", "bool_", "float_")) else "bad-value"
    )
    about_key = bool(loc) and loc[-1] == "[key]"
    loc = _written(document, loc[:-1] if about_key else loc)
    path, last = show(loc), str(loc[-1]) if loc else "the file"
    if code == "missing-key":
        fix = _misspelt(document, model, loc) or f"add `{last}:`"
        return Complaint("error", document.place(loc[:-1]), path, code, f"the key `{last}` is missing", fix)
    if code == "unknown-key":
        return Complaint(
            "error", document.key_place(loc), path, code, f"the key `{last}` means nothing here", _nearest(document, model, loc)
        )
    place = document.key_place(loc) if about_key else document.place(loc)
    if kind == "string_pattern_mismatch":
        said = f"this should match {error['ctx']['pattern']}"
    said = said.removeprefix("Value error, ").replace("Input should be", "this should be")
    said = re.sub(r"a valid dictionary( or instance of \w+)?", "a mapping", said)
    said = re.sub(r"^\w+ should have (.*?) after validation, not \d+$", r"this should have \1", said)
    fix = "write one of the words it names" if code == "unknown-enum" else "correct the value"
    return Complaint("error", place, path, code, f"{said}; found {_found(error.get('input'))}", fix)


def _written(document: Document, loc: tuple[Any, ...]) -> tuple[Any, ...]:
    """The steps that the file itself takes: a format may read one word as a list of one."""
    depth = next((at for at in range(len(loc)) if isinstance(document.node(loc[:at]), Scalar)), len(loc))
    return loc[:depth]


def _misspelt(document: Document, model: type[BaseModel], loc: tuple[Any, ...]) -> str:
    """The key that stands where this one is missing and is spelled almost so, "" where there is none."""
    holder = document.node(loc[:-1])
    strange = sorted(set(holder.entries) - _keys_at(model, loc[:-1])) if isinstance(holder, Table) else []
    close = get_close_matches(str(loc[-1]), strange, 1, 0.8)
    return f"write it for `{close[0]}` at {document.key_place((*loc[:-1], close[0]))}, which nothing reads" if close else ""


def _found(value: object) -> str:
    if value is None:
        return "nothing (null)"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    words = {bool: "the truth value", int: "the number", float: "the number", str: "the text"}
    text = repr(value).lower() if isinstance(value, bool) else repr(value)
    return f"{words.get(type(value), 'the value')} {text if len(text) <= 80 else text[:77] + '…'}"


def _nearest(document: Document, model: type[BaseModel], loc: tuple[Any, ...]) -> str:
    names = sorted(_keys_at(model, loc[:-1]))
    close = get_close_matches(str(loc[-1]), names, 1)
    return f"did you mean `{close[0]}`?" if close else f"the keys here are: {', '.join(names)}" if names else "remove it"


def _keys_at(model: type[BaseModel], loc: tuple[Any, ...]) -> set[str]:
    """The keys a format knows at that path, from its JSON Schema."""
    schema = model.model_json_schema()
    here: Any = schema
    for step in loc:
        here = _below(_resolved(schema, here), step)
        if not isinstance(here, dict):
            return set()
    return set(_resolved(schema, here).get("properties", {}))


def _below(here: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return here.get("items")
    by_pattern = next(iter(here.get("patternProperties", {}).values()), here.get("additionalProperties"))
    return here.get("properties", {}).get(step, by_pattern)


def _resolved(schema: Any, here: Any) -> Any:
    for branch in here.get("anyOf", ()):
        if branch.get("type") != "null":
            here = branch
            break
    name = here.get("$ref", "").removeprefix("#/$defs/")
    return schema.get("$defs", {}).get(name, here)


def _unread(document: Document, value: BaseModel, loc: tuple[str | int, ...], apart: str) -> Iterator[Complaint]:
    """Unknown keys one by one; known keys that nothing reads once for all the records that carry them."""
    marked: dict[tuple[object, ...], list[tuple[str | int, ...]]] = {}
    why: dict[tuple[object, ...], str] = {}
    for holder, at in _models(value, loc):
        if not isinstance(document.node(at), Table):
            continue
        for name in (holder.model_extra or {}) if isinstance(holder, Operator) else ():
            if not (apart and at == loc and name.endswith(apart)):
                yield _told(document, (*at, name), "nothing reads this key", ())
        for name, field in type(holder).model_fields.items():
            mark = next((m for m in field.metadata if isinstance(m, Unread)), None)
            if mark and name in holder.model_fields_set:
                pattern: tuple[object, ...] = tuple("*" if isinstance(step, int) else step for step in (*at, name))
                marked.setdefault(pattern, []).append((*at, name))
                why[pattern] = mark.why
    for pattern, places in marked.items():
        yield _told(document, places[0], why[pattern], tuple(places[1:]))


def _told(document: Document, loc: tuple[str | int, ...], why: str, others: tuple[tuple[str | int, ...], ...]) -> Complaint:
    lines = ", ".join(str(document.key_place(o).line) for o in others[:20])
    more = f"; it also stands in {len(others)} other entries (line {lines}{', …' if len(others) > 20 else ''})" if others else ""
    fix = "take it out, or do not count on it"
    return Complaint("warning", document.key_place(loc), show(loc), "unread-key", f"`{loc[-1]}`: {why}{more}", fix)


def _models(value: object, loc: tuple[str | int, ...]) -> Iterator[tuple[BaseModel, tuple[str | int, ...]]]:
    if isinstance(value, BaseModel):
        yield value, loc
        for name, field in type(value).model_fields.items():
            child = getattr(value, name)
            if isinstance(child, BaseModel | dict | list):
                yield from _models(child, (*loc, field.alias or name))
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _models(child, (*loc, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _models(child, (*loc, index))
