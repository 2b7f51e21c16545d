from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.figures.stages import draw_readings, draw_thresholds
from tests.figures.figure_cases import MORNINGS, STAGES, hatched_days, line

NOW = pd.Timestamp("2026-08-20 00:30")


def test_a_gap_in_the_readings_is_a_gap_and_hatched() -> None:
    axes = Figure().add_subplot()
    kept = STAGES.drop(MORNINGS[4:7])
    assert draw_readings(axes, kept, start=MORNINGS[0], end=NOW)
    drawn = line(axes, "reading")
    assert drawn.dropna().tolist() == kept.tolist()
    assert drawn.isna().sum() == 1
    assert hatched_days(axes) == [("08-09 00:00", "08-13 00:00")]


def test_readings_of_every_day_have_no_hatch_and_none_at_all_no_line() -> None:
    axes = Figure().add_subplot()
    assert not draw_readings(axes, STAGES, start=MORNINGS[0], end=NOW)
    assert hatched_days(axes) == []
    empty = Figure().add_subplot()
    assert draw_readings(empty, STAGES[:0], start=MORNINGS[0], end=NOW)
    assert not empty.lines
    assert hatched_days(empty) == [("08-06 00:00", "08-20 00:30")]


def test_thresholds_are_lines_with_their_stage() -> None:
    axes = Figure().add_subplot()
    axes.set_ylim(9.0, 12.0)
    assert draw_thresholds(axes, {"alarm": 11.0, "flood": 13.0}, verified=True) == []
    assert [artist.get_ydata()[0] for artist in axes.lines] == [11.0, 13.0]  # type: ignore[index]
    assert [artist.get_linestyle() for artist in axes.lines] == ["--", "-"]
    assert [text.get_text() for text in axes.texts] == [
        "alarm stage 11.00 m",
        "flood stage 13.00 m",
    ]
    assert axes.get_ylim() == pytest.approx((9.0, 13.24)), "the label has its place"


def test_a_threshold_far_above_or_not_known_is_said_in_words() -> None:
    axes = Figure().add_subplot()
    axes.set_ylim(1.0, 3.0)
    notes = draw_thresholds(axes, {"alarm": None, "flood": 12.0}, verified=False)
    assert notes == [
        "above this picture: flood stage 12.00 m",
        "alarm stage: not known",
        "thresholds not verified",
    ]
    assert not axes.lines
    assert axes.get_ylim() == (1.0, 3.0)
    for unknown in (None, float("nan")):
        notes = draw_thresholds(axes, {"alarm": unknown}, verified=False)
        assert notes == ["alarm stage: not known"]
    assert not axes.lines
