"""Intervals of scores from resampled years."""

from __future__ import annotations

import numpy as np

from models.verification.bootstrap import make_interval, skill_over_years


def test_the_interval_leaves_a_fortieth_on_either_side() -> None:
    score = make_interval(5.0, np.arange(1001.0))
    assert (score.value, score.low, score.high) == (5.0, 25.0, 975.0)
    assert np.isnan(make_interval(5.0, np.full(10, np.nan)).low)


def test_two_years_give_no_interval() -> None:
    assert np.isnan(skill_over_years(np.ones(2), np.ones(2)).low)
    assert np.isfinite(skill_over_years(np.ones(3), np.ones(3)).low)
