from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.figures.hydrograph import draw_highest_flood


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
