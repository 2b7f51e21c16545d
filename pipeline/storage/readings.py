"""Gauge readings: versions known at a moment, and new versions of an ingest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd
import sqlalchemy as sa
from numpy.typing import NDArray

from pipeline.quality import flags as quality_flags
from pipeline.quality.conflicts import NOT_COUNTED
from pipeline.quality.gauge_limits import GaugeRecord, collect_records, limits_as_of
from pipeline.quality.neighbours import list_neighbours
from pipeline.quality.selection import select_best
from pipeline.storage.database import Database, ingests, readings
from pipeline.times import naive_timestamp, utc64

BACKFILL = timedelta(days=31)
"""A reading that arrives later than this after its time comes from an archive, not from a late
observer: its time of availability is not known, and its nominal latency is taken."""
_SERIES = ["station", "method", "valid_time"]
_STORED = ("version", "value", "qc", "batch", "asof")
"""Columns that a new reading is compared with."""


class Readings:
    """Gauge readings of all versions, read as they were known at a moment.

    Parameters
    ----------
    database
        Tables, as they are now or as they were after a batch.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gauges: tuple[int, dict[str, GaugeRecord]] | None = None

    def read(
        self,
        variable: str,
        *,
        asof: datetime,
        stations: Iterable[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pd.DataFrame:
        """Read the best reading of each station and time, flagged by what was known at a moment.

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
            One row per station and time: :func:`pipeline.quality.selection.select_best` chooses
            among the
            methods. :data:`pipeline.quality.flags.USED` lists the flags of what may be used.
        """
        every = self.read_all(variable, asof=asof, stations=stations, start=start, end=end)
        best = select_best(every)
        return best.sort_values(["station", "valid_time"], ignore_index=True)

    def read_all(
        self,
        variable: str,
        *,
        asof: datetime,
        stations: Iterable[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pd.DataFrame:
        """Read the readings of every method, flagged by what was known at a moment.

        Parameters and columns are those of :meth:`read`. Of one method and time several rows are
        returned where files of one ingest disagreed. The flags rest on the readings of
        ``quality.CONTEXT`` before ``start``, on the neighbours of the stations asked for, and on
        what each gauge has shown before.
        """
        wanted = None if stations is None else set(stations)
        near = wanted
        if wanted is not None and variable == "stage":
            near = wanted.union(*(list_neighbours(code) for code in wanted))
        columns = [column.name for column in readings.c]
        context = None if start is None else start - quality_flags.CONTEXT
        rows = self._read_rows(columns, variable, asof=asof, stations=near, start=context, end=end)
        if (rows["version"] > 0).any():
            # Alternatives of one ingest stand beside each other; a later ingest supersedes them.
            rows = rows[rows["batch"] == rows.groupby(_SERIES)["batch"].transform("max")]
            last = rows["version"] == rows.groupby(_SERIES)["version"].transform("max")
            rows = rows[last | (rows["qc"] == "conflict")]
        rows = rows.drop(columns="batch").reset_index(drop=True)
        for column in ("valid_time", "available_time"):
            rows[column] = pd.to_datetime(rows[column], unit="s").astype("datetime64[ns]")
        limits = limits_as_of(self._collect_records(), utc64(asof)) if variable == "stage" else {}
        flagged = quality_flags.flag(rows.astype({"value": "float64"}), limits)
        if wanted is not None:
            flagged = flagged[flagged["station"].isin(wanted)]
        if start is not None:
            flagged = flagged[flagged["valid_time"] >= naive_timestamp(start)]
        return flagged

    def last_times(
        self, *, by: Literal["source", "station"], asof: datetime, variable: str | None = None
    ) -> dict[str, datetime]:
        """Read by source or station the time of the last value known at a moment, good or not."""
        key = readings.c[by]
        query = (
            sa.select(key, sa.func.max(readings.c.valid_time))
            .where(readings.c.value.is_not(None), readings.c.batch <= self._database.batch)
            .where(readings.c.available_time <= int(asof.timestamp()))
            .group_by(key)
        )
        if variable is not None:
            query = query.where(readings.c.variable == variable)
        with self._database.engine.connect() as connection:
            rows = connection.execute(query)
            return {str(name): datetime.fromtimestamp(seconds, UTC) for name, seconds in rows}

    def _read_rows(
        self,
        columns: list[str],
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
            sa.select(*(readings.c[name] for name in columns))
            .where(readings.c.variable == variable)
            .order_by(
                readings.c.station, readings.c.method, readings.c.valid_time, readings.c.version
            )
        )
        if asof is not None:
            query = query.where(readings.c.available_time <= int(asof.timestamp()))
        if self._database.pinned is not None:
            query = query.where(readings.c.batch <= self._database.pinned)
        if stations is not None:
            query = query.where(readings.c.station.in_(list(stations)))
        if start is not None:
            query = query.where(readings.c.valid_time >= int(start.timestamp()))
        if end is not None:
            query = query.where(readings.c.valid_time < int(end.timestamp()))
        if flags is not None:
            query = query.where(readings.c.qc.in_(list(flags)))
        return pd.DataFrame(self._database.fetch(query), columns=columns)

    def _collect_records(self) -> dict[str, GaugeRecord]:
        """Collect the record of each gauge, once per ingest: 1 s per million readings."""
        batch = self._database.batch
        if self._gauges is None or self._gauges[0] != batch:
            columns = [*_SERIES, "value", "available_time"]
            rows = self._read_rows(columns, "stage", flags=(*quality_flags.USED, "missing"))
            key = rows[_SERIES]
            last_version = (key != key.shift(-1)).any(axis=1)
            rows = rows[last_version].astype({"value": "float64"}).dropna(subset="value")
            for column in ("valid_time", "available_time"):
                rows[column] = rows[column].to_numpy("int64").astype("datetime64[s]")
            self._gauges = batch, collect_records(rows)
        return self._gauges[1]


@dataclass(frozen=True)
class Correction:
    """Readings of one series that an ingest changed.

    Parameters
    ----------
    station, variable, unit
        The series.
    count
        Number of readings.
    time, was, now
        Time, old and new value of the reading that changed most.
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


@dataclass(frozen=True)
class Withdrawal:
    """Readings of one series that an ingest withdrew: the agency now reports them missing.

    Parameters
    ----------
    station, variable, unit
        The series.
    count
        Number of readings.
    time, was
        Time and old value of the last of them.
    """

    station: str
    variable: str
    unit: str
    count: int
    time: datetime
    was: float

    def __str__(self) -> str:
        """One line, without the station."""
        count = f"{self.count} reading{'s' if self.count > 1 else ''} of {self.variable}"
        last = ", the last" if self.count > 1 else ""
        return f"withdraws {count}{last} ({self.was:g} {self.unit} at {self.time:%Y-%m-%d %H:%MZ})"


def select_new_versions(
    connection: sa.Connection, series: pd.DataFrame, *, asof: datetime, latency: timedelta
) -> pd.DataFrame:
    """Select the rows of one series that differ from what is stored, as versions to be stored.

    Parameters
    ----------
    connection
        Transaction of the ingest.
    series
        Canonical readings of one station, variable and method.
    asof, latency
        As of :meth:`pipeline.storage.records.Batch.add_readings`.

    Returns
    -------
    pandas.DataFrame
        The rows with ``version``, ``available_time`` and ``valid_time`` in seconds since 1970, and
        the stored rows of the same times in the columns ``stored_*``.
    """
    station, variable, method = (
        str(series[name].iloc[0]) for name in ("station", "variable", "method")
    )
    of_series = (
        (readings.c.variable == variable)
        & (readings.c.station == station)
        & (readings.c.method == method)
    )
    seconds = series["valid_time"].to_numpy("datetime64[s]").astype("int64")
    incoming = series.assign(valid_time=seconds).sort_values(["valid_time", "value"])
    rank = incoming.groupby("valid_time").cumcount()
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
        .where(of_series, readings.c.valid_time >= int(seconds.min()))
        .order_by(readings.c.valid_time, readings.c.version)
    )
    stored = pd.DataFrame(
        connection.execute(query).fetchall(),
        columns=["valid_time", *(f"stored_{name}" for name in _STORED)],
    )
    standing = _find_standing_conflicts(incoming, stored)
    stored = stored.drop_duplicates("valid_time", keep="last")
    newest = connection.scalar(sa.select(sa.func.max(readings.c.valid_time)).where(of_series))
    incoming = incoming.merge(stored, on="valid_time", how="left")
    old_value, new_value = (
        incoming["stored_value"].to_numpy("float64"),
        incoming["value"].to_numpy("float64"),
    )
    known = incoming["stored_version"].notna().to_numpy()
    same = (old_value == new_value) | (np.isnan(old_value) & np.isnan(new_value))
    # An export older than the stored rows can only undo corrections.
    older = np.array([bool(moment > asof) for moment in incoming["stored_asof"].where(known, asof)])
    same &= (incoming["stored_qc"] == incoming["qc"]).to_numpy() & (
        incoming["qc"] != "conflict"
    ).to_numpy()
    same |= incoming["valid_time"].isin(standing).to_numpy()
    # A doubted value does not supersede a stored value that is not doubted.
    standing_value = ~np.isnan(old_value) & ~incoming["stored_qc"].isin(NOT_COUNTED).to_numpy()
    aside = incoming["qc"].isin(NOT_COUNTED).to_numpy() & standing_value & (old_value != new_value)
    keep = ~(known & (same | older | aside)) & (known | ~np.isnan(new_value))
    ended = incoming["ended"] if "ended" in incoming else pd.Series(pd.NaT, index=incoming.index)
    ends = ended.to_numpy("datetime64[s]").astype("int64")  # NaT is the least integer
    nominal = np.maximum(incoming["valid_time"].to_numpy(), ends) + int(latency.total_seconds())
    asof_s = int(asof.timestamp())
    behind = incoming["valid_time"].to_numpy() < (newest or -(2**62))
    recent = nominal > asof_s - int(BACKFILL.total_seconds())
    late: NDArray[np.bool_] = known | (behind & recent)
    # A reading at hand is known, even before its usual time of availability.
    available: NDArray[np.int64] = np.where(late, asof_s, np.minimum(nominal, asof_s))
    versions: pd.DataFrame = incoming.assign(
        available_time=available,
        version=incoming["stored_version"].fillna(-1).astype("int64") + 1 + rank.to_numpy(),
    ).loc[keep]
    return versions


def _find_standing_conflicts(incoming: pd.DataFrame, stored: pd.DataFrame) -> set[int]:
    """Find times whose values are all among the conflicting values of the last ingest."""
    conflicting = stored[stored["stored_qc"] == "conflict"]
    if conflicting.empty:
        return set()
    last = stored.groupby("valid_time")["stored_batch"].max()
    conflicting = conflicting[conflicting["stored_batch"] == conflicting["valid_time"].map(last)]
    standing = conflicting.groupby("valid_time")["stored_value"].agg(frozenset)
    repeated = incoming[incoming["valid_time"].isin(standing.index)]
    values = repeated.groupby("valid_time")["value"].agg(frozenset)
    pairs = zip(values.index.tolist(), values, standing.loc[values.index], strict=True)
    return {int(time) for time, new, old in pairs if new <= old}


def find_withdrawal(versions: pd.DataFrame) -> Withdrawal | None:
    """Describe the stored values that new versions of a series withdraw; None where none."""
    rows = versions[versions["value"].isna() & versions["stored_value"].notna()]
    if rows.empty:
        return None
    last = rows.iloc[-1]
    return Withdrawal(
        str(last["station"]),
        str(last["variable"]),
        str(last["unit"]),
        len(rows),
        datetime.fromtimestamp(int(last["valid_time"]), tz=UTC),
        float(last["stored_value"]),
    )


def find_largest_correction(versions: pd.DataFrame) -> Correction | None:
    """Describe the values that new versions of a series correct; None where none.

    Conflicting values are no correction.
    """
    change = (versions["value"] - versions["stored_value"]).abs()
    change = change[(change > 0) & (versions["qc"] != "conflict")]
    if change.empty:
        return None
    largest = versions.loc[change.index].iloc[int(change.to_numpy().argmax())]
    return Correction(
        str(largest["station"]),
        str(largest["variable"]),
        str(largest["unit"]),
        len(change),
        datetime.fromtimestamp(int(largest["valid_time"]), tz=UTC),
        float(largest["stored_value"]),
        float(largest["value"]),
    )
