"""Conditions of waves, gaps and waivers: the words there are, and whether one uses them rightly. Evaluates none.

Facts: `<host>.<fact>` with the facts below, `guard.<threshold>`, `placement.<threshold>`. Predicates: PREDICATES.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from waveboard.contracts.check import error
from waveboard.contracts.estate import Estate
from waveboard.contracts.formats.waves import Wave
from waveboard.contracts.nodes import Document, Loc, Scalar, show
from waveboard.contracts.typed import Read
from waveboard.model.condition import Comparison, Operand, Predicate, parse_condition, spell
from waveboard.model.contract import Complaint, Place

SHORT = {"root_pct": "root.used_pct", "images_gb": "docker.images_gb", "build_cache_gb": "docker.build_cache_gb"}
FACTS = ("root.used_pct", "docker.images_gb", "docker.build_cache_gb", "docker.local_volumes_gb")
_CONTRACTS = ("guard", "placement")
_TIDY = "write it as `host.fact < guard.threshold` or as one of: "


@dataclass(frozen=True, slots=True)
class Spoken:
    """One condition as it stands in a wave file. place: where it begins; text: its one spelling, "" when it has none."""

    text: str
    place: Place
    path: str
    raw: object
    exact: bool  # the text stands in one line, so that columns inside it can be told


def spoken(read: Read[Wave], side: str) -> Iterator[Spoken]:
    """The wave's entry or exit conditions in order."""
    for index, raw in enumerate(getattr(read.value, side)):
        yield said_at(read.document, (side, index), raw)


def said_at(document: Document, loc: Loc, raw: object) -> Spoken:
    """The condition that stands there."""
    node = document.node(loc)
    quoted = isinstance(node, Scalar) and document.text[node.span.start : node.span.start + 1] in ("'", '"')
    place = document.place(loc)
    place = Place(place.file, place.line, place.col + (1 if quoted else 0))
    exact = isinstance(node, Scalar) and not node.block and "\n" not in document.text[node.span.start : node.span.end]
    return Spoken(canonical(raw), place, show(loc), raw, exact)


def of_host(text: str, host: str) -> str:
    """A waiver's condition in full: a fact without a host is that of the waiver's own. `root_pct` is short for root.used_pct."""
    words = sorted((*FACTS, *SHORT), key=len, reverse=True)
    bare = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, words))})(?![\w.-])")
    return bare.sub(lambda m: f"{host}.{SHORT.get(m[1], m[1])}", text.strip()) if host else text.strip()


def canonical(raw: object) -> str:
    """The one spelling of a condition; "" when it is neither text nor a mapping of one key."""
    if isinstance(raw, str):
        return raw.strip()
    if isinstance(raw, dict) and len(raw) == 1:
        name, argument = next(iter(raw.items()))
        return spell(str(name), argument)
    return ""


def examine(said: Spoken, estate: Estate) -> Iterator[Complaint]:
    """What is wrong with one condition."""
    try:
        condition = parse_condition(said.text)
    except ValueError as problem:
        words = ", ".join(PREDICATES)
        yield error(said.place, said.path, "unknown-condition", f"nothing can evaluate this condition: {problem}", _TIDY + words)
        return
    if isinstance(condition, Comparison):
        sides = (condition.left, condition.right)
        if all(isinstance(side.value, float) or side.value.partition(".")[0] in _CONTRACTS for side in sides):
            yield error(
                said.place, said.path, "unknown-condition", "it compares no fact of any host", _TIDY + ", ".join(PREDICATES)
            )
        for side in sides:
            yield from _operand(said, side, estate)
        return
    yield from _predicate(said, condition, estate)


def _operand(said: Spoken, operand: Operand, estate: Estate) -> Iterator[Complaint]:
    name = operand.value
    if isinstance(name, float):
        return
    place = Place(said.place.file, said.place.line, said.place.col + (operand.at if said.exact else 0))
    source, _, rest = name.partition(".")
    if source in _CONTRACTS:
        reads = estate.guard if source == "guard" else estate.placement
        if source in estate.broken:
            return
        numbers = {n for read in reads for n in _thresholds(read.value)}
        if rest not in numbers:
            there = ", ".join(sorted(numbers)) or f"none: no {source} contract gives any"
            yield error(place, said.path, "unknown-fact", f"`{name}` is no threshold", f"thresholds of {source}: {there}")
        return
    fact = next((f for f in FACTS if name.endswith(f".{f}")), None)
    if fact is None:
        yield error(
            place, said.path, "unknown-fact", f"`{name}` is no fact", f"facts are <host>. followed by: {', '.join(FACTS)}"
        )
        return
    yield from _host(said, name.removesuffix(f".{fact}"), estate, place)


def _thresholds(value: object) -> Iterator[str]:
    holder = getattr(value, "thresholds", None)
    for name in type(holder).model_fields if holder is not None else ():
        if getattr(holder, name) is not None:
            yield name


def _host(said: Spoken, host: object, estate: Estate, place: Place) -> Iterator[Complaint]:
    if _dangles(host, estate.host_ids):
        yield error(
            place, said.path, "dangling-reference", f"there is no host `{host}`", "name the id of a target of the hosts contract"
        )


def _dangles(name: object, ids: frozenset[str] | None) -> bool:
    return ids is not None and not (isinstance(name, str) and name in ids)


def _predicate(said: Spoken, predicate: Predicate, estate: Estate) -> Iterator[Complaint]:
    judge = PREDICATES.get(predicate.name)
    if judge is None:
        words = ", ".join(PREDICATES)
        yield error(said.place, said.path, "unknown-condition", f"there is no condition `{predicate.name}`", _TIDY + words)
        return
    yield from judge(said, predicate.argument, estate)


def _pack(said: Spoken, pack: object, estate: Estate) -> Iterator[Complaint]:
    if _dangles(pack, estate.pack_ids):
        yield error(said.place, said.path, "dangling-reference", f"there is no pack `{pack}`", "name a pack of packs.yaml")


def _fields(said: Spoken, argument: object, **kinds: type) -> Iterator[Complaint]:
    """The argument must be a mapping with these keys; the types are those of JSON."""
    wanted = ", ".join(kinds)
    if not isinstance(argument, dict) or set(argument) != set(kinds):
        yield error(
            said.place, said.path, "unknown-condition", f"this condition takes a mapping with the keys {wanted}", "write them all"
        )
        return
    for name, kind in kinds.items():
        if not isinstance(argument[name], kind) or isinstance(argument[name], bool):
            yield error(said.place, said.path, "unknown-condition", f"`{name}` has the wrong type here", "see docs/contracts.md")


def _gate_passes(said: Spoken, argument: object, estate: Estate) -> Iterator[Complaint]:
    wrong = list(_fields(said, argument, gate=str, hosts=list))
    yield from wrong
    if not wrong and isinstance(argument, dict):
        if argument["gate"] not in estate.gate_codes:
            yield error(said.place, said.path, "dangling-reference", f"there is no gate `{argument['gate']}`", _gates(estate))
        for host in argument["hosts"]:
            yield from _host(said, host, estate, said.place)


def _gates(estate: Estate) -> str:
    return f"the gates are: {', '.join(sorted(estate.gate_codes)) or 'none'}"


def _report_stable(said: Spoken, argument: object, estate: Estate) -> Iterator[Complaint]:
    wrong = list(_fields(said, argument, pack=str, runs=int))
    yield from wrong
    if not wrong and isinstance(argument, dict):
        if argument["runs"] < 1:
            yield error(said.place, said.path, "unknown-condition", "no run proves nothing", "ask for at least one run")
        yield from _pack(said, argument["pack"], estate)
        asked = next((p.value.packs[argument["pack"]] for p in estate.packs if argument["pack"] in p.value.packs), None)
        if asked and asked.promotion is None:
            why = f"nothing says how far apart the runs of `{argument['pack']}` must be"
            fix = f"add `promotion: {{runs: {max(3, argument['runs'])}, min_interval_s: …}}` to the pack"
            yield error(said.place, said.path, "missing-key", why, fix)


def _not_boot_backed(said: Spoken, argument: object, estate: Estate) -> Iterator[Complaint]:
    yield from _host(said, argument, estate, said.place)


def _linkage(said: Spoken, argument: object, estate: Estate) -> Iterator[Complaint]:
    if not isinstance(argument, list) or not argument:
        yield error(said.place, said.path, "unknown-condition", "this condition takes a list of STOR ids", "write [STOR-001, …]")
        return
    for stor in argument:
        if _dangles(stor, estate.stor_ids):
            yield error(said.place, said.path, "dangling-reference", f"the findings map has no `{stor}`", "name an id of the map")


def _only(*words: object) -> Callable[[Spoken, object, Estate], Iterator[Complaint]]:
    def judge(said: Spoken, argument: object, estate: Estate) -> Iterator[Complaint]:
        if not any(argument is word or (isinstance(word, str) and argument == word) for word in words):
            told = " or ".join(str(word).lower() for word in words)
            yield error(said.place, said.path, "unknown-condition", f"this condition takes {told}", "see docs/contracts.md")

    return judge


PREDICATES: dict[str, Callable[[Spoken, object, Estate], Iterator[Complaint]]] = {
    "pack_complete": _pack,
    "gate_passes": _gate_passes,
    "not_boot_backed": _not_boot_backed,
    "window_open": _only(True),
    "undo_ready": _only(True),
    "report_stable": _report_stable,
    "linkage_complete": _linkage,
    "approval": _only("operator"),
}
