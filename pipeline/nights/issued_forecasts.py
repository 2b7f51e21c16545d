"""Stage forecasts as they were issued, beside the readings that came at their valid times."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from models.stage.names import QUANTILES
from models.verification.outcomes import find_cities
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.geography.place_search import find_gauge
from pipeline.nights.night import check_stores_exist
from pipeline.nights.spans import Day, interval_of
from pipeline.quality.selection import select_used
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.records import Records

LATEST_KNOWN = datetime(2262, 1, 1, tzinfo=UTC)
"""Moment after everything in the tables; nanoseconds end in that year."""
NUMBERS = (*QUANTILES, "mean_m", "p_alarm", "p_flood", "p_alarm_by", "p_flood_by", "stage_m")
"""Columns of a forecast that are numbers; ``stage_m`` is the last reading at issue."""
TEXTS = ("issued_as",)
KEYS = ["issue_time", "revision"]


def read_issued(
    start: Day, end: Day, *, city: str | None = None, settings: Settings | None = None
) -> pd.DataFrame:
    """Read the stage forecasts as issued, joined to the readings that came.

    Parameters
    ----------
    start, end
        First and last day, month or year of the issue (UTC); both are included.
    city
        City or gauge; default all gauges.
    settings
        Default: from the environment.

    Returns
    -------
    pandas.DataFrame
        A row per issue time, station and lead: ``issue_time``, ``status``, ``station``, ``city``
        (None where none has the gauge), ``lead_days``, ``valid_time``, the quantiles ``q025`` to
        ``q975`` and ``mean_m`` (m above the gauge's zero), ``p_alarm`` and ``p_flood`` (on the
        day), ``p_alarm_by`` and ``p_flood_by`` (up to it), ``alarm_m`` and ``flood_m`` as of the
        issue, ``tier``, ``issued_as``, ``stage_m`` (the last reading at issue), ``observed_m``,
        the used reading at the valid time as it is known now, and ``error_m``, that of the median.
        NaN where no reading has come. Times are naive UTC. Of each issue time the last revision
        whose alerts were issued; runs made after a later night warned nobody and are left out. A
        virtual reading settles no measured forecast.

    Raises
    ------
    ValueError
        The first day is after the last.
    LookupError
        The stores are not there, no night of that interval was issued, or no gauge is called so.
    """
    settings = settings or Settings()
    check_stores_exist(settings)
    records = Records(settings.database)
    first, after = interval_of(start, end)
    nights = _list_nights(records, first, after)
    station = None if city is None else find_gauge(city, region=settings.region).code
    if nights.empty:
        raise LookupError(
            f"expected a night issued from {first:%Y-%m-%d} to before {after:%Y-%m-%d}, found none"
        )
    rows = _read_rows(records, nights, station)
    return _add_observed(records, rows, first)


def _list_nights(records: Records, start: datetime, end: datetime) -> pd.DataFrame:
    """List issue time (seconds), revision and status of what was issued in a half-open interval."""
    rows = []
    for moment, revision in records.last_revisions(since=start).items():
        if moment >= end:
            continue
        run = records.run(moment, revision)
        if not run["late"]:
            virtual = run["origin"] == "virtual"
            status = "Exercise" if virtual else run["settings"].get("alert_status", "Test")
            rows.append((int(moment.timestamp()), revision, status, run["origin"]))
    return pd.DataFrame(rows, columns=[*KEYS, "status", "origin"])


def _read_rows(records: Records, nights: pd.DataFrame, station: str | None) -> pd.DataFrame:
    """Read the forecasts of some nights; the database takes the columns out of the JSON."""
    table = database.stage_forecasts
    seconds = sa.type_coerce(table.c.issue_time, sa.BigInteger)
    columns = [
        seconds.label("issue_time"),
        table.c.revision,
        table.c.station,
        table.c.lead_days,
        sa.type_coerce(table.c.valid_time, sa.BigInteger).label("valid_time"),
        table.c.tier,
        *(table.c.row[name].as_float().label(name) for name in NUMBERS),
        *(table.c.row[name].as_string().label(name) for name in TEXTS),
    ]
    query = (
        sa.select(*columns)
        .where(seconds >= int(nights["issue_time"].min()))
        .where(seconds <= int(nights["issue_time"].max()))
        .order_by(*table.primary_key.columns)
    )
    if station is not None:
        query = query.where(table.c.station == station)
    with records.database.engine.connect() as connection:
        rows = connection.execute(query).all()
    frame = pd.DataFrame([tuple(row) for row in rows], columns=[column.name for column in columns])
    frame = frame.astype(dict.fromkeys(KEYS, "int64") | dict.fromkeys(NUMBERS, "float64"))
    frame = frame.merge(nights, on=KEYS)
    for name in ("issue_time", "valid_time"):
        times = pd.to_datetime(frame[name].astype("int64"), unit="s")
        frame[name] = times.astype("datetime64[ns]")
    return frame


def _add_observed(records: Records, rows: pd.DataFrame, start: datetime) -> pd.DataFrame:
    """Add city, threshold stages and what came, in the order that people read."""
    readings = select_used(
        records.readings.read(
            "stage", asof=LATEST_KNOWN, stations=sorted(set(rows["station"])), start=start
        )
    )
    observed = readings[["station", "valid_time", "value", "origin"]]
    observed = observed.rename(columns={"value": "observed_m", "origin": "reading_origin"})
    joined = rows.merge(observed, on=["station", "valid_time"], how="left")
    unsettled = (joined["origin"] == "measured") & (joined["reading_origin"] == "virtual")
    issue_times = pd.DatetimeIndex(joined["issue_time"])
    marks = threshold_stages(joined["station"], issue_times)
    joined = joined.assign(
        city=find_cities(joined["station"], issue_times),
        alarm_m=marks["alarm"],
        flood_m=marks["flood"],
        observed_m=joined["observed_m"].mask(unsettled),
    )
    joined["error_m"] = joined["q50"] - joined["observed_m"]
    order = ["issue_time", "status", "station", "city", "lead_days", "valid_time", *NUMBERS[:-1],
             "alarm_m", "flood_m", "tier", *TEXTS, "stage_m", "observed_m", "error_m"]  # fmt: skip
    return joined[order].sort_values(["issue_time", "station", "lead_days"], ignore_index=True)
