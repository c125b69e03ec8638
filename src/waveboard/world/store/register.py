"""Rows of the register and its claims. Every function runs inside the caller's transaction; what may be appended is not judged here."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from waveboard.model.register import Change, Claim
from waveboard.world.store import tables as t
from waveboard.world.store.leases import serialise
from waveboard.world.store.rules import claimed

_COLUMNS = tuple(field.name for field in fields(Change))


def append(connection: sa.Connection, changes: Sequence[Change], head: int) -> bool:
    """False, and nothing is appended, when the register has grown past `head`."""
    serialise(connection)
    if (connection.execute(sa.select(sa.func.max(t.register.c.seq))).scalar() or 0) != head:
        return False
    for seq, change in enumerate(changes, head + 1):
        row = {name: getattr(change, name) for name in _COLUMNS} | {"seq": seq}
        connection.execute(sa.insert(t.register).values(**row))
    return True


def told(connection: sa.Connection) -> tuple[Change, ...]:
    query = sa.select(*(t.register.c[name] for name in _COLUMNS)).order_by(t.register.c.seq)
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in connection.execute(query))
    return tuple(Change(**row | {"evidence": tuple(row["evidence"])}) for row in rows)


def claim(connection: sa.Connection, subject: str, owner: str, at: datetime, ttl_s: int) -> Claim:
    """Raises: RefusedError naming the holder while another's claim lives."""
    row = {"owner": owner, "since": at, "expires_at": at + timedelta(seconds=ttl_s)}
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    c = t.claims.c
    mine = (c.owner == owner) & (c.expires_at > at)
    kept = row | {"since": sa.case((mine, c.since), else_=at)}
    take = make(t.claims).values(subject=subject, **row)
    take = take.on_conflict_do_update(index_elements=["subject"], set_=kept, where=(c.expires_at <= at) | (c.owner == owner))
    if connection.execute(take.returning(c.subject)).first() is None:
        raise claimed(_claim(connection, subject))
    return _claim(connection, subject)


def release(connection: sa.Connection, subject: str, owner: str) -> bool:
    gone = sa.delete(t.claims).where((t.claims.c.subject == subject) & (t.claims.c.owner == owner))
    return connection.execute(gone.returning(t.claims.c.subject)).first() is not None


def live(connection: sa.Connection, at: datetime) -> tuple[Claim, ...]:
    c = t.claims.c
    query = sa.select(c.subject, c.owner, c.since, c.expires_at).where(c.expires_at > at).order_by(c.subject)
    return tuple(Claim(*row) for row in connection.execute(query))


def receipted(connection: sa.Connection, run_key: str) -> bool:
    query = sa.select(t.receipts.c.seq).where(t.receipts.c.run_key == run_key).limit(1)
    return connection.execute(query).first() is not None


def _claim(connection: sa.Connection, subject: str) -> Claim:
    c = t.claims.c
    return Claim(*connection.execute(sa.select(c.subject, c.owner, c.since, c.expires_at).where(c.subject == subject)).one())
