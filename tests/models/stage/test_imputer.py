"""Standardised columns by hand, gaps filled from the rest of a row, and scikit-learn's checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.stage.imputer import BOUND, BoundedScaler, ConditionalMeanImputer


@parametrize_with_checks([BoundedScaler(), ConditionalMeanImputer()])
def test_transformers_pass_the_checks_of_scikit_learn(
    estimator: BaseEstimator, check: Callable[[BaseEstimator], None]
) -> None:
    check(estimator)


def test_limits_by_hand() -> None:
    raw = np.column_stack([np.arange(1001.0), np.full(1001, 7.0), np.full(1001, np.nan)])
    raw[5, 0] = np.nan
    low, high, mean, sd = BoundedScaler().fit(raw).limits_
    # The middle is 500.5; the limits lie twice as far from it as the outermost thousandths.
    assert low[0] == pytest.approx(500.5 - 2 * (500.5 - 1.0), abs=0.2)
    assert high[0] == pytest.approx(500.5 + 2 * (999.0 - 500.5), abs=0.2)
    assert mean[0] == pytest.approx(np.delete(np.arange(1001.0), 5).mean())
    assert sd[0] == pytest.approx(np.delete(np.arange(1001.0), 5).std())
    assert (mean[1], sd[1]) == (7.0, 1.0), "a constant column is not divided by 0"
    assert (mean[2], sd[2]) == (0.0, 1.0), "nor is one of nothing"


def test_what_is_far_out_is_bounded_and_what_is_missing_stays_missing() -> None:
    scaler = BoundedScaler().fit([[-1.0], [1.0]])
    scaler.limits_ = np.array([[-100.0], [20.0], [0.0], [2.0]])
    z = scaler.transform(np.array([[3.0], [-1e9], [1e9], [np.nan]]))
    assert z[:3, 0].tolist() == [1.5, -BOUND, BOUND], "20 m are ten deviations"
    assert np.isnan(z[3, 0])


def test_the_covariance_counts_the_rows_that_a_pair_shares() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(100_000)
    y = 0.6 * x + 0.8 * rng.standard_normal(100_000)
    whole = ConditionalMeanImputer().fit(np.column_stack([x, y])).precision_
    # 0.95 of the correlation remains, and half of that where 200 rows are shared.
    assert np.linalg.inv(whole) == pytest.approx(np.array([[1.0, 0.57], [0.57, 1.0]]), abs=0.01)
    y[200:] = np.nan
    few = np.linalg.inv(ConditionalMeanImputer().fit(np.column_stack([x, y])).precision_)
    shared = float(np.mean(x[:200] * y[:200]))
    assert few[0, 1] == pytest.approx(0.95 * shared / 2, abs=1e-6)
    assert np.linalg.eigvalsh(few).min() >= ConditionalMeanImputer().least_variance - 1e-12


def test_a_precision_of_equal_columns_stays_positive() -> None:
    x = np.random.default_rng(2).standard_normal(5000)
    values = np.linalg.eigvalsh(
        np.linalg.inv(ConditionalMeanImputer().fit(np.column_stack([x, x, x])).precision_)
    )
    assert values.min() == pytest.approx(ConditionalMeanImputer().shrinkage, abs=1e-6)


def test_a_gap_is_the_expectation_given_the_rest_of_its_row() -> None:
    covariance = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, 0.4], [0.3, 0.4, 1.0]])
    z = np.array(
        [[np.nan, 1.0, -2.0], [2.0, np.nan, np.nan], [np.nan] * 3, [0.1, 0.2, 0.3]]
    )  # fmt: skip
    imputer = ConditionalMeanImputer().fit(z)
    imputer.precision_ = np.linalg.inv(covariance)
    filled = imputer.transform(z)
    given = np.linalg.solve(covariance[1:, 1:], [1.0, -2.0])
    assert filled[0] == pytest.approx([covariance[0, 1:] @ given, 1.0, -2.0])
    assert filled[1] == pytest.approx([2.0, 1.0, 0.6])
    assert filled[2] == pytest.approx([0.0, 0.0, 0.0]), "nothing is known of the row"
    assert filled[3].tolist() == [0.1, 0.2, 0.3]
