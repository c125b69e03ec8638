"""Rows for the board: which waves were opened and closed, append-only. Every function runs inside the caller's transaction."""

from datetime import datetime

import sqlalchemy as sa

from waveboard.model.opening import Line, Opening, standing
from waveboard.world.store.leases import serialise
from waveboard.world.store.rules import check_begin, check_end
from waveboard.world.store.tables import board, events


def begin(connection: sa.Connection, opening: Opening) -> None:
    """Raises: RefusedError naming the wave in the way, who opened it and since when."""
    serialise(connection)
    check_begin(opening, open_now(connection))
    _append(connection, Line("opened", opening))


def end(connection: sa.Connection, wave: str, at: datetime, by: str, outcome: str) -> None:
    """Raises: RefusedError when the wave is not open."""
    serialise(connection)
    closed = Opening(wave, "", (), (), (), by, at)
    check_end(wave, open_now(connection))
    _append(connection, Line("closed", closed, outcome))


def open_now(connection: sa.Connection) -> tuple[Opening, ...]:
    """Oldest first."""

    def ended(plan: str) -> str:
        query = sa.select(events.c.kind).where((events.c.plan == plan) & (events.c.step == ""))
        return connection.execute(query.order_by(events.c.seq.desc()).limit(1)).scalar() or ""

    rows = connection.execute(sa.select(board).order_by(board.c.seq)).all()
    return standing((_line(row) for row in rows), ended)


def _append(connection: sa.Connection, line: Line) -> None:
    one = line.opening
    last: int = connection.execute(sa.select(sa.func.max(board.c.seq))).scalar() or 0
    detail = {
        "policy": one.policy,
        "mutate": list(one.mutate),
        "read_only": list(one.read_only),
        "excludes": list(one.excludes),
        "pins": dict(one.pins),
        "leavings": one.leavings,
        "outcome": line.outcome,
    }
    row = {"seq": last + 1, "kind": line.kind, "wave": one.wave, "plan": one.plan, "by": one.by, "at": one.at, "detail": detail}
    connection.execute(sa.insert(board).values(**row))


def _line(row: sa.Row[tuple[object, ...]]) -> Line:
    told = row.detail
    hosts = (tuple(told["mutate"]), tuple(told["read_only"]), tuple(told["excludes"]))
    leavings = bool(told.get("leavings"))  # lines from before retire plans were told apart have none
    opening = Opening(row.wave, told["policy"], *hosts, row.by, row.at, row.plan, told["pins"], leavings)
    return Line(row.kind, opening, told["outcome"])
