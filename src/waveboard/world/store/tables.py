"""The tables, as SQLAlchemy Core sees them. Migrations make them; a test holds the two together."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(sa.TypeDecorator[datetime]):
    """An aware instant, kept in UTC. SQLite forgets time zones, so a naive value is refused on the way in."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive instant has no meaning here")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Json(sa.TypeDecorator[Any]):
    """JSON as ASCII text: the same bytes in every database, NUL and lone surrogates included."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return to_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value)


def to_json(value: object) -> str:
    """The one spelling the store keeps. Raises: TypeError or ValueError for what JSON has no form for."""
    return json.dumps(
        dict(value) if isinstance(value, Mapping) else value, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


DIGEST = sa.String(71)
metadata = sa.MetaData(naming_convention=NAMES)

objects = sa.Table(
    "objects",
    metadata,
    sa.Column("digest", DIGEST, primary_key=True),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)

bundles = sa.Table(
    "bundles",
    metadata,
    sa.Column("digest", DIGEST, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("collected_at", Instant, nullable=False),
    sa.Column("failure", sa.Text, nullable=False),
    sa.Index("ix_bundles_host", "host", "collected_at"),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("run_key", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("contract", sa.Text, nullable=False),
    sa.Column("bundles", Json, nullable=False),
)

cap_runs = sa.Table(
    "cap_runs",
    metadata,
    sa.Column("run_key", sa.Text, primary_key=True),
    sa.Column("capability", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("exit", sa.Integer, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
)

pack_runs = sa.Table(
    "pack_runs",
    metadata,
    sa.Column("run_key", sa.Text, primary_key=True),
    sa.Column("pack", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("contract", sa.Text, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
    sa.Column("counts", Json, nullable=False),
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("digest", DIGEST, sa.ForeignKey("objects.digest"), primary_key=True),
    sa.Column("wave", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("saved_at", Instant, nullable=False),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("nonce", sa.Text, primary_key=True),
    sa.Column("plan", sa.Text, nullable=False, index=True),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("not_before", Instant, nullable=False),
    sa.Column("not_after", Instant, nullable=False),
)

nonces = sa.Table(
    "nonces",
    metadata,
    sa.Column("nonce", sa.Text, primary_key=True),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("consumed_at", Instant, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("fence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("plan", sa.Text, nullable=False, index=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("hosts", Json, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("fence", sa.Integer, sa.ForeignKey("leases.fence"), nullable=False, index=True),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

dispatches = sa.Table(
    "dispatches",
    metadata,
    sa.Column("task", sa.Text, primary_key=True),
    sa.Column("wave", sa.Text, nullable=False, index=True),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("issued_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("order", sa.Text, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("plan", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("detail", Json, nullable=False),
    sa.CheckConstraint("seq > 0", name="seq_positive"),
)

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("prev", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("run_key", sa.Text, nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("seq > 0", name="seq_positive"),
)

register = sa.Table(
    "register",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("noun", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("run_key", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.Column("detail", Json, nullable=False),
    sa.CheckConstraint("seq > 0", name="seq_positive"),
)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

board = sa.Table(
    "board",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("wave", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("detail", Json, nullable=False),
    sa.CheckConstraint("seq > 0", name="seq_positive"),
)

APPEND_ONLY = ("events", "receipts", "nonces", "approvals", "register", "board")  # triggers refuse UPDATE and DELETE
