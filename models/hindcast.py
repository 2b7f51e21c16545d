"""Rolling-origin hindcasts and their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.baselines import NAMES, baselines
from models.benchmark import reference
from models.stage.features import DAY, StageInputs
from models.stage.model import CLIMATOLOGY_WINDOW_D, HISTORY_D, fit, predict, predict_dates
from pipeline.geography.places import stations as all_stations
from pipeline.times import naive_timestamp

ISSUED_AT = pd.Timedelta(minutes=30)
HISTORY = timedelta(days=HISTORY_D + 5)
"""Readings before an issue time that its forecast can depend on."""
REFIT_MONTH = 6
"""The models are refitted at the start of each hydrological year, 1 June."""
PEERS = (*NAMES[1:], "reference")
"""Forecasts beside the model's own, as columns ``<name>_m``; persistence is ``stage_m``."""


def hindcast(
    inputs: StageInputs,
    *,
    train_from: datetime,
    start: datetime,
    end: datetime,
    stations: Iterable[str],
    leads: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7),
    as_known: Callable[[datetime, datetime], StageInputs | None] = lambda _moment, _since: None,
    progress: Callable[[str], None] = lambda _: None,
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
    as_known
        Gives the inputs, from a time on, as they were known at a moment where that is not what
        ``inputs`` has up to it: something came late or was corrected later. None where it is.
    progress
        Told the year that is worked on.

    Returns
    -------
    DataFrame
        As :func:`models.stage.model.predict` gives it, with ``origin``, ``observed_m`` (the 00Z
        reading that came; NaN where none did), ``climatology_p_alarm`` (share of past years' days
        of the season at or above alarm stage) and the forecasts of ``PEERS``, fitted on the same
        years.
    """
    codes = list(stations)
    parts = []
    for first, after in hydrological_years(start, end):
        progress(f"{first:%Y-%m-%d} to {after:%Y-%m-%d}")
        past = as_known(first, train_from) or inputs
        model = fit(past, end=first, stations=codes, leads=leads, start=train_from)
        known = inputs.until(naive_timestamp(after) - DAY)
        dates = known.stage.loc[naive_timestamp(first) :].index
        if dates.empty:
            continue
        moments = {day: (day + ISSUED_AT).to_pydatetime().replace(tzinfo=UTC) for day in dates}
        apart = {
            day: seen
            for day in dates
            if (seen := as_known(moments[day], moments[day] - HISTORY)) is not None
        }
        version = f"hindcast {first:%Y-%m-%d}"
        made = [
            predict(
                model,
                seen.with_gauges(model.stations),
                issue_time=moments[day],
                model_version=version,
            )
            for day, seen in apart.items()
        ]
        plain = [day for day in dates if day not in apart]
        if plain:
            recent = known.last(len(dates) + HISTORY_D)
            made.append(predict_dates(model, recent, dates=plain, model_version=version))
        part = pd.concat(made).sort_values(["issue_time", "station", "lead_days"])
        part = part.reset_index(drop=True)
        part["climatology_p_alarm"] = _climatology_p(past, part, first=train_from, before=first)
        window = known.last(int((known.stage.index >= naive_timestamp(train_from)).sum()))
        parts.append(_with_peers(part, window, until=first, leads=leads))
    found = pd.concat(parts, ignore_index=True)
    found["observed_m"] = observed(inputs, found)
    found["origin"] = inputs.origin
    return found


def _with_peers(
    part: pd.DataFrame, known: StageInputs, *, until: datetime, leads: tuple[int, ...]
) -> pd.DataFrame:
    """Add what the baselines and the reference model said on the same mornings."""

    def of(code: str) -> pd.DataFrame:
        tables = baselines(known, station=code, fit_until=until, leads=leads)
        tables["reference"] = reference(known, station=code, fit_until=until, leads=leads)
        found = tables["reference"].index
        table = pd.DataFrame(
            {"date": np.repeat(found, len(leads)), "lead_days": [*leads] * len(found)}
        )
        for name in PEERS:
            table[f"{name}_m"] = tables[name].loc[found, list(leads)].to_numpy().ravel()
        return table.assign(station=code)

    with ThreadPoolExecutor(2) as pool:
        peers = pd.concat(list(pool.map(of, part["station"].unique())), ignore_index=True)
    peers["issue_time"] = peers.pop("date") + ISSUED_AT
    return part.merge(peers, on=["issue_time", "station", "lead_days"], how="left")


def hydrological_years(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Cut a half-open interval at each 1 June.

    Examples
    --------
    >>> start, end = datetime(2012, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
    >>> [f"{first:%Y-%m}" for first, _ in hydrological_years(start, end)]
    ['2012-07', '2013-06']
    """
    inner = [datetime(year, REFIT_MONTH, 1, tzinfo=UTC) for year in range(start.year, end.year + 1)]
    edges = [start, *(edge for edge in inner if start < edge < end), end]
    return list(pairwise(edges))


def observed(inputs: StageInputs, forecasts: pd.DataFrame) -> NDArray[np.float64]:
    """00Z reading at each forecast's valid time, m; NaN where none came."""
    table = inputs.stage
    row = table.index.get_indexer(pd.DatetimeIndex(forecasts["valid_time"]))
    column = table.columns.get_indexer(pd.Index(forecasts["station"]))
    found = table.to_numpy()[row, column]
    return np.where((row >= 0) & (column >= 0), found, np.nan)


def _climatology_p(
    inputs: StageInputs, forecasts: pd.DataFrame, *, first: datetime, before: datetime
) -> NDArray[np.float64]:
    past = inputs.stage.loc[naive_timestamp(first) : naive_timestamp(before) - DAY]
    day = np.minimum(np.asarray(pd.DatetimeIndex(past.index).day_of_year), 365)
    p = np.full(len(forecasts), np.nan)
    for code, rows in forecasts.groupby("station").indices.items():
        place = all_stations().get(str(code))
        if place is None or place.alarm_m is None:
            continue
        level = past[code].to_numpy()
        over = np.bincount(day, level >= place.alarm_m, 366)[1:]
        count = np.bincount(day, np.isfinite(level), 366)[1:]
        around = np.arange(-CLIMATOLOGY_WINDOW_D, CLIMATOLOGY_WINDOW_D + 1)
        window = (np.arange(365)[:, None] + around) % 365
        share = over[window].sum(axis=1) / np.maximum(count[window].sum(axis=1), 1)
        valid = pd.DatetimeIndex(forecasts["valid_time"].iloc[rows])
        p[rows] = share[np.minimum(np.asarray(valid.day_of_year), 365) - 1]
    return p
