"""What is wrong inside the operator's registries of gates, of who asks them, and of capabilities. Nothing here is judged by them, so
whatever is told is a warning.
"""

from collections.abc import Iterator

from waveboard.contracts.check import Check, ids_of, missing, repeated, warning, word
from waveboard.contracts.estate import Estate
from waveboard.contracts.formats.registries import APPROVALS, SAFETIES, CapabilityRegistry, Topology
from waveboard.contracts.nodes import show
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint

_DOMAIN = "domain of domain_metadata"


def run(estate: Estate) -> Iterator[Complaint]:
    gates = frozenset(row.id for read in estate.gates for row in read.value.gates)
    listed = gates | frozenset(estate.known.gates) if gates and "gates" not in estate.broken else None
    yield from repeated("gate", ids_of(estate.gates, "gates"), warning)
    yield from repeated("assignment of gate", ids_of(estate.topology, "gate_assignments", "gate_id"), warning)
    for read in estate.gates:
        for at, row in enumerate(read.value.gates):
            if row.parent_loop:
                place, path = read.at("gates", at, "parent_loop"), f"gates[{at}].parent_loop"
                yield from missing(place, path, row.parent_loop, estate.loop_ids, "loop file")
            for key in ("composite_of", "composite_parent"):
                for loc, name in _named(("gates", at, key), getattr(row, key)):
                    yield from missing(read.at(*loc), show(loc), name, listed, "gate")
    for topology in estate.topology:
        yield from _topology(topology, listed)
    for capabilities in estate.capabilities:
        yield from _capabilities(capabilities)


def _topology(read: Read[Topology], listed: frozenset[str] | None) -> Iterator[Complaint]:
    known = read.value.domain_metadata or ()
    domains = frozenset(one.domain_id for one in known) or None
    for at, one in enumerate(read.value.gate_assignments):
        loc = ("gate_assignments", at)
        yield from missing(read.at(*loc, "gate_id"), show((*loc, "gate_id")), one.gate_id, listed, "gate")
        for key in ("primary_domain", "secondary_domains"):
            for where, domain in _named((*loc, key), getattr(one, key)):
                yield from missing(read.at(*where), show(where), domain, domains, _DOMAIN)
    for at, row in enumerate(known):
        for where, name in _named(("domain_metadata", at, "depends_on"), row.depends_on):
            yield from missing(read.at(*where), show(where), name, domains, _DOMAIN)
    core = read.value.core_mode
    for where, name in _named(("core_mode", "core_gate_ids"), core and core.core_gate_ids):
        yield from missing(read.at(*where), show(where), name, listed, "gate")


def _capabilities(read: Read[CapabilityRegistry]) -> Iterator[Complaint]:
    names = frozenset(read.value.capabilities)
    for name, row in read.value.capabilities.items():
        loc = ("capabilities", name)
        after = row.post_action.split()[:1] if isinstance(row.post_action, str) else []
        needed = [*_named((*loc, "requires"), row.requires), *(((*loc, "post_action"), one) for one in after)]
        for where, one in needed:
            yield from missing(read.at(*where), show(where), one, names, "capability")
        for key, said, known in (("safety", row.safety, SAFETIES), ("approval", row.approval, APPROVALS)):
            if said is not None:
                where = (*loc, key)
                yield from word(read.at(*where), show(where), said, known, "nothing here is judged by it")


def _named(loc: tuple[str | int, ...], value: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each id in a list, at its own place, or in a text with commas, at the text's."""
    if isinstance(value, list):
        yield from (((*loc, at), str(one)) for at, one in enumerate(value))
    elif isinstance(value, str):
        yield from ((loc, one) for one in value.replace(",", " ").split())


CHECK = Check(("dangling-reference", "duplicate-id", "unknown-enum"), run)
