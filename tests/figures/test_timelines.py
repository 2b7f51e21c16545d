from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.figures.timelines import (
    day_number,
    draw_now,
    hang_rain,
    label_days,
    local_now,
    split_at_gaps,
)
from tests.figures.figure_cases import ISSUED, bars, hatched_days

DAYS = pd.date_range("2026-08-16", periods=4, freq="D")
END = pd.Timestamp("2026-08-21 07:00")


def test_rain_hangs_from_above_on_its_satellite_days_in_local_time() -> None:
    axes = Figure().add_subplot()
    unknown = hang_rain(axes, pd.Series([5.0, np.nan, 0.0, 40.0], DAYS), utc_offset_h=7, end=END)
    assert axes.get_ylim() == pytest.approx((44.0, 0.0))
    first, dry, last = bars(axes)
    assert (first.get_height(), dry.get_height(), last.get_height()) == (5.0, 0.0, 40.0)  # type: ignore[attr-defined]
    middle = first.get_x() + first.get_width() / 2  # type: ignore[attr-defined]
    assert middle == pytest.approx(day_number(pd.Timestamp("2026-08-16 19:00")))
    assert unknown
    assert hatched_days(axes) == [("08-17 07:00", "08-18 07:00"), ("08-20 07:00", "08-21 07:00")]


def test_a_day_that_is_not_named_is_not_known() -> None:
    axes = Figure().add_subplot()
    rain = pd.Series([5.0, 1.0], DAYS[[0, 2]])
    end = pd.Timestamp("2026-08-19 07:00")
    assert hang_rain(axes, rain, utc_offset_h=7, end=end)
    assert hatched_days(axes) == [("08-17 07:00", "08-18 07:00")]
    assert axes.get_ylim()[0] == 10.0, "drizzle does not fill the panel"


def test_rain_that_is_wholly_known_has_no_hatch_and_none_at_all_no_bar() -> None:
    axes = Figure().add_subplot()
    end = pd.Timestamp("2026-08-20 07:00")
    assert not hang_rain(axes, pd.Series(1.0, DAYS), utc_offset_h=7, end=end)
    assert hatched_days(axes) == []
    empty = Figure().add_subplot()
    assert hang_rain(empty, pd.Series(np.nan, DAYS), utc_offset_h=7, end=end)
    assert bars(empty) == []
    assert len(hatched_days(empty)) == 4


def test_no_line_crosses_a_gap() -> None:
    times = pd.DatetimeIndex(["2026-08-01", "2026-08-02", "2026-08-05"])
    values = split_at_gaps(pd.Series([1.0, 2.0, 3.0], times), pd.Timedelta(hours=36))
    assert values.isna().tolist() == [False, False, True, False]
    assert values.index[2] == pd.Timestamp("2026-08-02 18:00")


def test_days_and_now_are_of_the_city_s_clock() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    now = local_now(ISSUED, 6.5)
    assert now == pd.Timestamp("2026-08-20 07:00")
    draw_now(axes, now, "issued")
    assert axes.lines[0].get_xdata()[0] == day_number(now)  # type: ignore[index]
    axes.set_xlim(day_number(now) - 30.0, day_number(now) + 7.0)
    label_days(axes, 6.5, narrow=False)
    figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert axes.get_xlabel() == "local time (UTC+6:30)"
    assert 6 <= len(labels) <= 14
    assert all(label.endswith((" Jul", " Aug")) for label in labels)
    label_days(axes, 6.5, narrow=True)
    figure.canvas.draw()
    assert len(axes.get_xticklabels()) <= 5
