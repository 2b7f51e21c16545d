"""The stage model 1 to 7 days ahead, and its forecasts: quantiles in m and exceedances, per gauge.

Each gauge has a regression on the change of stage per tier of what is at hand, with calibrated
errors; :mod:`models.stage.training` fits them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.climatology import pentad
from models.stage.design import DRIVERS, Design
from models.stage.errors import (
    ErrorTable,
    cdf,
    climatology_table,
    exceedance_by_lead,
    mean,
    predict_scale,
    quantile,
)
from models.stage.features import DAY, Library, StageInputs, build_library
from models.stage.seasons import season_shares
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.times import naive_timestamp

QUANTILES = {
    "q025": 0.025,
    "q05": 0.05,
    "q10": 0.10,
    "q25": 0.25,
    "q50": 0.50,
    "q75": 0.75,
    "q90": 0.90,
    "q95": 0.95,
    "q975": 0.975,
}
HISTORY_D = 70
"""Rows before the issue date that the features need."""


@dataclass(frozen=True)
class TierModel:
    """Regression on one tier of inputs with the distribution of its errors.

    Parameters
    ----------
    columns
        Indices of the design's columns that this tier may use.
    coefficients
        Change in m per standard deviation of each column, last the constant, of each season's
        regression, shape (n_seasons, n_columns + 1, n_leads);
        :func:`models.stage.seasons.season_shares` joins them.
    scale_coefficients
        Of the log of the error's scale on :func:`error_regime`, shape (n_leads, n_terms).
    scale_limits
        Lower and upper limit of that log, shape (n_leads, 2).
    errors
        Distribution of the scaled errors on held-out years.
    """

    columns: NDArray[np.int64]
    coefficients: NDArray[np.float64]
    scale_coefficients: NDArray[np.float64]
    scale_limits: NDArray[np.float64]
    errors: ErrorTable


@dataclass(frozen=True)
class StationModel:
    """All tiers of one gauge.

    Parameters
    ----------
    design
        How features become columns.
    tiers
        Tier -> model; ``climatology`` is not among them.
    climatology
        Stage in m at ``PROBABILITIES`` by pentad of the year, shape (73, n_probabilities).
    highest_m
        Highest stage in training.
    held_out_cp
        Tier -> persistence index in the wet season on years that the fit had not seen, shape
        (n_leads,).
    """

    design: Design
    tiers: dict[str, TierModel]
    climatology: NDArray[np.float64]
    highest_m: float
    held_out_cp: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class StageModel:
    """Trained models of all gauges.

    Parameters
    ----------
    stations
        MRC code -> model.
    leads
        Days ahead, increasing.
    trained_from, trained_to
        First and last date seen, ISO.
    origin
        ``virtual`` or ``measured``, of the data it was trained on.
    """

    stations: dict[str, StationModel]
    leads: tuple[int, ...]
    trained_from: str
    trained_to: str
    origin: str


def error_regime(
    design: Design,
    columns: NDArray[np.int64],
    matrix: NDArray[np.float64],
    change: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Terms that the spread of a tier's errors depends on, shape (n_leads, n, n_terms).

    Volatility of the own gauge, its stage, season and rain where the tier has it, and the size of
    the forecast change.
    """
    level, changes, regime_columns = design.regime(columns)
    volatility = np.log(0.1 + np.abs(matrix[:, changes]).mean(axis=1))
    shared = np.column_stack(
        [np.ones(len(matrix)), volatility, matrix[:, [level, *regime_columns]]]
    )
    sizes = [np.log(0.02 + np.abs(of_lead)) for of_lead in change.T]
    return np.stack([np.column_stack([shared, size]) for size in sizes])


def predict(
    model: StageModel, inputs: StageInputs, *, issue_time: datetime, model_version: str
) -> pd.DataFrame:
    """Forecast of every gauge as issued at one moment.

    Parameters
    ----------
    model
        As :func:`models.stage.training.fit` gave it.
    inputs
        Rows after the date of ``issue_time`` are not used.
    issue_time
        Aware moment, 00:30 UTC of the date.
    model_version
        Goes into every row.

    Returns
    -------
    DataFrame
        One row per station and lead: quantiles in m,
        ``mean_m`` (the distribution's mean, which a squared error is least for), ``p_alarm``,
        ``p_flood`` (on the lead's day), ``p_alarm_by``, ``p_flood_by`` (on any day up
        to it; NaN without a threshold as of the issue time), ``tier``, ``drivers_cm`` (adding up to
        the change of q50; NaN at tier climatology), ``extrapolated``, ``stage_m``, ``stage_time``.
    """
    date = naive_timestamp(issue_time).normalize()
    recent = inputs.until(date).last(HISTORY_D)
    return predict_dates(model, recent, dates=[date], model_version=model_version)


def predict_dates(
    model: StageModel, inputs: StageInputs, *, dates: Iterable[pd.Timestamp], model_version: str
) -> pd.DataFrame:
    """Forecasts as issued on several mornings, each from rows up to its own date only.

    Raises
    ------
    ValueError
        The inputs have no row for one of the dates.
    """
    lib = build_library(inputs)
    rows = lib.dates.get_indexer(pd.DatetimeIndex(list(dates)))
    if (rows < 0).any():
        raise ValueError(f"expected dates within {lib.dates[0]} to {lib.dates[-1]}, found others")
    with threadpool_limits(1):
        frames = [
            _forecast_station(code, station, lib, rows, model.leads)
            for code, station in model.stations.items()
        ]
    frame = pd.concat(frames, ignore_index=True)
    frame["model_version"] = model_version
    return frame.sort_values(["issue_time", "station", "lead_days"], ignore_index=True)


@dataclass
class _Forecasts:
    """Forecasts of one gauge on n mornings, shape (n, n_leads), filled tier by tier.

    ``thresholds_m`` are alarm and flood stage as of each morning, shape (n,), NaN for none.
    """

    thresholds_m: dict[str, NDArray[np.float64]]
    quantiles: NDArray[np.float64]
    mean_m: NDArray[np.float64]
    exceed: dict[str, NDArray[np.float64]]
    exceed_by: dict[str, NDArray[np.float64]]
    drivers: NDArray[np.object_]


def _forecast_station(
    code: str, model: StationModel, lib: Library, rows: NDArray[np.int64], leads: tuple[int, ...]
) -> pd.DataFrame:
    dates = lib.dates[rows]
    issued = dates + pd.Timedelta(minutes=30)
    thresholds_m = threshold_stages([code] * len(rows), issued)
    shape = len(rows), len(leads)
    forecasts = _Forecasts(
        thresholds_m,
        np.full((*shape, len(QUANTILES)), np.nan),
        np.full(shape, np.nan),
        {name: np.full(shape, np.nan) for name in thresholds_m},
        {name: np.full(shape, np.nan) for name in thresholds_m},
        np.empty(shape, dtype=object),
    )
    level, age = (table[code].to_numpy()[rows] for table in (lib.level, lib.age_h))
    tier = np.array(model.design.tiers(lib, rows))
    for name in np.unique(tier):
        mornings = np.flatnonzero(tier == name)
        if name == "climatology":
            _fill_from_climatology(forecasts, mornings, model, dates[mornings], leads)
        else:
            _fill_from_tier(
                forecasts,
                mornings,
                model,
                name,
                matrix=model.design.matrix(lib, rows[mornings]),
                shares=season_shares(dates[mornings]),
                level=level[mornings],
            )
    frame = pd.DataFrame(
        {
            "issue_time": np.repeat(issued, shape[1]),
            "station": code,
            "lead_days": np.tile(leads, shape[0]),
            "valid_time": np.repeat(dates, shape[1]) + np.tile(leads, shape[0]) * DAY,
            **{name: forecasts.quantiles[:, :, k].ravel() for k, name in enumerate(QUANTILES)},
            "mean_m": forecasts.mean_m.ravel(),
            **{f"p_{name}": forecasts.exceed[name].ravel() for name in thresholds_m},
            **{f"p_{name}_by": forecasts.exceed_by[name].ravel() for name in thresholds_m},
            "tier": np.repeat(tier, shape[1]),
            "drivers_cm": forecasts.drivers.ravel(),
            "stage_m": np.repeat(level, shape[1]),
            "stage_time": np.repeat(dates - pd.to_timedelta(age, unit="h"), shape[1]),
        }
    )
    frame["extrapolated"] = frame[["q95", "stage_m"]].max(axis=1) > model.highest_m
    return frame


def _fill_from_tier(
    forecasts: _Forecasts,
    mornings: NDArray[np.int64],
    model: StationModel,
    name: str,
    *,
    matrix: NDArray[np.float64],
    shares: NDArray[np.float64],
    level: NDArray[np.float64],
) -> None:
    tier = model.tiers[name]
    use = np.append(tier.columns, matrix.shape[1] - 1)
    terms = matrix[:, use, None] * np.tensordot(shares, tier.coefficients, axes=1)
    change = terms.sum(axis=1)
    scale = predict_scale(
        error_regime(model.design, tier.columns, matrix, change),
        tier.scale_coefficients,
        tier.scale_limits,
    )
    levels = np.array(list(QUANTILES.values()))
    drivers = model.design.drivers()
    kinds = np.array([*(drivers[k] for k in tier.columns), "season"])
    centre = np.empty_like(change)
    for lead in range(change.shape[1]):
        z = quantile(tier.errors, lead, levels)
        middle = level + change[:, lead]
        forecasts.quantiles[mornings, lead] = middle[:, None] + scale[:, [lead]] * z
        forecasts.mean_m[mornings, lead] = middle + scale[:, lead] * mean(tier.errors, lead)
        centre[:, lead] = scale[:, lead] * z[list(QUANTILES).index("q50")]
        for kind, thresholds_m in forecasts.thresholds_m.items():
            scaled = (thresholds_m[mornings] - middle) / scale[:, lead]
            forecasts.exceed[kind][mornings, lead] = 1.0 - cdf(tier.errors, lead, scaled)
    for row, index in enumerate(mornings):
        for lead in range(change.shape[1]):
            parts = {kind: float(terms[row, kinds == kind, lead].sum()) for kind in DRIVERS}
            # The calibration of the median belongs to no input; it is added to the constant.
            parts["season"] += float(centre[row, lead])
            forecasts.drivers[index, lead] = {kind: 100.0 * part for kind, part in parts.items()}
        _add_windows(forecasts, index, tier.errors.correlation)


def _fill_from_climatology(
    forecasts: _Forecasts,
    mornings: NDArray[np.int64],
    model: StationModel,
    dates: pd.DatetimeIndex,
    leads: tuple[int, ...],
) -> None:
    """Distribution of past stages at the season of each lead's day."""
    levels = np.array(list(QUANTILES.values()))
    # Stages of one week stand high or low together.
    together = np.full((len(leads), len(leads)), 0.95) + 0.05 * np.eye(len(leads))
    pentads = np.stack([pentad(dates + lead * DAY) for lead in leads], axis=1)
    for index, rows in zip(mornings, pentads, strict=True):
        for lead, row in enumerate(rows):
            table = climatology_table(model.climatology[row])
            forecasts.quantiles[index, lead] = quantile(table, 0, levels)
            forecasts.mean_m[index, lead] = mean(table, 0)
            forecasts.drivers[index, lead] = dict.fromkeys(DRIVERS, float("nan"))
            for kind, thresholds_m in forecasts.thresholds_m.items():
                p = 1.0 - cdf(table, 0, thresholds_m[[index]])[0]
                forecasts.exceed[kind][index, lead] = p
        _add_windows(forecasts, index, together)


def _add_windows(forecasts: _Forecasts, index: int, correlation: NDArray[np.float64]) -> None:
    """Fill the probabilities of any day up to each lead."""
    for kind, thresholds_m in forecasts.thresholds_m.items():
        if np.isfinite(thresholds_m[index]):
            forecasts.exceed_by[kind][index] = exceedance_by_lead(
                forecasts.exceed[kind][index], correlation
            )
