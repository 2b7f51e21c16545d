"""Seasons of the river: how their regressions share a day, and how much a day weighs in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.stage.features import DAY

SEASONS = ("dry", "rise", "flood", "recession")
"""Parts of the year with a regression of their own."""
SEASON_KNOTS = (
    (1, "dry"), (115, "dry"), (166, "rise"), (232, "flood"), (288, "recession"), (345, "dry"),
)  # fmt: skip


@dataclass(frozen=True)
class Seasons:
    """Weights of days by season and age.

    Parameters
    ----------
    knots
        Days of the year on which a season's regression stands alone; between two days both share.
    cross_season_weight
        Weight that a day of another wet season keeps in a season's regression.
    dry_wet_weight
        Weight that a wet day keeps in the dry season's regression, and a dry one in the others'.
    dry_error_weight
        Weight of a day of December to April beside one of the flood season in the errors' spread.
    half_life_y
        Years after which a day of the past weighs half: the dams have changed the river.
    """

    knots: tuple[tuple[int, str], ...] = SEASON_KNOTS
    cross_season_weight: float = 0.3
    dry_wet_weight: float = 0.1
    dry_error_weight: float = 0.15
    half_life_y: float = 15.0

    def __post_init__(self) -> None:
        """Raise ValueError where days of the past would weigh more than those of today."""
        if not self.half_life_y > 0.0:
            raise ValueError(f"half_life_y: expected years above 0, found {self.half_life_y}")

    def shares(self, dates: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Share of each season's regression in the forecast issued on a date, (n, n_seasons).

        Examples
        --------
        >>> Seasons().shares(pd.DatetimeIndex(["2018-02-01", "2018-07-18"])).tolist()
        [[1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]
        """
        day = np.asarray(dates.day_of_year, dtype="float64")
        days = [knot for knot, _ in self.knots]
        alone = [[float(season == name) for _, season in self.knots] for name in SEASONS]
        return np.column_stack([np.interp(day, days, share, period=365.25) for share in alone])

    def weights(self, dates: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Weight of each date in each season's regression, shape (n_seasons, n)."""
        shares = self.shares(dates)
        dry = shares[:, 0]
        least_share = np.maximum(self.cross_season_weight * (1.0 - dry), self.dry_wet_weight)
        wet = np.maximum(shares[:, 1:], least_share[:, None])
        by_season = np.column_stack([np.maximum(dry, self.dry_wet_weight), wet]).T
        return np.asarray(by_season * self.recency(dates))

    def error_weights(self, dates: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Weight of each date's error: the flood season and recent years count more, shape (n,)."""
        wet = dates.month.isin([5, 6, 7, 8, 9, 10, 11])
        return np.asarray(np.where(wet, 1.0, self.dry_error_weight) * self.recency(dates))

    def recency(self, dates: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Weight of each date by its age beside the last one, halved every ``half_life_y``."""
        age_y = np.asarray((dates[-1] - dates) / DAY) / 365.25
        return np.asarray(0.5 ** (age_y / self.half_life_y))
