"""Brings a database to this program's schema, forward only. Imports Alembic only when there is something to do."""

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from waveboard.model.errors import RefusedError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0004"
KNOWN: tuple[str, ...] = ("0001", "0002", "0003", HEAD)
_LOCK = 0x77617665  # PostgreSQL advisory lock: one migration at a time


def bring_up(engine: sa.Engine) -> None:
    """Raises: RefusedError when a newer program made the database."""
    with engine.connect().execution_options(reading=True) as connection:
        if version(connection) == HEAD:
            return
    with engine.begin() as connection:  # on SQLite this holds the write lock already
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        standing = version(connection)
        if standing == HEAD:
            return
        if standing is not None and standing not in KNOWN:
            raise RefusedError(
                "open the store", f"its schema {standing} is newer than this program's {HEAD}", "use the newer waveboard"
            )
        from alembic import command

        command.upgrade(config(connection), "head")


def version(connection: sa.Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


def config(connection: sa.Connection) -> "Config":
    """Alembic's settings in memory: the scripts beside this file, and the connection to use."""
    from alembic.config import Config

    settings = Config(stdout=StringIO())  # alembic's chatter is nobody's output; its default stream is bound at import
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings
