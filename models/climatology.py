"""Windows in days of the year, hydrological years and the climatologies made of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pipeline.indices.common import slot_distance

HALF_WINDOW_D = 15
"""Days on either side of a date whose values make its climatology."""
PENTAD_D = 5
"""Days of the year that share one row of a table of quantiles."""
WET_MONTHS = (6, 7, 8, 9, 10)
"""June to October, the flood season of scores and reports."""
HYDROLOGICAL_YEAR_MONTH = 6
"""A hydrological year begins on 1 June, before the river rises: models are refitted then."""
FROM_JUNE = pd.DateOffset(months=5)
"""From 1 January to the start of a hydrological year."""
FROM_JUNE_BY_DAYS = pd.Timedelta(days=151)
"""The same counted in days: 31 May of a leap year belongs to the year after. The folds of low flow
and of the benchmark, and the years of skill tables, have been counted so."""
FROM_APRIL_BY_DAYS = pd.Timedelta(days=90)
"""From 1 January to low water: folds that are cut there, before the first rise, share least."""
PRIOR_CASES = 20.0
"""Cases of the overall rate that a month's rate starts from, and of the month's rate that a
class's starts from."""


def water_year(
    dates: pd.DatetimeIndex, begins: pd.DateOffset | pd.Timedelta = FROM_JUNE
) -> NDArray[np.int64]:
    """Year that each date belongs to, named after the calendar year in which it begins.

    Examples
    --------
    >>> dates = pd.DatetimeIndex(["2016-05-31", "2016-06-01"])
    >>> water_year(dates).tolist(), water_year(dates, FROM_JUNE_BY_DAYS).tolist()
    ([2015, 2016], [2016, 2016])
    """
    return np.asarray((dates - begins).year)


def hydrological_years(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Cut a half-open interval at each 1 June.

    Examples
    --------
    >>> start, end = datetime(2012, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
    >>> [f"{first:%Y-%m}" for first, _ in hydrological_years(start, end)]
    ['2012-07', '2013-06']
    """
    years = range(start.year, end.year + 1)
    starts = [datetime(year, HYDROLOGICAL_YEAR_MONTH, 1, tzinfo=UTC) for year in years]
    return list(pairwise([start, *(moment for moment in starts if start < moment < end), end]))


def day_of_year(dates: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Day of the year, 1 to 365; 31 December of a leap year shares the slot of the 30th.

    From 29 February of a leap year on it is one more than
    :func:`pipeline.indices.common.slots`, which gives each calendar day its slot: a table made by
    one must not be read by the other.
    """
    return np.asarray(np.minimum(dates.day_of_year, 365))


def pentad(dates: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Row of a table of 73 pentads that each date belongs to, from 0."""
    return (day_of_year(dates) - 1) // PENTAD_D


def pentad_windows(dates: pd.DatetimeIndex) -> Iterator[NDArray[np.bool_]]:
    """For each of the 73 pentads, which dates lie within ``HALF_WINDOW_D`` of its middle."""
    day = day_of_year(dates)
    for middle in range(3, 366, PENTAD_D):
        yield slot_distance(day, middle) <= HALF_WINDOW_D


def pentad_quantiles(
    dates: pd.DatetimeIndex, values: NDArray[np.float64], q: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Quantiles of the values near each of the 73 pentads.

    Parameters
    ----------
    dates, values
        One per date, NaN where not known.
    q
        Levels, shape (n_q,).

    Returns
    -------
    ndarray
        Shape (73, n_q), NaN where no value is near.

    Examples
    --------
    >>> dates = pd.DatetimeIndex(["2018-01-02", "2018-01-04", "2018-07-01"])
    >>> pentad_quantiles(dates, np.array([1.0, 3.0, np.nan]), np.array([0.5]))[[0, 36], 0].tolist()
    [2.0, nan]
    """
    table = np.full((73, len(q)), np.nan)
    for row, within in zip(table, pentad_windows(dates), strict=True):
        near = values[within & np.isfinite(values)]
        if len(near):
            row[:] = np.quantile(near, q)
    return table


def annual_waves(dates: pd.DatetimeIndex) -> list[NDArray[np.float64]]:
    """Sine and cosine of the year, then of its half, at each date, shape (n,) each.

    Examples
    --------
    >>> [round(float(wave[0]), 2) for wave in annual_waves(pd.DatetimeIndex(["2018-07-01"]))]
    [0.01, -1.0, -0.02, 1.0]
    """
    angle = 2.0 * np.pi * dates.day_of_year.to_numpy() / 365.25
    return [wave(k * angle) for k in (1, 2) for wave in (np.sin, np.cos)]


def window_sums(dates: pd.DatetimeIndex, values: ArrayLike) -> NDArray[np.float64]:
    """Sum of the values within ``HALF_WINDOW_D`` of each day of the year.

    Parameters
    ----------
    dates, values
        Values without NaN, one per date.

    Returns
    -------
    ndarray
        Shape (365,), the year's end wrapped; read it at :func:`day_of_year` - 1.

    Examples
    --------
    >>> sums = window_sums(pd.DatetimeIndex(["2018-01-02", "2018-12-31"]), [1.0, 2.0])
    >>> sums[[0, 16, 17, 364]].tolist()
    [3.0, 1.0, 0.0, 3.0]
    """
    by_day = np.bincount(day_of_year(dates), values, 366)[1:]
    around = np.arange(-HALF_WINDOW_D, HALF_WINDOW_D + 1)
    return np.asarray(by_day[(np.arange(365)[:, None] + around) % 365].sum(axis=1))


def window_means(dates: pd.DatetimeIndex, values: ArrayLike) -> NDArray[np.float64]:
    """Mean of the values within ``HALF_WINDOW_D`` of each day of the year.

    Parameters
    ----------
    dates, values
        One per date, NaN where not known.

    Returns
    -------
    ndarray
        Shape (365,), NaN without a value; read it as that of :func:`window_sums`.

    Examples
    --------
    >>> dates = pd.DatetimeIndex(["2018-01-02", "2018-01-03", "2018-01-04"])
    >>> window_means(dates, [1.0, 2.0, np.nan])[[0, 17, 99]].tolist()
    [1.5, 2.0, nan]
    """
    array = np.asarray(values, dtype="float64")
    known = np.isfinite(array)
    count = window_sums(dates, known)
    total = window_sums(dates, np.where(known, array, 0.0))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def conditional_climatology(
    month: NDArray[np.int64], now: NDArray[np.int64], outcome: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(class ≥ Dk) given the target's month and the class now, drawn to the month's mean.

    Parameters
    ----------
    month
        Month of the target, from 0, shape (n,).
    now
        Class now + 1, from 0 (none) to the number of classes, shape (n,).
    outcome
        1 where class k or a drier one came, else 0, shape (n, n_classes).

    Returns
    -------
    ndarray
        Shape (12, n_classes + 1, n_classes).
    """
    n_classes = outcome.shape[1]
    total, count = np.zeros((12, n_classes + 1, n_classes)), np.zeros((12, n_classes + 1, 1))
    np.add.at(total, (month, now), outcome)
    np.add.at(count, (month, now), 1.0)
    overall = outcome.mean(axis=0)
    monthly = (total.sum(axis=1) + PRIOR_CASES * overall) / (count.sum(axis=1) + PRIOR_CASES)
    return np.asarray((total + PRIOR_CASES * monthly[:, None]) / (count + PRIOR_CASES))
