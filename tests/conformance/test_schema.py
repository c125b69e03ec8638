"""The schema: migrations and tables agree, history cannot be rewritten, and files are nobody else's."""

import os
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from waveboard.model.errors import RefusedError, UsageError, WaveboardError
from waveboard.world.store.connect import connect, journal_pragmas, located
from waveboard.world.store.migrate import HEAD, KNOWN, bring_up, config, version
from waveboard.world.store.sql import open_store
from waveboard.world.store.tables import APPEND_ONLY

LOCAL = "sqlite:///.waveboard/state.db"


def test_migrations_make_exactly_the_tables_the_code_sees(address: str, tmp_path: Path) -> None:
    engine = connect(address, tmp_path)
    bring_up(engine)
    with engine.begin() as connection:
        command.check(config(connection))
        scripts = ScriptDirectory.from_config(config(connection))
    assert (scripts.get_current_head(), *[r.revision for r in scripts.walk_revisions()]) == (HEAD, *reversed(KNOWN))
    engine.dispose()


def test_history_cannot_be_rewritten_from_inside(address: str, tmp_path: Path) -> None:
    engine = connect(address, tmp_path)
    bring_up(engine)
    for table in APPEND_ONLY:
        column = "kind" if table in ("events", "receipts", "register") else "plan"
        with engine.connect() as connection:
            _one_row(connection, table)
            for statement in (f"UPDATE {table} SET {column} = 'x'", f"DELETE FROM {table}"):
                with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"), connection.begin():
                    connection.execute(sa.text(statement))
    engine.dispose()


def _one_row(connection: sa.Connection, table: str) -> None:
    rows = {
        "events": "('p', 1, 'opened', '', 0, '2026-01-01 00:00:00.000000', 0, '{}')",
        "receipts": "(1, 'd', '', 'k', 'r', '2026-01-01 00:00:00.000000', 'e')",
        "register": "(1, 'gap', 'g', 'filed', '2026-01-01 00:00:00.000000', 'a', 'r', '', '[]', '{}')",
        "board": "(1, 'opened', 'W8A', '', 'ronny', '2026-01-01 00:00:00.000000', '{}')",
        "nonces": "('n', 'p', '2026-01-01 00:00:00.000000')",
        "approvals": "('n', 'p', 'x', 'm', 's', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')",
    }
    with connection.begin():
        connection.execute(sa.text(f"INSERT INTO {table} VALUES {rows[table]}"))


def test_a_newer_schema_is_refused_and_left_alone(address: str, tmp_path: Path) -> None:
    engine = connect(address, tmp_path)
    bring_up(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RefusedError, match="schema 9999 is newer"):
        bring_up(engine)
    with engine.connect() as connection:
        assert version(connection) == "9999"
    engine.dispose()


def test_sqlite_commits_survive_power_loss_and_avoid_the_wal_reset_bug(tmp_path: Path) -> None:
    assert journal_pragmas((3, 51, 2)) == ("journal_mode=TRUNCATE", "synchronous=EXTRA")
    assert journal_pragmas((3, 51, 3)) == ("journal_mode=WAL", "synchronous=FULL")
    engine = connect(LOCAL, tmp_path)
    with engine.connect() as connection:
        asked = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")}
        assert asked == ({"journal_mode": "truncate", "synchronous": 3} if _old() else {"journal_mode": "wal", "synchronous": 2})
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    engine.dispose()


def _old() -> bool:
    return sqlite3.sqlite_version_info < (3, 51, 3)


def test_state_is_private_from_the_first_byte(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(LOCAL, tmp_path)
        store.put_object(b"x")
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / ".waveboard").iterdir()}
    assert set(modes.values()) == {"0o600"} and "state.db" in modes
    assert (tmp_path / ".waveboard").stat().st_mode & 0o777 == 0o700
    store.close()


@pytest.mark.parametrize(
    ("path", "mode", "because"),
    [
        (".waveboard", 0o777, "others can reach it"),
        (".waveboard", 0o750, "others can reach it"),
        (".waveboard/state.db", 0o666, "others can reach it"),
        (".waveboard/state.db", 0o644, "others can reach it"),
        (".", 0o777, "everybody can write there"),
    ],
)
def test_state_that_others_can_reach_is_refused(tmp_path: Path, path: str, mode: int, because: str) -> None:
    open_store(LOCAL, tmp_path).close()
    (tmp_path / path).chmod(mode)
    with pytest.raises(RefusedError, match=because) as refused:
        open_store(LOCAL, tmp_path)
    assert "chmod" in refused.value.fix
    (tmp_path / path).chmod(0o700)


def test_links_in_the_place_of_state_are_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / ".waveboard").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="a link to one"):
        open_store(LOCAL, tmp_path)
    (tmp_path / ".waveboard").unlink()
    open_store(LOCAL, tmp_path).close()
    (tmp_path / ".waveboard/state.db").rename(tmp_path / "moved.db")
    (tmp_path / ".waveboard/state.db").symlink_to(tmp_path / "moved.db")
    with pytest.raises(RefusedError, match="not a plain file"):
        open_store(LOCAL, tmp_path)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense"])
def test_an_address_that_is_no_store_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="cannot open the store") as refused:
        located(url, tmp_path)
    assert "sqlite:///" in refused.value.fix


def test_a_store_that_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    store = open_store(LOCAL, tmp_path)
    with store._engine.connect() as connection:  # the pool hands this very connection out again
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(WaveboardError, match="cannot write to the store: database or disk is full") as told:
        store.put_object(bytes(1_000_000))
    assert "nothing was started" in told.value.fix
    store.close()
    (tmp_path / ".waveboard/state.db").write_bytes(b"not a database, but long enough to be looked at" * 30)
    with pytest.raises(WaveboardError, match=r"cannot open the store .*state.db: file is not a database"):
        open_store(LOCAL, tmp_path)
