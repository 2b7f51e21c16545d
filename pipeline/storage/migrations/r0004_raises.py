"""Levels that the hourly watch raised, and which messages it sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table, and the column of the messages."""
    op.create_table(
        "raises",
        sa.Column("issue_time", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("watched", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("city", sa.Text, primary_key=True),
        sa.Column("hazard", sa.Text, primary_key=True),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("identifier", sa.Text, unique=True, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("memory", "facts", "texts")),
    )
    op.add_column("messages", sa.Column("watched", sa.BigInteger))
