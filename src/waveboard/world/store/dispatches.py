"""Rows for dispatched waves: one worker a wave, for a time. Every function runs inside the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from waveboard.model.history import DispatchRecord
from waveboard.world.store.leases import serialise
from waveboard.world.store.rules import dispatched, no_dispatch
from waveboard.world.store.tables import dispatches


def save(connection: sa.Connection, made: DispatchRecord, excludes: Sequence[str]) -> None:
    """Raises: RefusedError."""
    serialise(connection)
    for other in told(connection, ""):
        if other.wave in (made.wave, *excludes) and other.live(made.issued_at):
            raise dispatched(made.wave, other)
    connection.execute(sa.insert(dispatches).values(**{name: getattr(made, name) for name in dispatches.c.keys()}))  # noqa: SIM118


def end(connection: sa.Connection, task: str, at: datetime) -> None:
    """Raises: UsageError."""
    serialise(connection)
    c = dispatches.c
    if connection.execute(sa.select(c.task).where(c.task == task)).first() is None:
        raise no_dispatch(task)
    connection.execute(sa.update(dispatches).where((c.task == task) & c.ended_at.is_(None)).values(ended_at=at))


def told(connection: sa.Connection, wave: str) -> tuple[DispatchRecord, ...]:
    c = dispatches.c
    query = sa.select(c.task, c.wave, c.worker, c.issued_at, c.expires_at, c.order, c.ended_at)
    query = query.where(sa.true() if not wave else c.wave == wave).order_by(c.issued_at.desc(), c.task)
    return tuple(DispatchRecord(*row) for row in connection.execute(query))
