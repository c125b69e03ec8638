"""The store on SQLite or PostgreSQL: one transaction a call, on disk when it returns. The rules are in the rooms beside it."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from waveboard.model.change import Approval, Event, Lease
from waveboard.model.errors import RefusedError, WaveboardError
from waveboard.model.evidence import Bundle
from waveboard.model.history import BundleRecord, CapRun, DispatchRecord, Hold, PackRun, PlanRecord, Snapshot
from waveboard.model.opening import Opening
from waveboard.model.register import Change, Claim
from waveboard.world.crash import crash_point
from waveboard.world.store import dispatches, journal, kept, leases, openings, register
from waveboard.world.store.connect import connect
from waveboard.world.store.migrate import bring_up


def open_store(url: str, root: Path) -> "SqlStore":
    """root: the workspace, for a relative SQLite path. Raises: UsageError, RefusedError."""
    engine = connect(url, root)
    with _told(f"open the store {engine.url.render_as_string(hide_password=True)}"):
        bring_up(engine)
    return SqlStore(engine)


@contextmanager
def _told(cannot: str) -> Iterator[None]:
    """A database that fails (full, corrupt, gone) is an error for a person, never a traceback; one that somebody holds is a refusal."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.DatabaseError) as error:
        if isinstance(error, sa.exc.IntegrityError | sa.exc.ProgrammingError):
            raise
        if _held(error.orig):
            fix = "wait for what has it open (a backup, a database shell) or end that, then run the same command again; nothing was started on that"
            raise RefusedError(cannot, "another process holds the database locked", fix) from error
        because = " ".join(str(error.orig).split())
        fix = "nothing was started on that; put the database right (space, permission to write, a backup), then run the same command again"
        raise WaveboardError(cannot, because, fix) from error


def _held(error: BaseException | None) -> bool:
    """Whether SQLite gave up waiting for another process's lock; the low byte is the code, the rest tells its kinds apart."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


class SqlStore:
    """The Store port over one engine; safe to share between threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _told("read the store"), self._engine.connect().execution_options(reading=True) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _told("write to the store"), self._engine.begin() as connection:
            yield connection

    def put_object(self, raw: bytes) -> str:
        with self._writing() as connection:
            return kept.put_object(connection, raw)

    def get_object(self, digest: str) -> bytes:
        with self._reading() as connection:
            return kept.get_object(connection, digest)

    def save_bundle(self, bundle: Bundle, digest: str) -> None:
        with self._writing() as connection:
            kept.save_bundle(connection, bundle, digest)

    def bundles(self, host: str, limit: int) -> tuple[BundleRecord, ...]:
        with self._reading() as connection:
            return kept.bundles(connection, host, limit)

    def collected(self, digests: Iterable[str]) -> frozenset[str]:
        with self._reading() as connection:
            return kept.collected(connection, digests)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        with self._writing() as connection:
            kept.save_snapshot(connection, snapshot)

    def snapshots(self, limit: int) -> tuple[Snapshot, ...]:
        with self._reading() as connection:
            return kept.snapshots(connection, limit)

    def save_cap_run(self, run: CapRun) -> None:
        with self._writing() as connection:
            kept.save_cap_run(connection, run)

    def cap_runs(self, limit: int) -> tuple[CapRun, ...]:
        with self._reading() as connection:
            return kept.cap_runs(connection, limit)

    def save_pack_run(self, run: PackRun) -> None:
        with self._writing() as connection:
            kept.save_pack_run(connection, run)

    def pack_runs(self, pack: str, limit: int) -> tuple[PackRun, ...]:
        with self._reading() as connection:
            return kept.pack_runs(connection, pack, limit)

    def save_plan(self, raw: bytes, wave: str, kind: str, at: datetime) -> str:
        with self._writing() as connection:
            return kept.save_plan(connection, raw, wave, kind, at)

    def plans(self, wave: str = "") -> tuple[PlanRecord, ...]:
        with self._reading() as connection:
            return kept.plans(connection, wave)

    def open_wave(self, event: Event, nonces: Sequence[str], opening: Opening | None = None) -> None:
        crash_point("opened.before")
        with self._writing() as connection:
            journal.open_wave(connection, event, nonces, opening)
        crash_point("opened.after")

    def append_event(self, event: Event) -> None:
        crash_point(f"{event.kind}.before:{event.step}")
        with self._writing() as connection:
            journal.append(connection, event)
        crash_point(f"{event.kind}.after:{event.step}")

    def record(
        self, plan: str, kind: str, step: str, attempt: int, at: datetime, fence: int, detail: Mapping[str, object]
    ) -> Event:
        crash_point(f"{kind}.before:{step}")
        with self._writing() as connection:
            event = journal.record(connection, plan, kind, step, attempt, at, fence, detail)
        crash_point(f"{kind}.after:{step}")
        return event

    def events(self, plan: str) -> tuple[Event, ...]:
        with self._reading() as connection:
            return journal.told(connection, plan)

    def open_plans(self) -> tuple[str, ...]:
        with self._reading() as connection:
            return journal.open_plans(connection)

    def begin_wave(self, opening: Opening) -> None:
        with self._writing() as connection:
            openings.begin(connection, opening)

    def end_wave(self, wave: str, at: datetime, by: str, outcome: str) -> None:
        with self._writing() as connection:
            openings.end(connection, wave, at, by, outcome)

    def board(self) -> tuple[Opening, ...]:
        with self._reading() as connection:
            return openings.open_now(connection)

    def save_approval(self, approval: Approval) -> None:
        with self._writing() as connection:
            kept.save_approval(connection, approval)

    def approvals(self, plan: str) -> tuple[Approval, ...]:
        with self._reading() as connection:
            return kept.approvals(connection, plan)

    def consume_nonce(self, nonce: str, plan: str, at: datetime) -> bool:
        with self._writing() as connection:
            return journal.consume(connection, nonce, plan, at)

    def acquire_lease(self, plan: str, hosts: Sequence[str], owner: str, at: datetime, ttl_s: int) -> Lease:
        with self._writing() as connection:
            return leases.acquire(connection, plan, hosts, owner, at, ttl_s)

    def renew_lease(self, lease: Lease, at: datetime, ttl_s: int) -> Lease:
        with self._writing() as connection:
            return leases.renew(connection, lease, at, ttl_s)

    def release_lease(self, lease: Lease) -> None:
        with self._writing() as connection:
            leases.release(connection, lease)

    def holds(self, at: datetime) -> tuple[Hold, ...]:
        with self._reading() as connection:
            return leases.live(connection, at)

    def save_dispatch(self, made: DispatchRecord, excludes: Sequence[str]) -> None:
        with self._writing() as connection:
            dispatches.save(connection, made, excludes)

    def end_dispatch(self, task: str, at: datetime) -> None:
        with self._writing() as connection:
            dispatches.end(connection, task, at)

    def dispatches(self, wave: str = "") -> tuple[DispatchRecord, ...]:
        with self._reading() as connection:
            return dispatches.told(connection, wave)

    def append_receipt(self, envelope: bytes, digest: str, kind: str, run_key: str, at: datetime, seq: int | None = None) -> int:
        with self._writing() as connection:
            return journal.append_receipt(connection, envelope, digest, kind, run_key, at, seq)

    def receipt_head(self) -> tuple[int, str]:
        with self._reading() as connection:
            return journal.head(connection)

    def receipts(self) -> tuple[tuple[int, str, bytes], ...]:
        with self._reading() as connection:
            return journal.chain(connection)

    def receipted(self, run_key: str) -> bool:
        with self._reading() as connection:
            return register.receipted(connection, run_key)

    def append_changes(self, changes: Sequence[Change], head: int) -> bool:
        crash_point("register.before")
        with self._writing() as connection:
            appended = register.append(connection, changes, head)
        crash_point("register.after")
        return appended

    def changes(self) -> tuple[Change, ...]:
        with self._reading() as connection:
            return register.told(connection)

    def claim(self, subject: str, owner: str, at: datetime, ttl_s: int) -> Claim:
        with self._writing() as connection:
            return register.claim(connection, subject, owner, at, ttl_s)

    def release_claim(self, subject: str, owner: str) -> bool:
        with self._writing() as connection:
            return register.release(connection, subject, owner)

    def claims(self, at: datetime) -> tuple[Claim, ...]:
        with self._reading() as connection:
            return register.live(connection, at)

    def close(self) -> None:
        self._engine.dispose()
