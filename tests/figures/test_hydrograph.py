from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure

from pipeline.figures.canvas import to_png
from pipeline.figures.hydrograph import draw_highest_flood, plot_hydrograph
from tests.figures.figure_cases import (
    ACTUAL,
    EXERCISE,
    MORNINGS,
    PHONE_PX,
    STAGES,
    compare,
    forecast,
    hatched_days,
    legend,
    line,
    texts,
)

RAIN = pd.Series([3.0, 0.0, np.nan, 40.0] * 3 + [5.0, 12.0], MORNINGS[:-1])
"""Rain up to the 19th; of every fourth day it is not known."""


def plot(**changed: Any) -> Figure:
    words: dict[str, Any] = {
        "readings_m": STAGES,
        "forecast": forecast(),
        "provenance": EXERCISE,
        "thresholds_m": {"alarm": 11.0, "flood": 12.0},
        "rain_mm": RAIN,
    }
    return plot_hydrograph("Pakse", **{**words, **changed})


def bands(figure: Figure) -> list[FillBetweenPolyCollection]:
    return [
        artist
        for artist in figure.axes[-1].collections
        if isinstance(artist, FillBetweenPolyCollection)
    ]


def test_thresholds_far_above_the_flood_are_left_out() -> None:
    days = pd.date_range("2018-06-01", periods=120)
    stage = 5.0 + 3.0 * np.sin(np.arange(120) / 40.0)
    forecasts = pd.DataFrame(
        {
            "lead_days": 3,
            "valid_time": days,
            "observed_m": stage,
            "q10": stage - 0.2,
            "q50": stage,
            "q90": stage + 0.2,
        }
    )
    svg = draw_highest_flood("Pakse", forecasts, 3, {"alarm": 8.0, "flood": 20.0})
    assert "Pakse, 2018" in svg
    assert "alarm stage" in svg
    assert "flood stage" not in svg
    assert "forecast 3 d before" in svg
    assert "stage</" not in draw_highest_flood("Pakse", forecasts, 3, {"alarm": None})


def test_the_fan_begins_at_the_last_reading() -> None:
    figure = plot()
    median = line(figure.axes[-1], "forecast median")
    assert median.index[0] == pd.Timestamp("2026-08-20 07:00"), "local time"
    assert median.to_numpy() == pytest.approx([11.8, *np.linspace(12.0, 12.6, 7)])
    labels = [str(band.get_label()) for band in bands(figure)]
    assert labels == ["95 % interval", "80 % interval", "50 % interval"]
    for band, width in zip(bands(figure), (2.0, 1.3, 0.7), strict=True):
        box = band.get_datalim(figure.axes[-1].transData)
        assert (box.y0, box.y1) == (
            pytest.approx(min(11.8, 12.6 - 1.4 * width)),
            pytest.approx(12.6 + 1.4 * width),
        )
    assert hatched_days(figure.axes[-1]) == []


@pytest.mark.parametrize(
    ("changed", "hatched"),
    [
        ({"readings_m": STAGES[:-3]}, [("08-17 07:00", "08-20 07:30")]),
        ({"forecast": forecast(issued_as="climatology")}, []),
    ],
)
def test_a_fan_that_rests_on_no_fresh_reading_stands_for_itself(
    changed: dict[str, Any], hatched: list[tuple[str, str]]
) -> None:
    figure = plot(**changed)
    median = line(figure.axes[-1], "forecast median")
    assert median.index[0] == pd.Timestamp("2026-08-21 07:00")
    assert hatched_days(figure.axes[-1]) == [*hatched, ("08-20 07:30", "08-21 07:00")]


def test_a_reading_of_the_evening_before_is_fresh() -> None:
    readings = STAGES.rename({MORNINGS[-1]: pd.Timestamp("2026-08-18 12:00")}).sort_index()
    median = line(plot(readings_m=readings).axes[-1], "forecast median")
    assert median.index[0] == pd.Timestamp("2026-08-19 07:00")


def test_days_without_a_forecast_are_hatched() -> None:
    table = forecast()
    table.iloc[2, :7] = np.nan
    figure = plot(forecast=table)
    assert hatched_days(figure.axes[-1]) == [("08-22 07:00", "08-23 07:00")]
    assert line(figure.axes[-1], "forecast median").isna().sum() == 1
    none = plot(forecast=forecast()[:0])
    assert hatched_days(none.axes[-1]) == [("08-20 07:30", "08-27 07:30")]
    assert "forecast median" not in legend(none)
    assert "not known" in legend(none)


def test_days_that_the_forecast_leaves_out_are_hatched_as_those_of_nan() -> None:
    rows = forecast()
    without = rows.drop(rows.index[[2, 5, 6]])
    figure, of_nan = plot(forecast=without), plot(forecast=without.reindex(rows.index))
    assert hatched_days(figure.axes[-1]) == hatched_days(of_nan.axes[-1])
    assert len(hatched_days(figure.axes[-1])) == 3
    median = line(figure.axes[-1], "forecast median")
    assert median.isna().sum() == 3, "no line bridges a day that is not known"


def test_rain_of_no_day_is_hatched() -> None:
    assert hatched_days(plot(rain_mm=RAIN.iloc[:0]).axes[0])[0][0] == "08-06 07:00"


def test_a_name_is_text_whatever_its_signs() -> None:
    notes = [r"gauge of $\frac$ <b>"]
    figure = plot(notes=notes)
    to_png(figure)
    assert notes[0] in texts(figure)


def test_forecasts_that_are_not_the_model_s_are_marked() -> None:
    table = forecast()
    table.loc[table.index[4:], "issued_as"] = "persistence"
    figure = plot(forecast=table)
    assert len(line(figure.axes[-1], "issued as persistence")) == 3
    assert not any(entry.startswith("issued as") for entry in legend(plot()))


def test_it_says_what_a_reader_must_know() -> None:
    figure = plot(verified=False, notes=["Faces Nakhon Phanom"])
    words = texts(figure)
    for word in (
        "Pakse: stage and forecast", "stage, m above gauge zero", "rain, mm/day",
        "local time (UTC+7)", "issued 20 Aug, 07:30", "alarm stage 11.00 m", "EXERCISE",
        "thresholds not verified\nFaces Nakhon Phanom", "Source: virtual basin, not measured",
    ):  # fmt: skip
        assert word in words
    assert "EXERCISE" not in texts(plot(provenance=ACTUAL))
    assert plot(datum=None).axes[-1].get_ylabel() == "stage, m"
    assert len(plot(rain_mm=None).axes) == 1


def test_a_gauge_of_which_nothing_is_known_is_hatched_from_end_to_end() -> None:
    figure = plot(readings_m=STAGES[:0], forecast=forecast()[:0], rain_mm=None)
    assert hatched_days(figure.axes[-1]) == [
        ("08-13 07:30", "08-20 07:30"), ("08-20 07:30", "08-27 07:30"),
    ]  # fmt: skip


def test_its_picture(tmp_path: Path) -> None:
    kept = STAGES.drop(MORNINGS[4:7])
    compare(plot(readings_m=kept, width_px=PHONE_PX), "hydrograph", tmp_path)
