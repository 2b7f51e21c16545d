"""Forecasts that a model must beat, each fitted on the days before a date alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.stage.features import StageInputs, filled_stage
from pipeline.geography.places import stations as all_stations
from pipeline.times import naive_timestamp

NAMES = ("persistence", "trend", "climatology", "damped_anomaly", "ar", "arx")
CLIMATOLOGY_WINDOW_D = 15
AR_LAGS = 5


def baselines(
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
    table, _ = filled_stage(inputs)
    level = table[station]
    dates = pd.DatetimeIndex(level.index)
    until = naive_timestamp(fit_until)
    past = np.asarray(dates < until)
    change = level.diff()
    mean = _seasonal_mean(dates, level.where(past).to_numpy())
    own = [change.shift(lag) for lag in range(AR_LAGS)]
    places = all_stations()
    above = [
        code for code in (places[station].upstream if station in places else ()) if code in table
    ]
    theirs = [table[code].diff().shift(lag) for code in above for lag in range(AR_LAGS)]
    found: dict[str, dict[int, pd.Series]] = {name: {} for name in NAMES}
    for lead in leads:
        later = pd.Series(mean(dates + pd.Timedelta(days=lead)), dates)
        anomaly = level - mean(dates)
        known = pd.Series(past, dates) & (dates + pd.Timedelta(days=lead) < until)
        ahead = (level.shift(-lead) - later).where(known)
        damping = float((ahead * anomaly).sum() / (anomaly.where(ahead.notna()) ** 2).sum())
        target = (level.shift(-lead) - level).where(known)
        found["persistence"][lead] = level
        found["trend"][lead] = level + lead * change
        found["climatology"][lead] = later
        found["damped_anomaly"][lead] = later + damping * anomaly
        found["ar"][lead] = level + _least_squares(own, target)
        found["arx"][lead] = level + _least_squares(own + theirs, target)
    return {name: pd.DataFrame(columns) for name, columns in found.items()}


def _seasonal_mean(
    dates: pd.DatetimeIndex, level: NDArray[np.float64]
) -> Callable[[pd.DatetimeIndex], NDArray[np.float64]]:
    day = np.minimum(np.asarray(dates.day_of_year), 365)
    total = np.bincount(day, np.nan_to_num(level), 366)[1:]
    count = np.bincount(day, np.isfinite(level), 366)[1:]
    around = np.arange(-CLIMATOLOGY_WINDOW_D, CLIMATOLOGY_WINDOW_D + 1)
    window = (np.arange(365)[:, None] + around) % 365
    with np.errstate(invalid="ignore"):
        mean = total[window].sum(axis=1) / count[window].sum(axis=1)
    return lambda when: mean[np.minimum(np.asarray(when.day_of_year), 365) - 1]


def _least_squares(columns: list[pd.Series], target: pd.Series) -> NDArray[np.float64]:
    matrix = np.nan_to_num(np.column_stack([np.ones(len(target)), *columns]))
    rows = target.notna().to_numpy()
    solved = np.linalg.lstsq(matrix[rows], target.to_numpy()[rows], rcond=None)[0]
    return np.asarray(matrix @ solved)
