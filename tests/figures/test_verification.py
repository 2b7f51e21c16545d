from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.figures.verification import draw_reliability, draw_scores, draw_skill, draw_value


def test_skill_names_every_method_and_bears_missing_bounds() -> None:
    known = np.array([[0.8, 0.7, 0.9], [0.5, 0.4, 0.6]])
    unknown = np.array([[0.1, np.nan, np.nan], [-9.0, np.nan, np.nan]])
    svg = draw_skill((1, 3), {"model": known, "damped anomaly": unknown})
    assert "model" in svg
    assert "damped anomaly" in svg


def test_reliability_gives_the_counts() -> None:
    table = pd.DataFrame({"p": [0.1, 0.9], "share": [0.0, 1.0], "count": [1234, 5]})
    svg = draw_reliability(table, 3)
    assert "P(alarm stage), 3 d ahead" in svg
    assert "1,234" in svg


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
