"""Baseline forecasts that a model must beat, fitted on the days before a date alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.climatology import day_of_year, window_sums
from models.stage.features import StageInputs, fill_stage
from pipeline.geography.places import stations as all_stations
from pipeline.times import naive_timestamp

NAMES = ("persistence", "trend", "climatology", "damped_anomaly", "ar", "arx")
PEERS = (*NAMES[1:], "reference")
"""Forecasts beside the model's own, as columns ``<name>_m`` of a hindcast: persistence is its
``stage_m``, ``reference`` the benchmark of :mod:`models.benchmark`."""
AR_LAGS = 5


def forecast_baselines(
    inputs: StageInputs, *, station: str, fit_until: datetime, leads: Sequence[int]
) -> dict[str, pd.DataFrame]:
    """Forecast stage of every date and lead by each baseline.

    Parameters
    ----------
    inputs
        Stages; forecasts are made for every row.
    station
        MRC code of a gauge of the inputs.
    fit_until
        Aware moment; climatology, damping and coefficients come from targets before it.
    leads
        Days ahead.

    Returns
    -------
    dict of DataFrame
        For each of ``NAMES`` the stage in m at 00Z of date + lead: index the date of issue,
        columns the leads. ``persistence``: the last reading; ``trend``: yesterday's change goes
        on; ``climatology``: mean of ±15 days; ``damped_anomaly``: the anomaly times its lag
        correlation; ``ar``: least squares on own changes; ``arx``: and on those of the next four
        gauges upstream.

    Raises
    ------
    LookupError
        The inputs have no such gauge.
    """
    if station not in inputs.stage:
        raise LookupError(
            f"station: expected one of {', '.join(map(str, inputs.stage))}, found {station!r}"
        )
    table, _ = fill_stage(inputs)
    level = table[station]
    dates = pd.DatetimeIndex(level.index)
    until = naive_timestamp(fit_until)
    past = np.asarray(dates < until)
    change = level.diff()
    seasonal_mean = _seasonal_mean(dates, level.where(past).to_numpy())
    own_changes = [change.shift(lag) for lag in range(AR_LAGS)]
    places = all_stations()
    next_upstream = [
        code for code in (places[station].upstream if station in places else ()) if code in table
    ]
    upstream_changes = [
        table[code].diff().shift(lag) for code in next_upstream for lag in range(AR_LAGS)
    ]
    forecasts: dict[str, dict[int, pd.Series]] = {name: {} for name in NAMES}
    for lead in leads:
        later = pd.Series(seasonal_mean(dates + pd.Timedelta(days=lead)), dates)
        anomaly = level - seasonal_mean(dates)
        known = pd.Series(past, dates) & (dates + pd.Timedelta(days=lead) < until)
        ahead = (level.shift(-lead) - later).where(known)
        damping = float((ahead * anomaly).sum() / (anomaly.where(ahead.notna()) ** 2).sum())
        target = (level.shift(-lead) - level).where(known)
        forecasts["persistence"][lead] = level
        forecasts["trend"][lead] = level + lead * change
        forecasts["climatology"][lead] = later
        forecasts["damped_anomaly"][lead] = later + damping * anomaly
        forecasts["ar"][lead] = level + _least_squares(own_changes, target)
        forecasts["arx"][lead] = level + _least_squares(own_changes + upstream_changes, target)
    return {name: pd.DataFrame(columns) for name, columns in forecasts.items()}


def _seasonal_mean(
    dates: pd.DatetimeIndex, level: NDArray[np.float64]
) -> Callable[[pd.DatetimeIndex], NDArray[np.float64]]:
    with np.errstate(invalid="ignore"):
        mean = window_sums(dates, np.nan_to_num(level)) / window_sums(dates, np.isfinite(level))
    return lambda when: mean[day_of_year(when) - 1]


def _least_squares(columns: list[pd.Series], target: pd.Series) -> NDArray[np.float64]:
    matrix = np.nan_to_num(np.column_stack([np.ones(len(target)), *columns]))
    rows = target.notna().to_numpy()
    coefficients = np.linalg.lstsq(matrix[rows], target.to_numpy()[rows], rcond=None)[0]
    return np.asarray(matrix @ coefficients)
