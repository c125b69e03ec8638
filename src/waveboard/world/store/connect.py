"""A database address -> an engine with the durability this house promises. Makes no tables.

SQLite: a commit survives power loss (synchronous FULL or EXTRA), writers queue (BEGIN IMMEDIATE, busy timeout). Write-ahead
logging only from 3.51.3 on: 3.7.0 to 3.51.2 can corrupt the file when a WAL is reset by two connections at once.
"""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from waveboard.model.errors import UsageError
from waveboard.world.store.private import private_file

BUSY_MS = 30_000
WAL_SAFE = (3, 51, 3)


def journal_pragmas(version: tuple[int, ...]) -> tuple[str, str]:
    """The durable journal settings for this SQLite version."""
    if version >= WAL_SAFE:
        return "journal_mode=WAL", "synchronous=FULL"
    return "journal_mode=TRUNCATE", "synchronous=EXTRA"


def pragmas() -> tuple[str, ...]:
    """Every connection's settings. The busy timeout comes first, so that the others wait for a lock as well."""
    return (
        f"busy_timeout={BUSY_MS}",
        *journal_pragmas(sqlite3.sqlite_version_info),
        "foreign_keys=ON",
        "mmap_size=0",
        "trusted_schema=OFF",
    )


def located(url: str, root: Path) -> sa.URL:
    """The address with a relative SQLite path made absolute below the workspace. Raises: UsageError for any other database."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise UsageError("open the store", "its address cannot be read", "sqlite:///FILE or postgresql://…") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise UsageError("open the store", "state that ends with the process is no state", "sqlite:///.waveboard/state.db")
        return parsed.set(database=str(root / parsed.database))
    if kind != "postgresql":
        raise UsageError("open the store", f"{kind} is not supported", "use sqlite:///FILE or postgresql://…")
    return parsed


def connect(url: str, root: Path) -> sa.Engine:
    """Raises: UsageError, RefusedError (files that others can reach)."""
    address = located(url, root)
    if address.get_backend_name() != "sqlite":
        return sa.create_engine(address, pool_pre_ping=True)
    private_file(Path(str(address.database)))
    engine = sa.create_engine(address)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in pragmas():
        connection.execute("PRAGMA " + pragma)


def _begin(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
