"""One process a run: a lock that ends with its process, however that ends. Holds no state beyond the lock itself."""

import fcntl
import getpass
import json
import os
import socket
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from waveboard.model.errors import RefusedError
from waveboard.model.units import instant_text
from waveboard.world.store.private import private_file


class RunLock(Protocol):
    """Held from take to let_go, or to the end of the process."""

    def take(self, run: str) -> None:
        """Raises: RefusedError naming who drives the run, since when."""
        ...

    def let_go(self) -> None: ...


class FileLock:
    """flock on `<folder>/<run>.lock`: one machine. The kernel lets go when the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def take(self, run: str) -> None:
        path = private_file(self._folder / f"{run}.lock")
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 4096)
            os.close(file)
            raise _busy(run, _read(holder)) from None
        note = {"who": whoami(), "pid": os.getpid(), "since": instant_text(datetime.now(UTC))}
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(note).encode(), 0)
        self._file = file

    def let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class AdvisoryLock:
    """A PostgreSQL session lock: many machines. The server lets go when the connection ends."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    def take(self, run: str) -> None:
        key = int.from_bytes(sha256(f"waveboard run {run}".encode()).digest()[:8], "big", signed=True)
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        name = f"{whoami()} pid {os.getpid()} since {instant_text(datetime.now(UTC))}"
        connection.execute(sa.text("SELECT set_config('application_name', :name, false)"), {"name": name[:63]})
        if connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar():
            self._connection = connection
            return
        query = sa.text(
            "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'"
            " AND l.granted AND l.objsubid = 1 AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
        )
        holder = connection.execute(query, {"key": key}).scalar()
        connection.invalidate()
        connection.close()
        raise _busy(run, str(holder or "another process"))

    def let_go(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # really closes it: a pooled session would keep the lock
            self._connection.close()
            self._connection = None


def whoami() -> str:
    """`user@machine`: who a lease and a lock are held by."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _read(note: bytes) -> str:
    try:
        told: dict[str, Any] = json.loads(note)
        return f"{told['who']} pid {told['pid']} since {told['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _busy(run: str, holder: str) -> RefusedError:
    return RefusedError(f"drive {run}", f"{holder} drives it now", "wait for it, or stop that process and run the command again")
