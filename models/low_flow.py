"""Low flow at a gauge 1 to 12 weeks ahead: probability of each drought class of its stage.

The stage's weekly mean is put on a normal scale by its rank in the season (z), and z is forecast:
its mean by ridge regression on the stage so far, its spread by season and volatility, and the shape
of its errors by years that the fit had not seen. One distribution gives the probability of every
class and of a flow below that agreed for the month.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.model_selection import PredefinedSplit
from threadpoolctl import threadpool_limits

from models.climatology import (
    FROM_JUNE_BY_DAYS,
    annual_waves,
    conditional_climatology,
    pentad,
    pentad_windows,
    water_year,
)
from models.drought.inputs import HORIZONS_WEEKS, class_number
from models.stage.ridge import AdaptiveRidgeCV
from models.verification.bootstrap import compare_with_conditional
from models.verification.metrics import squared_error
from pipeline.geography.gauge_figures import reference_flows
from pipeline.indices.drought import SPI_BOUNDS
from pipeline.times import naive_timestamp

BOUNDS = np.array(SPI_BOUNDS)
LEAST_YEARS = 20
BLOCK_YEARS = 4
"""Hydrological years held out at a time."""
FOLDS = 5
"""Groups of hydrological years, each forecast in turn without it, for penalty and errors."""
STEP_DAYS = 7
"""Days between the rows of training and scoring."""
MEMORY_D = 180
"""Longest mean of the past among the predictors."""
PENALTIES = (10.0, 100.0, 1000.0)
RATINGS = {
    "010501": (246.7, -0.77, 1.7), "013901": (390.0, -1.47, 1.8), "014901": (177.0, 2.11, 1.9),
}  # fmt: skip
"""Flow a (h − h0)^b in m3/s from the stage h in m: a, h0, b at the gauges with agreed low flows;
fitted to published mean flows, not to gaugings: to be checked before a decision rests on it."""


@dataclass(frozen=True)
class LowFlowModel:
    """Trained model of some gauges: numpy arrays and built-in types only.

    Parameters
    ----------
    seasonal_quantiles
        Gauge -> quantiles of the weekly mean stage in m at ``LEVELS`` by pentad of the year, shape
        (73, n_quantiles).
    fits
        ``gauge/weeks`` -> ``mean`` and ``sd`` of the predictors, ``slopes`` (constant last),
        ``spread`` (coefficients of the log of the errors' scale) and ``errors`` (scaled, sorted).
    scores
        Gauge, weeks and class: Brier score on held-out years beside conditional climatology's, and
        the skill with its 95 % interval over resampled years.
    end
        Moment up to which readings were used, ISO 8601.
    """

    seasonal_quantiles: dict[str, NDArray[np.float64]]
    fits: dict[str, dict[str, NDArray[np.float64]]]
    scores: list[dict[str, Any]]
    end: str


LEVELS = np.concatenate([[0.002, 0.005], np.arange(0.01, 0.995, 0.01), [0.995, 0.998]])
"""Levels of the seasonal quantiles."""


def fit(stages: pd.DataFrame, *, end: datetime, stations: Iterable[str]) -> LowFlowModel | None:
    """Train on morning stages, and score on years held out.

    Parameters
    ----------
    stages
        Stage in m by date (rows without gaps) and gauge (columns), NaN where missing.
    end
        Aware moment; later rows are not used.
    stations
        Gauges to train.

    Returns
    -------
    LowFlowModel or None
        Gauges with fewer than ``LEAST_YEARS`` of readings are left out; None if none is left.
    """
    last = naive_timestamp(end) - pd.Timedelta(1, "ns")
    past = stages.loc[:last]
    enough = [code for code in stations if past[code].notna().sum() >= LEAST_YEARS * 330]
    if not enough:
        return None
    with threadpool_limits(1):
        fitted = {code: _fit_station(code, pd.Series(past[code])) for code in enough}
    return LowFlowModel(
        seasonal_quantiles={code: quantiles for code, (quantiles, _, _) in fitted.items()},
        fits={
            f"{code}/{weeks}": regression
            for code, (_, regressions, _) in fitted.items()
            for weeks, regression in regressions.items()
        },
        scores=[row for _, _, scores in fitted.values() for row in scores],
        end=end.isoformat(),
    )


def predict(model: LowFlowModel, stages: pd.DataFrame, *, issue_time: datetime) -> pd.DataFrame:
    """Forecast low flow at every gauge from the stages known at a moment.

    Parameters
    ----------
    model
        From :func:`fit`.
    stages
        As in :func:`fit`, at least the last ``MEMORY_D`` days; rows after the date of
        ``issue_time`` are not used.
    issue_time
        Aware moment.

    Returns
    -------
    DataFrame
        One row per gauge and horizon: ``zone`` (``gauge:<code>``), ``horizon_weeks``,
        ``issue_time`` and ``valid_time`` (naive UTC), ``p_d0``..``p_d4`` = P(class ≥ Dk) of the
        week's mean stage, not rising with k, ``current_class`` (none, D0..D4, unknown),
        ``stage_percentile`` of the season, ``p_below_6a`` (P of a flow below that of PMFM Article
        6A; NaN outside December to May and where none is agreed), ``tier`` (``own_stage``;
        ``climatology`` where the stage is not known, with all probabilities NaN).
    """
    today = naive_timestamp(issue_time).normalize()
    days = pd.date_range(today - pd.Timedelta(days=MEMORY_D + 40), today)
    rows = []
    for code, quantiles in model.seasonal_quantiles.items():
        level = stages[code].reindex(days) if code in stages else pd.Series(np.nan, days)
        week = _week(level)
        z = _to_z(week, quantiles)
        now, base = z[-1], _past_predictors(z, days)[-1:]
        known = np.isfinite(base).all()
        state = "unknown" if np.isnan(now) else _class_name(now)
        today_quantiles = quantiles[pentad(days[-1:])[0]]
        percentile = float(np.interp(week.iloc[-1], today_quantiles, 100.0 * LEVELS))
        for weeks in HORIZONS_WEEKS:
            valid = today + pd.Timedelta(weeks=weeks)
            x, spread = _predictors(base, days[-1:], weeks)
            bounds = np.append(BOUNDS, _agreed_flow_z(code, valid, quantiles, asof=issue_time))
            p = np.full(len(bounds), np.nan)
            if known:
                p = _probability_below(model.fits[f"{code}/{weeks}"], x, spread, bounds[None])[0]
            rows.append(
                {
                    "issue_time": naive_timestamp(issue_time),
                    "valid_time": valid,
                    "zone": f"gauge:{code}",
                    "horizon_weeks": weeks,
                    **{f"p_d{k}": p[k] for k in range(len(BOUNDS))},
                    "current_class": state,
                    "stage_percentile": percentile,
                    "p_below_6a": p[-1],
                    "tier": "own_stage" if known else "climatology",
                }
            )
    return pd.DataFrame(rows)


def _class_name(z: float) -> str:
    number = int(class_number(np.asarray(z)))
    return "none" if number < 0 else f"D{number}"


def _week(level: pd.Series) -> pd.Series:
    return level.rolling(7, min_periods=4).mean()


def _fit_quantiles(week: pd.Series, use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Quantiles of the weekly mean of some days, by pentad of the year."""
    values = week.to_numpy()
    use = use & np.isfinite(values)
    days, values = pd.DatetimeIndex(week.index[use]), values[use]
    table = np.empty((73, len(LEVELS)))
    for row, within in zip(table, pentad_windows(days), strict=True):
        ranked = np.sort(values[within])
        # Weibull's plotting positions; numpy's quantile takes ten times as long.
        row[:] = np.interp(LEVELS * (len(ranked) + 1), np.arange(1, len(ranked) + 1), ranked)
    rising = np.maximum.accumulate(table, axis=1)
    return np.asarray(rising + 1e-9 * np.arange(len(LEVELS)))


def _to_z(week: pd.Series, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weekly mean on the normal scale of its season, NaN where missing."""
    pentads, values = pentad(pd.DatetimeIndex(week.index)), week.to_numpy()
    z = np.full(len(values), np.nan)
    for number in np.unique(pentads):
        rows = pentads == number
        z[rows] = ndtri(np.interp(values[rows], quantiles[number], LEVELS))
    return np.where(np.isfinite(values), z, np.nan)


def _agreed_flow_z(
    code: str, valid: pd.Timestamp, quantiles: NDArray[np.float64], *, asof: datetime
) -> float:
    """Stage of the flow agreed for a month, on the scale of z; NaN where none is."""
    if code not in RATINGS:
        return float("nan")
    flows = reference_flows(asof=asof)
    agreed = flows[
        (flows["station"] == code) & (flows["month"] == valid.month) & (flows["kind"] == "pmfm_6a")
    ]
    if agreed.empty:
        return float("nan")
    a, h0, b = RATINGS[code]
    stage_m = h0 + (float(agreed["value"].iloc[0]) / a) ** (1.0 / b)
    row = pentad(pd.DatetimeIndex([valid]))[0]
    return float(ndtri(np.interp(stage_m, quantiles[row], LEVELS)))


def _past_predictors(z: NDArray[np.float64], days: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Compute predictors from past z, one row per day; the third is its change over 30 days."""
    now = pd.Series(z, days)
    month = now.rolling(30, min_periods=15).mean()
    longest = now.rolling(MEMORY_D, min_periods=MEMORY_D // 2).mean()
    slow, fast = now - now.shift(30), now - now.shift(7)
    return np.column_stack([now, month, slow, fast, longest, now.clip(lower=0.0)])


def _later(z: NDArray[np.float64], weeks: int) -> NDArray[np.float64]:
    """Value some weeks after each day, NaN beyond the last."""
    return np.append(z[7 * weeks :], np.full(7 * weeks, np.nan))


def _predictors(
    base: NDArray[np.float64], days: pd.DatetimeIndex, weeks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predictors of the mean and of the spread, one row per day."""
    waves = annual_waves(days + pd.Timedelta(weeks=weeks))
    crossed = [base[:, :3] * wave[:, None] for wave in waves]
    x = np.column_stack([base, *crossed, *waves])
    volatility = [np.minimum(np.abs(base[:, 2]), 2.0), np.minimum(base[:, 0], 0.0)]
    spread = np.column_stack([np.ones(len(base)), *waves, *volatility])
    return x, spread


def _fit_regression(
    x: NDArray[np.float64],
    spread: NDArray[np.float64],
    outcome: NDArray[np.float64],
    year: NDArray[np.int64],
) -> dict[str, NDArray[np.float64]]:
    """Mean, spread and shape of the errors from rows that are all known."""
    mean, sd = x.mean(axis=0), x.std(axis=0) + 1e-9
    ridge = AdaptiveRidgeCV(PENALTIES, cv=PredefinedSplit(year % FOLDS), adaptive=False)
    ridge.fit(np.clip((x - mean) / sd, -4.0, 4.0), outcome)
    residual = outcome - ridge.cv_predictions_
    log = np.log(0.05 + np.abs(residual))
    scale = np.linalg.lstsq(spread, log, rcond=None)[0]
    return {
        "mean": mean,
        "sd": sd,
        "slopes": np.append(ridge.coef_, ridge.intercept_),
        "spread": scale,
        "errors": np.sort(residual / _scale(spread, scale)),
    }


def _scale(spread: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(np.clip(spread @ scale, -4.0, 1.0)))


def _probability_below(
    model: dict[str, NDArray[np.float64]],
    x: NDArray[np.float64],
    spread: NDArray[np.float64],
    bounds: NDArray[np.float64],
) -> NDArray[np.float64]:
    """P(z ≤ bound), rows by bounds; NaN where a bound is."""
    full = np.column_stack([np.clip((x - model["mean"]) / model["sd"], -4.0, 4.0), np.ones(len(x))])
    middle = full @ model["slopes"]
    scaled = (bounds - middle[:, None]) / _scale(spread, model["spread"])[:, None]
    n = len(model["errors"])
    share = (np.searchsorted(model["errors"], scaled) + 0.5) / (n + 1.0)
    return np.where(np.isnan(scaled), np.nan, share)


def _fit_station(
    code: str, level: pd.Series
) -> tuple[NDArray[np.float64], dict[int, dict[str, NDArray[np.float64]]], list[dict[str, Any]]]:
    week = _week(level)
    days = pd.DatetimeIndex(week.index)
    year = water_year(days, FROM_JUNE_BY_DAYS)
    quantiles = _fit_quantiles(week, np.ones(len(days), dtype=bool))
    z = _to_z(week, quantiles)
    base, fits = _past_predictors(z, days), {}
    known = np.isfinite(base).all(axis=1)
    for weeks in HORIZONS_WEEKS:
        outcome = _later(z, weeks)
        rows = np.flatnonzero(known & np.isfinite(outcome))[::STEP_DAYS]
        x, spread = _predictors(base[rows], days[rows], weeks)
        fits[weeks] = _fit_regression(x, spread, outcome[rows], year[rows])
    return quantiles, fits, _held_out_scores(code, week, year)


def _held_out_scores(code: str, week: pd.Series, year: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Scores on blocks of years, everything (the quantiles too) fitted without the block."""
    days = pd.DatetimeIndex(week.index)
    block = (year - year[0]) // BLOCK_YEARS
    sums: dict[int, list[pd.DataFrame]] = {weeks: [] for weeks in HORIZONS_WEEKS}
    months = {
        weeks: np.asarray((days + pd.Timedelta(weeks=weeks)).month) - 1 for weeks in HORIZONS_WEEKS
    }
    for number in np.unique(block):
        inside = block == number
        if inside.sum() < 365:
            continue
        z = _to_z(week, _fit_quantiles(week, ~inside))
        base, now = _past_predictors(z, days), class_number(z) + 1
        known = np.isfinite(base).all(axis=1)
        touched = pd.Series(inside).rolling(MEMORY_D, min_periods=1).max().to_numpy() > 0
        for weeks in HORIZONS_WEEKS:
            outcome = _later(z, weeks)
            target_inside = np.append(inside[7 * weeks :], np.zeros(7 * weeks, dtype=bool))
            use = known & np.isfinite(outcome)
            train = np.flatnonzero(use & ~touched & ~target_inside)[::STEP_DAYS]
            test = np.flatnonzero(use & inside & target_inside)[::STEP_DAYS]
            if len(test) == 0 or len(train) < 52 * (LEAST_YEARS // 2):
                continue
            x, spread = _predictors(base[train], days[train], weeks)
            regression = _fit_regression(x, spread, outcome[train], year[train])
            x, spread = _predictors(base[test], days[test], weeks)
            p = _probability_below(regression, x, spread, np.tile(BOUNDS, (len(test), 1)))
            reached = (outcome[:, None] <= BOUNDS).astype(float)
            month = months[weeks]
            conditional = conditional_climatology(month[train], now[train], reached[train])
            reference = conditional[month[test], now[test]]
            errors = [squared_error(forecast, reached[test]) for forecast in (p, reference)]
            columns = np.column_stack([*errors, reached[test], np.ones(len(test))])
            sums[weeks].append(pd.DataFrame(columns, index=year[test]))
    return _score_table(code, sums)


def _score_table(code: str, sums: dict[int, list[pd.DataFrame]]) -> list[dict[str, Any]]:
    """Brier scores by horizon and class from sums of squared errors, events and cases by year."""
    k = len(BOUNDS)
    rows = []
    for weeks, parts in sums.items():
        if not parts:
            continue
        total = pd.concat(parts).groupby(level=0).sum().to_numpy()
        for number in range(k):
            model_errors, reference_errors, events = (
                total[:, number + part * k] for part in range(3)
            )
            cases = int(total[:, -1].sum())
            rows.append(
                {
                    "station": code,
                    "horizon_weeks": weeks,
                    "drought_class": number,
                    "years": len(total),
                    "cases": cases,
                    "events": int(events.sum()),
                    **compare_with_conditional(model_errors, reference_errors, cases=cases),
                }
            )
    return rows
