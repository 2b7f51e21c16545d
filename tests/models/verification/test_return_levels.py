from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from models.verification.return_levels import estimate_return_level, find_annual_maxima


def season(year: int, highest: float, *, days: int = 153) -> pd.DataFrame:
    times = pd.date_range(f"{year}-06-01", periods=days)
    values = np.where(np.arange(days) == 40, highest, 5.0)
    return pd.DataFrame({"station": "013901", "valid_time": times, "value": values})


def test_a_season_counts_once_it_is_over_and_was_read() -> None:
    readings = pd.concat(
        [season(2023, 9.0), season(2024, 9.5, days=121), season(2025, 8.0, days=122)]
    )
    dry = pd.DataFrame(
        {"station": "013901", "valid_time": [pd.Timestamp("2023-12-24")], "value": 20.0}
    )
    readings = pd.concat([readings, dry])
    maxima = find_annual_maxima(readings, asof=datetime(2026, 1, 1, tzinfo=UTC))
    assert maxima["013901"].tolist() == [9.0, 8.0]
    open_season = datetime(2025, 10, 31, tzinfo=UTC)
    assert find_annual_maxima(readings, asof=open_season)["013901"].tolist() == [9.0]


def test_ten_years_give_a_level_and_nine_do_not() -> None:
    # exp(-1/2) = 0.60653; times n + 1 = 11 it is the 6.6718th of ten.
    assert estimate_return_level(np.arange(1.0, 11.0), 2) == pytest.approx(6.67184, abs=1e-5)
    assert math.isnan(estimate_return_level(np.arange(1.0, 10.0), 2))
