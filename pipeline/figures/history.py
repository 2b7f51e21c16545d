"""Forecasts as they were issued, morning by morning, against the stages that came."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipeline.figures.canvas import (
    Provenance,
    complete_figure,
    is_narrow,
    size_of,
    styled,
    write_title,
)
from pipeline.figures.stages import OF_READING, draw_readings, draw_thresholds, name_stage
from pipeline.figures.timelines import DAY, FRESH, draw_now, label_days, local_now, to_local


@styled
def plot_history(
    name: str,
    readings_m: pd.Series,
    issued: pd.DataFrame,
    *,
    provenance: Provenance,
    thresholds_m: Mapping[str, float | None],
    verified: bool = True,
    datum: str | None = "gauge zero",
    utc_offset_h: float = 7.0,
    width_px: int = 1200,
) -> Figure:
    """Plot each morning's forecast as a thin line against the stage that came.

    Later issues are darker. A line begins at the last reading before its issue time where that is
    at most 48 h old and the forecast rests on it. Mornings without a forecast have a cross below
    the stages.

    Parameters
    ----------
    name
        Name of the gauge.
    readings_m
        Stage, m above the gauge's zero, by naive UTC; a NaN is no reading. May be empty.
    issued
        Columns issue_time, valid_time (naive UTC), q50 (m, NaN where there was no forecast) and
        issued_as.
    provenance
        Status, issue time of the last run, and source.
    thresholds_m
        ``alarm`` and ``flood`` stage, m; None is not known, and a note says so.
    verified
        Whether both thresholds were checked against a cited source.
    datum
        What stages are measured from; None where that is not known.
    utc_offset_h
        Hours that the city's clock is ahead of UTC.
    width_px
        Width, pixels; a narrow figure is laid out for a telephone.

    Raises
    ------
    ValueError
        There is no forecast at all.
    """
    known = issued.dropna(subset=["q50"]).sort_values(["issue_time", "valid_time"])
    if known.empty:
        raise ValueError(f"expected at least one forecast issued for {name}, found none")
    figure = Figure(figsize=size_of(width_px, 560), layout="constrained")
    axes = figure.add_subplot()
    readings_m = readings_m.dropna().sort_index()
    readings_m.index = to_local(pd.DatetimeIndex(readings_m.index), utc_offset_h)
    now = local_now(provenance.issue_time, utc_offset_h)
    issues = list(known.groupby("issue_time"))
    shades = colormaps["Blues"](np.linspace(1.0, 0.4, len(issues)))[::-1]
    for shade, (_, rows) in zip(shades, issues, strict=True):
        line = _line_of(rows, readings_m, utc_offset_h)
        axes.plot(line.index, line.to_numpy(), color=shade, linewidth=1.0, zorder=2.0)
    first = to_local(pd.DatetimeIndex(known["issue_time"].iloc[:1]), utc_offset_h)[0]
    start = min([first, *readings_m.index[:1]])
    end = to_local(pd.DatetimeIndex([known["valid_time"].max()]), utc_offset_h)[0] + 0.5 * DAY
    unknown = draw_readings(axes, readings_m, start=start, end=now)
    notes = draw_thresholds(axes, thresholds_m, verified=verified)
    keys = [*axes.get_legend_handles_labels()[0], *_explain(shades)]
    if not (missing := list_missing_mornings(known["issue_time"])).empty:
        (crosses,) = axes.plot(
            to_local(missing, utc_offset_h),
            np.full(len(missing), 0.02),
            linestyle="none",
            marker="x",
            color="#555555",
            transform=axes.get_xaxis_transform(),
            label="no forecast that morning",
        )
        keys.append(crosses)
    draw_now(axes, now)
    axes.set_xlim(start, end)  # type: ignore[arg-type]  # matplotlib takes times
    axes.set_ylabel(name_stage(datum))
    label_days(axes, utc_offset_h, narrow=is_narrow(figure))
    count = f"forecasts of {len(issues)} morning{'s' if len(issues) > 1 else ''}, medians"
    write_title(axes, f"{name}: each morning's forecast and what came", [count, *notes])
    complete_figure(
        figure,
        provenance,
        alt=f"{name}: forecasts of {len(issues)} mornings against the readings",
        keys=keys,
        unknown=unknown,
    )
    return figure


def list_missing_mornings(issue_times: pd.Series) -> pd.DatetimeIndex:
    """List the days between the first and the last issue on which nothing was issued.

    Examples
    --------
    >>> times = pd.Series(pd.to_datetime(["2026-08-01 00:30", "2026-08-03 03:00"]))
    >>> list_missing_mornings(times)[0]
    Timestamp('2026-08-02 00:00:00')
    """
    days = issue_times.dt.floor("D")
    return pd.date_range(days.min(), days.max(), freq="D").difference(pd.DatetimeIndex(days))


def _line_of(rows: pd.DataFrame, readings_m: pd.Series, utc_offset_h: float) -> pd.Series:
    """Medians of an issue by local time, from the last reading before it on where that is fresh."""
    times = to_local(pd.DatetimeIndex(rows["valid_time"]), utc_offset_h)
    line = pd.Series(rows["q50"].to_numpy(dtype="float64"), index=times)
    moment = to_local(pd.DatetimeIndex(rows["issue_time"].iloc[:1]), utc_offset_h)[0]
    before = readings_m[(readings_m.index <= moment) & (readings_m.index >= moment - FRESH)]
    joined = rows["issued_as"].iloc[0] in OF_READING
    whole: pd.Series = pd.concat([before.iloc[-1:], line]) if joined else line
    return whole.reindex(whole.index.union(pd.date_range(times[0], times[-1], freq="D")))


def _explain(shades: NDArray[np.float64]) -> list[Line2D]:
    """Keys of the first and the last morning's line."""
    first = Line2D([], [], color=shades[0], linewidth=1.4, label="forecast, first morning")
    last = Line2D([], [], color=shades[-1], linewidth=1.4, label="forecast, last morning")
    return [first, last] if len(shades) > 1 else [last]
