"""Adaptive ridge against scikit-learn's, what splits leave out, and the choice of a penalty."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import KFold, PredefinedSplit, cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.stage.ridge import (
    LEAST_VARIANCE,
    PENALTIES,
    AdaptiveRidgeCV,
    NormalEquations,
    relative_variances,
)


@parametrize_with_checks([AdaptiveRidgeCV()])
def test_it_passes_the_checks_of_scikit_learn(
    estimator: BaseEstimator, check: Callable[[BaseEstimator], None]
) -> None:
    check(estimator)


def rows(n_years: int = 8, noise: float = 0.5) -> tuple[np.ndarray, ...]:
    """Columns, targets, weights and years: four columns, of which the third never matters."""
    rng = np.random.default_rng(7)
    n = n_years * 200
    matrix = rng.standard_normal((n, 4)) + 0.3
    target = matrix @ np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 0.0], [0.0, -1.0]]) + 3.0
    target += noise * rng.standard_normal(target.shape)
    return matrix, target, rng.uniform(0.2, 1.0, n), np.repeat(np.arange(n_years), 200)


def equations(
    matrix: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray,
    year: np.ndarray,
    **more: np.ndarray,
) -> NormalEquations:
    """Each year left out in turn, and the last one forecast by those before it."""
    out = np.array([year == number for number in np.unique(year)])
    train = np.vstack([~out, year < year.max()])
    return NormalEquations(matrix, target, weights, train=train, test=out, **more)


def test_coefficients_are_those_of_scikit_learn() -> None:
    matrix, target, weights, year = rows()
    use = [0, 1, 3]
    normal = equations(matrix, target, weights, year)
    first = normal.fit(np.array(use), PENALTIES)
    variances = relative_variances(first.coefficients, LEAST_VARIANCE)
    again = normal.fit(np.array(use), PENALTIES, variances)
    for regression, root in ((first, np.ones((10, 3))), (again, np.sqrt(variances))):
        for number, known in enumerate([year >= 0, *(year != k for k in range(8)), year < 7]):
            for lead, penalty in enumerate(regression.penalties):
                peer = Ridge(alpha=penalty).fit(
                    matrix[known][:, use] * root[number], target[known, lead], weights[known]
                )
                expected = np.append(peer.coef_ * root[number], peer.intercept_)
                assert regression.coefficients[number, :, lead] == pytest.approx(expected, abs=1e-9)


def test_without_adapting_it_is_the_ridge_of_scikit_learn() -> None:
    matrix, target, _, year = rows(noise=4.0)
    own = AdaptiveRidgeCV(PENALTIES, cv=PredefinedSplit(year), adaptive=False).fit(matrix, target)
    for lead in range(2):
        peer = RidgeCV(PENALTIES, cv=PredefinedSplit(year), scoring="neg_mean_squared_error")
        peer.fit(matrix, target[:, lead])
        assert own.alpha_[lead] == peer.alpha_
        assert own.coef_[lead] == pytest.approx(peer.coef_, abs=1e-10)
        assert own.intercept_[lead] == pytest.approx(peer.intercept_, abs=1e-10)
    held_out = cross_val_predict(Ridge(alpha=own.alpha_), matrix, target, cv=PredefinedSplit(year))
    assert own.cv_predictions_ == pytest.approx(held_out, abs=1e-10)


def test_one_target_is_one_of_several() -> None:
    matrix, target, weights, _ = rows()
    one, several = (
        AdaptiveRidgeCV(cv=KFold(4)).fit(matrix, y, weights) for y in (target[:, 1], target[:, [1]])
    )
    assert one.coef_.shape == (4,)
    assert several.coef_.shape == (1, 4)
    assert one.coef_.tolist() == several.coef_[0].tolist()
    assert one.predict(matrix).tolist() == several.predict(matrix)[:, 0].tolist()


def test_variances_are_of_each_splits_own_rows() -> None:
    matrix, target, weights, year = rows(noise=0.0)
    target[year == 5] = matrix[year == 5][:, [2]]
    normal = equations(matrix, target, weights, year)
    variances = relative_variances(normal.fit(np.arange(4), PENALTIES).coefficients, 0.1)
    unknown = 0.1 / 1.1
    assert variances.shape == (10, 4)
    assert variances[6, 2] == pytest.approx(unknown, abs=1e-3), "without year 5"
    for number in (0, 5, 9):
        assert variances[number, 2] > 1.1 * unknown


def test_a_second_fit_leaves_out_what_only_seemed_to_matter() -> None:
    rng = np.random.default_rng(3)
    matrix, target, _, year = rows(n_years=6, noise=2.0)
    matrix = np.column_stack([matrix, rng.standard_normal((len(matrix), 150))])
    first, again = (
        AdaptiveRidgeCV(cv=PredefinedSplit(year), adaptive=adaptive).fit(matrix, target)
        for adaptive in (False, True)
    )
    lost = [np.abs(fitted.coef_[:, 4:]).sum() for fitted in (first, again)]
    assert lost[1] < 0.5 * lost[0]
    errors = [((fitted.cv_predictions_ - target) ** 2).mean() for fitted in (first, again)]
    assert errors[1] < 0.98 * errors[0]


def test_prior_variances_are_averaged_with_the_own() -> None:
    matrix, target, _, year = rows()
    prior = np.array([2.0, 1.0, 0.2, 0.8])
    lent = AdaptiveRidgeCV(cv=PredefinedSplit(year), prior_variances=prior).fit(matrix, target)
    first = AdaptiveRidgeCV(cv=PredefinedSplit(year), prior_variances=prior, adaptive=False).fit(
        matrix, target
    )
    coefficients = np.vstack([first.coef_.T, first.intercept_])[None]
    own = relative_variances(coefficients, LEAST_VARIANCE)[0]
    assert lent.prior_variances_ == pytest.approx((prior + own) / 2.0)


def test_rows_left_out_are_not_seen() -> None:
    matrix, target, weights, year = rows()
    # In one year everything is turned round: a fit that had seen it would follow.
    turned = target.copy()
    turned[year == 5] *= -1.0
    before, after = (
        equations(matrix, y, weights, year).fit(np.arange(4), (1.0,)).coefficients
        for y in (target, turned)
    )
    assert after[6] == pytest.approx(before[6], abs=1e-9)
    for number in (0, 1, 5, 7, 9):
        assert np.abs(after[number] - before[number]).max() > 0.1


def test_the_penalty_is_chosen_by_what_is_judged() -> None:
    matrix, target, weights, year = rows(noise=0.0)
    # In odd years nothing that the columns say is true: judged by those, a large penalty is best.
    rng = np.random.default_rng(8)
    odd = year % 2 == 1
    target[odd] = 3.0 + rng.standard_normal((odd.sum(), 2))
    penalties = [
        equations(matrix, target, weights, year, judging_weights=judged.astype("float64"))
        .fit(np.arange(4), PENALTIES)
        .penalties
        for judged in (~odd, odd)
    ]
    assert (penalties[0] < penalties[1]).all()


def test_the_loss_of_a_penalty_is_that_of_its_forecasts() -> None:
    matrix, target, weights, year = rows(noise=8.0)
    chosen = equations(matrix, target, weights, year).fit(np.array([1, 2]), PENALTIES).penalties
    losses = np.zeros((len(PENALTIES), 2))
    for number in range(8):
        known, out = year != number, year == number
        for k, penalty in enumerate(PENALTIES):
            peer = Ridge(alpha=penalty).fit(matrix[known][:, [1, 2]], target[known], weights[known])
            errors = target[out] - peer.predict(matrix[out][:, [1, 2]])
            losses[k] += (weights[out, None] * errors**2).sum(axis=0)
    assert chosen.tolist() == np.array(PENALTIES)[losses.argmin(axis=0)].tolist()
    assert len(set(chosen)) == 2, "each target has its own"


def test_a_matrix_without_a_solution_raises() -> None:
    matrix, target, weights, year = rows()
    normal = equations(np.column_stack([matrix, matrix[:, :1]]), target, weights, year)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        normal.fit(np.arange(5), (-1e3,))


def test_bounded_slopes_are_the_least_squares_of_scipy() -> None:
    """Ridge as least squares on rows of penalties, with bounds, solved by another algorithm."""
    rng = np.random.default_rng(4)
    x, weights = rng.normal(size=(80, 5)), rng.uniform(0.5, 1.0, 80)
    y = x @ np.array([[-1.0, 0.5], [-0.7, 2.0], [0.3, -0.2], [1.0, 0.0], [0.2, -2.0]])
    y += rng.normal(size=y.shape) + 3.0
    nonnegative = np.array([True, True, False, True, False])
    train = np.tile(np.arange(80) % 2 == 0, (1, 1))
    normal = NormalEquations(x, y, weights, train=train, test=~train)
    fit = normal.fit(np.arange(5), (2.0,), nonnegative=nonnegative)
    for coefficients, rows in zip(fit.coefficients, (np.full(80, True), train[0]), strict=True):
        share = weights[rows] / weights[rows].sum()
        centred = [values[rows] - share @ values[rows] for values in (x, y)]
        root = np.sqrt(weights[rows])[:, None]
        stacked = np.vstack([centred[0] * root, np.sqrt(2.0) * np.eye(5)])
        for target in range(2):
            side = np.append(centred[1][:, target] * root[:, 0], np.zeros(5))
            low = np.where(nonnegative, 0.0, -np.inf)
            expected = lsq_linear(stacked, side, (low, np.inf), method="bvls", tol=1e-12).x
            assert coefficients[:-1, target] == pytest.approx(expected, abs=1e-8)
            assert (coefficients[:-1, target][nonnegative] >= 0.0).all()
    assert (fit.coefficients[0, :-1] == 0.0).any(), "a bound holds"
