"""What the hourly watch saw when it raised a level."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; what was raised before has none."""
    op.add_column("raises", sa.Column("seen", sa.JSON))
