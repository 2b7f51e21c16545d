"""Stages of the morning and the evening, from readings at any minute.

A gauge is read at 06:58 or 07:10, or every 15 minutes from 07:02 on; an observer may come an hour
late. Times are naive UTC; every function works on whole columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NEAR = np.timedelta64(90, "m")
"""Greatest distance of a reading from the moment that it counts for."""
LINE_SPAN = np.timedelta64(6, "h")
"""Greatest distance of two readings between which a stage is interpolated linearly."""
EVENING = np.timedelta64(12, "h")
"""From midnight UTC to the reading of the evening."""
ISSUED = np.timedelta64(30, "m")
"""From midnight UTC to the moment of issue."""
DAY = np.timedelta64(1, "D")
_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class StageSample:
    """Stage of one gauge at given moments.

    Parameters
    ----------
    value
        Stage, m, NaN where no reading counts, shape (n,).
    last
        Row of the latest reading that went in, -1 where none did, shape (n,).
    """

    value: NDArray[np.float64]
    last: NDArray[np.int64]


def sample(
    time: NDArray[np.datetime64], value: NDArray[np.float64], moments: NDArray[np.datetime64]
) -> StageSample:
    """Sample the stage at moments: the nearest reading, or linear interpolation between two.

    Parameters
    ----------
    time
        Times of the readings, strictly increasing, shape (m,).
    value
        Readings, no NaN, shape (m,).
    moments
        Moments, shape (n,).

    Examples
    --------
    >>> time = np.array(["2026-08-20T22:00", "2026-08-21T02:00"], "datetime64[ns]")
    >>> sample(time, np.array([4.0, 5.0]), np.array(["2026-08-21"], "datetime64[ns]")).value
    array([4.5])
    """
    if not len(time):
        return StageSample(np.full(len(moments), np.nan), np.full(len(moments), -1))
    after = np.searchsorted(time, moments)
    before = after - 1
    left, right = np.maximum(before, 0), np.minimum(after, len(time) - 1)
    far = np.timedelta64(1000, "D")
    to_left = np.where(before >= 0, moments - time[left], far)
    to_right = np.where(after < len(time), time[right] - moments, far)
    nearest = np.where(to_left <= to_right, left, right)
    near = np.minimum(to_left, to_right) <= NEAR
    between = ~near & (to_left + to_right <= LINE_SPAN)
    span = np.where(between, to_left + to_right, _HOUR)
    share = np.where(between, to_left, np.timedelta64(0, "s")) / span
    line = value[left] + share * (value[right] - value[left])
    return StageSample(
        np.where(near, value[nearest], np.where(between, line, np.nan)),
        np.where(near, nearest, np.where(between, right, -1)),
    )


def find_newest_rows(
    time: NDArray[np.datetime64], moments: NDArray[np.datetime64]
) -> NDArray[np.int64]:
    """Find the row of the last reading up to each moment, -1 where there is none."""
    return np.asarray(np.searchsorted(time, moments, side="right")) - 1


def group_by_station(
    readings: pd.DataFrame,
) -> Iterator[tuple[str, NDArray[np.datetime64], NDArray[np.float64], pd.DataFrame]]:
    """Yield code, times, values and rows of each gauge, one reading per time."""
    rows = readings.sort_values(["station", "valid_time"], kind="stable")
    rows = rows.drop_duplicates(["station", "valid_time"], keep="last")
    for code, series in rows.groupby("station", sort=True):
        time: NDArray[Any] = series["valid_time"].to_numpy("datetime64[ns]")
        yield str(code), time, series["value"].to_numpy("float64"), series


@dataclass(frozen=True)
class Tables:
    """Stages by date and gauge, one row per date, one column per gauge.

    Parameters
    ----------
    morning, evening
        Stage at 00:00Z of the date and at 12:00Z of the day before, m.
    newest
        Last reading up to the moment of issue of the date, m.
    newest_age_h
        Its age at 00:00Z of the date, hours; below 0 where it came after.
    """

    morning: pd.DataFrame
    evening: pd.DataFrame
    newest: pd.DataFrame
    newest_age_h: pd.DataFrame


def tabulate(readings: pd.DataFrame, dates: pd.DatetimeIndex, *, issued: np.timedelta64) -> Tables:
    """Tabulate readings by date.

    Parameters
    ----------
    readings
        Columns station, valid_time and value, no NaN; those known at one moment, so that no line
        leads to a reading that had not come.
    dates
        Midnights, one per row.
    issued
        From midnight to the moment of issue.
    """
    midnight: NDArray[np.datetime64] = dates.to_numpy("datetime64[ns]")
    columns: dict[str, dict[str, NDArray[np.float64]]] = {
        name: {} for name in ("morning", "evening", "newest", "age")
    }
    for code, time, value, _ in group_by_station(readings):
        columns["morning"][code] = sample(time, value, midnight).value
        evening: NDArray[np.datetime64] = midnight - EVENING
        columns["evening"][code] = sample(time, value, evening).value
        moments: NDArray[np.datetime64] = midnight + issued
        at = find_newest_rows(time, moments)
        columns["newest"][code] = np.where(at >= 0, value[at], np.nan)
        columns["age"][code] = np.where(at >= 0, (midnight - time[at]) / _HOUR, np.nan)
    tabled = (pd.DataFrame(by_code, index=dates, dtype="float64") for by_code in columns.values())
    return Tables(*tabled)


def find_late_mornings(readings: pd.DataFrame, used: pd.Series[bool]) -> pd.DataFrame:
    """Find the mornings at which another stage was known than now.

    Parameters
    ----------
    readings
        Columns station, valid_time, available_time, settled and value.
    used
        Which of them are used; the others may have been, until they were ``settled``.

    Returns
    -------
    pandas.DataFrame
        ``begin`` and ``end``: issue times in between saw another stage than is known now.
    """
    # A reading that was withdrawn, and has no value now, was known until then.
    known_at = readings[["available_time", "settled"]].max(axis=1)
    dated = readings.assign(known_at=known_at)
    parts = [_find_late(dated[used])]
    if not used.all():
        parts.append(_find_late(dated))
    return pd.concat(parts, ignore_index=True)


def _find_late(readings: pd.DataFrame) -> pd.DataFrame:
    """Find the mornings before the arrival of the readings that count for them."""
    parts = [pd.DataFrame({"begin": [], "end": []}, dtype="datetime64[ns]")]
    for _, time, value, rows in group_by_station(readings):
        known_at = rows["known_at"].to_numpy("datetime64[ns]")
        first, last = time[0].astype("datetime64[D]"), time[-1].astype("datetime64[D]")
        days = pd.date_range(first, last + DAY)
        midnight: NDArray[np.datetime64] = days.to_numpy("datetime64[ns]")
        morning = sample(time, value, midnight)
        issue: NDArray[np.datetime64] = midnight + ISSUED
        noon: NDArray[np.datetime64] = midnight - EVENING
        last_read = np.where(morning.last < 0, find_newest_rows(time, issue), -1)
        for at in (morning.last, sample(time, value, noon).last, last_read):
            late = (at >= 0) & (known_at[at] > issue)
            parts.append(pd.DataFrame({"begin": issue[late], "end": known_at[at[late]]}))
    return pd.concat(parts, ignore_index=True)
