"""Last readings of the gauges: believed, in doubt, and the change of a day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.alerts.evidence import Doubt, River
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.quality.selection import select_best, select_used
from pipeline.times import from_utc64, utc64

READINGS_LOOK_BACK = timedelta(days=4)
"""Look-back for the last readings."""
HISTORY = timedelta(days=200)
"""Look-back of a stage forecast for readings."""
OBSERVED = timedelta(days=60)
"""Look-back of the readings that are published."""
FRESH = timedelta(hours=48)
"""Largest age of a reading that describes today."""


@dataclass(frozen=True)
class LastReadings:
    """Last readings of one gauge.

    Parameters
    ----------
    stage_m, time
        Last reading that is believed; NaN and None where there is none.
    doubt
        Newer reading that is in doubt.
    """

    stage_m: float
    time: datetime | None
    doubt: Doubt | None


def find_last_readings(snapshot: Snapshot) -> dict[str, LastReadings]:
    """Find the last readings of every gauge."""
    rows = snapshot.every_reading("stage", start=snapshot.asof - READINGS_LOOK_BACK)
    rows = rows[rows["value"].notna()]
    used = select_used(select_best(rows))
    believed = {code: (time, value) for code, time, value, _ in mornings.group_by_station(used)}
    doubted = rows[rows["qc"].isin([*quality_flags.HELD, "conflict"])]
    last = {}
    for code in sorted({*believed, *doubted["station"]}):
        stage_m, when = math.nan, None
        if code in believed:
            time, value = believed[code]
            stage_m, when = float(value[-1]), from_utc64(time[-1])
        doubt = _find_newest_doubt(doubted[doubted["station"] == code], since=when)
        last[code] = LastReadings(stage_m, when, doubt)
    return last


def _find_newest_doubt(rows: pd.DataFrame, *, since: datetime | None) -> Doubt | None:
    """Return the newest readings in doubt, where they are newer than the believed ones."""
    if rows.empty:
        return None
    newest = rows[rows["valid_time"] == rows["valid_time"].max()]
    when = from_utc64(newest["valid_time"].to_numpy()[0])
    if since is not None and when <= since:
        return None
    disagree = len(newest) > 1 and (newest["qc"] == "conflict").all()
    return Doubt(
        kind="conflict" if disagree else "unconfirmed",
        lowest_m=float(newest["value"].min()),
        highest_m=float(newest["value"].max()),
        time=when,
    )


def find_daily_changes(snapshot: Snapshot) -> dict[str, float]:
    """Find the change of each gauge's stage over the day before its last reading, m."""
    readings = select_used(snapshot.readings("stage", start=snapshot.asof - READINGS_LOOK_BACK))
    changes = {}
    for code, time, value, _ in mornings.group_by_station(readings):
        before = mornings.sample(time, value, time[-1:] - mornings.DAY).value[0]
        if np.isfinite(before):
            changes[code] = float(value[-1] - before)
    return changes


def confirm_by_forecast(
    last: Mapping[str, LastReadings], forecasts: pd.DataFrame
) -> dict[str, Doubt]:
    """Confirm readings that agree with the forecast from the readings before them.

    Parameters
    ----------
    last
        Last readings by gauge.
    forecasts
        Forecasts without the readings in doubt.

    Returns
    -------
    dict
        Unconfirmed readings within the 90 % interval of the first day, by gauge.
    """
    first = forecasts[forecasts["lead_days"] == 1]
    intervals = {
        str(code): (float(low), float(high))
        for code, low, high in zip(first["station"], first["q05"], first["q95"], strict=True)
    }
    confirmed = {}
    for code, readings in last.items():
        low, high = intervals.get(code, (math.nan, math.nan))
        doubt = readings.doubt
        if doubt and doubt.kind == "unconfirmed" and low <= doubt.highest_m <= high:
            confirmed[code] = doubt
    return confirmed


def add_last_readings(river: River, last: LastReadings) -> River:
    """Add a gauge's last readings to its forecast.

    Parameters
    ----------
    river
        Forecast, with the stage that it rests on.
    last
        Last readings; a newer stage than that of the forecast replaces it.
    """
    doubt = last.doubt
    if doubt is not None and river.stage_m == doubt.highest_m:  # the forecast agreed
        return replace(river, stage_time=doubt.time, change_1d_m=river.stage_m - last.stage_m)
    fresh = last.time is not None and river.issue_time - last.time <= FRESH
    if last.time is not None and fresh and (river.stage_time or last.time) <= last.time:
        river = replace(river, stage_m=last.stage_m, stage_time=last.time)
    return replace(river, doubt=doubt)


def read_used_stages(snapshot: Snapshot) -> pd.DataFrame:
    """Read the stages of the last ``OBSERVED`` that the forecasts use, flagged as they see them."""
    readings = select_used(snapshot.readings("stage", start=snapshot.asof - HISTORY))
    return readings[readings["valid_time"] >= pd.Timestamp(utc64(snapshot.asof - OBSERVED))]
