"""Windows of the year, pentads and water years by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from models.climatology import (
    FROM_APRIL_BY_DAYS,
    conditional_climatology,
    day_of_year,
    hydrological_years,
    pentad,
    pentad_windows,
    water_year,
    window_sums,
)

YEAR = pd.date_range("2018-01-01", "2018-12-31")


def test_windows_reach_fifteen_days_and_over_the_new_year() -> None:
    windows = list(pentad_windows(YEAR))
    assert len(windows) == 73
    assert {int(within.sum()) for within in windows} == {31}
    first = YEAR[windows[0]]  # about 3 January
    assert (first.min(), first.max()) == (pd.Timestamp("2018-01-01"), pd.Timestamp("2018-12-31"))
    assert pd.Timestamp("2018-01-18") in first
    assert pd.Timestamp("2018-12-19") in first
    assert pd.Timestamp("2018-12-18") not in first


def test_every_day_has_a_pentad_and_lies_in_its_window() -> None:
    leap = pd.date_range("2016-01-01", "2016-12-31")
    assert pentad(leap).max() == 72
    assert day_of_year(leap)[[58, 59, 60, 364, 365]].tolist() == [59, 60, 61, 365, 365]
    windows = np.stack(list(pentad_windows(leap)))
    assert windows[pentad(leap), np.arange(366)].all()


def test_window_sums_by_hand() -> None:
    sums = window_sums(YEAR, np.arange(365.0))
    for day in (0, 100, 364):
        near = [(day + apart) % 365 for apart in range(-15, 16)]
        assert sums[day] == sum(near)


def test_water_years_begin_in_june_and_in_april() -> None:
    days = pd.DatetimeIndex(["2017-03-31", "2017-04-01", "2017-05-31", "2017-06-01"])
    assert water_year(days).tolist() == [2016, 2016, 2016, 2017]
    assert water_year(days, FROM_APRIL_BY_DAYS).tolist() == [2016, 2017, 2017, 2017]


def test_an_interval_is_cut_at_each_first_of_june() -> None:
    start, end = (datetime(year, 6, 1, tzinfo=UTC) for year in (2010, 2012))
    middle = datetime(2011, 6, 1, tzinfo=UTC)
    assert hydrological_years(start, end) == [(start, middle), (middle, end)]


def test_rare_classes_are_drawn_to_the_months_mean() -> None:
    month, now = np.zeros(100, dtype=np.int64), np.zeros(100, dtype=np.int64)
    outcome = (np.arange(100) < 40).astype(float)[:, None]
    table = conditional_climatology(month, now, outcome)
    assert table.shape == (12, 2, 1)
    assert table[0, 0, 0] == pytest.approx(0.4)
    assert table[0, 1, 0] == pytest.approx(0.4)  # no case of its own: the month's
    outcome[:] = 1.0
    now[:50] = 1
    outcome[:50] = 0.0
    # 50 cases and 20 of the month's rate, 0.5.
    assert conditional_climatology(month, now, outcome)[0, :, 0] == pytest.approx(
        [60 / 70, 10 / 70]
    )
