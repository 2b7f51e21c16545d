"""Seasons of the river: how their regressions share a day, and how much a day weighs in each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.stage.features import DAY

SEASONS = ("dry", "rise", "flood", "recession")
"""Parts of the year with a regression of their own."""
SEASON_KNOTS = (
    (1, "dry"), (115, "dry"), (166, "rise"), (232, "flood"), (288, "recession"), (345, "dry"),
)  # fmt: skip
"""Days of the year on which a season's regression stands alone; between two days both share."""
CROSS_SEASON_WEIGHT = 0.3
"""Weight that a day of another wet season keeps in a season's regression."""
DRY_WET_WEIGHT = 0.1
"""Weight that a wet day keeps in the dry season's regression, and a dry one in the others'."""
DRY_WEIGHT = 0.15
"""Weight of a day of December to April beside one of the flood season in the errors' spread."""
HALF_LIFE_Y = 15.0
"""Years after which a day of the past weighs half: the dams have changed the river."""


def season_shares(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Share of each season's regression in the forecast issued on a date, shape (n, n_seasons).

    Examples
    --------
    >>> season_shares(pd.DatetimeIndex(["2018-02-01", "2018-07-18", "2018-08-20"])).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    day = np.asarray(dates.day_of_year, dtype="float64")
    knots = [knot for knot, _ in SEASON_KNOTS]
    alone = [[float(season == name) for _, season in SEASON_KNOTS] for name in SEASONS]
    return np.column_stack([np.interp(day, knots, share, period=365.25) for share in alone])


def season_weights(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Weight of each date in each season's regression, shape (n_seasons, n)."""
    shares = season_shares(dates)
    dry = shares[:, 0]
    least_share = np.maximum(CROSS_SEASON_WEIGHT * (1.0 - dry), DRY_WET_WEIGHT)[:, None]
    wet = np.maximum(shares[:, 1:], least_share)
    return np.asarray(np.column_stack([np.maximum(dry, DRY_WET_WEIGHT), wet]).T * recency(dates))


def error_weights(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Weight of each date's error: the flood season and recent years count more, shape (n,)."""
    season = np.where(dates.month.isin([5, 6, 7, 8, 9, 10, 11]), 1.0, DRY_WEIGHT)
    return np.asarray(season * recency(dates))


def recency(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Weight of each date by its age beside the last one, halved every ``HALF_LIFE_Y``."""
    age_y = np.asarray((dates[-1] - dates) / DAY) / 365.25
    return np.asarray(0.5 ** (age_y / HALF_LIFE_Y))
