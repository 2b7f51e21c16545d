"""Messages without a proof record, and several reports of one sender, city, time and observation.

Databases of before there were revisions may have both already.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_UNIQUE = ["sender", "city", "valid_time", "observation", "doubt", "depth_cm", "received_at"]
_TABLES = sa.MetaData()
_INGESTS = sa.Table("ingests", _TABLES, sa.Column("batch", sa.Integer, primary_key=True))
_REPORTS = sa.Table(
    "ground_reports",
    _TABLES,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("valid_time", sa.BigInteger, nullable=False),
    sa.Column("observation", sa.Text, nullable=False),
    sa.Column("doubt", sa.Text, nullable=False),
    sa.Column("depth_cm", sa.Integer),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("batch", sa.ForeignKey("ingests.batch"), nullable=False),
    sa.UniqueConstraint(*_UNIQUE),
)


def upgrade() -> None:
    """Loosen the two constraints where they are still as they were."""
    inspector = sa.inspect(op.get_bind())
    columns = {column["name"]: column for column in inspector.get_columns("messages")}
    if not columns["proof"]["nullable"]:
        with op.batch_alter_table("messages") as batch:
            batch.alter_column("proof", existing_type=sa.LargeBinary(), nullable=True)
    constraints = inspector.get_unique_constraints("ground_reports")
    if not any(sorted(of["column_names"]) == sorted(_UNIQUE) for of in constraints):
        _widen_unique([of["name"] for of in constraints])


def _widen_unique(names: list[str | None]) -> None:
    """Replace the unique constraints of the reports; SQLite can only copy the table."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        for name in names:
            op.drop_constraint(str(name), "ground_reports", type_="unique")
        op.create_unique_constraint(None, "ground_reports", _UNIQUE)
        return
    op.rename_table("ground_reports", "ground_reports_before")
    _REPORTS.create(connection)
    columns = [column.name for column in _REPORTS.columns]
    before = sa.table("ground_reports_before", *map(sa.column, columns))
    connection.execute(_REPORTS.insert().from_select(columns, sa.select(before)))
    op.drop_table("ground_reports_before")
