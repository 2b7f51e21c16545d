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

from models.stage.distribution import StageDistribution
from models.stage.features import DAY, StageInputs, build_library
from models.stage.names import HIGHEST, INTERVALS, MODEL, QUANTILES
from models.stage.regressor import StageRegressor
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.times import naive_timestamp

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
    model: StageModel,
    inputs: StageInputs,
    *,
    issue_time: datetime,
    model_version: str,
    own: bool = False,
    highest: bool = False,
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
    own
        Whether the forecast is the model's own at every lead, whatever its licence.
    highest
        Whether to add the quantiles of the highest stage, at 8 ms a gauge and morning.

    Returns
    -------
    DataFrame
        One row per station and lead: quantiles in m,
        ``mean_m`` (the distribution's mean, which a squared error is least for), ``p_alarm``,
        ``p_flood`` (on the lead's day), ``p_alarm_by``, ``p_flood_by`` (on any day up
        to it; NaN without a threshold as of the issue time), ``tier``, ``issued_as`` (``model``;
        ``persistence`` or ``climatology`` at leads without a licence, and at tier climatology),
        ``skilful_until_day`` (days ahead up to which every lead has a licence), ``drivers_cm``
        (adding up to the change of q50; NaN where the forecast is climatology), ``drivers_method``,
        ``extrapolated`` and ``median_extrapolated`` (whether the 95 % quantile, or the median, or
        the last reading is above the highest stage of the training), ``stage_m``, ``stage_time``.
        With ``highest``, ``highest_m``: names of ``HIGHEST`` to the quantile of the highest stage
        from the first day to the lead's, m to the mm; at alarm and flood stage they agree with
        ``p_alarm_by`` and ``p_flood_by``.
        ``own_m``, ``own_p_alarm`` and ``own_<name>`` of the quantiles of ``INTERVALS`` are the
        model's own, licence or not; with ``own`` they are called ``issued_*`` and are those of the
        licence.
    """
    date = naive_timestamp(issue_time).normalize()
    recent = inputs.until(date).last(HISTORY_D)
    return predict_dates(
        model, recent, dates=[date], model_version=model_version, own=own, highest=highest
    )


def predict_dates(
    model: StageModel,
    inputs: StageInputs,
    *,
    dates: Iterable[pd.Timestamp],
    model_version: str,
    own: bool = False,
    highest: bool = False,
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
            _forecast_station(
                code,
                regressor,
                mornings,
                lib.age_h[code].to_numpy()[rows],
                own=own,
                highest=highest,
            )
            for code, regressor in model.stations.items()
        ]
    frame = pd.concat(frames, ignore_index=True)
    frame["model_version"] = model_version
    return frame.sort_values(["issue_time", "station", "lead_days"], ignore_index=True)


def _forecast_station(
    code: str,
    regressor: StageRegressor,
    mornings: pd.DataFrame,
    age_h: NDArray[np.float64],
    *,
    own: bool,
    highest: bool,
) -> pd.DataFrame:
    dates, leads = pd.DatetimeIndex(mornings.index), regressor.leads
    times = dates + pd.Timedelta(minutes=30)
    of_model, licensed = regressor.predict_distributions(mornings)
    shown, other = (of_model, licensed) if own else (licensed, of_model)
    thresholds = threshold_stages([code] * len(dates), times)
    exceedance = {name: shown.exceedance(stages_m) for name, stages_m in thresholds.items()}
    drivers_cm = {kind: 100.0 * part.ravel() for kind, part in shown.drivers().items()}
    methods, prefix = licensed.methods(), "issued" if own else "own"
    n_skilful = np.logical_and.accumulate(methods == MODEL, axis=1).sum(axis=1)
    level = mornings[f"level:{code}"].to_numpy()
    frame = pd.DataFrame(
        {
            "issue_time": np.repeat(times, len(leads)),
            "station": code,
            "lead_days": np.tile(leads, len(dates)),
            "valid_time": np.repeat(dates, len(leads)) + np.tile(leads, len(dates)) * DAY,
            **_quantile_columns(shown, QUANTILES),
            "mean_m": shown.mean().ravel(),
            **{f"p_{name}": on_day.ravel() for name, (on_day, _) in exceedance.items()},
            **{f"p_{name}_by": by_day.ravel() for name, (_, by_day) in exceedance.items()},
            "tier": np.repeat(of_model.tiers, len(leads)),
            "issued_as": methods.ravel(),
            "skilful_until_day": np.repeat(np.array([0, *leads])[n_skilful], len(leads)),
            f"{prefix}_m": other.mean().ravel(),
            f"{prefix}_p_alarm": (1.0 - other.cdf(thresholds["alarm"])).ravel(),
            **_quantile_columns(other, INTERVALS, prefix=f"{prefix}_"),
            "drivers_cm": [
                dict(zip(drivers_cm, parts, strict=True))
                for parts in zip(*(part.tolist() for part in drivers_cm.values()), strict=True)
            ],
            "drivers_method": regressor.tiers_["full"].regression.drivers_method,
            "stage_m": np.repeat(level, len(leads)),
            "stage_time": np.repeat(dates - pd.to_timedelta(age_h, unit="h"), len(leads)),
        }
    )
    for name, quantile in (("extrapolated", "q95"), ("median_extrapolated", "q50")):
        frame[name] = frame[[quantile, "stage_m"]].max(axis=1) > regressor.highest_m_
    if highest:
        highest_m = shown.highest_ppf([*HIGHEST.values()]).reshape(-1, len(HIGHEST)).round(3)
        frame["highest_m"] = pd.Series(
            [dict(zip(HIGHEST, row, strict=True)) for row in highest_m.tolist()]
        )
    return frame


def _quantile_columns(
    distribution: StageDistribution, names: Iterable[str], *, prefix: str = ""
) -> dict[str, NDArray[np.float64]]:
    quantiles = distribution.ppf([QUANTILES[name] for name in names])
    return {f"{prefix}{name}": quantiles[:, :, k].ravel() for k, name in enumerate(names)}
