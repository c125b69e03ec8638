"""Registers from elsewhere taken in: gaps and loops that are not known here, as their files have them. Nothing known is changed.

The files' own bytes are kept and named as the evidence of every change. Gate, topology and capability files are read and told of only.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from waveboard.app.receipting import new_key
from waveboard.app.registers import Recorded, change, current, record
from waveboard.app.site import Site
from waveboard.contracts.bring import Brought, missing_loops
from waveboard.model.contract import Complaint
from waveboard.model.errors import ContractError
from waveboard.model.register import Change, Gap, Loop
from waveboard.register.fold import detail_of
from waveboard.register.view import View


@dataclass(frozen=True, slots=True)
class Imported:
    """found: noun -> how many the files hold; known: those registered here before; differing: known gaps whose status is another here.

    dangling: every reference that leads nowhere; odd: everything else the files were told of. recorded: None in a dry run.
    """

    found: Mapping[str, int]
    statuses: Mapping[str, int]
    known: tuple[str, ...]
    differing: tuple[str, ...]
    dangling: tuple[str, ...]
    odd: tuple[Complaint, ...]
    recorded: Recorded | None


def take_in(site: Site, capability: str, brought: Brought, files: Mapping[str, bytes], dry: bool) -> Imported:
    """Raises: ContractError naming the first error and its place; RefusedError."""
    if brought.errors:
        first = brought.errors[0]
        raise ContractError("import the registers", f"{first.place}: {first.message} ({len(brought.errors)} in all)", first.fix)
    found, view = brought.registers, current(site)
    loops = frozenset(name for state in view.loops.values() for name in (state.loop.id, state.loop.also))
    told = [f"{place}: {gap} belongs to {loop}, which is nowhere" for place, gap, loop in missing_loops(found, loops)]
    dangling = [f"{c.place}: {c.message}" for c in brought.complaints if c.code == "dangling-reference"]
    recorded = None if dry else _record(site, capability, brought, files)
    return Imported(
        found={
            "gaps": len(found.gaps),
            "loops": len(found.loops),
            "gates": len(found.gates),
            "assignments": len(found.assignments),
            "capabilities": len(found.capabilities),
        },
        statuses=dict(Counter(gap.status or "unknown" for gap in found.gaps)),
        known=(*(g.id for g in found.gaps if g.id in view.gaps), *(one.id for one in found.loops if view.loop(one.id))),
        differing=tuple(gap.id for gap in found.gaps if gap.id in view.gaps and view.gaps[gap.id].status != gap.status),
        dangling=tuple(dict.fromkeys((*told, *dangling))),
        odd=tuple(c for c in brought.complaints if c.code != "dangling-reference"),
        recorded=recorded,
    )


def _record(site: Site, capability: str, brought: Brought, files: Mapping[str, bytes]) -> Recorded:
    kept = {path: site.store.put_object(raw) for path, raw in files.items()}
    key = new_key(site, capability)

    def draft(view: View) -> list[Change]:
        new: list[tuple[str, Gap | Loop]] = [("loop", one) for one in brought.registers.loops if not view.loop(one.id)]
        new += [("gap", one) for one in brought.registers.gaps if one.id not in view.gaps]
        changes = []
        for noun, one in new:
            evidence = (kept[one.place.file],) if one.place else ()
            detail = json.loads(json.dumps(detail_of(one)))
            changes.append(replace(change(site, key, noun, one.id, "imported"), evidence=evidence, detail=detail))
        return changes

    return record(site, key, "import the registers", draft)
