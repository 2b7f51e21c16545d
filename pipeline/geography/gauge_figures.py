"""Figures of gauges beside their thresholds: reference flows, verified zeros, national levels."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import pandas as pd

from pipeline.geography.reference_tables import Edition, edition


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
