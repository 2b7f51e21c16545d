"""Weights of training days by season."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.stage.seasons import SEASONS, Seasons


def test_each_season_learns_most_from_its_own_days() -> None:
    dates = pd.date_range("2017-12-01", "2018-11-30")
    seasons = Seasons()
    shares, weights = seasons.shares(dates), seasons.weights(dates)
    # The half-life is that of years: within one year, weights are the season's own.
    recent = 0.5 ** (np.asarray((dates[-1] - dates).days) / 365.25 / seasons.half_life_y)
    own = weights / recent
    for month, season in ((2, "dry"), (6, "rise"), (8, "flood"), (10, "recession")):
        row = int(np.flatnonzero((dates.month == month) & (dates.day == 18))[0])
        k = SEASONS.index(season)
        assert shares[row, k] > 0.7
        assert own[:, row].argmax() == k
    february, august = (
        int(np.flatnonzero(dates == day)[0]) for day in ("2018-02-01", "2018-08-20")
    )
    across, dry = seasons.cross_season_weight, seasons.dry_wet_weight
    assert own[:, february] == pytest.approx([1.0, dry, dry, dry])
    assert own[:, august] == pytest.approx([dry, across, 1.0, across])
    assert (own >= dry - 1e-12).all()
    assert (own <= 1.0 + 1e-12).all()


def test_a_day_of_the_past_weighs_half_after_the_half_life() -> None:
    dates = pd.DatetimeIndex(["2003-08-20", "2018-08-20"])
    assert Seasons(half_life_y=15.0).recency(dates) == pytest.approx([0.5, 1.0], abs=1e-3)
    assert Seasons(half_life_y=5.0).recency(dates) == pytest.approx([0.125, 1.0], abs=1e-3)


def test_errors_of_the_dry_season_weigh_little() -> None:
    dates = pd.DatetimeIndex(["2018-02-01", "2018-08-20"])
    weights = Seasons(dry_error_weight=0.2, half_life_y=1e9).error_weights(dates)
    assert weights == pytest.approx([0.2, 1.0])


@pytest.mark.parametrize("half_life_y", [0.0, -1.0, np.nan])
def test_the_past_does_not_weigh_more_than_today(half_life_y: float) -> None:
    with pytest.raises(ValueError, match="half_life_y: expected years above 0"):
        Seasons(half_life_y=half_life_y)
