"""Every kind of store, behind one fixture."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conformance.postgres import programs, server
from waveboard.world.store.memory import MemoryStore
from waveboard.world.store.sql import SqlStore, open_store

_number = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    if programs() is None:
        pytest.skip("no PostgreSQL server program is installed (Debian package postgresql)")
    with tempfile.TemporaryDirectory(prefix="wb-pg-") as folder, server(Path(folder)) as prefix:
        yield prefix


@pytest.fixture
def new_database(postgres: str) -> Iterator[str]:
    name = f"wb{next(_number)}"
    admin = sa.create_engine(postgres + "postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return postgres + name


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> str:
    """A fresh database that several processes can share."""
    return "sqlite:///.waveboard/state.db" if request.param == "sqlite" else request.getfixturevalue("new_database")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryStore | SqlStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    url = "sqlite:///.waveboard/state.db" if request.param == "sqlite" else request.getfixturevalue("new_database")
    opened = open_store(url, tmp_path)
    yield opened
    opened.close()
