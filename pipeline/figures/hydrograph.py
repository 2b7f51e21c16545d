"""Hydrographs: stage over time with forecasts, their intervals and thresholds."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from pipeline.figures.canvas import ALARM_COLOUR, COLOURS, FLOOD_COLOUR, new_figure, to_svg

DAYS_AROUND_CREST = 45
"""Days on each side of a flood's crest in its hydrograph."""


def draw_highest_flood(
    name: str, forecasts: pd.DataFrame, lead: int, thresholds_m: Mapping[str, float | None]
) -> str:
    """Draw the highest flood of a gauge: observed, and forecast so many days before.

    Parameters
    ----------
    name
        Name of the gauge.
    forecasts
        Columns lead_days, valid_time, observed_m, q10, q50 and q90, m.
    lead
        Lead of the forecasts shown, days.
    thresholds_m
        ``alarm`` and ``flood`` stage, m, where the gauge has them; those far above the flood are
        left out.
    """
    rows = forecasts[forecasts["lead_days"] == lead].sort_values("valid_time")
    crest = rows["valid_time"].iloc[int(rows["observed_m"].to_numpy().argmax())]
    near = rows[(rows["valid_time"] - crest).abs() <= pd.Timedelta(days=DAYS_AROUND_CREST)]
    figure, axes = new_figure(f"{name}, {crest:%Y}", height=2.7)
    days = pd.date_range(near["valid_time"].min(), near["valid_time"].max())
    near = near.set_index("valid_time").reindex(days)
    axes.fill_between(days, near["q10"], near["q90"], color=COLOURS[0], alpha=0.2, linewidth=0.0)
    axes.plot(days, near["q50"], color=COLOURS[0], label=f"forecast {lead} d before, 80 %")
    axes.plot(days, near["observed_m"], color="#111111", linewidth=1.4, label="observed")
    bottom, top = axes.get_ylim()
    for threshold, level in thresholds_m.items():
        if level is not None and bottom <= level <= top + 0.3 * (top - bottom):
            colour = FLOOD_COLOUR if threshold == "flood" else ALARM_COLOUR
            label = f"{threshold} stage"
            axes.axhline(level, color=colour, linewidth=1.0, linestyle="--", label=label)
    locator = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_ylabel("stage, m")
    axes.legend(fontsize=7.0, frameon=False)
    return to_svg(figure, f"Hydrograph of the highest stage at {name}")
