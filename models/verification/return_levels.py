"""Stages that a gauge reaches once in so many years, from the highest stages of its own record."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.climatology import WET_MONTHS
from pipeline.times import naive_timestamp

RETURN_YEARS = (1, 2, 5)
MIN_YEARS = 10
"""Fewest years of a record from which a level is given."""
MIN_WET_DAYS = 122
"""Days of the wet season, of 153, that a year must have readings of."""


def find_annual_maxima(readings: pd.DataFrame, *, asof: datetime) -> dict[str, NDArray[np.float64]]:
    """Find the highest stage of each finished wet season of each gauge.

    Parameters
    ----------
    readings
        Readings that may be used, known at ``asof``: station, valid_time (naive UTC), value in m.
    asof
        Moment of the question. A season that goes on, and one with readings on fewer than
        ``MIN_WET_DAYS`` days, has no maximum.

    Returns
    -------
    dict
        Stages in m by station, in the order of the years.
    """
    wet = readings[readings["valid_time"].dt.month.isin(WET_MONTHS)]
    year = wet["valid_time"].dt.year
    ended = pd.to_datetime({"year": year, "month": max(WET_MONTHS) + 1, "day": 1})
    day = wet["valid_time"].dt.normalize()
    seasons = (
        wet.assign(year=year, day=day)[ended <= naive_timestamp(asof)]
        .groupby(["station", "year"])
        .agg(highest_m=("value", "max"), days=("day", "nunique"))
    )
    whole = seasons[seasons["days"] >= MIN_WET_DAYS]["highest_m"]
    return {str(code): part.to_numpy("float64") for code, part in whole.groupby("station")}


def estimate_return_level(maxima: NDArray[np.float64], years: int) -> float:
    """Estimate the stage that is reached once in so many years on average.

    The year's highest stage stays below it with the probability exp(−1/years) (Langbein 1949, doi
    10.1029/TR030i006p00879), which also gives a 1-year level. The level is the quantile of the
    maxima at this probability by the plotting position i/(n+1), without a fitted distribution.

    Parameters
    ----------
    maxima
        Highest stage of each year, m.
    years
        Return period, years.

    Returns
    -------
    float
        Stage in m; NaN from fewer than ``MIN_YEARS`` maxima.

    Examples
    --------
    >>> maxima = np.arange(1.0, 12.0)
    >>> [round(estimate_return_level(maxima, years), 3) for years in (1, 2, 5)]
    [4.415, 7.278, 9.825]
    """
    if len(maxima) < MIN_YEARS:
        return float("nan")
    return float(np.quantile(maxima, np.exp(-1.0 / years), method="weibull"))
