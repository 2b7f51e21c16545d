"""L-moments and the distributions fitted from them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gamma

from pipeline.indices.lmoments import compute_level, fit_params, l_moments, weighted_moments


def test_moments_with_gaps_are_those_of_the_rest() -> None:
    rng = np.random.default_rng(8)
    x = rng.gumbel(size=(30, 4))
    holes = np.insert(x, [3, 9, 9], np.nan, axis=0)
    for whole, gapped in zip(weighted_moments(x), weighted_moments(holes), strict=True):
        np.testing.assert_allclose(whole, gapped, rtol=1e-12)
    assert np.isnan(weighted_moments(x[:2])[2]).all()


@given(
    st.lists(st.integers(-100, 100), min_size=4, max_size=30, unique=True),
    st.floats(0.1, 50.0),
    st.floats(-100.0, 100.0),
)
def test_moments_follow_a_change_of_scale(sample: list[int], factor: float, shift: float) -> None:
    """Hosking & Wallis, section 2.4: the first moves, the second stretches, the ratio stays."""
    x = np.array(sample, float)
    l1, l2, t3, n = l_moments(x)
    moved = l_moments(factor * x + shift)
    assert moved[0] == pytest.approx(factor * l1 + shift, abs=1e-6)
    assert moved[1] == pytest.approx(factor * l2)
    assert moved[2] == pytest.approx(t3, abs=1e-6)
    assert moved[3] == n == len(sample)
    assert -1 < t3 < 1


@pytest.mark.parametrize("k", [-0.2, -0.05, 0.1, 0.3])
def test_the_gev_of_exact_moments_is_found_again(k: float) -> None:
    l1 = 50 + 10 * (1 - gamma(1 + k)) / k
    l2 = 10 * (1 - 2**-k) * gamma(1 + k) / k
    t3 = 2 * (1 - 3**-k) / (1 - 2**-k) - 3
    location, scale, shape = fit_params(*np.array([l1, l2, t3]), distribution="gev")
    assert shape == pytest.approx(k, abs=9e-4)  # Hosking's approximation
    assert location == pytest.approx(50, abs=0.02)
    assert scale == pytest.approx(10, abs=0.02)


def test_a_level_is_the_quantile_of_its_return_period() -> None:
    shape = np.array([0.0, 0.15, -0.15])
    location, scale = np.full(3, 50.0), np.full(3, 10.0)
    for years in (2.0, 10.0, 100.0):
        level = compute_level(years, location, scale, shape)
        expected = scipy.stats.genextreme.ppf(1 - 1 / years, shape, loc=50, scale=10)
        np.testing.assert_allclose(level, expected, rtol=1e-12)
