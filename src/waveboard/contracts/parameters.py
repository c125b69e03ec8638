"""Parameters of a declared check against the types its kind asks for: every mistake with where it stands. Knows no kind."""

import re
from collections.abc import Callable, Iterator, Mapping

from waveboard.contracts.nodes import Loc
from waveboard.model.declared import Param
from waveboard.model.selection import Each, parse_path

_PATTERN_MOST = 500  # characters
OPERATORS = ("is", "is_not", "in", "not_in", "starts", "matches", "contains", "present")
_LISTS = ("in", "not_in")
_SOURCE = ("values", "doc", "path", "where", "take", "optional", "extract")

Said = tuple[Loc, str]  # where below the parameter, and what is wrong there


def mistakes(param: Param, value: object, forms: Mapping[str, str]) -> Iterator[Said]:
    """Everything wrong with one value. forms: alias -> yaml | json | text | table | command text …, of the gate's needs."""
    match param.type:
        case "alias":
            yield from _alias(value, forms, param.words)
        case "paths":
            yield from _each(value, _path)
        case "texts":
            yield from _each(value, _text)
        case "values":
            yield from _each(value, lambda one: iter(()))
        case "where":
            yield from _each(value, _predicate)
        case "source":
            yield from _source(value, forms)
        case "shape":
            yield from _shape(value, param.words)
        case "word":
            if value not in param.words:
                yield (), f"this should be one of: {', '.join(param.words)}"
        case "value":
            return
        case simple:
            yield from _SIMPLE[simple](value)


def _alias(value: object, forms: Mapping[str, str], wanted: tuple[str, ...]) -> Iterator[Said]:
    if not isinstance(value, str) or value not in forms:
        yield (), f"`{value}` is no alias of `needs`; they are: {', '.join(forms)}"
    elif wanted and not set(forms[value].split()) & set(wanted):
        yield (), f"`{value}` is read as {forms[value]}; this kind needs {' or '.join(wanted)}"


def _path(value: object) -> Iterator[Said]:
    if not isinstance(value, str):
        yield (), "a path is a text such as `services[*].owner`"
        return
    try:
        parse_path(value)
    except ValueError as problem:
        yield (), str(problem)


def place_path(value: object) -> Iterator[Said]:
    """A path that names one place, for what is planted."""
    yield from _path(value)
    if isinstance(value, str) and not list(_path(value)) and any(isinstance(step, Each) for step in parse_path(value)):
        yield (), "`[*]` names many places; a planted change is in one"


def _text(value: object) -> Iterator[Said]:
    if not isinstance(value, str) or not value:
        yield (), "this should be a text"


def _number(value: object) -> Iterator[Said]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield (), "this should be a number"


def _integer(value: object) -> Iterator[Said]:
    if isinstance(value, bool) or not isinstance(value, int):
        yield (), "this should be a whole number"


def _flag(value: object) -> Iterator[Said]:
    if not isinstance(value, bool):
        yield (), "this should be true or false"


def _pattern(value: object) -> Iterator[Said]:
    if not isinstance(value, str) or not 0 < len(value) <= _PATTERN_MOST:
        yield (), f"a pattern is a text of at most {_PATTERN_MOST} characters"
        return
    try:
        re.compile(value, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as problem:
        yield (), f"this is no regular expression: {problem}"


def _each(value: object, one: Callable[[object], Iterator[Said]]) -> Iterator[Said]:
    if not isinstance(value, list) or not value:
        yield (), "this should be a list that is not empty"
        return
    for index, item in enumerate(value):
        yield from (((index, *loc), said) for loc, said in one(item))


def _predicate(value: object) -> Iterator[Said]:
    if not isinstance(value, dict) or not isinstance(value.get("field"), str):
        yield (), "a predicate is a mapping with `field` and one operator"
        return
    operators = [name for name in value if name != "field"]
    if len(operators) != 1 or operators[0] not in OPERATORS:
        yield (), f"a predicate has exactly one of: {', '.join(OPERATORS)}"
        return
    if value["field"] not in ("@key", "@value"):
        yield from ((("field",), said) for _, said in place_path(value["field"]))
    (operator,) = operators
    wanted = value[operator]
    check: Callable[[object], Iterator[Said]] | None = None
    if operator in _LISTS and (not isinstance(wanted, list) or not wanted):
        yield (operator,), "this should be a list that is not empty"
    elif operator == "present":
        check = _flag
    elif operator == "matches":
        check = _pattern
    elif operator == "starts" and not isinstance(wanted, list):
        check = _text
    for loc, said in check(wanted) if check else ():
        yield (operator, *loc), said


def _source(value: object, forms: Mapping[str, str]) -> Iterator[Said]:
    if not isinstance(value, dict):
        yield (), "a source is a mapping: `values`, or `doc` with `path` or `extract`"
        return
    for name in value:
        if name not in _SOURCE:
            yield (name,), f"a source takes no `{name}`; it takes: {', '.join(_SOURCE)}"
    if "values" in value:
        yield from (((("values", *loc)), said) for loc, said in mistakes(Param("values"), value["values"], forms))
        if set(value) != {"values"}:
            yield (), "`values` stands alone"
        return
    if ("path" in value) is ("extract" in value) or "doc" not in value:
        yield (), "a source is `values`, or `doc` with either `path` or `extract`"
        return
    form = ("text",) if "extract" in value else ("tree",)
    parts: dict[str, Param] = {
        "doc": Param("alias", words=form),
        "path": Param("path"),
        "extract": Param("pattern"),
        "where": Param("where"),
        "optional": Param("flag"),
        "take": Param("word", words=("key", "value")),
    }
    for name, param in parts.items():
        if name in value:
            yield from (((name, *loc), said) for loc, said in mistakes(param, value[name], forms))


def _shape(value: object, words: tuple[str, ...]) -> Iterator[Said]:
    if not isinstance(value, dict) or not value:
        yield (), "this should be a mapping of field to type"
        return
    for name, word in value.items():
        if word not in words:
            yield (name,), f"this should be one of: {', '.join(words)}"


_SIMPLE: Mapping[str, Callable[[object], Iterator[Said]]] = {
    "path": _path,
    "text": _text,
    "number": _number,
    "integer": _integer,
    "flag": _flag,
    "pattern": _pattern,
}
