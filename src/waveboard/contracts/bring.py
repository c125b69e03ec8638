"""Register files from elsewhere, as their operator left them -> nouns, and everything odd about them. Belongs to no workspace.

What a file is, its content says: markdown that calls itself a loop, or is named like one, is a loop; a YAML file is told by its list:
`gaps`, `gates`, `gate_assignments` or `capabilities`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from waveboard.contracts.check import error
from waveboard.contracts.checks import registers as rules
from waveboard.contracts.checks import registries
from waveboard.contracts.estate import Estate, LoopFile
from waveboard.contracts.formats.gaps import Gaps
from waveboard.contracts.formats.registries import CapabilityRegistry, GateRegistry, Topology
from waveboard.contracts.formats.workspace import Workspace
from waveboard.contracts.loop_files import loop_file
from waveboard.contracts.nodes import Document, Table
from waveboard.contracts.registers import registers
from waveboard.contracts.text import REGISTER, read
from waveboard.contracts.typed import Read, fit
from waveboard.model.contract import Complaint, Known, Place
from waveboard.model.register import Registers

_TOLD_BY: Mapping[str, tuple[str, type[BaseModel]]] = {
    "gaps": ("gaps", Gaps),
    "gates": ("gates", GateRegistry),
    "gate_assignments": ("topology", Topology),
    "capabilities": ("capabilities", CapabilityRegistry),
}
_ELSEWHERE = frozenset(
    {"hosts", "guard", "placement", "packs", "findings", "waves"}
)  # not brought along, so their absence proves nothing


@dataclass(frozen=True, slots=True)
class Brought:
    """registers: what could be read; complaints: by file and place, errors and warnings mixed."""

    registers: Registers
    complaints: tuple[Complaint, ...]

    @property
    def errors(self) -> tuple[Complaint, ...]:
        """What makes the files unusable together."""
        return tuple(c for c in self.complaints if c.level == "error")


def bring(files: Mapping[str, bytes], known: Known) -> Brought:
    """files: bytes by the name complaints shall use. Never raises for any bytes."""
    reads: dict[str, list[Any]] = {"gaps": [], "gates": [], "topology": [], "capabilities": []}
    loops: list[LoopFile] = []
    said: list[Complaint] = []
    for path, raw in files.items():
        if path.endswith(".md"):
            loop, amiss = loop_file(path, raw, error)  # the register never forgets, so no page gets into it by mistake
            said += amiss
            loops += [loop] if loop else []
            continue
        document, wrong = read(path, raw, REGISTER)
        said.extend(wrong)
        if document is None:
            continue
        key = next((key for key in _TOLD_BY if key in _keys(document)), "")
        if not key:
            fix = f"a register holds one of: {', '.join(_TOLD_BY)}"
            said.append(error(document.place(), "", "unknown-register", "this is no register", fix))
            continue
        kind, model = _TOLD_BY[key]
        found, unfit = fit(document, model)
        said.extend(unfit)
        reads[kind] += [Read(document, found)] if found is not None else []
    estate = Estate(_nowhere(), known, **{k: tuple(v) for k, v in reads.items()}, loops=tuple(loops), broken=_ELSEWHERE)
    said += [*rules.run(estate), *registries.run(estate)]
    tidy = sorted(dict.fromkeys(said), key=lambda c: (c.place.file, c.place.line, c.place.col, c.code, c.message))
    return Brought(registers(estate), tuple(tidy))


def _keys(document: Document) -> frozenset[str]:
    return frozenset(document.root.entries) if isinstance(document.root, Table) else frozenset()


def _nowhere() -> Read[Workspace]:
    document, _ = read("", b"contracts: {hosts: none}")
    if document is None:
        raise AssertionError("unreachable")
    return Read(document, Workspace.model_validate({"contracts": {"hosts": ["none"]}}))


def missing_loops(brought: Registers, known: frozenset[str]) -> tuple[tuple[Place | None, str, str], ...]:
    """(place, gap, loop) of every gap whose loop is neither brought along nor known here."""
    names = known | {name for loop in brought.loops for name in (loop.id, loop.also)}
    return tuple((gap.place, gap.id, gap.parent_loop) for gap in brought.gaps if gap.parent_loop and gap.parent_loop not in names)
