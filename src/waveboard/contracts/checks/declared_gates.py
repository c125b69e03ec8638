"""Declared gates that could not be judged as written: kinds, parameters, aliases, ids, rings, roots, commands, planted changes."""

from collections import Counter
from collections.abc import Iterator

from waveboard.contracts.check import Check, error, warning
from waveboard.contracts.declared import form_of
from waveboard.contracts.estate import Estate
from waveboard.contracts.formats.declared import Check as CheckFile
from waveboard.contracts.formats.declared import Gate, Plant
from waveboard.contracts.nodes import Loc, show
from waveboard.contracts.parameters import mistakes, place_path
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint
from waveboard.model.declared import KindShape

_TREES = {"yaml": "tree", "json": "tree", "table": "tree", "text": "text"}


def run(estate: Estate) -> Iterator[Complaint]:
    ids = Counter(read.value.id for read in estate.declared_gates)
    rings = {ring for packs in estate.packs for ring in packs.value.rings}
    for read in estate.declared_gates:
        yield from _identity(estate, read, ids)
        if read.value.ring not in rings and "packs" not in estate.broken:
            fix = f"the rings of packs.yaml are: {', '.join(sorted(rings)) or 'none'}"
            yield error(read.at("ring"), "ring", "dangling-reference", f"there is no ring `{read.value.ring}`", fix)
        yield from _needs(estate, read)
        forms = {alias: _form(need.command is not None, form_of(need)) for alias, need in read.value.needs.items()}
        used: set[str] = set()
        codes: set[str] = set()
        for at, check in enumerate(read.value.checks):
            shape = estate.known.kinds.get(check.kind)
            if shape is None:
                fix = f"the kinds are: {', '.join(sorted(estate.known.kinds)) or 'none'}"
                said = f"there is no kind of check `{check.kind}`"
                yield error(read.at("checks", at, "kind"), f"checks[{at}].kind", "unknown-kind", said, fix)
                continue
            codes |= set(shape.codes)
            used |= _aliases(check)
            yield from _check(read, at, check, shape, forms)
        yield from _unused(read, used)
        yield from _planted(read, forms, codes)


def _identity(estate: Estate, read: Read[Gate], ids: Counter[str]) -> Iterator[Complaint]:
    name = read.value.id
    if name in estate.known.gates:
        said = f"`{name}` is the id of a gate that waveboard brings itself"
        yield error(read.at("id"), "id", "duplicate-id", said, "give the gate another id")
    if ids[name] > 1:
        others = ", ".join(r.document.file for r in estate.declared_gates if r.value.id == name and r is not read)
        yield error(read.at("id"), "id", "duplicate-id", f"the gate `{name}` also stands in {others}", "one id a gate")


def _form(command: bool, form: str) -> str:
    return f"{_TREES[form]} command" if command else _TREES[form]


def _needs(estate: Estate, read: Read[Gate]) -> Iterator[Complaint]:
    workspace = estate.workspace.value
    allowed = workspace.commands.allow if workspace.commands else ()
    for alias, need in read.value.needs.items():
        if need.root is not None and need.root not in workspace.siblings:
            fix = f"declare it under `siblings:` of waveboard.yaml; there are: {', '.join(workspace.siblings) or 'none'}"
            said = f"there is no sibling checkout `{need.root}`"
            yield error(read.at("needs", alias, "root"), f"needs.{alias}.root", "dangling-reference", said, fix)
        if need.command is not None and need.command[0] not in allowed:
            place = read.at("needs", alias, "command", 0)
            said = f"the workspace does not allow `{need.command[0]}`, so the gate will be unknown"
            fix = "add it to `commands: {allow: […]}` of waveboard.yaml, or take the gate out"
            yield warning(place, f"needs.{alias}.command[0]", "command-not-allowed", said, fix)


def _check(read: Read[Gate], at: int, check: CheckFile, shape: KindShape, forms: dict[str, str]) -> Iterator[Complaint]:
    given = dict(check.model_extra or {})
    for name, value in given.items():
        param = shape.params.get(name)
        if param is None:
            fix = f"it takes: {', '.join(shape.params)}"
            place = read.key("checks", at, name)
            yield error(place, f"checks[{at}].{name}", "unknown-key", f"`{check.kind}` takes no `{name}`", fix)
            continue
        for loc, said in mistakes(param, value, forms):
            yield _bad(read, ("checks", at, name, *loc), said)
    missing = [name for name, param in shape.params.items() if param.required and name not in given]
    if shape.one_of and not set(shape.one_of) & set(given):
        missing.append(" or ".join(shape.one_of))
    for name in missing:
        said = f"`{check.kind}` needs `{name}`"
        yield error(read.at("checks", at), f"checks[{at}]", "missing-key", said, f"add `{name}:`")


def _bad(read: Read[Gate], loc: Loc, said: str) -> Complaint:
    alias = "is no alias" in said
    return error(read.at(*loc), show(loc), "dangling-reference" if alias else "bad-value", said, "correct the value")


def _aliases(check: CheckFile) -> set[str]:
    given = dict(check.model_extra or {})
    inner = [value.get("doc") for value in given.values() if isinstance(value, dict)]
    return {str(name) for name in (given.get("doc"), given.get("other"), *inner) if name is not None}


def _unused(read: Read[Gate], used: set[str]) -> Iterator[Complaint]:
    for alias in read.value.needs:
        if alias not in used:
            said = f"no check looks at `{alias}`"
            yield warning(read.key("needs", alias), f"needs.{alias}", "unread-key", said, "take it out, or check it")


def _planted(read: Read[Gate], forms: dict[str, str], codes: set[str]) -> Iterator[Complaint]:
    for at, violation in enumerate(read.value.violations):
        for index, plant in enumerate(violation.plant):
            yield from _plant(read, ("violations", at, "plant", index), plant, forms)
        for index, code in enumerate(violation.expect):
            if codes and code not in codes:
                loc = ("violations", at, "expect", index)
                fix = f"its codes are: {', '.join(sorted(codes))}"
                yield error(read.at(*loc), show(loc), "dangling-reference", f"no check of this gate says `{code}`", fix)
    for index, plant in enumerate(read.value.lookalike.plant):
        yield from _plant(read, ("lookalike", "plant", index), plant, forms)


def _plant(read: Read[Gate], loc: tuple[str | int, ...], plant: Plant, forms: dict[str, str]) -> Iterator[Complaint]:
    form = forms.get(plant.doc)
    if form is None:
        yield _bad(read, (*loc, "doc"), f"`{plant.doc}` is no alias of `needs`; they are: {', '.join(forms)}")
        return
    for group, paths in (("set", plant.set), ("append", plant.append)):
        for path in paths:
            yield from (_bad(read, (*loc, group, path), said) for _, said in place_path(path))
    for index, path in enumerate(plant.remove):
        yield from (_bad(read, (*loc, "remove", index), said) for _, said in place_path(path))
    on_tree, on_text = plant.set or plant.append or plant.remove, plant.replace or plant.add
    if not (on_tree or on_text or plant.absent or plant.exit is not None):
        yield _bad(read, loc, "nothing is planted here")
    if (on_tree and "tree" not in form) or (on_text and "text" not in form):
        yield _bad(read, loc, f"`{plant.doc}` is read as {form}, so this cannot be planted in it")
    if plant.exit is not None and "command" not in form:
        yield _bad(read, (*loc, "exit"), f"`{plant.doc}` is no command, so it has no exit code")


CHECK = Check(
    (
        "bad-value",
        "command-not-allowed",
        "dangling-reference",
        "duplicate-id",
        "missing-key",
        "unknown-key",
        "unknown-kind",
        "unread-key",
    ),
    run,
)
