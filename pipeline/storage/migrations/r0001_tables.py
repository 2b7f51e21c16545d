"""The tables, and the columns that databases of before there were revisions lack.

Tables that lack a column which rows cannot do without are refused.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES = sa.MetaData()


def _run_key() -> tuple[sa.Column[Any], sa.Column[Any]]:
    return (
        sa.Column("issue_time", sa.BigInteger, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
    )


def _needed(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


sa.Table(
    "ingests",
    _TABLES,
    sa.Column("batch", sa.Integer, primary_key=True, autoincrement=True),
    *_needed(sa.Text, "source"),
    *_needed(sa.BigInteger, "asof"),
    sa.Column("stored_at", sa.DateTime, server_default=sa.func.current_timestamp()),
)
sa.Table(
    "granules",
    _TABLES,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("source", "name", "sha256")),
    *_needed(sa.BigInteger, "start", "end", "available_time"),
    sa.Column("rejected", sa.Text),
    *_needed(sa.Text, "origin"),
    sa.Column("batch", sa.ForeignKey("ingests.batch"), nullable=False),
    sa.Column("notes", sa.JSON),
)
sa.Table(
    "readings",
    _TABLES,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("variable", "station", "method")),
    sa.Column("valid_time", sa.BigInteger, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("value", sa.Float),
    *_needed(sa.Text, "unit", "raw", "qc", "source", "origin"),
    *_needed(sa.BigInteger, "available_time"),
    sa.Column("batch", sa.Integer, sa.ForeignKey("ingests.batch"), nullable=False),
    sqlite_with_rowid=False,
)
sa.Table(
    "runs",
    _TABLES,
    *_run_key(),
    *_needed(sa.Text, "inputs_digest", "snapshot"),
    *_needed(sa.Integer, "batch"),
    *_needed(sa.Text, "model_version", "origin"),
    *_needed(sa.JSON, "settings"),
    sa.Column("follows", sa.JSON),
    sa.Column("rules", sa.JSON),
    sa.Column("code", sa.Text),
    sa.Column("sent", sa.BigInteger),
    sa.Column("late", sa.Boolean),
)
sa.Table(
    "stage_forecasts",
    _TABLES,
    *_run_key(),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("lead_days", sa.Integer, primary_key=True),
    *_needed(sa.BigInteger, "valid_time"),
    *_needed(sa.Text, "tier"),
    *_needed(sa.JSON, "row"),
)
sa.Table(
    "drought_forecasts",
    _TABLES,
    *_run_key(),
    sa.Column("zone", sa.Text, primary_key=True),
    sa.Column("horizon_weeks", sa.Integer, primary_key=True),
    *_needed(sa.Text, "tier"),
    *_needed(sa.JSON, "row"),
)
sa.Table(
    "alerts",
    _TABLES,
    *_run_key(),
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("city", "hazard")),
    *_needed(sa.Text, "level"),
    sa.Column("identifier", sa.Text, unique=True),
    sa.Column("sha256", sa.Text),
    *_needed(sa.JSON, "memory"),
)
sa.Table(
    "messages",
    _TABLES,
    sa.Column("identifier", sa.Text, primary_key=True),
    *_needed(sa.BigInteger, "issue_time"),
    *_needed(sa.Integer, "revision"),
    *_needed(sa.Text, "city", "hazard", "change"),
    *_needed(sa.BigInteger, "sent", "expires"),
    *_needed(sa.LargeBinary, "content", "proof"),
    sa.Index("messages_issue_time", "issue_time"),
)
sa.Table(
    "cancellations",
    _TABLES,
    *_run_key(),
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("city", "hazard")),
    sa.Column("identifier", sa.Text, unique=True, nullable=False),
    *_needed(sa.JSON, "messages"),
    *_needed(sa.BigInteger, "sent"),
    *_needed(sa.Text, "reason"),
    sa.Column("revisions", sa.JSON),
    *_needed(sa.Text, "content"),
)
sa.Table(
    "scores",
    _TABLES,
    *_run_key(),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("lead_days", sa.Integer, primary_key=True),
    *_needed(sa.Float, "observed_m", "error_m"),
    sa.Column("persistence_error_m", sa.Float),
    *_needed(sa.Boolean, "inside_80"),
)
sa.Table(
    "ground_reports",
    _TABLES,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    *_needed(sa.Text, "sender", "city"),
    *_needed(sa.BigInteger, "valid_time"),
    *_needed(sa.Text, "observation", "doubt"),
    sa.Column("depth_cm", sa.Integer),
    *_needed(sa.BigInteger, "received_at"),
    *_needed(sa.Text, "channel", "text"),
    sa.Column("batch", sa.ForeignKey("ingests.batch"), nullable=False),
    sa.UniqueConstraint("sender", "city", "valid_time", "observation", "doubt"),
)


def upgrade() -> None:
    """Create what is not there yet."""
    connection = op.get_bind()
    _TABLES.create_all(connection)
    inspector = sa.inspect(connection)
    lacking = [
        column
        for table in _TABLES.sorted_tables
        for column in table.columns
        if column.name not in {stored["name"] for stored in inspector.get_columns(table.name)}
    ]
    if needed := sorted({column.name for column in lacking if not column.nullable}):
        raise LookupError(
            f"expected tables of this version, found some without {', '.join(needed)};"
            " ingest into a new data folder (MEKONG_DATA_DIR)"
        )
    for column in lacking:
        op.add_column(column.table.name, sa.Column(column.name, column.type))
