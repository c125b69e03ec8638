"""What was derived from other files and has fallen behind: an older date, a VM it lacks, a stored count that is wrong."""

import re
from collections.abc import Iterator

from waveboard.contracts.check import Check, warning
from waveboard.contracts.estate import Estate
from waveboard.contracts.nodes import Document, Scalar, Series, Table
from waveboard.model.contract import Complaint

_CODE = "stale-derived"
_DATES = ("generated_at", "updated", "updated_at", "last_verified")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def run(estate: Estate) -> Iterator[Complaint]:
    for document in estate.derived:
        yield from _older(estate, document)
        yield from _lacking(estate, document)
    for read in estate.gates:
        yield from _counts(read.document)


def _day(document: Document) -> tuple[str, str]:
    for key in _DATES:
        node = document.node((key,))
        if isinstance(node, Scalar) and (match := _DAY.match(str(node.value))):
            return key, match.group()
    return "", ""


def _older(estate: Estate, document: Document) -> Iterator[Complaint]:
    key, day = _day(document)
    for read in estate.vms:
        _, source = _day(read.document)
        if day and source and day < source:
            said = f"this file was derived on {day}; {read.document.file} changed on {source}"
            yield warning(document.place((key,)), key, _CODE, said, "derive it again")


def _lacking(estate: Estate, document: Document) -> Iterator[Complaint]:
    named = {str(leaf.value) for _, leaf in document.scalars()} | set(_keys(document))
    for read, at, vm in estate.living():
        if vm.status == "active" and vm.hostname not in named and str(vm.id) not in named:
            said = f"it lacks {vm.called}, which is active at {read.at('vms', at)}"
            yield warning(document.place(), "", _CODE, said, "derive it again")


def _keys(document: Document) -> Iterator[str]:
    stack = [document.root]
    while stack:
        node = stack.pop()
        if isinstance(node, Table):
            yield from node.entries
            stack.extend(node.entries.values())
        elif isinstance(node, Series):
            stack.extend(node.items)


def _counts(document: Document) -> Iterator[Complaint]:
    """`gate_count` of a gate registry against the gates it lists."""
    listed = document.node(("gates",))
    if not isinstance(listed, Series):
        return
    retired = sum(1 for at in range(len(listed.items)) if _value(document, ("gates", at, "retired")) is True)
    for key, real in (("total", len(listed.items)), ("active", len(listed.items) - retired), ("retired", retired)):
        stored = _value(document, ("gate_count", key))
        if isinstance(stored, int) and stored != real:
            said = f"the stored count is {stored}; the file lists {real}"
            yield warning(document.place(("gate_count", key)), f"gate_count.{key}", _CODE, said, "count, do not store")


def _value(document: Document, loc: tuple[str | int, ...]) -> object:
    node = document.node(loc)
    return node.value if isinstance(node, Scalar) else None


CHECK = Check((_CODE,), run)
