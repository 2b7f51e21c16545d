"""Tables of the database: definitions, engine, one writer at a time, and broken state."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from pipeline.storage import schema
from pipeline.storage.atomic import (
    OWNER_ONLY_FILE,
    BrokenState,
    close_to_others,
    draft_file,
    make_passable_folder,
    remove_dead_drafts,
)

_LOCK = 20260820
"""Key of PostgreSQL's advisory lock for who writes an ingest."""

metadata = sa.MetaData()


class Moment(sa.types.TypeDecorator[datetime]):
    """Aware UTC moment, stored as whole seconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: sa.Dialect) -> int | None:
        """Store an aware moment; raise ValueError for one without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected an aware moment, found {value!r} without a time zone")
        return int(value.timestamp())

    def process_result_value(self, value: int | None, _dialect: sa.Dialect) -> datetime | None:
        """Give back an aware moment in UTC."""
        return None if value is None else datetime.fromtimestamp(value, tz=UTC)


def _run_key() -> tuple[sa.Column[datetime], sa.Column[int]]:
    """Columns of the primary key that name a run."""
    return (
        sa.Column("issue_time", Moment, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
    )


ingests = sa.Table(
    "ingests",
    metadata,
    sa.Column("batch", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("asof", Moment, nullable=False),
    sa.Column("stored_at", sa.DateTime, server_default=sa.func.current_timestamp()),
)
granules = sa.Table(
    "granules",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("start", Moment, nullable=False),
    sa.Column("end", Moment, nullable=False),
    sa.Column("available_time", Moment, nullable=False),
    sa.Column("rejected", sa.Text, comment="why it could not be read; NULL where it could"),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("batch", sa.ForeignKey("ingests.batch"), nullable=False),
    sa.Column(
        "notes",
        sa.JSON,
        comment="what is to be known of a file that was read: out_of_range, suspect, bad_rows, "
        "said, empty, later; NULL in tables of before there were notes",
    ),
)
readings = sa.Table(
    "readings",
    metadata,
    sa.Column("variable", sa.Text, primary_key=True),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("method", sa.Text, primary_key=True, comment="manual, calculated or telemetry"),
    sa.Column("valid_time", sa.BigInteger, primary_key=True, comment="seconds since 1970, UTC"),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("value", sa.Float, comment="NULL where the agency reports it missing"),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("raw", sa.Text, nullable=False, comment="as given, where unit or datum was another"),
    sa.Column("qc", sa.Text, nullable=False, comment="as the file says; checks flag on reading"),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("available_time", sa.BigInteger, nullable=False, comment="seconds since 1970, UTC"),
    sa.Column("batch", sa.Integer, sa.ForeignKey("ingests.batch"), nullable=False),
    sqlite_with_rowid=False,
)
runs = sa.Table(
    "runs",
    metadata,
    *_run_key(),
    sa.Column("inputs_digest", sa.Text, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("follows", sa.JSON, comment="issue time and revision whose alerts it remembers"),
    sa.Column("rules", sa.JSON, comment="SHA-256 of each reference table and text as of it"),
    sa.Column("code", sa.Text, comment="SHA-256 of the code"),
    sa.Column("sent", Moment, comment="when its messages are sent; NULL: at the issue time"),
    sa.Column(
        "late", sa.Boolean, comment="whether a later run had been issued or was due: no messages"
    ),
)
stage_forecasts = sa.Table(
    "stage_forecasts",
    metadata,
    *_run_key(),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("lead_days", sa.Integer, primary_key=True),
    sa.Column("valid_time", Moment, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("row", sa.JSON, nullable=False, comment="quantiles, probabilities, drivers"),
)
drought_forecasts = sa.Table(
    "drought_forecasts",
    metadata,
    *_run_key(),
    sa.Column("zone", sa.Text, primary_key=True),
    sa.Column("horizon_weeks", sa.Integer, primary_key=True),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("row", sa.JSON, nullable=False, comment="probabilities, class, evidence"),
)
alerts = sa.Table(
    "alerts",
    metadata,
    *_run_key(),
    sa.Column("city", sa.Text, primary_key=True),
    sa.Column("hazard", sa.Text, primary_key=True),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("identifier", sa.Text, unique=True, comment="of the CAP message, where one was sent"),
    sa.Column("sha256", sa.Text, comment="of the CAP message as it was sent"),
    sa.Column("memory", sa.JSON, nullable=False, comment="what the next run must know"),
)
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("identifier", sa.Text, primary_key=True, comment="of the CAP message"),
    sa.Column("issue_time", Moment, nullable=False, comment="of the run that sent it"),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("hazard", sa.Text, nullable=False),
    sa.Column("change", sa.Text, nullable=False, comment="what changed since the one before"),
    sa.Column("sent", Moment, nullable=False),
    sa.Column("expires", Moment, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False, comment="unsigned, deflated by zlib"),
    sa.Column("proof", sa.LargeBinary, comment="its record, deflated by zlib; NULL of a drill"),
    sa.Column("watched", Moment, comment="of the hourly watch that sent it; NULL: the run did"),
    sa.Index("messages_issue_time", "issue_time"),
)
raises = sa.Table(
    "raises",
    metadata,
    *_run_key(),
    sa.Column("watched", Moment, primary_key=True, comment="of the hourly watch, after that run"),
    sa.Column("city", sa.Text, primary_key=True),
    sa.Column("hazard", sa.Text, primary_key=True),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("identifier", sa.Text, unique=True, nullable=False, comment="of the CAP message"),
    sa.Column("memory", sa.JSON, nullable=False, comment="what the next run must know"),
    sa.Column("facts", sa.JSON, nullable=False, comment="as in alerts.geojson"),
    sa.Column("texts", sa.JSON, nullable=False, comment="short and spoken texts by their paths"),
    sa.Column(
        "seen",
        sa.JSON,
        comment="snapshot, batch, rules and code of the watch, and identifiers of what was sent "
        "between the run and it; NULL in tables of before",
    ),
)
cancellations = sa.Table(
    "cancellations",
    metadata,
    sa.Column("issue_time", Moment, primary_key=True, comment="last run issued before it"),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("city", sa.Text, primary_key=True),
    sa.Column("hazard", sa.Text, primary_key=True),
    sa.Column("identifier", sa.Text, unique=True, nullable=False, comment="of the CAP Cancel"),
    sa.Column("messages", sa.JSON, nullable=False, comment="identifiers withdrawn, oldest first"),
    sa.Column("sent", Moment, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, comment="as given"),
    sa.Column(
        "revisions",
        sa.JSON,
        comment="last revision issued before it, by issue time from the first message withdrawn; "
        "NULL in tables of before",
    ),
    sa.Column("content", sa.Text, nullable=False, comment="the CAP Cancel, as sent"),
)
scores = sa.Table(
    "scores",
    metadata,
    *_run_key(),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("lead_days", sa.Integer, primary_key=True),
    sa.Column("observed_m", sa.Float, nullable=False),
    sa.Column("error_m", sa.Float, nullable=False),
    sa.Column("persistence_error_m", sa.Float),
    sa.Column("inside_80", sa.Boolean, nullable=False),
)
cuts = sa.Table(
    "cuts",
    metadata,
    sa.Column("snapshot", sa.Text, primary_key=True, comment="of the archive, as runs name it"),
    sa.Column("rows", sa.JSON, nullable=False, comment="length of each product in it"),
)
ground_reports = sa.Table(
    "ground_reports",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("sender", sa.Text, nullable=False, comment="pseudonym, never a telephone number"),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("valid_time", Moment, nullable=False),
    sa.Column("observation", sa.Text, nullable=False, comment="flooded or dry"),
    sa.Column("doubt", sa.Text, nullable=False, comment="why it is not counted; empty where it is"),
    sa.Column("depth_cm", sa.Integer, comment="NULL where none was given"),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("channel", sa.Text, nullable=False, comment="text, csv or command"),
    sa.Column("text", sa.Text, nullable=False, comment="as given"),
    sa.Column("batch", sa.ForeignKey("ingests.batch"), nullable=False),
    sa.UniqueConstraint(
        "sender", "city", "valid_time", "observation", "doubt", "depth_cm", "received_at"
    ),
)


class Database:
    """Tables as they are now, or as they were after a batch.

    Parameters
    ----------
    url
        SQLAlchemy URL; missing tables are created, those of an older revision upgraded.
    batch
        Number of the last ingest that reads see; default all.

    Raises
    ------
    BrokenState
        The database cannot be opened; the message says what to do.
    LookupError
        The tables are of a newer version of the program, or too old.
    """

    engine: sa.Engine
    revision_found: str | None
    """Revision of the tables before they were opened; None of before there were revisions."""
    pinned: int | None
    """Batch up to which reads see; None where they see all."""

    def __init__(self, url: str, *, batch: int | None = None) -> None:
        self.engine = sa.create_engine(url)
        if self.engine.dialect.name == "sqlite":
            file = self.engine.url.database
            if file and not file.startswith((":memory:", "file:")):
                _make_database(Path(file))
            sa.event.listen(self.engine, "connect", _set_sqlite_pragmas)
        sa.event.listen(self.engine, "handle_error", _raise_broken_state)
        self.revision_found = self._lay_out()
        self.pinned = batch

    def _lay_out(self) -> str | None:
        """Bring the tables to the last revision; return the one that they had."""
        with self.engine.connect() as connection:
            revision = schema.read_revision(connection)
        if revision == schema.HEAD:
            return revision
        with self.writing() as connection:
            return schema.upgrade(connection, metadata)

    @property
    def batch(self) -> int:
        """Number of the last ingest that reads see; 0 before the first."""
        if self.pinned is not None:
            return self.pinned
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.max(ingests.c.batch))) or 0

    def fetch(self, query: sa.Select[Any]) -> list[Any]:
        """Fetch all rows of a query as the driver gives them, in half the time of SQLAlchemy's.

        Raises
        ------
        BrokenState
            The database is damaged or does not answer; the message says what to do.
        """
        errors = self.engine.dialect.loaded_dbapi.Error
        with self.engine.connect() as connection:
            cursor: Any = connection.execute(query).cursor
            try:
                return list(cursor.fetchall())
            except errors as error:  # which SQLAlchemy does not see
                raise _describe_broken_tables(self.engine, error) from error

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that excludes other ingests until it ends.

        Each ingest thus sees the rows of the one before. PostgreSQL assigns batch numbers before it
        commits: without the lock a run could note a batch and an earlier one come after it.
        """
        with self.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    def check_whole(self) -> None:
        """Check that every page of an SQLite database can be read; others check themselves.

        Raises
        ------
        BrokenState
            One cannot; the message says what to do.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with self.engine.connect() as connection:
            answer = str(connection.scalar(sa.text("PRAGMA quick_check(1)")))
        if answer != "ok":
            text = " ".join(answer.split())
            raise BrokenState(f"{self.engine.url.database}: {text[:120]}; {_RESTORE}")


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Row with numpy scalars and NaN made plain, for a JSON column.

    Examples
    --------
    >>> as_json({"a": np.float64("nan"), "b": np.int64(3)})
    {'a': None, 'b': 3}
    """

    def plain(value: object) -> object:
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and np.isnan(value):
            return None
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    return json.loads(json.dumps({key: plain(value) for key, value in row.items()}))  # type: ignore[no-any-return]


def _set_sqlite_pragmas(connection: Any, _record: object) -> None:
    # The timeout comes first: turning on WAL needs an exclusive lock.
    for pragma in ("busy_timeout=60000", "journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _raise_broken_state(context: sa.engine.ExceptionContext) -> None:
    """Raise BrokenState for an error of the database itself, not for one of the statement."""
    error = context.sqlalchemy_exception
    statement_is_wrong = sa.exc.ProgrammingError | sa.exc.IntegrityError | sa.exc.DataError
    if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, statement_is_wrong):
        raise _describe_broken_tables(context.engine, error.orig) from error


def _describe_broken_tables(engine: sa.Engine | None, error: BaseException | None) -> BrokenState:
    """Describe an error of the driver, and what to do."""
    database = "the tables" if engine is None else engine.url.render_as_string(hide_password=True)
    text = str(error).splitlines()[0]
    what_to_do = next(
        (todo for mark, todo in _WHAT_TO_DO.items() if mark in text),
        "see that the database is there and answers",
    )
    return BrokenState(f"{database}: {text}; {what_to_do}")


_RESTORE = (
    "put back a backup (docs/operator.md, Backup), or move it and the archive away and ingest again"
)
_WHAT_TO_DO = {
    "malformed": _RESTORE,
    "not a database": _RESTORE,
    "disk is full": "make room and run the same command again",
    "disk I/O": "see whether the disk is full or failing, then run the same command again",
    "readonly": "give this user the right to write there, or mount the disk for writing",
    "unable to open": "give this user the right to write there, or mount the disk for writing",
    "locked": "another process has been writing for a minute: run the same command again",
}


def _make_database(path: Path) -> None:
    """Create an SQLite file for its owner alone, with all tables, or check an existing one.

    Raises
    ------
    BrokenState
        The file holds nothing.
    """
    if not path.exists():
        make_passable_folder(path.parent)
        # A second process must never see the file without tables.
        with draft_file(path, overwrite=False) as draft:
            draft.touch()
            draft.chmod(OWNER_ONLY_FILE)
            engine = sa.create_engine(f"sqlite:///{draft}")
            with engine.begin() as connection:
                schema.lay_out(connection, metadata)
            engine.dispose()
    else:
        remove_dead_drafts(path)
    # Only SQLite opens this file: closing a handle here would drop the locks of the whole process,
    # and another process would delete the write-ahead log under its open connections.
    if path.stat().st_size == 0:
        raise BrokenState(f"{path}: expected an SQLite database, found an empty file; {_RESTORE}")
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if file.exists():
            close_to_others(file)
