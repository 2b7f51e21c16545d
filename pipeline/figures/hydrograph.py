"""Hydrographs: stage over time with forecasts, their intervals, thresholds and rain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from pipeline.figures.canvas import (
    ALARM_COLOUR,
    COLOURS,
    FLOOD_COLOUR,
    Provenance,
    complete_figure,
    is_narrow,
    new_figure,
    size_of,
    styled,
    to_svg,
    write_title,
)
from pipeline.figures.stages import OF_READING, draw_readings, draw_thresholds, name_stage
from pipeline.figures.timelines import (
    DAY,
    FRESH,
    draw_now,
    hang_rain,
    hatch_span,
    label_days,
    local_now,
    to_local,
)

BANDS = (
    ("q025", "q975", "95 % interval", "#d6e4f2"),
    ("q10", "q90", "80 % interval", "#a9c7e3"),
    ("q25", "q75", "50 % interval", "#74a3cf"),
)
"""Lower and upper quantile of each band of a fan, its name and its colour."""
MARKERS = {"persistence": "s", "climatology": "D"}
"""Marks of days on which the model's own forecast was not good enough to be issued."""
AHEAD = pd.Timedelta(days=7)
"""Days after the issue time, and least days before it, that a hydrograph shows."""
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


@styled
def plot_hydrograph(
    name: str,
    readings_m: pd.Series,
    forecast: pd.DataFrame,
    *,
    provenance: Provenance,
    thresholds_m: Mapping[str, float | None],
    verified: bool = True,
    datum: str | None = "gauge zero",
    notes: Sequence[str] = (),
    rain_mm: pd.Series | None = None,
    utc_offset_h: float = 7.0,
    width_px: int = 1200,
) -> Figure:
    """Plot a gauge's stage with its thresholds, the forecast's fan, and the rain.

    The fan begins at the last reading where that is at most 48 h old and the forecast rests on it.
    Spans without a reading, a forecast or rain are hatched.

    Parameters
    ----------
    name
        Name of the gauge.
    readings_m
        Stage, m above the gauge's zero, by naive UTC; a NaN is no reading. May be empty.
    forecast
        By valid time (naive UTC): quantiles q025, q10, q25, q50, q75, q90 and q975, m, and
        ``issued_as``; NaN where there is no forecast. May be empty.
    provenance
        Status, issue time and source.
    thresholds_m
        ``alarm`` and ``flood`` stage, m; None is not known, and a note says so.
    verified
        Whether both thresholds were checked against a cited source.
    datum
        What stages are measured from; None where that is not known.
    notes
        Caveats on the gauge, which stand below the title.
    rain_mm
        Rain of days, mm, by their start (naive UTC), NaN where not known; default no panel of rain.
    utc_offset_h
        Hours that the city's clock is ahead of UTC.
    width_px
        Width, pixels; a narrow figure is laid out for a telephone.
    """
    figure = Figure(figsize=size_of(width_px, 620), layout="constrained")
    narrow = is_narrow(figure)
    if rain_mm is None:
        top = axes = figure.add_subplot()
    else:
        top, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 3.2))
    readings_m = readings_m.dropna().sort_index()
    readings_m.index = to_local(pd.DatetimeIndex(readings_m.index), utc_offset_h)
    forecast = forecast.sort_index()
    forecast.index = to_local(pd.DatetimeIndex(forecast.index), utc_offset_h)
    now = local_now(provenance.issue_time, utc_offset_h)
    firsts = [readings_m.index.min(), now - AHEAD]
    if rain_mm is not None:
        firsts.append(to_local(pd.DatetimeIndex(rain_mm.index), utc_offset_h).min())
    start = pd.Series(firsts).min()
    end = max(forecast.index.max(), now + AHEAD) if len(forecast) else now + AHEAD
    if len(forecast):  # a day without a row is as little known as one of NaN
        days = pd.date_range(forecast.index[0], end, freq="D")
        forecast = forecast.reindex(forecast.index.union(days))
    unknown = draw_readings(axes, readings_m, start=start, end=now)
    unknown |= _draw_fan(axes, forecast, readings_m, now=now, end=end)
    notes = [*draw_thresholds(axes, thresholds_m, verified=verified), *notes]
    if rain_mm is not None:
        if rain_mm.empty:
            rain_mm = pd.Series(
                float("nan"), pd.date_range(start, now - DAY, freq="D", normalize=True)
            )
        unknown |= hang_rain(top, rain_mm, utc_offset_h=utc_offset_h, end=end + DAY / 2)
        draw_now(top, now)
    draw_now(axes, now, f"issued {now:%d %b, %H:%M}")
    axes.set_xlim(start, end + DAY / 2)  # type: ignore[arg-type]  # matplotlib takes times
    axes.set_ylabel(name_stage(datum))
    label_days(axes, utc_offset_h, narrow=narrow)
    write_title(top, f"{name}: stage and forecast", notes)
    complete_figure(
        figure, provenance, alt=f"{name}: hydrograph with the forecast", unknown=unknown
    )
    return figure


def _draw_fan(
    axes: Axes,
    forecast: pd.DataFrame,
    readings_m: pd.Series,
    *,
    now: pd.Timestamp,
    end: pd.Timestamp,
) -> bool:
    """Draw the fan from the last reading on; hatch days without a forecast and return if any."""
    quantiles = [name for low, high, *_ in BANDS for name in (low, high)] + ["q50"]
    known = forecast.dropna(subset=quantiles) if len(forecast) else forecast
    missing = forecast.index.difference(known.index) if len(forecast) else forecast.index
    for moment in missing:
        hatch_span(axes, (moment - DAY, moment))
    if known.empty:
        if not len(missing):
            hatch_span(axes, (now, end))
        return True
    fan = known[quantiles].astype("float64")
    joined = (
        not readings_m.empty
        and known["issued_as"].iloc[0] in OF_READING
        and known.index[0] - now <= DAY
        and now - readings_m.index[-1] <= FRESH
    )
    if joined:
        root = pd.DataFrame(
            dict.fromkeys(quantiles, readings_m.iloc[-1]), index=[readings_m.index[-1]]
        )
        fan = pd.concat([root, fan])
    elif now < known.index[0]:
        hatch_span(axes, (now, known.index[0]))
    fan = fan.reindex(fan.index.union(missing))
    for low, high, label, colour in BANDS:
        axes.fill_between(
            fan.index,
            fan[low],
            fan[high],
            color=colour,
            linewidth=0.0,
            label=label,
        )
    axes.plot(
        fan.index,
        fan["q50"],
        color=COLOURS[0],
        linewidth=1.8,
        linestyle=(0, (4, 1.5)),
        label="forecast median",
        zorder=3.0,
    )
    for kind, marker in MARKERS.items():
        days = known[known["issued_as"] == kind]
        if not days.empty:
            axes.plot(
                days.index,
                days["q50"],
                linestyle="none",
                marker=marker,
                markersize=6.0,
                markerfacecolor="white",
                color=COLOURS[0],
                label=f"issued as {kind}",
                zorder=3.5,
            )
    return not joined or bool(len(missing))
