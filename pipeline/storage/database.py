"""The only door to tables: readings, granules, runs, forecasts as issued, alerts and scores."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import sqlalchemy as sa
from numpy.typing import NDArray

from pipeline.quality import flags as quality_flags
from pipeline.quality.conflicts import ASIDE
from pipeline.quality.gauge_limits import GaugeRecord, gauge_records, limits_at
from pipeline.quality.neighbours import neighbours
from pipeline.sources.base import Granule, Origin
from pipeline.storage.atomic import (
    OWNER_ONLY_FILE,
    BrokenState,
    close_to_others,
    make_passable_folder,
)

BACKFILL = timedelta(days=31)
"""A reading that turns up later than this after its time comes from an archive, not from a late
observer: when it had become available is not known and its nominal latency is taken."""

_LOCK = 20260820
"""Key of PostgreSQL's advisory lock for who writes an ingest."""
STORED = ("version", "value", "qc", "batch", "asof")
"""What a new reading is compared with."""

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
    sa.Column("issue_time", Moment, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("inputs_digest", sa.Text, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("follows", sa.JSON, comment="issue time and revision whose alerts it remembers"),
)
stage_forecasts = sa.Table(
    "stage_forecasts",
    metadata,
    sa.Column("issue_time", Moment, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("lead_days", sa.Integer, primary_key=True),
    sa.Column("valid_time", Moment, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("row", sa.JSON, nullable=False, comment="quantiles, probabilities, drivers"),
)
drought_forecasts = sa.Table(
    "drought_forecasts",
    metadata,
    sa.Column("issue_time", Moment, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("zone", sa.Text, primary_key=True),
    sa.Column("horizon_weeks", sa.Integer, primary_key=True),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("row", sa.JSON, nullable=False, comment="probabilities, class, evidence"),
)
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("issue_time", Moment, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("city", sa.Text, primary_key=True),
    sa.Column("hazard", sa.Text, primary_key=True),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("identifier", sa.Text, unique=True, comment="of the CAP message, where one was sent"),
    sa.Column("memory", sa.JSON, nullable=False, comment="what the next run must know"),
)
scores = sa.Table(
    "scores",
    metadata,
    sa.Column("issue_time", Moment, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("station", sa.Text, primary_key=True),
    sa.Column("lead_days", sa.Integer, primary_key=True),
    sa.Column("observed_m", sa.Float, nullable=False),
    sa.Column("error_m", sa.Float, nullable=False),
    sa.Column("persistence_error_m", sa.Float),
    sa.Column("inside_80", sa.Boolean, nullable=False),
)


class Records:
    """Tables as they are now, or as they were after a batch.

    Parameters
    ----------
    url
        SQLAlchemy URL; missing tables are made.
    batch
        Number of the last ingest that reads see; default all.
    """

    def __init__(self, url: str, *, batch: int | None = None) -> None:
        self._engine = sa.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            file = self._engine.url.database
            if file and not file.startswith((":memory:", "file:")):
                _make_database(Path(file))
            sa.event.listen(self._engine, "connect", _sqlite_pragmas)
        sa.event.listen(self._engine, "handle_error", _tell_broken_state)
        self._lay_out()
        self._batch = batch
        self._gauges: tuple[int, dict[str, GaugeRecord]] | None = None

    def _lay_out(self) -> None:
        """Make the tables and columns that are not there yet.

        Raises
        ------
        LookupError
            The tables are of another version.
        """
        inspector = sa.inspect(self._engine)
        whole = set(metadata.tables) <= set(inspector.get_table_names())
        if not whole or _lacking(inspector, granules):
            with self._engine.begin() as connection:
                _only_writer(connection)
                metadata.create_all(connection)
                if _lacking(sa.inspect(connection), granules) == {"notes"}:
                    connection.execute(sa.text("ALTER TABLE granules ADD COLUMN notes JSON"))
            inspector = sa.inspect(self._engine)
        if lacking := _lacking(inspector, readings) | _lacking(inspector, granules):
            raise LookupError(
                f"expected tables of this version, found some without {', '.join(sorted(lacking))};"
                " ingest into a new data folder (MEKONG_DATA_DIR)"
            )

    @property
    def batch(self) -> int:
        """Number of the last ingest that reads see; 0 before the first."""
        if self._batch is not None:
            return self._batch
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.max(ingests.c.batch))) or 0

    @contextmanager
    def ingest(self, source: str, *, asof: datetime) -> Iterator[Batch]:
        """Everything written inside becomes visible together, or not at all."""
        with self._engine.begin() as connection:
            _only_writer(connection)
            number = connection.execute(
                ingests.insert().values(source=source, asof=asof)
            ).inserted_primary_key
            if number is None:
                raise RuntimeError("the database gave no number to the ingest")
            yield Batch(connection, source=source, number=number[0])

    def known_granules(
        self, source: str, *, asof: datetime | None = None
    ) -> dict[str, set[tuple[datetime | None, str]]]:
        """Files of a source already dealt with: by name the times of publication and checksums.

        A file that was rejected has no time here: mended, it may come back under the old one. One
        whose later readings were left out is not known any more once ``asof`` has reached them.
        """
        query = sa.select(granules).where(granules.c.source == source)
        found: dict[str, set[tuple[datetime | None, str]]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                later = (row.notes or {}).get("later")
                if asof and later and datetime.fromisoformat(later) <= asof:
                    continue
                mark = (row.available_time if row.rejected is None else None, row.sha256)
                found.setdefault(row.name, set()).add(mark)
        return found

    def inputs(self, *, asof: datetime, start: datetime) -> list[dict[str, Any]]:
        """Granules that were available by a moment and end after ``start``, rejected ones too."""
        query = (
            sa.select(granules)
            .where(granules.c.available_time <= asof, granules.c.end > start)
            .where(granules.c.batch <= self.batch)
            .order_by(granules.c.source, granules.c.start, granules.c.name, granules.c.sha256)
        )
        with self._engine.connect() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        return [row | {"notes": row["notes"] or {}} for row in found]

    def sources_read(self) -> set[str]:
        """Ids of the sources of which a granule was read."""
        query = (
            sa.select(granules.c.source)
            .where(granules.c.rejected.is_(None), granules.c.batch <= self.batch)
            .distinct()
        )
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def last_files(self, *, asof: datetime) -> dict[str, datetime]:
        """By source the end of the last sound file known at a moment, none later than it."""
        query = (
            sa.select(granules.c.source, sa.func.max(granules.c.end, type_=Moment))
            .where(granules.c.available_time <= asof, granules.c.rejected.is_(None))
            .where(granules.c.batch <= self.batch)
            .group_by(granules.c.source)
        )
        with self._engine.connect() as connection:
            return {source: min(end, asof) for source, end in connection.execute(query)}

    def last_readings(
        self, *, by: Literal["source", "station"], asof: datetime, variable: str | None = None
    ) -> dict[str, datetime]:
        """By source or station the time of the last value known at a moment, good or not."""
        key = readings.c[by]
        query = (
            sa.select(key, sa.func.max(readings.c.valid_time))
            .where(readings.c.value.is_not(None), readings.c.batch <= self.batch)
            .where(readings.c.available_time <= int(asof.timestamp()))
            .group_by(key)
        )
        if variable is not None:
            query = query.where(readings.c.variable == variable)
        with self._engine.connect() as connection:
            rows = connection.execute(query)
            return {str(name): datetime.fromtimestamp(at, UTC) for name, at in rows}

    def readings(
        self,
        variable: str,
        *,
        asof: datetime,
        stations: Iterable[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pd.DataFrame:
        """Return readings as they were known at a moment, flagged by what was known then.

        Parameters
        ----------
        variable
            Name from ``variables.py``: stage, discharge or rain.
        asof
            Only versions available at or before this moment are seen, of several the last.
        stations
            Station codes; default all.
        start, end
            Half-open interval of the valid time.

        Returns
        -------
        pandas.DataFrame
            Columns station, variable, method, valid_time, value, unit, raw, qc, source, version,
            available_time, origin, settled; sorted by station and valid time; times are naive UTC.
            One row per station and time: :func:`pipeline.quality.flags.best` chooses among the
            methods. What may be used :data:`pipeline.quality.flags.USED` tells.
        """
        every = self.every_reading(variable, asof=asof, stations=stations, start=start, end=end)
        found = quality_flags.best(every)
        return found.sort_values(["station", "valid_time"], ignore_index=True)

    def every_reading(
        self,
        variable: str,
        *,
        asof: datetime,
        stations: Iterable[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pd.DataFrame:
        """Return readings of every method as known at a moment, flagged; as :meth:`readings`.

        Of one method and time several are returned where files of one ingest disagreed. The flags
        rest on the readings of ``quality.CONTEXT`` before ``start``, on the neighbours of the
        stations asked for, and on what each gauge has shown before.
        """
        wanted = None if stations is None else set(stations)
        near = wanted
        if wanted is not None and variable == "stage":
            near = wanted.union(*(neighbours(code) for code in wanted))
        names = [column.name for column in readings.c]
        context = None if start is None else start - quality_flags.CONTEXT
        found = self._rows(names, variable, asof=asof, stations=near, start=context, end=end)
        key = ["station", "method", "valid_time"]
        if (found["version"] > 0).any():
            # Alternatives of one ingest stand beside each other; a later ingest supersedes them.
            found = found[found["batch"] == found.groupby(key)["batch"].transform("max")]
            last = found["version"] == found.groupby(key)["version"].transform("max")
            found = found[last | (found["qc"] == "conflict")]
        found = found.drop(columns="batch").reset_index(drop=True)
        for column in ("valid_time", "available_time"):
            found[column] = pd.to_datetime(found[column], unit="s").astype("datetime64[ns]")
        limits = limits_at(self._gauge_records(), _utc64(asof)) if variable == "stage" else {}
        found = quality_flags.flagged(found.astype({"value": "float64"}), limits)
        if wanted is not None:
            found = found[found["station"].isin(wanted)]
        if start is not None:
            found = found[found["valid_time"] >= pd.Timestamp(start).tz_convert(None)]
        return found

    def _rows(
        self,
        names: list[str],
        variable: str,
        *,
        asof: datetime | None = None,
        stations: Iterable[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        flags: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Read columns of the readings, all versions, by series and time."""
        query = (
            sa.select(*(readings.c[name] for name in names))
            .where(readings.c.variable == variable)
            .order_by(
                readings.c.station, readings.c.method, readings.c.valid_time, readings.c.version
            )
        )
        if asof is not None:
            query = query.where(readings.c.available_time <= int(asof.timestamp()))
        if self._batch is not None:
            query = query.where(readings.c.batch <= self._batch)
        if stations is not None:
            query = query.where(readings.c.station.in_(list(stations)))
        if start is not None:
            query = query.where(readings.c.valid_time >= int(start.timestamp()))
        if end is not None:
            query = query.where(readings.c.valid_time < int(end.timestamp()))
        if flags is not None:
            query = query.where(readings.c.qc.in_(list(flags)), readings.c.value.is_not(None))
        with self._engine.connect() as connection:
            # pandas asks each row of SQLAlchemy for its fields: two thirds of the time.
            rows = [tuple(row) for row in connection.execute(query)]
        return pd.DataFrame(rows, columns=names)

    def _gauge_records(self) -> dict[str, GaugeRecord]:
        """Collect what each gauge has shown, once per ingest: it takes a second per million."""
        batch = self.batch
        if self._gauges is None or self._gauges[0] != batch:
            names = ["station", "method", "valid_time", "value", "available_time"]
            rows = self._rows(names, "stage", flags=quality_flags.USED)
            key = rows[["station", "method", "valid_time"]]
            last = (key != key.shift(-1)).any(axis=1)  # of several versions
            rows = rows[last].astype({"value": "float64"})
            for column in ("valid_time", "available_time"):
                rows[column] = rows[column].to_numpy("int64").astype("datetime64[s]")
            self._gauges = batch, gauge_records(rows)
        return self._gauges[1]

    def add_run(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Register a run of the forecast and return its row, with its revision.

        The same issue time with the same inputs, model and settings is the run that was registered
        before, with the snapshot and batch that it saw.
        """
        same = [runs.c[key] == row[key] for key in ("issue_time", "inputs_digest", "model_version")]
        with self._engine.begin() as connection:
            for found in connection.execute(sa.select(runs).where(*same)).mappings():
                if found["settings"] == row["settings"]:
                    return dict(found)
            query = sa.select(sa.func.max(runs.c.revision)).where(
                runs.c.issue_time == row["issue_time"]
            )
            last = connection.scalar(query)
            added = {**row, "revision": 0 if last is None else last + 1}
            connection.execute(runs.insert().values(added))
        return added

    def run(self, issue_time: datetime, revision: int | None = None) -> dict[str, Any]:
        """Return a run of an issue time, by default its last revision.

        Raises
        ------
        LookupError
            There was no such run.
        """
        query = sa.select(runs).where(runs.c.issue_time == issue_time)
        if revision is not None:
            query = query.where(runs.c.revision == revision)
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(runs.c.revision.desc())).mappings().first()
        if found is None:
            raise LookupError(f"no forecast was made for {issue_time:%Y-%m-%d %H:%MZ}")
        return dict(found)

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the last issued first."""
        query = sa.select(runs).order_by(runs.c.issue_time.desc(), runs.c.revision.desc())
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def put(
        self, table: sa.Table, issue_time: datetime, revision: int, rows: list[dict[str, Any]]
    ) -> None:
        """Replace what a run left in a table of forecasts, alerts or scores."""
        mark = {"issue_time": issue_time, "revision": revision}
        with self._engine.begin() as connection:
            connection.execute(
                table.delete().where(*(table.c[key] == value for key, value in mark.items()))
            )
            if rows:
                connection.execute(table.insert(), [row | mark for row in rows])

    def get(self, table: sa.Table, issue_time: datetime, revision: int) -> list[dict[str, Any]]:
        """Rows that a run left in a table, in the table's own order."""
        query = (
            sa.select(table)
            .where(table.c.issue_time == issue_time, table.c.revision == revision)
            .order_by(*table.primary_key.columns)
        )
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def check_whole(self) -> None:
        """See that every page of an SQLite database can be read; others answer for themselves.

        Raises
        ------
        BrokenState
            One cannot; the message says what to do.
        """
        if self._engine.dialect.name != "sqlite":
            return
        with self._engine.connect() as connection:
            found = str(connection.scalar(sa.text("PRAGMA quick_check(1)")))
        if found != "ok":
            words = " ".join(found.split())
            raise BrokenState(f"{self._engine.url.database}: {words[:120]}; {_RESTORE}")

    def last_issued(self, *, before: datetime) -> tuple[datetime, int] | None:
        """Issue time and revision of the last alerts issued before a moment."""
        query = (
            sa.select(alerts.c.issue_time, alerts.c.revision)
            .where(alerts.c.issue_time < before)
            .order_by(alerts.c.issue_time.desc(), alerts.c.revision.desc())
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).first()
        return None if found is None else (found[0], found[1])

    def alert(self, identifier: str) -> dict[str, Any]:
        """Return the alert with a CAP identifier.

        Raises
        ------
        LookupError
            No message with this identifier was published.
        """
        query = sa.select(alerts).where(alerts.c.identifier == identifier)
        with self._engine.connect() as connection:
            found = connection.execute(query).mappings().first()
        if found is None:
            raise LookupError(f"no message with the identifier {identifier!r} was published")
        return dict(found)

    def all_scores(self) -> pd.DataFrame:
        """Every score, one row per issue time, station and lead."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(scores)).mappings().all()
        return pd.DataFrame(rows, columns=[column.name for column in scores.c])


@dataclass(frozen=True)
class Correction:
    """Readings of one series that an ingest changed.

    Parameters
    ----------
    station, variable, unit
        The series.
    count
        How many.
    time, was, now
        Of the one that changed most.
    """

    station: str
    variable: str
    unit: str
    count: int
    time: datetime
    was: float
    now: float

    def __str__(self) -> str:
        """One line, without the station."""
        return (
            f"corrects {self.count} readings of {self.variable}, largest by "
            f"{abs(self.now - self.was):.3g} {self.unit} ({self.was:g} becomes {self.now:g} at "
            f"{self.time:%Y-%m-%d %H:%MZ})"
        )


class Batch:
    """One ingest being written; made by :meth:`Records.ingest`."""

    corrections: list[Correction]
    """What :meth:`add_readings` changed of what was stored before."""

    def __init__(self, connection: sa.Connection, *, source: str, number: int) -> None:
        self.corrections = []
        self._connection = connection
        self._source = source
        self._number = number

    def add_granule(
        self,
        granule: Granule,
        name: str,
        *,
        sha256: str,
        available_time: datetime,
        origin: Origin,
        rejected: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a granule as read, or as rejected and why; one that is noted stays as it is."""
        key = {"source": self._source, "name": name, "sha256": sha256}
        noted = sa.select(granules.c.batch).where(*(granules.c[k] == v for k, v in key.items()))
        if self._connection.execute(noted).first() is not None:
            return  # another ingest was quicker, or what was later then is due now
        self._connection.execute(
            granules.insert().values(
                **key,
                start=granule.start,
                end=granule.end,
                available_time=available_time,
                rejected=rejected,
                origin=origin,
                batch=self._number,
                notes=dict(notes or {}),
            )
        )

    def add_readings(
        self, found: pd.DataFrame, *, asof: datetime, latency: timedelta, origin: Origin
    ) -> int:
        """Add the readings that are new or changed; nothing stored is altered.

        A reading that follows the series' newest is taken to have become available ``latency``
        after its time. One that says another value than before was not known until ``asof``, nor
        was one that turns up behind the newest, unless it is older than ``BACKFILL``.

        Parameters
        ----------
        found
            Canonical readings (station, variable, method, valid_time, value, unit, raw, qc), one
            row per station, variable, method and valid time; several, each with ``qc`` conflict,
            where files disagree: they are stored as versions side by side.
        asof
            Moment of the ingest.
        latency
            Usual time from a reading to its arrival.
        origin
            Whether the readings were measured.

        Returns
        -------
        int
            Number of readings added.
        """
        added = 0
        for key, series in found.groupby(["station", "variable", "method"], sort=True):
            news = self._news((str(part) for part in key), series, asof=asof, latency=latency)
            if news.empty:
                continue
            self._note_correction(news)
            news = news.assign(source=self._source, origin=origin, batch=self._number)
            columns = [column.name for column in readings.c]
            news = news.astype(object).where(news.notna(), None)
            self._connection.execute(
                readings.insert(),
                [
                    dict(zip(columns, row, strict=True))
                    for row in news[columns].itertuples(index=False)
                ],
            )
            added += len(news)
        return added

    def _note_correction(self, news: pd.DataFrame) -> None:
        """Keep what rows of one series change; conflicting ones are told as such."""
        change = (news["value"] - news["stored_value"]).abs()
        change = change[(change > 0) & (news["qc"] != "conflict")]
        if change.empty:
            return
        most = news.loc[change.index].iloc[int(change.to_numpy().argmax())]
        self.corrections.append(
            Correction(
                str(most["station"]),
                str(most["variable"]),
                str(most["unit"]),
                len(change),
                datetime.fromtimestamp(int(most["valid_time"]), tz=UTC),
                float(most["stored_value"]),
                float(most["value"]),
            )
        )

    def _news(
        self,
        key: Iterable[str],
        series: pd.DataFrame,
        *,
        asof: datetime,
        latency: timedelta,
    ) -> pd.DataFrame:
        """Rows of one series that say something new, with version and available_time in seconds."""
        station, variable, method = key
        own = (
            (readings.c.variable == variable)
            & (readings.c.station == station)
            & (readings.c.method == method)
        )
        seconds = series["valid_time"].to_numpy("datetime64[s]").astype("int64")
        news = series.assign(valid_time=seconds).sort_values(["valid_time", "value"])
        rank = news.groupby("valid_time").cumcount()
        query = (
            sa.select(
                readings.c.valid_time,
                readings.c.version,
                readings.c.value,
                readings.c.qc,
                readings.c.batch,
                ingests.c.asof,
            )
            .join(ingests, ingests.c.batch == readings.c.batch)
            .where(own, readings.c.valid_time >= int(seconds.min()))
            .order_by(readings.c.valid_time, readings.c.version)
        )
        stored = pd.DataFrame(
            self._connection.execute(query).fetchall(),
            columns=["valid_time", *(f"stored_{name}" for name in STORED)],
        )
        standing = _alternatives(news, stored)
        stored = stored.drop_duplicates("valid_time", keep="last")
        newest = self._connection.scalar(sa.select(sa.func.max(readings.c.valid_time)).where(own))
        news = news.merge(stored, on="valid_time", how="left")
        was, now = news["stored_value"].to_numpy("float64"), news["value"].to_numpy("float64")
        known = news["stored_version"].notna().to_numpy()
        same = (was == now) | (np.isnan(was) & np.isnan(now))
        # An export older than what is stored can only take back corrections.
        older = np.array([bool(moment > asof) for moment in news["stored_asof"].where(known, asof)])
        same &= (news["stored_qc"] == news["qc"]).to_numpy() & (news["qc"] != "conflict").to_numpy()
        same |= news["valid_time"].isin(standing).to_numpy()
        # A doubted value says nothing of another one that stands.
        standing_value = ~np.isnan(was) & ~news["stored_qc"].isin(ASIDE).to_numpy()
        aside = news["qc"].isin(ASIDE).to_numpy() & standing_value & (was != now)
        keep = ~(known & (same | older | aside))
        nominal = news["valid_time"].to_numpy() + int(latency.total_seconds())
        at = int(asof.timestamp())
        behind = news["valid_time"].to_numpy() < (newest or -(2**62))
        recent = nominal > at - int(BACKFILL.total_seconds())
        late: NDArray[np.bool_] = known | (behind & recent)
        # What is in hand is known, be it usual at that hour or not.
        available: NDArray[np.int64] = np.where(late, at, np.minimum(nominal, at))
        news = news.assign(
            available_time=available,
            version=news["stored_version"].fillna(-1).astype("int64") + 1 + rank.to_numpy(),
        )
        found: pd.DataFrame = news.loc[keep]
        return found


def _alternatives(news: pd.DataFrame, stored: pd.DataFrame) -> set[int]:
    """Find times whose values all stand among conflicting ones that the last ingest stored."""
    old = stored[stored["stored_qc"] == "conflict"]
    if old.empty:
        return set()
    last = stored.groupby("valid_time")["stored_batch"].max()
    old = old[old["stored_batch"] == old["valid_time"].map(last)]
    stand = old.groupby("valid_time")["stored_value"].agg(frozenset)
    given = news[news["valid_time"].isin(stand.index)].groupby("valid_time")["value"].agg(frozenset)
    pairs = zip(given.index.tolist(), given, stand.loc[given.index], strict=True)
    return {int(time) for time, values, standing in pairs if values <= standing}


def _utc64(moment: datetime) -> np.datetime64:
    """Naive UTC moment of an aware one."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "s")


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


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    # The wait comes first: to turn on WAL wants the file for itself.
    for pragma in ("busy_timeout=60000", "journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _tell_broken_state(context: sa.engine.ExceptionContext) -> None:
    """Raise BrokenState for what is the matter with the database and not with what was asked."""
    error = context.sqlalchemy_exception
    statement_is_wrong = sa.exc.ProgrammingError | sa.exc.IntegrityError | sa.exc.DataError
    if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, statement_is_wrong):
        url = context.engine.url if context.engine is not None else None
        where = "the tables" if url is None else url.render_as_string(hide_password=True)
        words = str(error.orig).splitlines()[0]
        what_to_do = next(
            (todo for mark, todo in _WHAT_TO_DO.items() if mark in words),
            "see that the database is there and answers",
        )
        raise BrokenState(f"{where}: {words}; {what_to_do}") from error


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


def _only_writer(connection: sa.Connection) -> None:
    """Keep other ingests out until the transaction ends, so that each sees what the last wrote.

    PostgreSQL gives out batch numbers before it commits: without the lock a run could note a batch
    and an earlier one come after it.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _lacking(inspector: sa.Inspector, table: sa.Table) -> set[str]:
    """Columns that a table of the database has not got."""
    return set(table.c.keys()) - {column["name"] for column in inspector.get_columns(table.name)}


def _make_database(path: Path) -> None:
    """Make an SQLite file for its owner alone, with all tables, or check one that is there.

    Raises
    ------
    BrokenState
        The file holds nothing.
    """
    if not path.exists():
        make_passable_folder(path.parent)
        # Under its own name only when it is whole: a second process never sees it without tables.
        draft = path.with_name(f".{path.name}-{os.getpid()}")
        draft.unlink(missing_ok=True)
        draft.touch()
        draft.chmod(OWNER_ONLY_FILE)
        engine = sa.create_engine(f"sqlite:///{draft}")
        metadata.create_all(engine)
        engine.dispose()
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    # Only SQLite opens this file: to close it here would drop the locks of the whole process, and
    # another process would delete the write-ahead log under its open connections.
    if path.stat().st_size == 0:
        raise BrokenState(f"{path}: expected an SQLite database, found an empty file; {_RESTORE}")
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if file.exists():
            close_to_others(file)
