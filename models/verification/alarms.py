"""Forecast crossings of alarm stage against observed ones: declared, counted, matched as events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.verification.metrics import rate
from pipeline.geography.gauge_figures import threshold_stages

MERGE_D = 5
"""Up-crossings of a threshold nearer than this belong to one event."""
NEXT_DAY_P = 0.32
"""Probability from which a crossing on the next day counts as forecast.

It is the least that decision 10's false alarms allow.
"""
LATER_P = 0.28
"""The same two days ahead and later."""
LEAST_CASES = 10
"""Cases below which counts are given and no rates."""


def alarm_stages(forecasts: pd.DataFrame) -> pd.Series:
    """Alarm stage of each row's gauge as of its issue time, m; NaN where it has none."""
    issued = pd.DatetimeIndex(forecasts["issue_time"])
    return pd.Series(threshold_stages(forecasts["station"], issued)["alarm"], forecasts.index)


def declared(forecasts: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each forecast declares that alarm stage will be reached on its day."""
    least_p = np.where(forecasts["lead_days"] == 1, NEXT_DAY_P, LATER_P)
    return np.asarray(forecasts["p_alarm"] >= least_p)


def alarm_rates(hits: int, misses: int, false_alarms: int) -> dict[str, float]:
    """Probability of detection, false-alarm ratio (of what was declared) and threat score.

    Examples
    --------
    >>> alarm_rates(2, 2, 1)
    {'pod': 0.5, 'far': 0.3333333333333333, 'csi': 0.4}
    """
    return {
        "pod": rate(hits, hits + misses),
        "far": rate(false_alarms, hits + false_alarms),
        "csi": rate(hits, hits + misses + false_alarms),
    }


def count_alarms(
    below: NDArray[np.bool_], reached: NDArray[np.bool_], warned: NDArray[np.bool_]
) -> tuple[int, int, int]:
    """Count hits, misses and false alarms among forecasts issued below alarm stage."""
    hits = int((below & reached & warned).sum())
    misses = int((below & reached & ~warned).sum())
    false_alarms = int((below & ~reached & warned).sum())
    return hits, misses, false_alarms


def pool_alarms(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Crossings forecast while below alarm stage, pooled over stations, one row per lead.

    Returns
    -------
    DataFrame
        Columns lead_days, cases (days that came at or above alarm stage), hits, false (alarms
        declared that did not come), pod, far (a share of what was declared) and csi.
    """
    usable = forecasts[forecasts["observed_m"].notna() & forecasts["stage_m"].notna()]
    usable = usable.assign(alarm_m=alarm_stages(usable))
    usable = usable[usable["stage_m"] < usable["alarm_m"]]
    rows = []
    for lead, part in usable.groupby("lead_days"):
        reached = (part["observed_m"] >= part["alarm_m"]).to_numpy()
        below = np.ones(len(part), dtype=bool)
        hits, misses, false_alarms = count_alarms(below, reached, declared(part))
        rows.append(
            {
                "lead_days": int(str(lead)),
                "cases": hits + misses,
                "hits": hits,
                "false": false_alarms,
                **alarm_rates(hits, misses, false_alarms),
            }
        )
    return pd.DataFrame(rows)


def count_crossings(rows: pd.DataFrame) -> pd.DataFrame:
    """Up-crossings of alarm stage as events, forecast and observed, matched one to one.

    Crossings less than ``MERGE_D`` apart are one event; a forecast event is a hit within a day at
    1 to 3 d and within two at longer leads.

    Parameters
    ----------
    rows
        Prepared forecasts (:func:`models.verification.skill.prepare`).

    Returns
    -------
    DataFrame
        One row per lead: observed, forecast, hits.
    """
    counts = []
    with_alarm = rows[rows["alarm_m"].notna()]
    for lead, part in with_alarm.groupby("lead_days"):
        apart_d = 1 if int(str(lead)) <= 3 else 2
        observed = forecast = hits = 0
        for _, of_gauge in part.groupby("station"):
            times = of_gauge["valid_time"]
            reached = (of_gauge["observed_m"] >= of_gauge["alarm_m"]).to_numpy()
            observed_days = event_days(times, reached)
            forecast_days = event_days(times, declared(of_gauge))
            observed, forecast = observed + len(observed_days), forecast + len(forecast_days)
            hits += count_matches(observed_days, forecast_days, apart_d)
        counts.append({"lead_days": lead, "observed": observed, "forecast": forecast, "hits": hits})
    return pd.DataFrame(counts)


def event_days(times: pd.Series, above: NDArray[np.bool_]) -> list[int]:
    """First days of the spells above a threshold, those nearer than ``MERGE_D`` merged.

    Parameters
    ----------
    times, above
        Valid times in any order, and whether the threshold was reached.

    Returns
    -------
    list of int
        Days since 1970, increasing.

    Examples
    --------
    >>> times = pd.Series(pd.date_range("1970-01-01", periods=9))
    >>> event_days(times, np.array([0, 1, 1, 0, 1, 0, 0, 0, 0], dtype=bool))
    [1]
    >>> event_days(times, np.array([0, 1, 0, 1, 0, 0, 0, 0, 1], dtype=bool))
    [1, 8]
    """
    days = np.sort(times.to_numpy("datetime64[D]").astype(np.int64)[above])
    starts = np.diff(days, prepend=-(2**31)) >= MERGE_D
    return [int(day) for day in days[starts]]


def count_matches(observed: Sequence[int], forecast: Sequence[int], apart_d: int) -> int:
    """Count pairs of an observed and a forecast day at most ``apart_d`` apart, each used once.

    Examples
    --------
    >>> count_matches([10, 12], [11, 30], 1)
    1
    """
    left, hits = list(forecast), 0
    for day in observed:
        close = [candidate for candidate in left if abs(candidate - day) <= apart_d]
        if close:
            left.remove(min(close))
            hits += 1
    return hits
