"""Rolling-origin hindcasts: every morning of past years forecast from what it knew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from models.baselines import PEERS, forecast_baselines
from models.benchmark import forecast_benchmark
from models.climatology import day_of_year, hydrological_years, window_means
from models.stage.features import DAY, StageInputs
from models.stage.model import HISTORY_D, StageModel, predict, predict_dates
from models.stage.training import fit
from models.training import find_regressor
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.progress import Progress, no_progress
from pipeline.times import naive_timestamp

ISSUED_AT = pd.Timedelta(minutes=30)
HISTORY = timedelta(days=HISTORY_D + 5)
"""Readings before an issue time that its forecast can depend on."""


def run_hindcast(
    inputs: StageInputs,
    *,
    train_from: datetime,
    start: datetime,
    end: datetime,
    stations: Iterable[str],
    leads: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7),
    inputs_as_of: Callable[[datetime, datetime], StageInputs | None] = lambda _moment, _since: None,
    regressor: BaseEstimator | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Forecast every morning of an interval as it would have been issued.

    Each hydrological year is forecast by models trained on what was observed before its 1 June (the
    first year's before ``start``), so no score rests on a year that the model had seen.

    Parameters
    ----------
    inputs
        Stages and rain over training and hindcast, as known in the end.
    train_from, start, end
        First day of training, and the half-open interval of issue times; aware.
    stations, leads
        What to forecast.
    inputs_as_of
        Gives the inputs, from a time on, as they were known at a moment where that is not what
        ``inputs`` has up to it: something came late or was corrected later. None where it is.
    regressor
        Any regressor of scikit-learn's, to take the ridge's place.
    progress
        Called with the year that is worked on, its number and how many there are.

    Returns
    -------
    DataFrame
        The model's own forecasts as :func:`models.stage.model.predict` gives them, those of its
        licence beside them, with ``origin``, ``observed_m`` (the 00Z reading that came; NaN where
        none did), ``climatology_p_alarm`` and ``climatology_p_flood`` (share of past years' days of
        the season at or above the stage) and the forecasts of ``PEERS``, fitted on the same years.
        Alarm and flood stages are those as of each issue time.
    """
    codes = list(stations)
    years = []
    intervals = hydrological_years(start, end)
    for number, (first, after) in enumerate(intervals, 1):
        progress(f"{first:%Y-%m-%d} to {after:%Y-%m-%d}", number, len(intervals))
        past = inputs_as_of(first, train_from) or inputs
        model = fit(
            past, end=first, stations=codes, leads=leads, start=train_from, regressor=regressor
        )
        known = inputs.until(naive_timestamp(after) - DAY)
        dates = pd.DatetimeIndex(known.stage.loc[naive_timestamp(first) :].index)
        if dates.empty:
            continue
        version = f"hindcast {first:%Y-%m-%d}"
        year = _forecast_year(model, known, dates, inputs_as_of=inputs_as_of, version=version)
        year = year.assign(**_climatology_p(past, year, first=train_from, before=first))
        window = known.last(int((known.stage.index >= naive_timestamp(train_from)).sum()))
        years.append(_with_peers(year, window, until=first, leads=leads))
    forecasts = pd.concat(years, ignore_index=True)
    forecasts["observed_m"] = match_observed(inputs, forecasts)
    forecasts["origin"] = inputs.origin
    return forecasts


def run_hindcasts(
    inputs: StageInputs, regressors: Sequence[str | None], **options: Any
) -> pd.DataFrame:
    """Run a hindcast with one regressor or two.

    Parameters
    ----------
    inputs
        As of :func:`run_hindcast`.
    regressors
        Names as of :func:`models.training.find_regressor`; None for no second.
    **options
        Further arguments of :func:`run_hindcast`.

    Returns
    -------
    DataFrame
        That of the first, with ``alternative_m``, the mean of the second in m, and
        ``alternative``, its name, where there is one.

    Raises
    ------
    UnknownRegressor
        Scikit-learn has no regressor of a name.
    """
    names = [name for name in regressors if name is not None]
    estimators = [find_regressor(name) for name in names]
    forecasts, *others = [
        run_hindcast(inputs, regressor=estimator, **options) for estimator in estimators
    ]
    for name, other in zip(names[1:], others, strict=True):
        forecasts = set_beside(forecasts, other, name=name)
    return forecasts


def set_beside(forecasts: pd.DataFrame, alternative: pd.DataFrame, *, name: str) -> pd.DataFrame:
    """Add the forecasts of a second model to those of a first.

    Parameters
    ----------
    forecasts, alternative
        From :func:`run_hindcast`, of the same mornings.
    name
        Name of the second model.

    Returns
    -------
    DataFrame
        The first with ``alternative_m``, the mean of the second in m, and ``alternative``, its
        name.
    """
    keys = ["issue_time", "station", "lead_days"]
    means = alternative[[*keys, "mean_m"]].rename(columns={"mean_m": "alternative_m"})
    return forecasts.merge(means, on=keys, how="left").assign(alternative=name)


def _forecast_year(
    model: StageModel,
    known: StageInputs,
    dates: pd.DatetimeIndex,
    *,
    inputs_as_of: Callable[[datetime, datetime], StageInputs | None],
    version: str,
) -> pd.DataFrame:
    """Forecasts of some mornings: in one go, but for those that knew other inputs."""
    moments = {day: (day + ISSUED_AT).to_pydatetime().replace(tzinfo=UTC) for day in dates}
    differing = {
        day: known_then
        for day in dates
        if (known_then := inputs_as_of(moments[day], moments[day] - HISTORY)) is not None
    }
    parts = [
        predict(
            model,
            known_then.with_gauges(model.stations),
            issue_time=moments[day],
            model_version=version,
            own=True,
        )
        for day, known_then in differing.items()
    ]
    alike = [day for day in dates if day not in differing]
    if alike:
        recent = known.last(len(dates) + HISTORY_D)
        parts.append(predict_dates(model, recent, dates=alike, model_version=version, own=True))
    year = pd.concat(parts).sort_values(["issue_time", "station", "lead_days"])
    return year.reset_index(drop=True)


def _with_peers(
    year: pd.DataFrame, known: StageInputs, *, until: datetime, leads: tuple[int, ...]
) -> pd.DataFrame:
    """Add the forecasts of the baselines and of the benchmark on the same mornings."""

    def forecast_peers(code: str) -> pd.DataFrame:
        tables = forecast_baselines(known, station=code, fit_until=until, leads=leads)
        benchmark = forecast_benchmark(known, station=code, fit_until=until, leads=leads)
        tables["reference"] = benchmark
        dates = benchmark.index
        peers = pd.DataFrame(
            {"date": np.repeat(dates, len(leads)), "lead_days": [*leads] * len(dates)}
        )
        for name in PEERS:
            peers[f"{name}_m"] = tables[name].loc[dates, list(leads)].to_numpy().ravel()
        return peers.assign(station=code)

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(forecast_peers, year["station"].unique()))
    peers = pd.concat(parts, ignore_index=True)
    peers["issue_time"] = peers.pop("date") + ISSUED_AT
    return year.merge(peers, on=["issue_time", "station", "lead_days"], how="left")


def match_observed(inputs: StageInputs, forecasts: pd.DataFrame) -> NDArray[np.float64]:
    """00Z reading at each forecast's valid time, m; NaN where none came."""
    table = inputs.stage
    row = table.index.get_indexer(pd.DatetimeIndex(forecasts["valid_time"]))
    column = table.columns.get_indexer(pd.Index(forecasts["station"]))
    values = table.to_numpy()[row, column]
    return np.where((row >= 0) & (column >= 0), values, np.nan)


def _climatology_p(
    inputs: StageInputs, forecasts: pd.DataFrame, *, first: datetime, before: datetime
) -> dict[str, NDArray[np.float64]]:
    """Share of the season's days at or above alarm and flood stage as of the issue time.

    NaN without the stage, and where no day of the season was observed.
    """
    past = inputs.stage.loc[naive_timestamp(first) : naive_timestamp(before) - DAY]
    dates = pd.DatetimeIndex(past.index)
    issued, valid = (pd.DatetimeIndex(forecasts[name]) for name in ("issue_time", "valid_time"))
    shares = {}
    for name, stages_m in threshold_stages(forecasts["station"], issued).items():
        p = np.full(len(forecasts), np.nan)
        for code, of_gauge in forecasts.groupby("station").indices.items():
            level = past[code].to_numpy()
            for threshold_m in np.unique(stages_m[of_gauge][np.isfinite(stages_m[of_gauge])]):
                rows = of_gauge[stages_m[of_gauge] == threshold_m]
                reached = np.where(np.isfinite(level), level >= threshold_m, np.nan)
                p[rows] = window_means(dates, reached)[day_of_year(valid[rows]) - 1]
        shares[f"climatology_p_{name}"] = p
    return shares
