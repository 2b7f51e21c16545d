"""Distributions of stage on mornings with different errors, by hand and against each other."""

from __future__ import annotations

import numpy as np
import pytest

from models.stage.distribution import StageDistribution, StagePart
from models.stage.errors import fit_errors


def two_tiers() -> StageDistribution:
    """Three mornings at two leads: the second's errors are twice as wide, around 5 m."""
    z = np.random.default_rng(1).standard_normal((4000, 2))
    errors = fit_errors(z, np.ones(len(z)))
    full = StagePart(
        np.array([0, 2]),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.full((2, 2), 0.5),
        errors,
        np.array(["model", "persistence"]),
        {"rain": np.array([[0.1, 0.2], [0.3, 0.4]])},
    )
    past = StagePart(
        np.array([1]), np.full((1, 2), 5.0), np.ones((1, 2)), errors, np.full(2, "climatology"), {}
    )
    return StageDistribution(np.array(["full", "climatology", "full"]), (full, past), 2)


def test_quantiles_lie_around_each_mornings_middle() -> None:
    stages = two_tiers().ppf([0.1, 0.5, 0.9])
    assert stages.shape == (3, 2, 3)
    assert stages[:, :, 1] == pytest.approx(
        np.array([[1.0, 2.0], [5.0, 5.0], [3.0, 4.0]]), abs=0.05
    )
    width = stages[:, :, 2] - stages[:, :, 0]
    assert width == pytest.approx(2.56 * np.array([[0.5] * 2, [1.0] * 2, [0.5] * 2]), rel=0.05)
    assert two_tiers().mean() == pytest.approx(stages[:, :, 1], abs=0.05)


@pytest.mark.parametrize("q", [0.0, 1.0, [0.5, 1.5], -0.1, np.nan])
def test_a_quantile_of_no_probability_is_refused(q: float | list[float]) -> None:
    with pytest.raises(ValueError, match="q: expected 0 < q < 1"):
        two_tiers().ppf(q)


def test_probabilities_agree_with_quantiles() -> None:
    distribution = two_tiers()
    at_90 = distribution.ppf([0.9])[:, 0, 0]
    on_day, by_day = distribution.exceedance(at_90)
    assert on_day[:, 0] == pytest.approx([0.1] * 3)
    assert distribution.cdf(at_90)[:, 0] == pytest.approx([0.9] * 3)
    assert (by_day >= on_day).all()
    assert by_day[:, 0] == pytest.approx(on_day[:, 0])
    assert distribution.cdf(1.0)[0, 0] == pytest.approx(0.5, abs=0.05), "a number is for all"


def test_a_morning_without_a_threshold_has_no_probability() -> None:
    on_day, by_day = two_tiers().exceedance([1.0, np.nan, 3.0])
    for p in (on_day, by_day):
        assert np.isnan(p[1]).all()
        assert np.isfinite(p[[0, 2]]).all()


def test_the_highest_stage_has_the_chance_of_reaching_any() -> None:
    distribution, levels = two_tiers(), np.linspace(0.01, 0.99, 99)
    highest_m = distribution.highest_ppf(levels)
    assert highest_m.shape == (3, 2, 99)
    assert highest_m[:, 0] == pytest.approx(distribution.ppf(levels)[:, 0], abs=0.06)
    for stage_m in (0.5, 1.5, 3.0, 5.2):
        _, by_day = distribution.exceedance(stage_m)
        read = [
            [1.0 - np.interp(stage_m, row, levels, left=0.0, right=1.0) for row in of_morning]
            for of_morning in highest_m
        ]
        assert np.array(read) == pytest.approx(by_day, abs=0.02)
    with pytest.raises(ValueError, match="q: expected 0 < q < 1"):
        distribution.highest_ppf(1.0)


def test_draws_have_the_quantiles() -> None:
    distribution = two_tiers()
    draws = distribution.rvs(20_000, random_state=3)
    assert draws.shape == (20_000, 3, 2)
    q = [0.1, 0.5, 0.9]
    assert np.quantile(draws, q, axis=0) == pytest.approx(
        distribution.ppf(q).transpose(2, 0, 1), abs=0.05
    )


def test_drivers_are_known_where_a_regression_spoke() -> None:
    drivers = two_tiers().drivers()
    assert drivers["rain"][[0, 2]].tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert np.isnan(drivers["rain"][1]).all()
    assert all(np.isnan(part).all() for kind, part in drivers.items() if kind != "rain")
