"""Figures of gauges: flows, verified zeros, national levels, travel times, stages of moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.geography.places import stations
from pipeline.geography.reference_tables import Edition, edition, group_by_edition


@lru_cache
def _reference_flows(tables: Edition) -> pd.DataFrame:
    columns = ["station", "month", "kind", "value", "verified"]
    frame = pd.DataFrame(tables.rows("flows.csv"))[columns]
    frame["month"] = frame["month"].astype(int)
    frame["value"] = frame["value"].astype(float)
    frame["verified"] = frame["verified"] == "V"
    return frame


def reference_flows(*, asof: datetime | None = None) -> pd.DataFrame:
    """Return reference flows per station and calendar month, a fresh copy.

    Parameters
    ----------
    asof
        Rows that count at this moment; default the newest.

    Returns
    -------
    DataFrame
        Columns station, month (1-12), kind, value (m3/s), verified. Kinds: ``pmfm_6a``, the low
        flow undercut one year in five (MRC procedures on flows, Article 6A); ``pmfm_6c``, the
        mean daily peak flow of the flood season (Article 6C); ``mean``, the monthly mean.
    """
    return _reference_flows(edition(asof)).copy()


def verified_zeros(*, asof: datetime | None = None) -> dict[str, float]:
    """Return the gauge zeros verified by a cited source, m above mean sea level, by MRC code.

    Parameters
    ----------
    asof
        Rows that count at this moment; default the newest.

    Examples
    --------
    >>> verified_zeros()["013901"], "012702" in verified_zeros()
    (86.49, False)
    """
    return _verified_zeros(edition(asof))


@lru_cache
def _verified_zeros(tables: Edition) -> dict[str, float]:
    return {
        row["station"]: float(row["value"])
        for row in tables.rows("station_figures.csv")
        if (row["quantity"], row["verified"]) == ("gauge_zero", "V")
    }


def vietnamese_level_2(*, asof: datetime | None = None) -> dict[str, float]:
    """Return the verified stages of the Vietnamese warning level II (báo động II), m, by MRC code.

    Parameters
    ----------
    asof
        Rows that count at this moment; default the newest.

    Examples
    --------
    >>> vietnamese_level_2()
    {'019803': 4.0, '039801': 3.5}
    """
    return {
        row["station"]: float(row["value"])
        for row in edition(asof).rows("thresholds.csv")
        if (row["kind"], row["verified"]) == ("bao_dong_2", "V")
    }


def travel_times_d(*, asof: datetime | None = None) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the least and the longest travel time between two gauges, days, by their MRC codes.

    Parameters
    ----------
    asof
        Rows that count at this moment; default the newest.

    Examples
    --------
    >>> travel_times_d()["013901", "014501"]
    (1.0, 1.5)
    """
    return {
        (row["from_station"], row["to_station"]): (float(row["value_min"]), float(row["value_max"]))
        for row in edition(asof).rows("travel_times.csv")
    }


def threshold_stages(
    codes: Sequence[str] | pd.Series, times: pd.DatetimeIndex
) -> dict[str, NDArray[np.float64]]:
    """Alarm and flood stage of many gauges, each as of a moment of its own.

    Parameters
    ----------
    codes, times
        MRC code of a gauge and the moment (naive UTC) of each row.

    Returns
    -------
    dict
        ``alarm`` and ``flood``, m above the gauge's zero, shape (n_rows,); NaN where the gauge had
        none at the moment.

    Examples
    --------
    >>> times = pd.DatetimeIndex(["2025-08-20 00:30", "2026-08-20 00:30"])
    >>> threshold_stages(["012702", "012702"], times)["alarm"].tolist()
    [11.4, 10.18]
    """
    of_row, unique_codes = pd.factorize(pd.Series(codes))
    stages_m = {kind: np.full(len(times), np.nan) for kind in ("alarm", "flood")}
    for moment, rows in group_by_edition(times.to_numpy()):
        known = stations(asof=moment)
        gauges = [known.get(code) for code in unique_codes]
        for kind, of_rows in stages_m.items():
            by_code = [getattr(gauge, f"{kind}_m", None) for gauge in gauges]
            of_rows[rows] = np.array(by_code, dtype="float64")[of_row[rows]]
    return stages_m
