from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.figures.verification import draw_scores, draw_skill, draw_value, plot_reliability
from tests.figures.figure_cases import EXERCISE, PHONE_PX, bars, compare, legend, line, texts


def test_skill_names_every_method_and_bears_missing_bounds() -> None:
    known = np.array([[0.8, 0.7, 0.9], [0.5, 0.4, 0.6]])
    unknown = np.array([[0.1, np.nan, np.nan], [-9.0, np.nan, np.nan]])
    svg = draw_skill((1, 3), {"model": known, "damped anomaly": unknown})
    assert "model" in svg
    assert "damped anomaly" in svg


TABLE = pd.DataFrame(
    {
        "p": [0.02, 0.5, 0.9, np.nan],
        "share": [0.01, 0.6, 1.0, np.nan],
        "count": [1200, 40, 5, 0],
    }
)


def test_reliability_gives_the_counts() -> None:
    figure = plot_reliability(TABLE, title="P(alarm stage), 3 d ahead", provenance=EXERCISE)
    axes, cases = figure.axes
    assert line(axes, "share that came").to_dict() == {0.02: 0.01, 0.5: 0.6}
    assert line(axes, "fewer than 10 cases").to_dict() == {0.9: 1.0}
    assert [bar.get_height() for bar in bars(cases)] == [1200, 40, 5]  # type: ignore[attr-defined]
    assert [text.get_text() for text in cases.texts] == ["1,200", "40", "5"]
    assert "all cases: 3.3%" in legend(figure), "41 of 1,245"
    assert "P(alarm stage), 3 d ahead" in texts(figure)


def test_reliability_without_a_case_is_no_figure() -> None:
    with pytest.raises(ValueError, match="expected at least one case, found none"):
        plot_reliability(TABLE[3:], title="P(alarm stage)", provenance=EXERCISE)


def test_the_picture_of_reliability(tmp_path: Path) -> None:
    title = "P(alarm stage), 3 d ahead"
    figure = plot_reliability(TABLE, title=title, provenance=EXERCISE, width_px=PHONE_PX)
    compare(figure, "reliability", tmp_path)


def test_value_has_a_curve_by_lead() -> None:
    ratios = np.array([0.1, 0.5, 0.9])
    svg = draw_value("Pakse", ratios, {1: ratios, 5: -ratios}, 0.3)
    assert "1 d" in svg
    assert "5 d" in svg


def test_a_score_is_drawn_of_both_archives() -> None:
    series = {
        "ours": np.array([0.1, 0.2]),
        "rival": np.array([0.2, np.nan]),
        "persistence": np.array([0.3, 0.5]),
        "climatology": np.array([99.0, 99.0]),
    }
    svg = draw_scores("mae_m (low is better)", [1, 3], series)
    assert all(name in svg for name in series)
    assert "mae_m (low is better)" in svg
    assert ">80<" not in svg, "the axis holds the archives and persistence"
