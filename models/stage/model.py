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

from models.stage.features import DAY, StageInputs, build_library
from models.stage.regressor import StageRegressor
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
class StageModel:
    """Trained models of all gauges.

    Parameters
    ----------
    stations
        MRC code -> fitted regressor.
    leads
        Days ahead, increasing.
    trained_from, trained_to
        First and last date seen, ISO.
    origin
        ``virtual`` or ``measured``, of the data it was trained on.
    """

    stations: dict[str, StageRegressor]
    leads: tuple[int, ...]
    trained_from: str
    trained_to: str
    origin: str


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
    mornings = lib.table().iloc[rows]
    with threadpool_limits(1):
        frames = [
            _forecast_station(code, regressor, mornings, lib.age_h[code].to_numpy()[rows])
            for code, regressor in model.stations.items()
        ]
    frame = pd.concat(frames, ignore_index=True)
    frame["model_version"] = model_version
    return frame.sort_values(["issue_time", "station", "lead_days"], ignore_index=True)


def _forecast_station(
    code: str, regressor: StageRegressor, mornings: pd.DataFrame, age_h: NDArray[np.float64]
) -> pd.DataFrame:
    dates, leads = pd.DatetimeIndex(mornings.index), regressor.leads
    issued = dates + pd.Timedelta(minutes=30)
    distribution = regressor.predict_distribution(mornings)
    quantiles = distribution.ppf(list(QUANTILES.values()))
    exceedance = {
        name: distribution.exceedance(stages_m)
        for name, stages_m in threshold_stages([code] * len(dates), issued).items()
    }
    drivers_cm = {kind: 100.0 * part.ravel() for kind, part in distribution.drivers().items()}
    level = mornings[f"level:{code}"].to_numpy()
    frame = pd.DataFrame(
        {
            "issue_time": np.repeat(issued, len(leads)),
            "station": code,
            "lead_days": np.tile(leads, len(dates)),
            "valid_time": np.repeat(dates, len(leads)) + np.tile(leads, len(dates)) * DAY,
            **{name: quantiles[:, :, k].ravel() for k, name in enumerate(QUANTILES)},
            "mean_m": distribution.mean().ravel(),
            **{f"p_{name}": on_day.ravel() for name, (on_day, _) in exceedance.items()},
            **{f"p_{name}_by": by_day.ravel() for name, (_, by_day) in exceedance.items()},
            "tier": np.repeat(distribution.tiers, len(leads)),
            "drivers_cm": [
                dict(zip(drivers_cm, parts, strict=True))
                for parts in zip(*(part.tolist() for part in drivers_cm.values()), strict=True)
            ],
            "stage_m": np.repeat(level, len(leads)),
            "stage_time": np.repeat(dates - pd.to_timedelta(age_h, unit="h"), len(leads)),
        }
    )
    frame["extrapolated"] = frame[["q95", "stage_m"]].max(axis=1) > regressor.highest_m_
    return frame
