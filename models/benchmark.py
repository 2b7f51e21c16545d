"""Benchmark of the stage model: textbook ridge regression with boosted trees on its residuals.

Its inputs are own changes, the next four gauges upstream and mean rain. The project's target was
measured on real stages with such a model; it is refitted here, so that both are scored on the same
mornings. Its column in a hindcast is ``reference_m``.
On 2012-2018 its median persistence index is 0.73 / 0.61 / 0.50 / 0.49 at 1 / 3 / 5 / 7 d; the
target was measured at 0.74 / 0.60 / 0.53 / 0.49.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from models.climatology import FROM_JUNE_BY_DAYS, annual_waves, water_year
from models.stage.features import DAY, StageInputs, fill_stage, window_mean
from models.stage.neighbours import gauges_upstream
from pipeline.times import naive_timestamp

GAUGES = 4
OWN_LAGS, UPSTREAM_LAGS = (1, 2, 3, 5), (1, 2, 4)
RAIN_DAYS = (1, 3, 7, 15, 30)
PENALTIES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
FOLDS = 5
"""Groups of hydrological years, each forecast in turn without it, for penalty and residuals."""


def forecast_benchmark(
    inputs: StageInputs, *, station: str, fit_until: datetime, leads: Sequence[int]
) -> pd.DataFrame:
    """Forecast stage by the benchmark, from a date on.

    Parameters
    ----------
    inputs
        Stages and rain; forecasts are made for every row from the date of ``fit_until`` on.
    station
        MRC code of a gauge of the inputs.
    fit_until
        Aware moment; only targets before it are fitted.
    leads
        Days ahead.

    Returns
    -------
    DataFrame
        Stage in m at 00Z of date + lead; index the date of issue, columns the leads; NaN where the
        gauge's last reading is stale, and everywhere where there is less than two years to fit.
    """
    table, _ = fill_stage(inputs)
    level = table[station]
    dates = pd.DatetimeIndex(level.index)
    until = naive_timestamp(fit_until)
    later = dates >= until
    target = np.column_stack([(inputs.stage[station].shift(-k) - level).to_numpy() for k in leads])
    rows = np.isfinite(target).all(axis=1) & (dates + max(leads) * DAY < until)
    if rows.sum() < 2 * 365:
        return pd.DataFrame(np.nan, dates[later], list(leads))
    raw = _columns(inputs, table, station)
    scaler = StandardScaler().fit(raw[rows])
    z = np.clip(np.nan_to_num(scaler.transform(raw)), -8.0, 8.0)
    year = water_year(dates[rows], FROM_JUNE_BY_DAYS)
    with threadpool_limits(1):
        change, residual = _ridge(z[rows], target[rows], year, z[later])
        for k in range(len(leads)):
            trees = HistGradientBoostingRegressor(
                max_iter=60,
                learning_rate=0.08,
                max_leaf_nodes=15,
                min_samples_leaf=40,
                l2_regularization=10.0,
                early_stopping=False,
                random_state=0,
            )
            change[:, k] += trees.fit(raw[rows], residual[:, k]).predict(raw[later])
    return pd.DataFrame(level[later].to_numpy()[:, None] + change, dates[later], list(leads))


def _columns(inputs: StageInputs, table: pd.DataFrame, station: str) -> NDArray[np.float64]:
    """Features, one row per date, each from that row and earlier ones."""
    upstream = [gauge for gauge in gauges_upstream(station) if gauge in table][:GAUGES]
    level = table[station]
    columns = [level, *(level - level.shift(lag) for lag in OWN_LAGS)]
    for gauge in upstream:
        columns += [table[gauge], *(table[gauge] - table[gauge].shift(k) for k in UPSTREAM_LAGS)]
    if inputs.rain.shape[1]:
        mean = inputs.rain.clip(0.0, 300.0).mean(axis=1).to_numpy()
        columns += [pd.Series(window_mean(mean, 0, days), level.index) for days in RAIN_DAYS]
    waves = annual_waves(pd.DatetimeIndex(level.index))
    return np.column_stack([*columns, *waves]).astype("float64")


def _ridge(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    year: NDArray[np.int64],
    later: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ridge with the penalty that held-out years prefer: forecasts, and residuals out of fold."""
    held_out = np.empty((len(PENALTIES), *y.shape))
    for fold in range(FOLDS):
        out = year % FOLDS == fold
        use = ~out if (~out).any() else out
        for k, penalty in enumerate(PENALTIES):
            predicted = Ridge(alpha=penalty).fit(x[use], y[use]).predict(x[out])
            held_out[k, out] = predicted.reshape(-1, y.shape[1])
    best = ((held_out - y) ** 2).sum(axis=1).argmin(axis=0)
    change = np.empty((len(later), y.shape[1]))
    residual = np.empty_like(y)
    for lead, k in enumerate(best):
        change[:, lead] = Ridge(alpha=PENALTIES[k]).fit(x, y[:, lead]).predict(later)
        residual[:, lead] = y[:, lead] - held_out[k, :, lead]
    return change, residual
