"""Rolling-origin hindcasts and their scores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.stage import CLIMATOLOGY_WINDOW_D, HISTORY_D, QUANTILES, fit, predict_dates
from pipeline.features import DAY
from pipeline.places import stations as all_stations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from pipeline.features import StageInputs

REFIT_MONTH = 6
"""The models are refitted at the start of each hydrological year, 1 June."""
WET_MONTHS = (6, 7, 8, 9, 10)
MERGE_D = 5
"""Up-crossings of a threshold nearer than this belong to one event."""
DECLARED_P = {1: 0.50, 2: 0.40, 3: 0.35}
"""Probability from which a crossing counts as forecast, by lead; later leads take ``LATE_P``."""
LATE_P = 0.30
SCORES = (
    "station", "name", "lead_days", "season", "n", "rmse_m", "mae_m", "rmse_persistence_m", "cp",
    "nse", "kge", "pinball_m", "cover80", "cover95", "alarm_events", "alarm_pod", "alarm_far",
    "alarm_csi", "brier", "brier_skill_climatology", "tier",
)  # fmt: skip


def hindcast(
    inputs: StageInputs,
    *,
    train_from: datetime,
    start: datetime,
    end: datetime,
    stations: Iterable[str],
    leads: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7),
    progress: Callable[[str], None] = lambda _: None,
) -> pd.DataFrame:
    """Forecast every morning of an interval as it would have been issued.

    Each hydrological year is forecast by models trained on what was observed before its 1 June (the
    first year's before ``start``), so no score rests on a year that the model had seen.

    Parameters
    ----------
    inputs
        Stages and rain over training and hindcast.
    train_from, start, end
        First day of training, and the half-open interval of issue times; aware.
    stations, leads
        What to forecast.
    progress
        Told the year that is worked on.

    Returns
    -------
    DataFrame
        As :func:`models.stage.predict` gives it, with ``observed_m`` (the 00Z reading that came;
        NaN where none did) and ``climatology_p_alarm`` (share of past years' days of the season
        at or above alarm stage).
    """
    codes = list(stations)
    parts = []
    for first, after in hydrological_years(start, end):
        progress(f"{first:%Y-%m-%d} to {after:%Y-%m-%d}")
        model = fit(inputs, end=first, stations=codes, leads=leads, start=train_from)
        known = inputs.until(naive(after) - DAY)
        dates = known.stage.loc[naive(first) :].index
        if dates.empty:
            continue
        part = predict_dates(
            model, known.last(len(dates) + HISTORY_D), dates=dates,
            model_version=f"hindcast {first:%Y-%m-%d}",
        )  # fmt: skip
        part["climatology_p_alarm"] = _climatology_p(inputs, part, first=train_from, before=first)
        parts.append(part)
    found = pd.concat(parts, ignore_index=True)
    found["observed_m"] = observed(inputs, found)
    return found


def naive(moment: datetime) -> pd.Timestamp:
    """UTC timestamp without a zone, as table columns carry them."""
    return pd.Timestamp(moment).tz_convert(None)


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
    past = inputs.stage.loc[naive(first) : naive(before) - DAY]
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


def score(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Scores per station, lead and season.

    Parameters
    ----------
    forecasts
        As :func:`hindcast` gives them; rows without an observation, or without a stage at issue,
        are left out.

    Returns
    -------
    DataFrame
        Columns ``SCORES``; season ``wet`` (valid June to October) and ``all``. ``cp`` is the
        persistence index 1 − MSE / MSE of persistence. The ``alarm_*`` columns count forecasts
        issued while the river stood below alarm stage: a case is one whose day came at or above
        it; ``alarm_events`` are the merged crossings. NaN without a threshold or a case.
    """
    usable = forecasts[forecasts["observed_m"].notna() & forecasts["stage_m"].notna()]
    rows = []
    for (code, lead), part in usable.groupby(["station", "lead_days"], sort=True):
        wet = part["valid_time"].dt.month.isin(WET_MONTHS)
        rows += [
            _score(str(code), int(str(lead)), season, chosen)
            for season, chosen in (("wet", part[wet]), ("all", part))
            if not chosen.empty
        ]
    return pd.DataFrame(rows, columns=list(SCORES))


def _score(code: str, lead: int, season: str, part: pd.DataFrame) -> dict[str, object]:
    place = all_stations().get(code)
    seen, middle = part["observed_m"].to_numpy(), part["q50"].to_numpy()
    error, naive_error = middle - seen, part["stage_m"].to_numpy() - seen
    threshold = place.alarm_m if place else None
    return {
        "station": code,
        "name": place.name if place else code,
        "lead_days": lead,
        "season": season,
        "n": len(part),
        "rmse_m": float(np.sqrt(np.mean(error**2))),
        "mae_m": float(np.mean(np.abs(error))),
        "rmse_persistence_m": float(np.sqrt(np.mean(naive_error**2))),
        "cp": 1.0 - _ratio(np.sum(error**2), np.sum(naive_error**2)),
        "nse": 1.0 - _ratio(np.sum(error**2), np.sum((seen - seen.mean()) ** 2)),
        "kge": kge(middle, seen),
        "pinball_m": pinball(part, seen),
        "cover80": float(np.mean((part["q10"] <= seen) & (seen <= part["q90"]))),
        "cover95": float(np.mean((part["q025"] <= seen) & (seen <= part["q975"]))),
        **(alarm_scores(part, threshold) if threshold is not None else {}),
        "tier": part["tier"].mode().iloc[0],
    }


def _ratio(top: float, bottom: float) -> float:
    return float(top / bottom) if bottom > 0 else float("nan")


def kge(forecast: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    """Kling-Gupta efficiency (Gupta et al. 2009): 1 − √((r−1)² + (α−1)² + (β−1)²).

    Examples
    --------
    >>> kge(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    if len(seen) < 2 or seen.std() == 0.0 or forecast.std() == 0.0 or seen.mean() == 0.0:
        return float("nan")
    r = np.corrcoef(forecast, seen)[0, 1]
    alpha, beta = forecast.std() / seen.std(), forecast.mean() / seen.mean()
    return float(1.0 - np.sqrt(min((r - 1.0) ** 2, 4.0) + (alpha - 1.0) ** 2 + (beta - 1.0) ** 2))


def pinball(part: pd.DataFrame, seen: NDArray[np.float64]) -> float:
    """Mean pinball loss over all quantiles, m."""
    losses = []
    for name, p in QUANTILES.items():
        gap = seen - part[name].to_numpy()
        losses.append(np.mean(np.maximum(p * gap, (p - 1.0) * gap)))
    return float(np.mean(losses))


def alarm_scores(part: pd.DataFrame, threshold_m: float) -> dict[str, float]:
    """Scores of one threshold: crossings forecast while still below, Brier score and skill.

    Returns
    -------
    dict
        ``alarm_events``, ``alarm_pod``, ``alarm_far``, ``alarm_csi``, ``brier``,
        ``brier_skill_climatology``.
    """
    seen = part["observed_m"].to_numpy()
    came = seen >= threshold_m
    below = part["stage_m"].to_numpy() < threshold_m
    said = declared(part)
    hits = int((below & came & said).sum())
    misses = int((below & came & ~said).sum())
    false = int((below & ~came & said).sum())
    brier = float(np.mean((part["p_alarm"] - came) ** 2))
    reference = float(np.mean((part["climatology_p_alarm"] - came) ** 2))
    return {
        "alarm_events": events(part["valid_time"], came),
        "alarm_pod": _ratio(hits, hits + misses),
        "alarm_far": _ratio(false, hits + false),
        "alarm_csi": _ratio(hits, hits + misses + false),
        "brier": brier,
        "brier_skill_climatology": 1.0 - _ratio(brier, reference),
    }


def declared(part: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each forecast says that alarm stage will be reached on its day."""
    least = part["lead_days"].map(lambda lead: DECLARED_P.get(lead, LATE_P))
    return np.asarray(part["p_alarm"] >= least)


def events(times: pd.Series, over: NDArray[np.bool_]) -> int:
    """Count the spells at or above a threshold, those less than ``MERGE_D`` apart merged.

    Examples
    --------
    >>> days = pd.Series(pd.date_range("2018-08-01", periods=9))
    >>> events(days, np.array([0, 1, 0, 1, 0, 0, 0, 0, 1], dtype=bool))
    2
    """
    above = times[over].sort_values()
    return int(len(above) > 0) + int((above.diff() >= timedelta(days=MERGE_D)).sum())


def pooled_alarms(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Crossings forecast while below alarm stage, pooled over stations, one row per lead."""
    usable = forecasts[forecasts["observed_m"].notna() & forecasts["stage_m"].notna()]
    places = all_stations()
    alarm = usable["station"].map(lambda code: places[code].alarm_m if code in places else None)
    usable = usable.assign(alarm_m=alarm.astype("float64"))
    usable = usable[usable["stage_m"] < usable["alarm_m"]]
    rows = []
    for lead, part in usable.groupby("lead_days"):
        came = part["observed_m"] >= part["alarm_m"]
        said = declared(part)
        hits, cases, calls = int((came & said).sum()), int(came.sum()), int(said.sum())
        rows.append(
            {
                "lead_days": int(str(lead)),
                "cases": cases,
                "pod": _ratio(hits, cases),
                "far": 1.0 - _ratio(hits, calls),
                "csi": _ratio(hits, cases + calls - hits),
            }
        )
    return pd.DataFrame(rows)
