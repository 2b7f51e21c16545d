"""Copy all rows of one database into another, such as from PostgreSQL into SQLite."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.storage.database import Database, metadata

_ROWS_AT_A_TIME = 5000


def count_rows(database: Database) -> dict[str, int]:
    """Count the rows of each table."""
    with database.engine.connect() as connection:
        return {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


def copy_rows(source: Database, target: Database) -> None:
    """Copy all rows as they are at one moment, together or not at all.

    Raises
    ------
    LookupError
        The target holds rows.
    """
    if any(count_rows(target).values()):
        url = target.engine.url.render_as_string(hide_password=True)
        raise LookupError(f"expected empty tables in {url}, found some with rows")
    level = "REPEATABLE READ" if source.engine.dialect.name == "postgresql" else "SERIALIZABLE"
    with (
        source.engine.connect().execution_options(isolation_level=level) as reading,
        target.writing() as writing,
    ):
        for table in metadata.sorted_tables:
            rows = reading.execute(sa.select(table)).mappings()
            for part in rows.partitions(_ROWS_AT_A_TIME):
                writing.execute(table.insert(), [dict(row) for row in part])
            number = table.autoincrement_column
            if number is not None and target.engine.dialect.name == "postgresql":
                _continue_numbers(writing, table, number)


def _continue_numbers(connection: sa.Connection, table: sa.Table, number: sa.Column[int]) -> None:
    """Let PostgreSQL number new rows after the last copied one."""
    last = connection.scalar(sa.select(sa.func.max(number)))
    if last is not None:
        sequence = sa.func.pg_get_serial_sequence(table.name, number.name)
        connection.execute(sa.select(sa.func.setval(sequence, last)))
