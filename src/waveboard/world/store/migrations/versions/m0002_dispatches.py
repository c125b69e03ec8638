"""Waves in workers' hands."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """One table: who has which wave, until when."""
    op.create_table(
        "dispatches",
        sa.Column("task", sa.Text, primary_key=True),
        sa.Column("wave", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("order", sa.Text, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
    )
    op.create_index("ix_dispatches_wave", "dispatches", ["wave"])
