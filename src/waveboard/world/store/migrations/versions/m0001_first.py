"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)
APPEND_ONLY = ("events", "receipts", "nonces", "approvals")


def upgrade() -> None:
    """Tables for kept bytes, records of work, authority and the journal; triggers that keep the last ones append-only."""
    _kept()
    _records()
    _authority()
    _journal()
    for table in APPEND_ONLY:
        append_only(table)
    op.execute("INSERT INTO counters (name, value) VALUES ('fence', 0)")


def _kept() -> None:
    op.create_table(
        "objects",
        sa.Column("digest", sa.String(71), primary_key=True),
        sa.Column("raw", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "bundles",
        sa.Column("digest", sa.String(71), primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("collected_at", INSTANT, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
    )
    op.create_index("ix_bundles_host", "bundles", ["host", "collected_at"])
    op.create_table(
        "plans",
        sa.Column("digest", sa.String(71), sa.ForeignKey("objects.digest"), primary_key=True),
        sa.Column("wave", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("saved_at", INSTANT, nullable=False),
    )


def _records() -> None:
    op.create_table(
        "snapshots",
        sa.Column("run_key", sa.Text, primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("bundles", sa.Text, nullable=False),
    )
    op.create_table(
        "cap_runs",
        sa.Column("run_key", sa.Text, primary_key=True),
        sa.Column("capability", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("exit", sa.Integer, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )
    op.create_table(
        "pack_runs",
        sa.Column("run_key", sa.Text, primary_key=True),
        sa.Column("pack", sa.Text, primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
    )


def _authority() -> None:
    op.create_table(
        "approvals",
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("not_before", INSTANT, nullable=False),
        sa.Column("not_after", INSTANT, nullable=False),
    )
    op.create_index("ix_approvals_plan", "approvals", ["plan"])
    op.create_table(
        "nonces",
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("consumed_at", INSTANT, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("fence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("hosts", sa.Text, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_leases_plan", "leases", ["plan"])
    op.create_table(
        "holds",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("fence", sa.Integer, sa.ForeignKey("leases.fence"), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_holds_fence", "holds", ["fence"])
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )


def _journal() -> None:
    op.create_table(
        "events",
        sa.Column("plan", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.CheckConstraint("seq > 0", name="seq_positive"),
    )
    op.create_table(
        "receipts",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("run_key", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("digest"),
        sa.CheckConstraint("seq > 0", name="seq_positive"),
    )


def append_only(table: str) -> None:
    """Refuse UPDATE and DELETE. Source: SQLite `RAISE(ABORT)`, PostgreSQL trigger functions."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )
