"""The registers' files -> the nouns of model/register.py. Keeps every word as it was written; settles nothing between files."""

from collections.abc import Iterator
from datetime import datetime

from waveboard.contracts.conditions import canonical, of_host
from waveboard.contracts.estate import Estate, LoopFile
from waveboard.contracts.formats.gaps import Gap as GapRow
from waveboard.contracts.formats.gaps import Gaps
from waveboard.contracts.formats.loops import ids_in, name_of
from waveboard.contracts.formats.waivers import Waiver as WaiverRow
from waveboard.contracts.formats.waivers import ends
from waveboard.contracts.nodes import as_written
from waveboard.contracts.typed import Read
from waveboard.model.register import (
    Assignment,
    Gap,
    Loop,
    RegisteredCapability,
    RegisteredGate,
    Registers,
    Waiver,
)


def registers(estate: Estate) -> Registers:
    """Everything the register files say, in their order."""
    return Registers(
        gaps=tuple(gap(read, at) for read in estate.gaps for at in range(len(read.value.gaps))),
        loops=tuple(loop(found) for found in estate.loops),
        waivers=tuple(_waivers(estate)),
        gates=tuple(
            RegisteredGate(g.id, g.name or "", g.severity or "", g.ring or "", g.retired is True, read.at("gates", at))
            for read in estate.gates
            for at, g in enumerate(read.value.gates)
        ),
        assignments=tuple(
            Assignment(a.gate_id, a.primary_domain or "", tuple(a.secondary_domains or ()), read.at("gate_assignments", at))
            for read in estate.topology
            for at, a in enumerate(read.value.gate_assignments)
        ),
        capabilities=tuple(
            RegisteredCapability(name, c.safety or "", c.approval or "", c.domain or "", read.key("capabilities", name))
            for read in estate.capabilities
            for name, c in read.value.capabilities.items()
        ),
    )


def gap(read: Read[Gaps], at: int) -> Gap:
    """One entry of a gap register."""
    row: GapRow = read.value.gaps[at]
    node = read.document.node(("gaps", at))
    written = as_written(node) if node else {}
    return Gap(
        id=row.id,
        status=row.status or "",
        severity=row.severity or "",
        type=row.type or "",
        description=(row.description or "").strip(),
        discovered_by=row.discovered_by or "",
        discovered_at=row.discovered_at or "",
        owner=row.owner or "",
        parent_loop=row.parent_loop or "",
        fixed_in="" if row.fixed_in is None else str(written["fixed_in"] if isinstance(written, dict) else row.fixed_in),
        criterion=canonical(row.criterion) if row.criterion is not None else "",
        producer=row.producer or "",
        accepted_until=_end(row.accepted_until),
        accepted_reason=str(row.accepted_reason or ""),
        accepted_by=str(row.accepted_by or ""),
        written=written if isinstance(written, dict) else {},
        place=read.at("gaps", at),
    )


def _end(told: object) -> datetime | None:
    """Other files may have a key of that name with other words in it; those end nothing."""
    try:
        return ends(told) if isinstance(told, str) else None
    except (ValueError, OverflowError):
        return None


def loop(found: LoopFile) -> Loop:
    """One loop file. Its severity is its priority where it says only that."""
    front, name = found.read.value if found.read else None, name_of(found.path)
    written = as_written(found.read.document.root) if found.read else {}
    return Loop(
        id=found.id,
        status=(front and front.status) or "",
        owner=(front and front.owner) or "",
        severity=(front and (front.severity or front.priority)) or "",
        scope=(front and front.scope) or "",
        objective=(front and (front.objective or front.title)) or "",
        created=(front and front.created) or "",
        parent_loop=(front and front.parent_loop) or "",
        gaps=ids_in(front.gaps) if front else (),
        also="" if name == found.id else name,
        written=written if isinstance(written, dict) else {},
        body=found.body,
        place=found.at(),
    )


def host_of(row: WaiverRow) -> str:
    """The one host a waiver is about, "" where it names a pattern or none: a bare fact in its condition is that host's."""
    return row.host if row.host and not set(row.host) & set("*?") else ""


def _waivers(estate: Estate) -> Iterator[Waiver]:
    for read in estate.waivers:
        for at, row in enumerate(read.value.waivers):
            host = host_of(row)
            yield Waiver(
                id=row.id,
                reason=row.reason,
                owner=row.owner,
                fingerprint=row.fingerprint or "",
                gate=row.gate or "",
                host=row.host or "",
                code=row.code or "",
                subject=row.subject or "",
                until=ends(row.until) if row.until else None,
                during=of_host(row.during, host) if row.during else "",
                ends_when=of_host(row.ends_when, host) if row.ends_when else "",
                place=read.at("waivers", at),
            )
