"""Revision of a database's tables: an older one is brought up to date, a newer one refused."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

HEAD = "0005"
"""Last revision in ``migrations/``."""
MIGRATIONS = Path(__file__).with_name("migrations")
REVISION_TABLE = "mekong_schema"
"""Alembic's table of the revision, under a name that a database shared with Airflow lacks."""
_revisions = sa.Table(
    REVISION_TABLE,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{REVISION_TABLE}_pkc"),
)


def read_revision(connection: sa.Connection) -> str | None:
    """Return the revision of the tables; None of before there were revisions, or of none."""
    if not sa.inspect(connection).has_table(REVISION_TABLE):
        return None
    return connection.scalar(sa.select(_revisions.c.version_num))


def lay_out(connection: sa.Connection, tables: sa.MetaData) -> None:
    """Create all tables in an empty database, of the last revision."""
    tables.create_all(connection)
    _revisions.create(connection)
    connection.execute(_revisions.insert().values(version_num=HEAD))


def upgrade(connection: sa.Connection, tables: sa.MetaData) -> str | None:
    """Bring the tables to the last revision and return the one that they had.

    Parameters
    ----------
    connection
        Open transaction that excludes other writers: all revisions are done, or none.
    tables
        Tables of the last revision.

    Raises
    ------
    LookupError
        The tables are of a newer version of the program, or too old.
    """
    revision = read_revision(connection)
    if revision == HEAD:
        return revision
    if revision is None and not tables.tables.keys() & set(
        sa.inspect(connection).get_table_names()
    ):
        lay_out(connection, tables)
        return None
    # Imported where there is something to do: it takes longer than to open a database.
    from alembic.migration import MigrationContext  # noqa: PLC0415
    from alembic.operations import Operations  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    scripts = ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS)])
    revisions = [script.revision for script in scripts.walk_revisions()]
    if revision is not None and revision not in revisions:
        raise LookupError(
            f"expected tables up to revision {HEAD}, found {revision}: a newer version of the "
            "program wrote them; run that one, or restore a backup of before"
        )
    context = MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE})
    with Operations.context(context):
        for script in reversed(list(scripts.iterate_revisions("head", revision or "base"))):
            script.module.upgrade()
    context.stamp(scripts, "head")
    return revision
