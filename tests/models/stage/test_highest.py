"""Chances and quantiles of the highest stage of several days, by hand and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.stats import norm

from models.stage.errors import ErrorDistribution, fit_errors
from models.stage.highest import exceedance_by_lead, highest_quantiles
from models.stage.names import HIGHEST

LEVELS = np.array([*HIGHEST.values()])


def errors_of(correlation: np.ndarray, *, skewed: bool = False, n: int = 2000) -> ErrorDistribution:
    z = np.random.default_rng(7).multivariate_normal(np.zeros(len(correlation)), correlation, n)
    return fit_errors(np.exp(z) if skewed else z, np.ones(n))


def decaying(rho: float) -> np.ndarray:
    return rho ** np.abs(np.subtract.outer(np.arange(7), np.arange(7)))


@settings(max_examples=60)
@given(
    p=npst.arrays(float, 7, elements=st.floats(0.0, 1.0)),
    shift=st.floats(0.0, 1.0),
    rho=st.floats(0.0, 0.999),
)
def test_windows_are_coherent(p: np.ndarray, shift: float, rho: float) -> None:
    correlation = decaying(rho)
    window, rarer = (
        exceedance_by_lead(p, correlation),
        exceedance_by_lead(p * shift, correlation),
    )
    assert (np.diff(window) >= 0).all()
    assert (window >= p).all()
    assert (window <= np.minimum(np.cumsum(p), 1.0) + 1e-12).all()
    assert (rarer <= window + 1e-12).all()


def test_days_that_move_together_add_little() -> None:
    p = np.full(7, 0.2)
    together = exceedance_by_lead(p, np.full((7, 7), 0.999) + 0.001 * np.eye(7))[-1]
    apart = exceedance_by_lead(p, np.eye(7))[-1]
    assert together < 0.25
    assert apart == pytest.approx(1.0 - 0.8**7, abs=0.03)


def test_the_highest_of_one_day_is_that_day() -> None:
    errors = errors_of(np.eye(1))
    found = highest_quantiles(LEVELS, errors, np.array([3.0]), np.array([0.5]))
    assert found[0] == pytest.approx(3.0 + 0.5 * errors.ppf(LEVELS)[0], abs=1e-6)


def test_the_highest_of_independent_days_by_hand() -> None:
    found = highest_quantiles(
        np.array([0.25, 0.5, 0.9]), errors_of(np.eye(2), n=20_000), np.full(2, 3.0), np.ones(2)
    )
    # Of two independent days both stay below x with the square of one day's probability.
    assert found[1] == pytest.approx(3.0 + norm.ppf([0.5, 0.5**0.5, 0.9**0.5]), abs=0.06)
    assert found[0] == pytest.approx(3.0 + norm.ppf([0.25, 0.5, 0.9]), abs=0.06)


def test_a_day_far_below_adds_nothing() -> None:
    errors = errors_of(decaying(0.5))
    middle = np.array([9.0, *[2.0] * 6])
    found = highest_quantiles(LEVELS, errors, middle, np.full(7, 0.1))
    assert found == pytest.approx(np.tile(found[0], (7, 1)), abs=1e-5)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("skewed", [False, True])
def test_published_quantiles_give_the_chance_of_any_stage(rho: float, skewed: bool) -> None:
    rng = np.random.default_rng(int(100 * rho) + skewed)
    errors = errors_of(decaying(rho), skewed=skewed)
    middle, scale = 5.0 + np.cumsum(rng.normal(0.0, 0.4, 7)), np.sort(rng.uniform(0.02, 1.2, 7))
    highest_m = highest_quantiles(LEVELS, errors, middle, scale)
    assert (np.diff(highest_m, axis=0) >= 0.0).all()
    assert (np.diff(highest_m, axis=1) >= 0.0).all()
    for stage_m in rng.uniform(highest_m.min() - 0.3, highest_m.max() + 0.3, 60):
        p = 1.0 - errors.cdf((stage_m - middle)[None] / scale)[0]
        by_lead = exceedance_by_lead(p, errors.correlation)
        read = [1.0 - np.interp(stage_m, row, LEVELS, left=0.0, right=1.0) for row in highest_m]
        assert read == pytest.approx(by_lead, abs=0.02)


def test_at_a_published_quantile_the_chance_is_its_own() -> None:
    errors = errors_of(decaying(0.8))
    middle, scale = np.linspace(5.0, 6.0, 7), np.linspace(0.1, 0.7, 7)
    highest_m = highest_quantiles(LEVELS, errors, middle, scale)
    for stage_m, level in zip(highest_m[6], LEVELS, strict=True):
        p = 1.0 - errors.cdf((stage_m - middle)[None] / scale)[0]
        by_lead = exceedance_by_lead(p, errors.correlation)[6]
        assert by_lead == pytest.approx(1.0 - level, abs=0.001)  # a path in 2000 is 0.0005


def test_an_unknown_day_leaves_the_highest_unknown() -> None:
    middle = np.array([5.0, np.nan, *[5.0] * 5])
    assert np.isnan(highest_quantiles(LEVELS, errors_of(np.eye(7)), middle, np.ones(7))).all()
