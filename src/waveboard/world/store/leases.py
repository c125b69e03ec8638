"""Rows for leases: one live holder a host, a fence that only grows. Every function runs inside the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from waveboard.model.change import Lease
from waveboard.model.errors import UsageError
from waveboard.model.history import Hold
from waveboard.world.store.rules import held, taken_over
from waveboard.world.store.tables import counters, holds, leases


def serialise(connection: sa.Connection) -> None:
    """Wait for every other writer of leases, journals and receipts. SQLite's BEGIN IMMEDIATE did that already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(counters.c.value).where(counters.c.name == "fence").with_for_update())


def acquire(connection: sa.Connection, plan: str, hosts: Sequence[str], owner: str, at: datetime, ttl_s: int) -> Lease:
    """Raises: RefusedError, and the caller's transaction rolls back: all hosts or none."""
    if not hosts:
        raise UsageError(f"lease hosts for {plan}", "it names none", "a plan without hosts changes nothing")
    serialise(connection)
    bump = sa.update(counters).where(counters.c.name == "fence").values(value=counters.c.value + 1).returning(counters.c.value)
    fence: int = connection.execute(bump).scalar_one()
    until = at + timedelta(seconds=ttl_s)
    lease = {"fence": fence, "plan": plan, "owner": owner, "hosts": sorted(set(hosts)), "since": at, "expires_at": until}
    connection.execute(sa.insert(leases).values(**lease))
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for host in sorted(set(hosts)):
        row = {"fence": fence, "plan": plan, "owner": owner, "expires_at": until}
        free = (holds.c.expires_at <= at) | ((holds.c.plan == plan) & (holds.c.owner == owner))
        take = make(holds).values(host=host, **row).on_conflict_do_update(index_elements=["host"], set_=row, where=free)
        if connection.execute(take.returning(holds.c.host)).first() is None:
            raise _held(connection, host)
    return Lease(plan, owner, fence, until)


def _held(connection: sa.Connection, host: str) -> Exception:
    query = sa.select(holds.c.plan, holds.c.owner, leases.c.since, holds.c.expires_at).join(
        leases, leases.c.fence == holds.c.fence
    )
    return held(host, *connection.execute(query.where(holds.c.host == host)).one())


def renew(connection: sa.Connection, lease: Lease, at: datetime, ttl_s: int) -> Lease:
    """Raises: RefusedError when one of its hosts is no longer its own."""
    serialise(connection)
    until = at + timedelta(seconds=ttl_s)
    wanted: list[str] = connection.execute(sa.select(leases.c.hosts).where(leases.c.fence == lease.fence)).scalar() or [
        lease.plan
    ]
    kept = dict(connection.execute(sa.select(holds.c.host, holds.c.fence).where(holds.c.host.in_(wanted))).all())
    for host in wanted:
        if kept.get(host) != lease.fence:
            owner = connection.execute(sa.select(holds.c.owner).where(holds.c.host == host)).scalar()
            raise taken_over(lease.fence, host, owner or "")
    for table in (holds, leases):
        connection.execute(sa.update(table).where(table.c.fence == lease.fence).values(expires_at=until))
    return Lease(lease.plan, lease.owner, lease.fence, until)


def release(connection: sa.Connection, lease: Lease) -> None:
    serialise(connection)
    connection.execute(sa.delete(holds).where(holds.c.fence == lease.fence))


def live(connection: sa.Connection, at: datetime) -> tuple[Hold, ...]:
    query = sa.select(holds.c.host, holds.c.plan, holds.c.owner, holds.c.fence, leases.c.since, holds.c.expires_at)
    query = query.join(leases, leases.c.fence == holds.c.fence).where(holds.c.expires_at > at).order_by(holds.c.host)
    return tuple(Hold(*row) for row in connection.execute(query))


def issued(connection: sa.Connection, plan: str) -> int:
    """The newest fence given out for a plan, 0 before the first."""
    return connection.execute(sa.select(sa.func.max(leases.c.fence)).where(leases.c.plan == plan)).scalar() or 0
