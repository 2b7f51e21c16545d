"""Parts of figures of stages: readings with their gaps, and thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from pipeline.figures.canvas import ALARM_COLOUR, FLOOD_COLOUR, RIM
from pipeline.figures.timelines import hatch_span, list_gaps, split_at_gaps

LONGEST_GAP = pd.Timedelta(hours=36)
"""No line bridges a longer gap between two readings: gauges are read once a day or more often."""
OF_READING = ("model", "persistence")
"""Kinds of forecasts (``issued_as``) that rest on the last reading."""
LOOKS = {"alarm": (ALARM_COLOUR, "--"), "flood": (FLOOD_COLOUR, "-")}
"""Colour and line of each threshold; the lines differ where the colours do not."""


def name_stage(datum: str | None) -> str:
    """Label of the axis of stages, with their unit and what they are measured from.

    Examples
    --------
    >>> name_stage("gauge zero"), name_stage(None)
    ('stage, m above gauge zero', 'stage, m')
    """
    return f"stage, m above {datum}" if datum else "stage, m"


def draw_readings(
    axes: Axes, readings_m: pd.Series, *, start: pd.Timestamp, end: pd.Timestamp
) -> bool:
    """Draw readings as a line with dots, and hatch the spans without any.

    Parameters
    ----------
    axes
        Axes over time.
    readings_m
        Stage, m, by time on the clock of the axes, without NaN. May be empty.
    start, end
        Span in which readings are expected.

    Returns
    -------
    bool
        Whether a span was hatched.
    """
    if not readings_m.empty:
        line = split_at_gaps(readings_m, LONGEST_GAP)
        axes.plot(
            line.index,
            line.to_numpy(),
            color="#111111",
            linewidth=1.6,
            marker="o",
            markersize=2.4,
            label="reading",
            zorder=3.0,
        )
    gaps = list_gaps(pd.DatetimeIndex(readings_m.index), start=start, end=end, longest=LONGEST_GAP)
    for gap in gaps:
        hatch_span(axes, gap)
    return bool(gaps)


def draw_thresholds(
    axes: Axes, thresholds_m: Mapping[str, float | None], *, verified: bool
) -> list[str]:
    """Draw the thresholds that are near the stages; return notes on the others.

    One more than half the height of the axes above its top would press the stages flat: an arrow
    at the top names it instead.

    Parameters
    ----------
    axes
        Axes with all stages drawn.
    thresholds_m
        ``alarm`` and ``flood`` stage, m; None or NaN where not known.
    verified
        Whether they were checked against a cited source.

    Returns
    -------
    list of str
        What is not known or not verified, in words.
    """
    thresholds_m = {
        kind: None if level is None or math.isnan(level) else level
        for kind, level in thresholds_m.items()
    }
    bottom, top = axes.get_ylim()
    reach, highest = top + 0.5 * (top - bottom), top
    known = {kind: level for kind, level in thresholds_m.items() if level is not None}
    far = []
    for kind, level in known.items():
        if level > reach:
            far.append(f"{kind} stage {level:.2f} m")
            continue
        colour, line = LOOKS[kind]
        axes.axhline(level, color=colour, linestyle=line, linewidth=1.3, zorder=2.0)
        axes.annotate(
            f"{kind} stage {level:.2f} m",
            (0.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(4, 2),
            textcoords="offset points",
            fontsize=8.0,
            color=colour,
            fontweight="bold",
            zorder=4.0,
            path_effects=RIM,
        )
        highest = max(highest, level + 0.08 * (top - bottom))
    axes.set_ylim(bottom, highest)
    notes = [f"above this picture: {', '.join(far)}"] if far else []
    notes += [f"{kind} stage: not known" for kind, level in thresholds_m.items() if level is None]
    if known and not verified:
        notes.append("thresholds not verified")
    return notes
