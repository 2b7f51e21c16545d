"""Granules, runs, forecasts as issued, alerts and scores of each ingest and run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipeline.storage.database import (
    Database,
    Moment,
    alerts,
    cancellations,
    cuts,
    granules,
    ingests,
    messages,
    raises,
    readings,
    runs,
    scores,
)
from pipeline.storage.readings import (
    Correction,
    Readings,
    Withdrawal,
    find_largest_correction,
    find_withdrawal,
    select_new_versions,
)


class Records:
    """Rows of ingests and runs in the tables, now or as they were after a batch.

    Parameters
    ----------
    url, batch
        As of :class:`pipeline.storage.database.Database`.
    """

    database: Database
    readings: Readings

    def __init__(self, url: str, *, batch: int | None = None) -> None:
        self.database = Database(url, batch=batch)
        self.readings = Readings(self.database)

    @contextmanager
    def ingest(self, source: str, *, asof: datetime) -> Iterator[Batch]:
        """Everything written inside becomes visible together, or not at all."""
        with self.database.writing() as connection:
            number = connection.execute(
                ingests.insert().values(source=source, asof=asof)
            ).inserted_primary_key
            if number is None:
                raise RuntimeError("the database gave no number to the ingest")
            yield Batch(connection, source=source, number=number[0])

    def known_granules(
        self, source: str, *, asof: datetime | None = None
    ) -> dict[str, set[tuple[datetime | None, str]]]:
        """Return the times of publication and checksums of a source's ingested files, by name.

        A rejected file has no time here: a repaired file may come back under the old time. A file
        whose later readings were left out is unknown again once ``asof`` has reached them.
        """
        query = sa.select(granules).where(granules.c.source == source)
        marks: dict[str, set[tuple[datetime | None, str]]] = {}
        with self.database.engine.connect() as connection:
            for row in connection.execute(query):
                later = (row.notes or {}).get("later")
                if asof and later and datetime.fromisoformat(later) <= asof:
                    continue
                mark = (row.available_time if row.rejected is None else None, row.sha256)
                marks.setdefault(row.name, set()).add(mark)
        return marks

    def granule_ends(self) -> dict[str, dict[str, tuple[str, datetime]]]:
        """Return by name and checksum of each sound file its source and the last of its ends."""
        query = sa.select(granules.c.name, granules.c.sha256, granules.c.source, granules.c.end)
        query = query.where(granules.c.rejected.is_(None))
        ends = dict[str, dict[str, tuple[str, datetime]]]()
        with self.database.engine.connect() as connection:
            for row in connection.execute(query.order_by(granules.c.end)):
                ends.setdefault(row.name, {})[row.sha256] = (row.source, row.end)
        return ends

    def inputs(self, *, asof: datetime, start: datetime) -> list[dict[str, Any]]:
        """Granules that were available by a moment and end after ``start``, rejected ones too."""
        query = (
            sa.select(granules)
            .where(granules.c.available_time <= asof, granules.c.end > start)
            .where(granules.c.batch <= self.database.batch)
        )
        with self.database.engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        rows = _sort_rows(rows, "source", "start", "name", "sha256")
        return [row | {"notes": row["notes"] or {}} for row in rows]

    def sources_read(self) -> set[str]:
        """Ids of the sources of which a granule was read."""
        query = (
            sa.select(granules.c.source)
            .where(granules.c.rejected.is_(None), granules.c.batch <= self.database.batch)
            .distinct()
        )
        with self.database.engine.connect() as connection:
            return set(connection.scalars(query))

    def last_files(self, *, asof: datetime) -> dict[str, datetime]:
        """Return by source the end of the last sound file known at a moment, at most the moment."""
        query = (
            sa.select(granules.c.source, sa.func.max(granules.c.end, type_=Moment))
            .where(granules.c.available_time <= asof, granules.c.rejected.is_(None))
            .where(granules.c.batch <= self.database.batch)
            .group_by(granules.c.source)
        )
        with self.database.engine.connect() as connection:
            return {source: min(end, asof) for source, end in connection.execute(query)}

    def draft_run(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row of a run of the forecast, with its revision; nothing is written.

        The same issue time with the inputs, model, settings, rules and code of its last run is that
        run, with the snapshot and batch that it saw; an identifier never has two contents.
        """
        query = sa.select(runs).where(runs.c.issue_time == row["issue_time"])
        with self.database.engine.connect() as connection:
            last = connection.execute(query.order_by(runs.c.revision.desc())).mappings().first()
        if last is None:
            return {**row, "revision": 0}
        same = all(last[key] == row[key] for key in ("inputs_digest", "model_version", "settings"))
        same &= all(last[key] in (None, row[key]) for key in ("rules", "code"))
        return dict(last) if same else {**row, "revision": last["revision"] + 1}

    def store_run(
        self, run: Mapping[str, Any], tables: Mapping[sa.Table, list[dict[str, Any]]]
    ) -> None:
        """Store a run and its rows in tables of forecasts, together or not at all.

        Parameters
        ----------
        run
            From :meth:`draft_run`.
        tables
            Rows by table; they replace earlier rows of the run.

        Raises
        ------
        RuntimeError
            Another run took the revision in the meantime.
        """
        with self.database.writing() as connection:
            stored = connection.execute(
                sa.select(runs).where(*_run_conditions(runs, run))
            ).mappings()
            known = [dict(row) for row in stored]
            if known and known != [dict(run)]:
                raise RuntimeError(
                    f"expected no other run of {run['issue_time']:%Y-%m-%d %H:%MZ} at the same "
                    f"time, found one with revision {run['revision']}; forecast again"
                )
            if not known:
                connection.execute(runs.insert().values(run))
            for table, rows in tables.items():
                _replace_rows(connection, table, run, rows)

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
        with self.database.engine.connect() as connection:
            row = connection.execute(query.order_by(runs.c.revision.desc())).mappings().first()
        if row is None:
            raise LookupError(f"no forecast was made for {issue_time:%Y-%m-%d %H:%MZ}")
        return dict(row)

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the last issued first."""
        query = sa.select(runs).order_by(runs.c.issue_time.desc(), runs.c.revision.desc())
        with self.database.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def snapshots_seen(self) -> dict[str, datetime]:
        """Return each snapshot that a run or a raise rests on, with the last moment of these."""
        seen = [(run["snapshot"], run["issue_time"]) for run in self.runs()]
        query = sa.select(raises.c.seen, raises.c.watched)
        with self.database.engine.connect() as connection:
            rows = connection.execute(query).all()
        seen += [(of_watch["snapshot"], watched) for of_watch, watched in rows if of_watch]
        return dict(sorted(seen, key=lambda pair: pair[1]))

    def cut(self, snapshot: str) -> dict[str, Any] | None:
        """Return the cut by which the archive of a snapshot is read; None where it is kept."""
        with self.database.engine.connect() as connection:
            query = sa.select(cuts.c.rows).where(cuts.c.snapshot == snapshot)
            return connection.scalar(query)

    def snapshots_cut(self) -> set[str]:
        """Ids of the snapshots that need not be kept any more."""
        with self.database.engine.connect() as connection:
            return set(connection.scalars(sa.select(cuts.c.snapshot)))

    def add_cuts(self, rows: Mapping[str, Any]) -> None:
        """Store the cuts of snapshots that have none yet."""
        with self.database.writing() as connection:
            known = set(connection.scalars(sa.select(cuts.c.snapshot)))
            for snapshot in sorted(rows.keys() - known):
                connection.execute(cuts.insert().values(snapshot=snapshot, rows=rows[snapshot]))

    def put(
        self, table: sa.Table, issue_time: datetime, revision: int, rows: list[dict[str, Any]]
    ) -> None:
        """Replace the rows of a run in a table of forecasts, alerts or scores."""
        run = {"issue_time": issue_time, "revision": revision}
        with self.database.writing() as connection:
            _replace_rows(connection, table, run, rows)

    def put_alerts(
        self,
        run: Mapping[str, Any],
        rows: list[dict[str, Any]],
        sent: Iterable[Mapping[str, Any]],
    ) -> None:
        """Replace the alerts of a run and the messages that it sent, together or not at all.

        Parameters
        ----------
        run
            Row of the table of runs.
        rows
            Rows of the table of alerts.
        sent
            Rows of the table of messages, with the content as it was sent and the proof record.
        """
        with self.database.writing() as connection:
            _replace_rows(connection, alerts, run, rows)
            of_run = (*_run_conditions(messages, run), messages.c.watched.is_(None))
            connection.execute(messages.delete().where(*of_run))
            _insert_messages(connection, run, sent)

    def put_raises(
        self,
        run: Mapping[str, Any],
        rows: Iterable[Mapping[str, Any]],
        sent: Iterable[Mapping[str, Any]],
    ) -> None:
        """Store what the hourly watch raised after a run, and its messages, together or not at all.

        Parameters
        ----------
        run
            Row of the table of runs; its alerts are the last that were issued.
        rows
            Rows of the table of raises.
        sent
            Rows of the table of messages.
        """
        mark = {key: run[key] for key in ("issue_time", "revision")}
        with self.database.engine.begin() as connection:
            connection.execute(raises.insert(), [{**row, **mark} for row in rows])
            _insert_messages(connection, run, sent)

    def raises(self, issue_time: datetime, revision: int) -> list[dict[str, Any]]:
        """Return what the hourly watch raised after a run, the oldest first."""
        return self.get(raises, issue_time, revision)

    def messages_until(self, run: Mapping[str, Any], *, since: datetime) -> list[dict[str, Any]]:
        """Messages that a run and those before it have sent from a moment on, in order.

        Parameters
        ----------
        run
            Row of the table of runs.
        since
            Messages sent earlier are left out.
        """
        earlier = (messages.c.issue_time < run["issue_time"]) | (
            (messages.c.issue_time == run["issue_time"]) & (messages.c.revision <= run["revision"])
        )
        query = sa.select(messages).where(earlier, messages.c.sent >= since)
        with self.database.engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        rows = _sort_rows(rows, "sent", "identifier")
        return [row | _map_packed(row, zlib.decompress) for row in rows]

    def message(self, identifier: str) -> dict[str, Any]:
        """Return a message as it was sent.

        Raises
        ------
        LookupError
            No message with this identifier was sent.
        """
        query = sa.select(messages).where(messages.c.identifier == identifier)
        with self.database.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise LookupError(f"no message with the identifier {identifier!r} was sent")
        return dict(row) | _map_packed(dict(row), zlib.decompress)

    def get(self, table: sa.Table, issue_time: datetime, revision: int) -> list[dict[str, Any]]:
        """Read the rows of a run in a table, in the order of its key."""
        query = sa.select(table).where(
            table.c.issue_time == issue_time, table.c.revision == revision
        )
        with self.database.engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return _sort_rows(rows, *table.primary_key.columns.keys())

    def last_issued(self, *, before: datetime) -> tuple[datetime, int] | None:
        """Issue time and revision of the last alerts issued before a moment."""
        query = (
            sa.select(alerts.c.issue_time, alerts.c.revision)
            .where(alerts.c.issue_time < before)
            .order_by(alerts.c.issue_time.desc(), alerts.c.revision.desc())
        )
        with self.database.engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], row[1])

    def last_revisions(self, *, since: datetime) -> dict[datetime, int]:
        """Last revision whose alerts were issued of each issue time from a moment on."""
        query = (
            sa.select(alerts.c.issue_time, sa.func.max(alerts.c.revision))
            .where(alerts.c.issue_time >= since)
            .group_by(alerts.c.issue_time)
            .order_by(alerts.c.issue_time)
        )
        with self.database.engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def oldest_in_force(self, *, asof: datetime) -> datetime | None:
        """Return the oldest issue time of a message that has not expired at a moment."""
        query = sa.select(sa.func.min(messages.c.issue_time, type_=Moment))
        with self.database.engine.connect() as connection:
            oldest: datetime | None = connection.scalar(query.where(messages.c.expires > asof))
            return oldest

    def alert(self, identifier: str) -> dict[str, Any]:
        """Return the alert with a CAP identifier, of a run or of the hourly watch after it.

        Raises
        ------
        LookupError
            No message with this identifier was published.
        """
        with self.database.engine.connect() as connection:
            for table in (alerts, raises):
                query = sa.select(table).where(table.c.identifier == identifier)
                if row := connection.execute(query).mappings().first():
                    return dict(row)
        raise LookupError(f"no message with the identifier {identifier!r} was published")

    def add_cancellation(self, row: Mapping[str, Any]) -> None:
        """Store a CAP Cancel."""
        with self.database.engine.begin() as connection:
            connection.execute(cancellations.insert().values(**row))

    def cancellations(self, issue_time: datetime | None = None) -> list[dict[str, Any]]:
        """CAP Cancels in the trees of an issue time, by default every one; the oldest first."""
        query = sa.select(cancellations)
        if issue_time is not None:
            query = query.where(cancellations.c.issue_time == issue_time)
        with self.database.engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return _sort_rows(rows, *cancellations.primary_key.columns.keys())

    def all_scores(self) -> pd.DataFrame:
        """Every score, one row per issue time, station and lead."""
        with self.database.engine.connect() as connection:
            rows = connection.execute(sa.select(scores)).mappings().all()
        return pd.DataFrame(rows, columns=[column.name for column in scores.c])


class Batch:
    """One ingest being written; made by :meth:`Records.ingest`."""

    corrections: list[Correction]
    withdrawals: list[Withdrawal]
    """Stored readings that :meth:`add_readings` corrected and withdrew."""

    def __init__(self, connection: sa.Connection, *, source: str, number: int) -> None:
        self.corrections, self.withdrawals = [], []
        self._connection = connection
        self._source = source
        self._number = number

    def add_granule(
        self,
        name: str,
        *,
        start: datetime,
        end: datetime,
        sha256: str,
        available_time: datetime,
        origin: str,
        rejected: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a granule as read, or as rejected with the reason; a stored one stays unchanged."""
        key = {"source": self._source, "name": name, "sha256": sha256}
        noted = sa.select(granules.c.batch).where(
            *(granules.c[column] == value for column, value in key.items())
        )
        if self._connection.execute(noted).first() is not None:
            return  # another ingest stored it, or its later readings are due now
        self._connection.execute(
            granules.insert().values(
                **key,
                start=start,
                end=end,
                available_time=available_time,
                rejected=rejected,
                origin=origin,
                batch=self._number,
                notes=dict(notes or {}),
            )
        )

    def add_readings(
        self, table: pd.DataFrame, *, asof: datetime, latency: timedelta, origin: str
    ) -> int:
        """Add the readings that are new or changed; nothing stored is altered.

        A reading that follows the series' newest is taken to have become available ``latency``
        after its time. One with another value than before was not known until ``asof``, nor was
        one that turns up behind the newest, unless it is older than ``BACKFILL``. A row without a
        value withdraws the stored one of its time; of a time never seen it adds nothing.

        Parameters
        ----------
        table
            Canonical readings (station, variable, method, valid_time, value, unit, raw, qc), one
            row per station, variable, method and valid time; several, each with ``qc`` conflict,
            where files disagree: they are stored as versions side by side. A column ``ended``
            has when the interval of a mean ended, from which its latency counts.
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
        columns = [column.name for column in readings.c]
        # SQLite stores -0.0 as 0.0, PostgreSQL as it is: a published number must not depend on it.
        table = table.assign(value=table["value"].astype("float64") + 0.0)
        added = 0
        for _, series in table.groupby(["station", "variable", "method"], sort=True):
            versions = select_new_versions(self._connection, series, asof=asof, latency=latency)
            if versions.empty:
                continue
            if correction := find_largest_correction(versions):
                self.corrections.append(correction)
            if withdrawal := find_withdrawal(versions):
                self.withdrawals.append(withdrawal)
            versions = versions.assign(source=self._source, origin=origin, batch=self._number)
            versions = versions.astype(object).where(versions.notna(), None)
            self._connection.execute(
                readings.insert(),
                [
                    dict(zip(columns, row, strict=True))
                    for row in versions[columns].itertuples(index=False)
                ],
            )
            added += len(versions)
        return added


def _insert_messages(
    connection: sa.Connection, run: Mapping[str, Any], sent: Iterable[Mapping[str, Any]]
) -> None:
    """Insert messages of a run, deflated."""
    mark = {key: run[key] for key in ("issue_time", "revision")}
    rows = [{**row, **_map_packed(row, zlib.compress), **mark} for row in sent]
    if rows:
        connection.execute(messages.insert(), rows)


def _map_packed(
    row: Mapping[str, Any], change: Callable[[bytes], bytes]
) -> dict[str, bytes | None]:
    """Change the contents of a row of the table of messages that are stored deflated."""
    names = ("content", "proof")
    return {name: None if row[name] is None else change(row[name]) for name in names}


def _sort_rows(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    """Sort text by code points: PostgreSQL's order is that of its locale, and digests tell them."""
    return sorted(rows, key=lambda row: tuple(row[column] for column in columns))


def _run_conditions(table: sa.Table, run: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for the rows of one run."""
    return [table.c[key] == run[key] for key in ("issue_time", "revision")]


def _replace_rows(
    connection: sa.Connection, table: sa.Table, run: Mapping[str, Any], rows: list[dict[str, Any]]
) -> None:
    """Replace the rows of one run."""
    connection.execute(table.delete().where(*_run_conditions(table, run)))
    if rows:
        mark = {key: run[key] for key in ("issue_time", "revision")}
        connection.execute(table.insert(), [row | mark for row in rows])
