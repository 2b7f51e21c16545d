"""Intervals of scores from resampled years."""

from __future__ import annotations

import numpy as np

from models.verification.bootstrap import (
    compare_over_years,
    compare_with_conditional,
    make_interval,
)


def test_the_interval_leaves_a_fortieth_on_either_side() -> None:
    score = make_interval(5.0, np.arange(1001.0))
    assert (score.value, score.low, score.high) == (5.0, 25.0, 975.0)
    assert np.isnan(make_interval(5.0, np.full(10, np.nan)).low)
    narrower = make_interval(5.0, np.arange(1001.0), (0.05, 0.95))
    assert (narrower.low, narrower.high) == (50.0, 950.0)


def test_two_years_give_no_interval() -> None:
    assert np.isnan(compare_over_years(np.ones(2), np.ones(2), cases=2).skill.low)
    assert np.isfinite(compare_over_years(np.ones(3), np.ones(3), cases=3).skill.low)


def test_a_card_has_both_brier_scores_and_the_skill() -> None:
    scores = compare_with_conditional(np.array([1.0, 2.0]), np.array([4.0, 2.0]), cases=30)
    bounds = scores.pop("skill_low"), scores.pop("skill_high")
    assert np.isnan(bounds).all()
    assert scores == {"brier": 0.1, "brier_conditional": 0.2, "skill_vs_conditional": 0.5}
    assert np.isnan(compare_with_conditional(np.zeros(0), np.zeros(0), cases=0)["brier"])
