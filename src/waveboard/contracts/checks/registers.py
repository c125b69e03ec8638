"""What is wrong inside the registers: ids given twice, links into nothing or in a circle, words and conditions nobody knows.

The operator's own words are told and tolerated. What would make two things one, or never end, is an error.
"""

from collections.abc import Iterable, Iterator, Mapping

from waveboard.contracts.check import Check, error, ids_of, missing, repeated, warning, word
from waveboard.contracts.conditions import Spoken, examine, of_host, said_at
from waveboard.contracts.estate import Estate, LoopFile
from waveboard.contracts.formats.loops import ids_in, name_of
from waveboard.contracts.formats.waivers import Waiver, Waivers
from waveboard.contracts.nodes import show
from waveboard.contracts.registers import host_of
from waveboard.contracts.typed import Read
from waveboard.model.condition import Comparison, parse_condition
from waveboard.model.contract import Complaint
from waveboard.model.register import GAP_STATUSES, LOOP_STATUSES, SEVERITIES, UNOWNED

_DANGLING = "dangling-reference"


def run(estate: Estate) -> Iterator[Complaint]:
    yield from _twice(estate)
    yield from _gaps(estate)
    yield from _loops(estate)
    yield from _circles(estate.loops)
    for read in estate.waivers:
        for at, waiver in enumerate(read.value.waivers):
            yield from _waiver(estate, read, at, waiver)


def _twice(estate: Estate) -> Iterator[Complaint]:
    yield from repeated("gap", ids_of(estate.gaps, "gaps"), error)
    yield from repeated("loop", ((loop.id, loop.at("loop_id"), "loop_id") for loop in estate.loops), error)
    yield from repeated("waiver", ids_of(estate.waivers, "waivers"), error)


def _gaps(estate: Estate) -> Iterator[Complaint]:
    for read in estate.gaps:
        for at, gap in enumerate(read.value.gaps):
            loc = ("gaps", at)
            yield from word(read.at(*loc, "status"), show((*loc, "status")), gap.status or "", GAP_STATUSES, "it counts as open")
            if gap.severity is not None:
                yield from word(
                    read.at(*loc, "severity"), show((*loc, "severity")), gap.severity, SEVERITIES, "it is shown as written"
                )
            if gap.parent_loop:
                place, path = read.at(*loc, "parent_loop"), show((*loc, "parent_loop"))
                yield from missing(place, path, gap.parent_loop, estate.loop_ids, "loop file")
            if gap.criterion is not None:
                yield from examine(said_at(read.document, (*loc, "criterion"), gap.criterion), estate)


def _loops(estate: Estate) -> Iterator[Complaint]:
    for loop in estate.loops:
        if loop.read is None:
            continue
        front = loop.read.value
        yield from word(loop.at("status"), "status", front.status or "", LOOP_STATUSES, "it counts neither as open nor as closed")
        if loop.id != name_of(loop.path):
            said = f"the loop calls itself `{loop.id}`, its file `{name_of(loop.path)}`; both names find it"
            yield warning(loop.at("loop_id"), "loop_id", "contradicting-value", said, "rename the file, or correct the id")
        if front.parent_loop:
            place = loop.at("parent_loop")
            yield from missing(place, "parent_loop", front.parent_loop, estate.loop_ids, "loop file")
        for loc, gap in _owned(front.gaps):
            yield from missing(loop.at(*loc), show(loc), gap, estate.gap_ids, "entry of the gap register")
        if front.criterion is not None:
            yield from examine(said_at(loop.read.document, ("criterion",), front.criterion), estate)


def _owned(gaps: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each gap a loop says it owns, and where: at its place in the list, or somewhere in the sentence."""
    parts = [(("gaps", at), one) for at, one in enumerate(gaps)] if isinstance(gaps, list) else [(("gaps",), gaps)]
    return ((loc, gap) for loc, one in parts for gap in ids_in(one) if gap.startswith("GAP-"))


def _circles(loops: Iterable[LoopFile]) -> Iterator[Complaint]:
    """Each circle is told once, at its first loop in file order."""
    found = {loop.id: loop for loop in loops}
    names = {name_of(loop.path): loop.id for loop in found.values()} | {name: name for name in found}
    parents = {
        name: names[loop.read.value.parent_loop]
        for name, loop in found.items()
        if loop.read and loop.read.value.parent_loop in names
    }
    told: set[str] = set()
    for name in found:
        circle = _circle(name, parents)
        if circle and not told & set(circle):
            told |= set(circle)
            said = f"these loops own each other in a circle: {' -> '.join((*circle, circle[0]))}"
            yield error(found[name].at("parent_loop"), "parent_loop", "loop-cycle", said, "take one `parent_loop` out")


def _circle(start: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """The loops from `start` back to itself; nothing where its parents end, or turn in a circle it is no part of."""
    way = [start]
    while way[-1] in parents:
        upper = parents[way[-1]]
        if upper in way:
            return tuple(way) if upper == start else ()
        way.append(upper)
    return ()


def _waiver(estate: Estate, read: Read[Waivers], at: int, waiver: Waiver) -> Iterator[Complaint]:
    loc: tuple[str | int, ...] = ("waivers", at)
    codes = estate.gate_codes.get(waiver.gate or "")
    if waiver.gate and codes is None:
        known = f"the gates are: {', '.join(sorted(estate.gate_codes)) or 'none'}"
        yield error(read.at(*loc, "gate"), show((*loc, "gate")), _DANGLING, f"there is no gate `{waiver.gate}`", known)
    if waiver.code and codes is not None and not set(waiver.code) & set("*?") and waiver.code not in codes:
        place, fix = read.at(*loc, "code"), f"its codes are: {', '.join(sorted(codes))}"
        yield error(place, show((*loc, "code")), _DANGLING, f"{waiver.gate} never says `{waiver.code}`", fix)
    if waiver.owner.strip().casefold() == UNOWNED:
        said, fix = (
            f"the waiver `{waiver.id}` is a proposal: it covers nothing",
            "name as its owner who answers for it, or strike it",
        )
        yield warning(read.at(*loc, "owner"), show((*loc, "owner")), "proposed-waiver", said, fix)
    host = host_of(waiver)
    if host and estate.host_ids is not None and host not in estate.host_ids:
        fix = "name the id of a target of the hosts contract"
        yield error(read.at(*loc, "host"), show((*loc, "host")), _DANGLING, f"there is no host `{host}`", fix)
    for key, text in (("while", waiver.during), ("ends_when", waiver.ends_when)):
        if text:
            place = read.at(*loc, key)
            yield from _bounds(Spoken(of_host(text, host), place, show((*loc, key)), text, False), estate)


def _bounds(said: Spoken, estate: Estate) -> Iterator[Complaint]:
    """A waiver is bounded by a fact of a host: what packs and windows say would let it hold itself up."""
    try:
        if not isinstance(parse_condition(said.text), Comparison):
            fix = "compare a fact, as in `root_pct > 60` for the waiver's own host"
            yield error(said.place, said.path, "unknown-condition", "a waiver's condition compares a fact of a host", fix)
            return
    except ValueError:
        pass
    yield from examine(said, estate)


CHECK = Check(
    (
        "contradicting-value",
        _DANGLING,
        "duplicate-id",
        "loop-cycle",
        "proposed-waiver",
        "unknown-condition",
        "unknown-enum",
        "unknown-fact",
    ),
    run,
)
