from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures.history import plot_history
from tests.figures.figure_cases import (
    EXERCISE,
    MORNINGS,
    PHONE_PX,
    STAGES,
    compare,
    legend,
    line,
    texts,
)

FIRST = pd.Timestamp("2026-08-10 00:30")


def issue(day: int, first_m: float) -> pd.DataFrame:
    """Seven days from a morning on, flat."""
    moment = FIRST + pd.Timedelta(days=day)
    times = pd.date_range(moment.floor("D") + pd.Timedelta(days=1), periods=7, freq="D")
    return pd.DataFrame(
        {"issue_time": moment, "valid_time": times, "q50": first_m, "issued_as": "model"}
    )


ISSUED = pd.concat([issue(0, 10.0), issue(1, 10.5), issue(4, 11.0), issue(10, 12.0)])
"""Issued on 10, 11, 14 and 20 August."""


def plot(issued: pd.DataFrame = ISSUED, **changed: Any) -> Figure:
    words: dict[str, Any] = {
        "readings_m": STAGES,
        "provenance": EXERCISE,
        "thresholds_m": {"alarm": 11.0, "flood": None},
    }
    return plot_history("Pakse", issued=issued, **{**words, **changed})


def thin_lines(figure: Figure) -> list[Line2D]:
    return [artist for artist in figure.axes[0].lines if len(np.asarray(artist.get_xdata())) == 8]


def test_each_morning_is_a_line_from_its_last_reading_on() -> None:
    figure = plot()
    lines = thin_lines(figure)
    assert len(lines) == 4
    # 9.0 m on 6 August, 0.2 m a day
    assert [float(np.asarray(artist.get_ydata())[0]) for artist in lines] == pytest.approx(
        [9.8, 10.0, 10.6, 11.8]
    )
    assert [float(np.asarray(artist.get_ydata())[-1]) for artist in lines] == [10.0, 10.5, 11, 12]
    assert np.asarray(lines[0].get_xdata())[0] == np.datetime64("2026-08-10T07:00")
    reds = [artist.get_color()[0] for artist in lines]
    assert reds == sorted(reds, reverse=True), "later issues are darker"
    assert line(figure.axes[0], "reading").tolist() == STAGES.tolist()


def test_mornings_without_a_forecast_are_marked() -> None:
    figure = plot()
    crosses = line(figure.axes[0], "no forecast that morning")
    assert [f"{pd.Timestamp(day):%d}" for day in crosses.index] == [
        "12", "13", "15", "16", "17", "18", "19",
    ]  # fmt: skip
    whole = plot(pd.concat([issue(0, 10.0), issue(1, 10.5)]))
    assert "no forecast that morning" not in legend(whole)


def test_an_unknown_day_breaks_its_line_and_a_stale_reading_begins_none() -> None:
    table = issue(10, 12.0)
    table.loc[2, "q50"] = np.nan
    figure = plot(table, readings_m=STAGES[: MORNINGS[-4]])
    (drawn,) = [
        np.asarray(artist.get_ydata(), dtype=float)
        for artist in figure.axes[0].lines
        if len(np.asarray(artist.get_xdata())) == 7
    ]
    assert np.isnan(drawn).tolist() == [False, False, True, False, False, False, False]


def test_climatology_rests_on_no_reading() -> None:
    assert thin_lines(plot(ISSUED.assign(issued_as="climatology"))) == []


def test_it_says_what_a_reader_must_know() -> None:
    words = texts(plot(verified=False))
    for word in (
        "Pakse: each morning's forecast and what came", "forecasts of 4 mornings, medians",
        "flood stage: not known", "thresholds not verified", "EXERCISE", "local time (UTC+7)",
        "stage, m above gauge zero", "forecast, first morning", "forecast, last morning",
    ):  # fmt: skip
        assert word in words


def test_no_forecast_at_all_is_no_figure() -> None:
    with pytest.raises(ValueError, match="expected at least one forecast issued for Pakse"):
        plot(ISSUED.assign(q50=np.nan))


def test_its_picture(tmp_path: Path) -> None:
    compare(plot(width_px=PHONE_PX), "history", tmp_path)
