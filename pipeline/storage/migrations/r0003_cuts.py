"""The cut of the archive that each run saw, by which it is read once its snapshot has gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "cuts",
        sa.Column("snapshot", sa.Text, primary_key=True),
        sa.Column("rows", sa.JSON, nullable=False),
    )
