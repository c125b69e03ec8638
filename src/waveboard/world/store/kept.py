"""Rows for kept bytes and records of work: objects, bundles, plans, approvals, snapshots, runs. Decides nothing about them."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from waveboard.model.change import Approval
from waveboard.model.errors import EvidenceError, RefusedError, UsageError
from waveboard.model.evidence import Bundle, digest_of
from waveboard.model.history import BundleRecord, CapRun, PackRun, PlanRecord, Snapshot
from waveboard.world.store import tables as t

_AT_ONCE = 10_000  # SQLite takes 32,766 values in one statement, PostgreSQL 65,535


def insert_new(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert unless a row with that key is there. True for the one caller whose row it is."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    key = list(table.primary_key.columns)
    return connection.execute(make(table).values(**values).on_conflict_do_nothing().returning(*key)).first() is not None


def put_object(connection: sa.Connection, raw: bytes) -> str:
    """The content address."""
    digest = digest_of(raw)
    insert_new(connection, t.objects, {"digest": digest, "raw": raw})
    return digest


def get_object(connection: sa.Connection, digest: str) -> bytes:
    """Raises: UsageError, EvidenceError."""
    found: bytes | None = connection.execute(sa.select(t.objects.c.raw).where(t.objects.c.digest == digest)).scalar()
    return checked(digest, found)


def checked(digest: str, raw: bytes | None) -> bytes:
    """The bytes, when they are those of the digest. Raises: UsageError, EvidenceError."""
    if raw is None:
        raise UsageError(
            f"read {digest}", "the store has no such object", "use a digest that `waveboard` printed for this workspace"
        )
    if digest_of(raw) != digest:
        raise EvidenceError(
            f"read {digest}", "the bytes kept are no longer those of its digest", "restore the store from a backup"
        )
    return bytes(raw)


def save_bundle(connection: sa.Connection, bundle: Bundle, digest: str) -> None:
    row = {"digest": digest, "host": bundle.host, "collected_at": bundle.collected_at, "failure": bundle.failure}
    insert_new(connection, t.bundles, row)


def bundles(connection: sa.Connection, host: str, limit: int) -> tuple[BundleRecord, ...]:
    c = t.bundles.c
    query = sa.select(c.digest, c.host, c.collected_at, c.failure).where(c.host == host)
    rows = connection.execute(query.order_by(c.collected_at.desc(), c.digest).limit(limit))
    return tuple(BundleRecord(*row) for row in rows)


def collected(connection: sa.Connection, digests: Iterable[str]) -> frozenset[str]:
    asked, c = tuple(digests), t.bundles.c.digest
    parts = (asked[at : at + _AT_ONCE] for at in range(0, len(asked), _AT_ONCE))
    return frozenset(found for part in parts for found in connection.scalars(sa.select(c).where(c.in_(part))))


def save_plan(connection: sa.Connection, raw: bytes, wave: str, kind: str, at: Any) -> str:
    digest = put_object(connection, raw)
    insert_new(connection, t.plans, {"digest": digest, "wave": wave, "kind": kind, "saved_at": at})
    return digest


def plans(connection: sa.Connection, wave: str) -> tuple[PlanRecord, ...]:
    c = t.plans.c
    query = sa.select(c.digest, c.wave, c.kind, c.saved_at).where(sa.true() if not wave else c.wave == wave)
    return tuple(PlanRecord(*row) for row in connection.execute(query.order_by(c.saved_at.desc(), c.digest)))


def save_approval(connection: sa.Connection, approval: Approval) -> None:
    """Raises: RefusedError when the nonce is another approval's."""
    row = {name: getattr(approval, name) for name in t.approvals.c.keys()}  # noqa: SIM118
    if insert_new(connection, t.approvals, row):
        return
    kept = connection.execute(sa.select(t.approvals).where(t.approvals.c.nonce == approval.nonce)).one()
    check_same_approval(approval, kept.plan, kept.principal, kept.message)


def check_same_approval(approval: Approval, plan: str, principal: str, message: bytes) -> None:
    """A nonce names one approval for ever. Raises: RefusedError."""
    if (plan, principal, bytes(message)) != (approval.plan, approval.principal, approval.message):
        raise RefusedError("keep the approval", f"its nonce {approval.nonce} is that of {principal}'s for {plan}", "sign again")


def approvals(connection: sa.Connection, plan: str) -> tuple[Approval, ...]:
    c = t.approvals.c
    rows = connection.execute(sa.select(t.approvals).where(c.plan == plan).order_by(c.not_before, c.nonce))
    return tuple(Approval(r.principal, r.plan, bytes(r.message), r.signature, r.nonce, r.not_before, r.not_after) for r in rows)


def save_snapshot(connection: sa.Connection, snapshot: Snapshot) -> None:
    row = {"run_key": snapshot.run_key, "at": snapshot.at, "contract": snapshot.contract, "bundles": snapshot.bundles}
    insert_new(connection, t.snapshots, row)


def snapshots(connection: sa.Connection, limit: int) -> tuple[Snapshot, ...]:
    c = t.snapshots.c
    query = sa.select(c.run_key, c.at, c.contract, c.bundles).order_by(c.at.desc(), c.run_key.desc()).limit(limit)
    return tuple(Snapshot(*row) for row in connection.execute(query))


def save_cap_run(connection: sa.Connection, run: CapRun) -> None:
    row = {"run_key": run.run_key, "capability": run.capability, "at": run.at, "exit": run.exit, "report": run.report}
    insert_new(connection, t.cap_runs, row)


def cap_runs(connection: sa.Connection, limit: int) -> tuple[CapRun, ...]:
    c = t.cap_runs.c
    query = sa.select(c.run_key, c.capability, c.at, c.exit, c.report).order_by(c.at.desc(), c.run_key.desc()).limit(limit)
    return tuple(CapRun(*row) for row in connection.execute(query))


def save_pack_run(connection: sa.Connection, run: PackRun) -> None:
    insert_new(connection, t.pack_runs, {name: getattr(run, name) for name in t.pack_runs.c.keys()})  # noqa: SIM118


def pack_runs(connection: sa.Connection, pack: str, limit: int) -> tuple[PackRun, ...]:
    c = t.pack_runs.c
    query = sa.select(c.run_key, c.pack, c.at, c.contract, c.complete, c.report, c.counts).where(c.pack == pack)
    rows = connection.execute(query.order_by(c.at.desc(), c.run_key.desc()).limit(limit))
    return tuple(PackRun(*row) for row in rows)
