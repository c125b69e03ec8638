"""Rows for what happened and must never be rewritten: journal lines, used nonces, receipts. Append-only, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from waveboard.model.change import Event
from waveboard.model.errors import RefusedError
from waveboard.model.opening import Opening
from waveboard.world.store import openings
from waveboard.world.store.kept import insert_new
from waveboard.world.store.leases import issued, serialise
from waveboard.world.store.rules import ENDS, check_append, check_receipt, nonce_used, overlap
from waveboard.world.store.tables import events, nonces, receipts


def append(connection: sa.Connection, event: Event) -> None:
    """Raises: RefusedError."""
    serialise(connection)
    asked = sa.select(events.c.seq).where((events.c.plan == event.plan) & (events.c.kind == "undo-asked")).limit(1)
    undoing = connection.execute(asked).first() is not None
    check_append(event, _last(connection, event.plan), issued(connection, event.plan), undoing)
    connection.execute(sa.insert(events).values(**{name: getattr(event, name) for name in events.c.keys()}))  # noqa: SIM118


def record(
    connection: sa.Connection,
    plan: str,
    kind: str,
    step: str,
    attempt: int,
    at: datetime,
    fence: int,
    detail: Mapping[str, object],
) -> Event:
    """Raises: RefusedError."""
    serialise(connection)
    seq = _last(connection, plan)[0] + 1
    event = Event(seq, plan, kind, step, attempt, at, fence, detail)
    append(connection, event)
    return replace(event, detail=told(connection, plan, seq)[0].detail)


def open_wave(connection: sa.Connection, event: Event, wanted: Sequence[str], opening: Opening | None) -> None:
    """Raises: RefusedError, and the caller's transaction rolls back: no nonce is used, no wave is open."""
    serialise(connection)
    for other in open_plans(connection):
        if other != event.plan:
            raise overlap(event.plan, other)
    for nonce in wanted:
        if not consume(connection, nonce, event.plan, event.at):
            plan, at = connection.execute(sa.select(nonces.c.plan, nonces.c.consumed_at).where(nonces.c.nonce == nonce)).one()
            raise nonce_used(nonce, plan, at)
    if opening:
        openings.begin(connection, opening)
    append(connection, event)


def consume(connection: sa.Connection, nonce: str, plan: str, at: datetime) -> bool:
    """One conditional insert decides: no reading first."""
    return insert_new(connection, nonces, {"nonce": nonce, "plan": plan, "consumed_at": at})


def told(connection: sa.Connection, plan: str, since: int = 1) -> tuple[Event, ...]:
    c = events.c
    query = sa.select(c.seq, c.plan, c.kind, c.step, c.attempt, c.at, c.fence, c.detail)
    rows = connection.execute(query.where((c.plan == plan) & (c.seq >= since)).order_by(c.seq))
    return tuple(Event(*row) for row in rows)


def open_plans(connection: sa.Connection) -> tuple[str, ...]:
    c = events.c
    newest = sa.select(c.plan, sa.func.max(c.seq).label("seq")).where(c.step == "").group_by(c.plan).subquery()
    query = sa.select(c.plan).join(newest, (newest.c.plan == c.plan) & (newest.c.seq == c.seq))
    return tuple(connection.execute(query.where(c.kind.not_in(ENDS)).order_by(c.plan)).scalars())


def append_receipt(
    connection: sa.Connection, envelope: bytes, digest: str, kind: str, run_key: str, at: datetime, seq: int | None
) -> int:
    """Raises: RefusedError."""
    serialise(connection)
    last, prev = head(connection)
    check_receipt(last, seq)
    row = {"seq": last + 1, "digest": digest, "prev": prev, "kind": kind, "run_key": run_key, "at": at, "envelope": envelope}
    try:
        connection.execute(sa.insert(receipts).values(**row))
    except sa.exc.IntegrityError:
        raise RefusedError("keep the receipt", f"{digest} is in the chain already", "") from None
    return last + 1


def head(connection: sa.Connection) -> tuple[int, str]:
    row = connection.execute(sa.select(receipts.c.seq, receipts.c.digest).order_by(receipts.c.seq.desc()).limit(1)).first()
    return (row.seq, row.digest) if row else (0, "")


def chain(connection: sa.Connection) -> tuple[tuple[int, str, bytes], ...]:
    query = sa.select(receipts.c.seq, receipts.c.digest, receipts.c.envelope).order_by(receipts.c.seq)
    return tuple((seq, digest, bytes(envelope)) for seq, digest, envelope in connection.execute(query))


def _last(connection: sa.Connection, plan: str) -> tuple[int, str]:
    query = sa.select(events.c.seq, events.c.kind).where(events.c.plan == plan).order_by(events.c.seq.desc()).limit(1)
    row = connection.execute(query).first()
    return (row.seq, row.kind) if row else (0, "")
