"""The score of a gamma variate against the exact one."""

from __future__ import annotations

import numpy as np
import scipy.stats
from scipy.special import ndtr

from pipeline.indices import gamma


def test_the_polynomial_is_the_exact_gamma_score_to_two_millionths() -> None:
    shape = np.geomspace(gamma.LEAST_SHAPE, 1e4, 500)
    z = np.repeat(np.linspace(-3.05, 3.05, 61)[:, None], 500, axis=1)
    x = np.where(
        z < 0, scipy.stats.gamma.ppf(ndtr(z), shape), scipy.stats.gamma.isf(ndtr(-z), shape)
    )
    np.testing.assert_allclose(gamma.to_normal_exactly(x, shape), z, atol=1e-9)
    np.testing.assert_allclose(gamma.to_normal(x / shape, shape), z, atol=2e-6)
    single = gamma.to_normal((x / shape).astype("f4"), shape)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, z, atol=1e-4)
    far = gamma.to_normal(np.array([[0.0], [1e4], [np.nan]]) * np.ones(2), np.array([0.5, 8.0]))
    assert (far[0] < -3).all()
    assert (far[1] > 3).all()
    assert np.isnan(far[2]).all()


def test_a_few_rows_are_scored_as_many_are() -> None:
    """Skewed and bell-shaped cells side by side: gathered in a few rows, together in many."""
    shape = np.array([0.3, 9.0, 3.9, 4.0, 0.2, 200.0])
    mean = np.random.default_rng(0).gamma(shape, 1 / shape, (40, 6))
    many = gamma.to_normal(mean, shape)
    for begin in range(0, 40, 5):
        rows = slice(begin, begin + 5)
        np.testing.assert_allclose(gamma.to_normal(mean[rows], shape), many[rows], atol=1e-12)
    inner = np.abs(many) < 3
    exact = gamma.to_normal_exactly(mean * shape, shape)
    np.testing.assert_allclose(many[inner], exact[inner], atol=2e-6)
