"""The board: which waves were opened and closed, append-only."""

import sqlalchemy as sa
from alembic import op

from waveboard.world.store.migrations.versions.m0001_first import INSTANT, append_only

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """One table, guarded like the journal."""
    op.create_table(
        "board",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("wave", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.CheckConstraint("seq > 0", name="seq_positive"),
    )
    append_only("board")
