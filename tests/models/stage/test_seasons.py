"""Weights of training days by season."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.stage.seasons import (
    CROSS_SEASON_WEIGHT,
    DRY_WET_WEIGHT,
    HALF_LIFE_Y,
    SEASONS,
    season_shares,
    season_weights,
)


def test_each_season_learns_most_from_its_own_days() -> None:
    dates = pd.date_range("2017-12-01", "2018-11-30")
    shares, weights = season_shares(dates), season_weights(dates)
    # The half-life is that of years: within one year, weights are the season's own.
    recent = 0.5 ** (np.asarray((dates[-1] - dates).days) / 365.25 / HALF_LIFE_Y)
    own = weights / recent
    for month, season in ((2, "dry"), (6, "rise"), (8, "flood"), (10, "recession")):
        row = int(np.flatnonzero((dates.month == month) & (dates.day == 18))[0])
        k = SEASONS.index(season)
        assert shares[row, k] > 0.7
        assert own[:, row].argmax() == k
    february, august = (
        int(np.flatnonzero(dates == day)[0]) for day in ("2018-02-01", "2018-08-20")
    )
    assert own[:, february] == pytest.approx([1.0, DRY_WET_WEIGHT, DRY_WET_WEIGHT, DRY_WET_WEIGHT])
    assert own[:, august] == pytest.approx(
        [DRY_WET_WEIGHT, CROSS_SEASON_WEIGHT, 1.0, CROSS_SEASON_WEIGHT]
    )
    assert (own >= DRY_WET_WEIGHT - 1e-12).all()
    assert (own <= 1.0 + 1e-12).all()
