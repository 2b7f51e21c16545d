"""Sudden change out of season: a gauge that moves faster than in its own dry seasons.

What made it is not asked and not said: a release, a closure, a failed embankment or a storm look
the same at a gauge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.times import from_utc64, utc64

DRY_MONTHS = (12, 1, 2, 3, 4, 5)
"""Months of low flow, for which PMFM Article 6A gives flows."""
WINDOWS_H = {1: 20, 24: 90}
"""Hours over which a change is taken, and the most minutes that a reading may be off."""
LEAST = 300
"""Fewest changes of its own from which a gauge has a record: two dry seasons of daily readings, or
two weeks of hourly ones."""
RARE, MARGIN = 0.995, 1.5
"""Quantile of a gauge's dry-season changes, and the factor beyond it at which a change is sudden.
On 43 gauges of MRC's exports up to 2018, each season held against the ten years before: 0.6 calls a
gauge and year, 1.8 at the worst gauge, a tidal one (1,598 gauge-years)."""
SMALLEST_M = 0.10
"""Least change that is sudden, whatever the record: readings are to 1 or 2 cm."""
RECORD = timedelta(days=3653)
"""Time before a watch whose dry seasons make the record: the river of before the dams is another
one."""
APART = timedelta(days=2)
"""Time before a watch that is no part of its record, so that no change hides itself."""

SHOWN = timedelta(hours=24)
"""Time after which a sudden change is no news any more."""


@dataclass(frozen=True, kw_only=True)
class SuddenChange:
    """Change of a gauge's stage that is beyond its dry-season record.

    Parameters
    ----------
    station
        Code of the gauge.
    change_m, hours
        Change, metres, negative for a fall, and the hours over which it is taken, 1 or 24.
    record_m
        Change that the gauge's record allows, of the same sign.
    begin, end
        Times of the two readings.
    stage_m
        Stage at the end.
    """

    station: str
    change_m: float
    hours: int
    record_m: float
    begin: datetime
    end: datetime
    stage_m: float


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Time at which a change reaches a gauge downstream.

    Parameters
    ----------
    station
        Code of the gauge.
    earliest, latest
        From the least travel time after the change began, to the longest after it was seen.
    """

    station: str
    earliest: datetime
    latest: datetime


@dataclass(frozen=True)
class _Changes:
    """Changes over a window: their amounts (m), and the rows of both readings, shape (n,)."""

    amount: NDArray[np.float64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]


def is_dry_season(moment: datetime) -> bool:
    """Whether a moment lies in the months in which sudden change is looked for."""
    return moment.month in DRY_MONTHS


def fit_record(
    time: NDArray[np.datetime64], value: NDArray[np.float64], *, asof: datetime
) -> dict[int, tuple[float, float]]:
    """Fit the fastest fall and rise that a gauge's dry seasons allow, metres, by window (h).

    Parameters
    ----------
    time, value
        Readings that may be used, times increasing, shape (n,).
    asof
        Moment of the watch; the ``APART`` before it are left out.

    Returns
    -------
    dict
        A window of which the gauge has fewer than ``LEAST`` changes is left out.
    """
    past = (time < utc64(asof - APART)) & (time >= utc64(asof - RECORD))
    time, value = time[past], value[past]
    record = {}
    for hours, slack_min in WINDOWS_H.items():
        changes = _find_changes(time, value, hours=hours, slack_min=slack_min)
        month = time[changes.end].astype("M8[M]").astype(int) % 12 + 1
        dry = changes.amount[np.isin(month, DRY_MONTHS)]
        if dry.size >= LEAST:
            low, high = np.quantile(dry, [1.0 - RARE, RARE])
            record[hours] = (min(MARGIN * low, -SMALLEST_M), max(MARGIN * high, SMALLEST_M))
    return record


def find_sudden_change(
    station: str,
    time: NDArray[np.datetime64],
    value: NDArray[np.float64],
    *,
    record: Mapping[int, tuple[float, float]],
    since: datetime,
) -> SuddenChange | None:
    """Find the change of the last hours that is furthest beyond a gauge's record.

    Parameters
    ----------
    station
        Code of the gauge.
    time, value
        Readings that may be used, times increasing, shape (n,).
    record
        From :func:`fit_record`.
    since
        Changes that ended by then are left out.
    """
    found: list[tuple[float, SuddenChange]] = []
    for hours, (fall_m, rise_m) in record.items():
        changes = _find_changes(time, value, hours=hours, slack_min=WINDOWS_H[hours])
        for amount, begin, end in zip(changes.amount, changes.begin, changes.end, strict=True):
            limit = rise_m if amount > 0 else fall_m
            if time[end] > utc64(since) and (amount > rise_m or amount < fall_m):
                change = SuddenChange(
                    station=station,
                    change_m=float(amount),
                    hours=hours,
                    record_m=limit,
                    begin=from_utc64(time[begin]),
                    end=from_utc64(time[end]),
                    stage_m=float(value[end]),
                )
                found.append((amount / limit, change))
    return max(found, key=lambda pair: pair[0], default=(0.0, None))[1]


def find_sudden_changes(readings: pd.DataFrame, *, asof: datetime) -> list[SuddenChange]:
    """Find the sudden changes of all gauges of the last ``SHOWN``.

    Parameters
    ----------
    readings
        Readings of ``RECORD`` that may be used; columns ``station``, ``valid_time``, ``value``.
    asof
        Moment of the watch.
    """
    since, changes = asof - SHOWN, []
    for code, rows in readings.sort_values("valid_time").groupby("station"):
        time = rows["valid_time"].to_numpy("datetime64[ns]")
        value = rows["value"].to_numpy("float64")
        if time[-1] <= utc64(since):
            continue
        record = fit_record(time, value, asof=asof)
        recent = time > utc64(since - APART)
        change = find_sudden_change(
            str(code), time[recent], value[recent], record=record, since=since
        )
        changes.extend([change] if change else [])
    return changes


def list_arrivals(
    change: SuddenChange, travel_times_d: Mapping[tuple[str, str], tuple[float, float]]
) -> list[Arrival]:
    """List when a change reaches the gauges downstream, the nearest first.

    Parameters
    ----------
    change
        Change at a gauge.
    travel_times_d
        Least and longest travel time between two gauges, days.

    Examples
    --------
    >>> from datetime import UTC
    >>> seen = datetime(2026, 3, 1, 6, tzinfo=UTC)
    >>> change = SuddenChange(station="a", change_m=0.8, hours=1, record_m=0.2,
    ...     begin=seen - timedelta(hours=1), end=seen, stage_m=3.0)
    >>> [(one.station, str(one.earliest)[5:16], str(one.latest)[5:16])
    ...     for one in list_arrivals(change, {("a", "b"): (1.0, 1.5), ("b", "c"): (2.0, 4.0)})]
    [('b', '03-02 05:00', '03-02 18:00'), ('c', '03-04 05:00', '03-06 18:00')]
    """
    below = {begin: (end, days) for (begin, end), days in travel_times_d.items()}
    arrivals, code, least, most = [], change.station, 0.0, 0.0
    while code in below:
        code, (shortest, longest) = below.pop(code)
        least, most = least + shortest, most + longest
        arrivals.append(
            Arrival(
                station=code,
                earliest=change.begin + timedelta(days=least),
                latest=change.end + timedelta(days=most),
            )
        )
    return arrivals


def _find_changes(
    time: NDArray[np.datetime64], value: NDArray[np.float64], *, hours: int, slack_min: int
) -> _Changes:
    """Pair each reading with the one nearest to so many hours before it, where one is near."""
    if len(time) < 2:
        nothing = np.zeros(0, np.int64)
        return _Changes(np.zeros(0), nothing, nothing)
    wanted = time - np.timedelta64(hours, "h")
    after = np.clip(np.searchsorted(time, wanted), 1, len(time) - 1)
    before = after - 1
    nearest = np.where(wanted - time[before] <= np.abs(time[after] - wanted), before, after)
    end = np.arange(len(time))
    near = np.abs(time[nearest] - wanted) <= np.timedelta64(slack_min, "m")
    near &= nearest < end
    return _Changes(value[end[near]] - value[nearest[near]], nearest[near], end[near])
