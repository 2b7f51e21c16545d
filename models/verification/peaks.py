"""Each year's highest stage: its height and day as forecast, and the peaks that were missed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.verification.alarms import declare_alarms, match_tolerance_d

WINDOW_D = 30
"""Days on each side of a year's highest stage in which the forecast's highest is searched."""


def find_peaks(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare the highest stage of each wet season with its forecasts.

    A peak at or above alarm stage is missed where no day within
    :func:`models.verification.alarms.match_tolerance_d` of it was forecast to reach alarm stage:
    by the model where the alarm was not declared, by persistence where the stage at issue was
    below.

    Parameters
    ----------
    rows
        Prepared forecasts (:func:`models.verification.cases.prepare`).

    Returns
    -------
    DataFrame
        One row per gauge, year and lead with at least ``3 * WINDOW_D`` forecasts of the wet season:
        station, year, lead_days, peak_m (observed), error_m (the forecast for the day of the peak
        less the observed), late_d (day of the forecast's highest stage within ``WINDOW_D`` less
        that of the observed), ``missed`` and ``missed_by_persistence`` (1 or 0; NaN of a peak below
        alarm stage or without one).
    """
    wet = rows[rows["wet"]]
    wet = wet.assign(declared=declare_alarms(wet), persisted=wet["stage_m"] >= wet["alarm_m"])
    table = []
    for (station, year, lead), part in wet.groupby(["station", "year", "lead_days"]):
        if len(part) < 3 * WINDOW_D:
            continue
        top = part.iloc[int(part["observed_m"].to_numpy().argmax())]
        apart_d = (part["valid_time"] - top["valid_time"]).abs().dt.days
        near = part[apart_d <= WINDOW_D]
        forecast_peak = near.iloc[int(near["q50"].to_numpy().argmax())]
        close = part[apart_d <= match_tolerance_d(int(str(lead)))]
        alarm = top["reached"] == 1.0
        table.append(
            {
                "station": station,
                "year": year,
                "lead_days": lead,
                "peak_m": top["observed_m"],
                "error_m": top["q50"] - top["observed_m"],
                "late_d": (forecast_peak["valid_time"] - top["valid_time"]).days,
                "missed": float(not close["declared"].any()) if alarm else np.nan,
                "missed_by_persistence": float(not close["persisted"].any()) if alarm else np.nan,
            }
        )
    numbers = ["peak_m", "error_m", "late_d", "missed", "missed_by_persistence"]
    peaks = pd.DataFrame(table, columns=["station", "year", "lead_days", *numbers])
    return peaks.astype(dict.fromkeys(numbers, "float64"))


def pool_peaks(peaks: pd.DataFrame, by: Sequence[str] = ("lead_days",)) -> pd.DataFrame:
    """Pool peaks over years, and over gauges unless grouped by them.

    Parameters
    ----------
    peaks
        From :func:`find_peaks`.
    by
        Columns to group by.

    Returns
    -------
    DataFrame
        Index the groups; columns peaks, error_m and late_d (medians), abs_error_m and abs_late_d
        (medians of the absolute values), late_p10_d and late_p90_d (between them lie 80 % of the
        peaks), alarm_peaks (at or above alarm stage), missed and missed_by_persistence (of them).
    """
    absolute = peaks[["error_m", "late_d"]].abs().add_prefix("abs_")
    table = pd.concat([peaks, absolute], axis=1).groupby(list(by))
    median = table[["error_m", "abs_error_m", "late_d", "abs_late_d"]].median()
    counts = table[["missed", "missed_by_persistence"]].sum().astype(int)
    return median.join(counts).assign(
        peaks=table.size(),
        late_p10_d=table["late_d"].quantile(0.1),
        late_p90_d=table["late_d"].quantile(0.9),
        alarm_peaks=table["missed"].count(),
    )
