"""Forecasts and drivers of fitted regressions by hand, whatever the regressor."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

from models.stage.design import DRIVERS
from models.stage.regressions import MOST_COLUMNS, LeadRegressors, SeasonalRidge

KINDS = ["own_trend", "rain", "tide", "rain"]


def rows(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Columns, of which the third is not used, and changes at two leads."""
    matrix = np.random.default_rng(5).standard_normal((n, 4))
    return matrix, np.column_stack([matrix[:, 0] + 2.0 * matrix[:, 3] + 0.5, -matrix[:, 1]])


def test_a_blend_of_seasons_by_hand() -> None:
    first, second = np.array([[1.0], [2.0], [0.5]]), np.array([[3.0], [0.0], [-0.5]])
    ridge = SeasonalRidge(np.array([0, 3]), np.stack([first, second]))
    matrix, shares = np.array([[1.0, 9.0, 9.0, -1.0]]), np.array([[0.75, 0.25]])
    change, drivers = ridge.forecast(matrix, shares, KINDS)
    # 1.5 of the own column, -1.5 of the rain, and 0.25 of the intercept.
    assert change.tolist() == [[0.25]]
    assert {kind: part.tolist() for kind, part in drivers.items() if part.any()} == {
        "own_trend": [[1.5]], "rain": [[-1.5]], "season": [[0.25]],
    }  # fmt: skip


def test_a_linear_regressor_has_the_drivers_of_its_coefficients() -> None:
    matrix, target = rows()
    columns = np.array([0, 1, 3])
    fitted = LeadRegressors.fit(LinearRegression(), columns, matrix, target, np.ones(len(matrix)))
    change, drivers = fitted.forecast(matrix, np.ones((len(matrix), 1)), KINDS)
    assert change == pytest.approx(target, abs=1e-9)
    assert drivers["own_trend"][:, 0] == pytest.approx(matrix[:, 0])
    assert drivers["rain"] == pytest.approx(np.column_stack([2.0 * matrix[:, 3], -matrix[:, 1]]))
    assert drivers["season"] == pytest.approx(np.tile([0.5, 0.0], (len(matrix), 1)))
    assert not drivers["tide"].any(), "a column that is not used drives nothing"


@pytest.mark.parametrize(
    "regressor", [HistGradientBoostingRegressor(max_iter=40), KNeighborsRegressor(3)]
)
def test_drivers_of_any_regressor_add_up(regressor: object) -> None:
    matrix, target = rows()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("error", "Bins")
        fitted = LeadRegressors.fit(
            regressor, np.array([0, 1, 3]), matrix, target, np.ones(len(matrix))
        )
        change, drivers = fitted.forecast(matrix, np.ones((len(matrix), 1)), KINDS)
    assert set(drivers) == set(DRIVERS)
    assert np.sum(list(drivers.values()), axis=0) == pytest.approx(change)
    assert np.corrcoef(drivers["rain"][:, 0], matrix[:, 3])[0, 1] > 0.9
    assert np.corrcoef(change[:, 0], target[:, 0])[0, 1] > 0.9


def test_weights_count_where_a_regressor_takes_them() -> None:
    matrix, target = rows()
    weights = np.where(matrix[:, 2] > 0.0, 1.0, 0.0)
    target[weights == 0.0] = -5.0
    with threadpool_limits(1):
        for regressor in (LinearRegression(), HistGradientBoostingRegressor(max_iter=10)):
            fitted = LeadRegressors.fit(regressor, np.array([0, 3]), matrix, target, weights)
            assert fitted.predict(matrix).mean() > -1.0


def test_columns_that_tell_nothing_are_not_seen() -> None:
    rng = np.random.default_rng(6)
    matrix = rng.standard_normal((800, 130))
    target = np.column_stack([matrix[:, 3], matrix[:, 120]]) + rng.normal(0.0, 0.1, (800, 2))
    columns = np.arange(1, 130)
    fitted = LeadRegressors.fit(LinearRegression(), columns, matrix, target, np.ones(800))
    assert len(fitted.used) == MOST_COLUMNS
    assert {3, 120} <= {*fitted.used.tolist()}
    assert fitted.columns.tolist() == columns.tolist()
    assert fitted.used.tolist() == sorted(fitted.used)
    other = matrix.copy()
    other[:, np.setdiff1d(columns, fitted.used)] = 9.0
    assert fitted.predict(other).tolist() == fitted.predict(matrix).tolist()
