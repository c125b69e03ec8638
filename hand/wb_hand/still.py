"""Whether a service wrote anything between its answer and its stop: it answers while its clients write, and the answer takes a while.

Held still, what it answered is what it holds, and a way back need not carry its data. Every doubt counts as written: that only costs a copy.
"""

from __future__ import annotations

import contextlib
import os

from .docker import demand_container
from .docker_life import hold_writes, stop_container, write_on
from .place import at
from .postgres import checkpoint, postgres_directory
from .redis_log import redis_now
from .refused import Refused

REDIS_TELLS = ("run_id", "rdb_changes_since_last_save", "rdb_last_save_time")
# of a postgres: no transaction commits without a page of pg_xact, and none changes a table without one of base
POSTGRES_TELLS = ("base", "pg_xact", "pg_clog")
POSTGRES_SETTINGS = ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf")  # ALTER SYSTEM commits nothing
POSTGRES_CACHES = ("pg_internal.init", "pgsql_tmp")  # remade by any connection

Seen = dict[str, object]


class Since:
    """What a running service's writes would change, looked at before it is asked what it holds. tree: its data, a path of this host."""

    def __init__(self, name: str, engine: str, tree: str) -> None:
        self.name, self.engine, self.tree = name, engine, tree
        if engine == "postgres":
            with contextlib.suppress(Refused):  # what was written before must not count; without it, it does
                checkpoint(demand_container(name))
        self.seen = self._look()

    def _look(self) -> Seen:
        if self.engine == "redis":
            info = redis_now(demand_container(self.name)).info
            return {one: info[one] for one in REDIS_TELLS if one in info}
        if self.engine != "postgres":
            return files_of(self.tree)
        home = postgres_directory(self.tree)
        if not home:
            return {}
        told = {f"{one}{path}": told for one in POSTGRES_TELLS for path, told in files_of(f"{home}/{one}").items()}
        settings = {one: file_told(os.fsencode(at(f"{home}/{one}"))) for one in POSTGRES_SETTINGS}
        return {**told, **settings} if told else {}

    def stopped(self) -> bool:
        """Stop the service; True when nothing was written since. Raises: Refused when it cannot be stopped well."""
        told = bool(self.seen) and (self.engine != "redis" or len(self.seen) == len(REDIS_TELLS))
        if self.engine == "redis":
            found = demand_container(self.name)
            hold_writes(self.name, found)
            try:
                told = told and self._look() == self.seen
                stop_container(self.name, self.engine)
            except Refused:
                write_on(found)
                raise
            return told
        stop_container(self.name, self.engine)
        return told and self._look() == self.seen


def files_of(tree: str) -> Seen:
    """Every file below tree with what a write would change of it."""
    found: Seen = {}
    top = os.fsencode(at(tree))
    for directory, names, files in os.walk(top):
        names[:] = [one for one in names if os.fsdecode(one) not in POSTGRES_CACHES]
        for one in files:
            if os.fsdecode(one).startswith(POSTGRES_CACHES):
                continue
            path = os.path.join(directory, one)
            if told := file_told(path):
                found[os.fsdecode(path[len(top) :])] = told
    return found


def file_told(path: bytes) -> tuple[int, ...] | None:
    """What a write would change of one file; None when there is none."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
