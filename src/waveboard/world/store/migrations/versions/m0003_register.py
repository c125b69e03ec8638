"""The register: what happened to gaps, loops and findings, and who works on them now."""

import sqlalchemy as sa
from alembic import op

from waveboard.world.store.migrations.versions.m0001_first import append_only

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """One append-only list of changes, and the claims beside it; receipts are looked up by their run key from here on."""
    op.create_table(
        "register",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("noun", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("run_key", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.CheckConstraint("seq > 0", name="seq_positive"),
    )
    op.create_table(
        "claims",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_receipts_run_key", "receipts", ["run_key"])
    append_only("register")
