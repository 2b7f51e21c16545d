"""Forecast and observed crossings of alarm stage: declared, counted, matched as events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.verification.metrics import rate

MERGE_D = 5
"""Up-crossings of a threshold less than so many days apart belong to one event."""
NEXT_DAY_P = 0.32
"""Probability from which a crossing on the next day is declared.

The least that the false alarms of decision 10 allow.
"""
LATER_P = 0.28
"""Probability likewise for leads of two days and more."""
LEAST_CASES = 10
"""Least number of cases for rates; below it only counts are given."""


def declare_alarms(forecasts: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether each forecast declares that alarm stage will be reached on its day."""
    least_p = np.where(forecasts["lead_days"] == 1, NEXT_DAY_P, LATER_P)
    return np.asarray(forecasts["p_alarm"] >= least_p)


def alarm_rates(sums: pd.DataFrame) -> pd.DataFrame:
    """Compute probability of detection, false-alarm ratio (of declared alarms) and threat score.

    Parameters
    ----------
    sums
        Columns hit, miss and false_alarm.

    Returns
    -------
    DataFrame
        Columns pod, far, csi; NaN where there is no case to divide by.

    Examples
    --------
    >>> alarm_rates(pd.DataFrame({"hit": [2], "miss": [2], "false_alarm": [0.5]}))
       pod  far       csi
    0  0.5  0.2  0.444444
    """
    hits, misses, false_alarms = (sums[name] for name in ("hit", "miss", "false_alarm"))
    return pd.DataFrame(
        {
            "pod": rate(hits, hits + misses),
            "far": rate(false_alarms, hits + false_alarms),
            "csi": rate(hits, hits + misses + false_alarms),
        },
        sums.index,
    )


def pool_alarms(rows: pd.DataFrame) -> pd.DataFrame:
    """Pool crossings forecast while below alarm stage over gauges, one row per lead.

    Parameters
    ----------
    rows
        Prepared forecasts (:func:`models.verification.cases.prepare`).

    Returns
    -------
    DataFrame
        Columns lead_days, cases (days at or above alarm stage), hits, false (declared alarms
        without a case), pod, far (a share of declared alarms) and csi.
    """
    below = rows[rows["stage_m"] < rows["alarm_m"]]
    sums = below.groupby("lead_days")[["hit", "miss", "false_alarm"]].sum().astype(int)
    counts = {
        "cases": sums["hit"] + sums["miss"],
        "hits": sums["hit"],
        "false": sums["false_alarm"],
    }
    return pd.DataFrame(counts).join(alarm_rates(sums)).reset_index()


def match_tolerance_d(lead_days: int) -> int:
    """Return the days by which a forecast event may be early or late and still is a hit."""
    return 1 if lead_days <= 3 else 2


def count_crossings(rows: pd.DataFrame) -> pd.DataFrame:
    """Count up-crossings of alarm stage as events, forecast and observed, matched one to one.

    Crossings less than ``MERGE_D`` apart are one event; a forecast event is a hit within
    :func:`match_tolerance_d`.

    Parameters
    ----------
    rows
        Prepared forecasts (:func:`models.verification.cases.prepare`).

    Returns
    -------
    DataFrame
        One row per lead: observed, forecast, hits.
    """
    counts = []
    with_alarm = rows[rows["alarm_m"].notna()]
    for lead, part in with_alarm.groupby("lead_days"):
        tolerance_d = match_tolerance_d(int(str(lead)))
        observed = forecast = hits = 0
        for _, gauge_rows in part.groupby("station"):
            times = gauge_rows["valid_time"]
            reached = (gauge_rows["observed_m"] >= gauge_rows["alarm_m"]).to_numpy()
            observed_days = event_days(times, reached)
            forecast_days = event_days(times, declare_alarms(gauge_rows))
            observed, forecast = observed + len(observed_days), forecast + len(forecast_days)
            hits += count_matches(observed_days, forecast_days, tolerance_d)
        counts.append({"lead_days": lead, "observed": observed, "forecast": forecast, "hits": hits})
    return pd.DataFrame(counts)


def event_days(times: pd.Series, above: NDArray[np.bool_], *, merge_d: int = MERGE_D) -> list[int]:
    """Return the first days of spells above a threshold, those less than ``merge_d`` apart merged.

    Parameters
    ----------
    times, above
        Valid times in any order, and whether the threshold was reached.
    merge_d
        Least days from one spell to the next, days.

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
    starts = np.diff(days, prepend=-(2**31)) >= merge_d
    return [int(day) for day in days[starts]]


def count_matches(observed: Sequence[int], forecast: Sequence[int], tolerance_d: int) -> int:
    """Count pairs of an observed and a forecast day at most ``tolerance_d`` apart, each once.

    Examples
    --------
    >>> count_matches([10, 12], [11, 30], 1)
    1
    """
    return len(observed) - len(find_unmatched(observed, forecast, tolerance_d))


def find_unmatched(observed: Sequence[int], forecast: Sequence[int], tolerance_d: int) -> list[int]:
    """Find the observed days without a forecast day of their own within ``tolerance_d``.

    Examples
    --------
    >>> find_unmatched([10, 12], [11, 30], 1)
    [12]
    """
    unused, missed = list(forecast), []
    for day in observed:
        close = [candidate for candidate in unused if abs(candidate - day) <= tolerance_d]
        if close:
            unused.remove(min(close))
        else:
            missed.append(day)
    return missed
