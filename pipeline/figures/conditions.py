"""Rain and drought indices of one place over the last days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.figures.canvas import (
    COLOURS,
    Provenance,
    complete_figure,
    is_narrow,
    size_of,
    styled,
    write_title,
)
from pipeline.figures.maps import NONE_COLOUR, USDM_COLOURS
from pipeline.figures.timelines import DAY, day_number, hang_rain, hatch_span, label_days, to_local

LINES = ("-", "--")


@dataclass(frozen=True)
class Panel:
    """One panel of indices.

    Parameters
    ----------
    label
        Label of its axis, with the unit.
    series
        Label -> index by day (naive UTC), NaN where not known.
    limits
        Ends of its axis; None fits it to the data, with a line at zero.
    """

    label: str
    series: Mapping[str, pd.Series]
    limits: tuple[float, float] | None = None


@styled
def plot_conditions(
    name: str,
    rain_mm: pd.Series,
    panels: Sequence[Panel],
    classes: pd.Series,
    *,
    provenance: Provenance,
    notes: Sequence[str] = (),
    utc_offset_h: float = 7.0,
    width_px: int = 1200,
) -> Figure:
    """Plot daily rain, drought indices and the drought class of each day, one above the other.

    Parameters
    ----------
    name
        Name of the place.
    rain_mm
        Rain of days, mm, by their start (naive UTC); NaN where not known.
    panels
        Panels of indices. A day without a value breaks the line, and is hatched where no index of
        the panel is known.
    classes
        Class of each day, ``none`` or ``D0`` to ``D4``; missing where not known: hatched.
    provenance
        Status, issue time and source.
    notes
        What the figure says of the place, as that it has no gauge.
    utc_offset_h
        Hours that the city's clock is ahead of UTC.
    width_px
        Width, pixels; a narrow figure is laid out for a telephone.
    """
    figure = Figure(figsize=size_of(width_px, 300 + 170 * len(panels)), layout="constrained")
    heights = [1.2, *(1.2 for _ in panels), 0.3]
    top, *middle, strip = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    days = pd.DatetimeIndex(rain_mm.index)
    local = to_local(pd.date_range(days.min(), days.max(), freq="D"), utc_offset_h)
    start, end = local[0], local[-1] + DAY
    unknown = hang_rain(top, rain_mm, utc_offset_h=utc_offset_h, end=end)
    for axes, panel in zip(middle, panels, strict=True):
        unknown |= _draw_indices(axes, panel, local, utc_offset_h)
    unknown |= _draw_classes(strip, classes, local, utc_offset_h)
    write_title(top, f"{name}: rain and drought", notes)
    strip.set_xlim(start, end)
    label_days(strip, utc_offset_h, narrow=is_narrow(figure))
    keys: list[Artist] = [
        handle for axes in (top, *middle) for handle in axes.get_legend_handles_labels()[0]
    ]
    keys += [
        Patch(facecolor=colour, edgecolor="#555555", linewidth=0.6, label=label)
        for label, colour in {"none": NONE_COLOUR, **USDM_COLOURS}.items()
    ]
    alt = ". ".join([f"{name}: rain and drought indices of {len(local)} days", *notes])
    complete_figure(figure, provenance, alt=alt, keys=keys, unknown=unknown)
    return figure


def _draw_indices(axes: Axes, panel: Panel, local: pd.DatetimeIndex, utc_offset_h: float) -> bool:
    """Draw the indices of a panel in the middle of their days; hatch days without any."""
    known = pd.Series(data=False, index=local)
    for number, (label, values) in enumerate(panel.series.items()):
        shifted = values.set_axis(to_local(pd.DatetimeIndex(values.index), utc_offset_h))
        line = shifted.reindex(local)
        known |= line.notna()
        axes.plot(
            local + DAY / 2,
            line.to_numpy(),
            color=COLOURS[number],
            linestyle=LINES[number % 2],
            marker="os"[number % 2],
            markersize=3.0,
            linewidth=1.6,
            label=label,
        )
    for day in local[~known.to_numpy()]:
        hatch_span(axes, (day, day + DAY))
    axes.set_ylabel(panel.label)
    if panel.limits is None:
        axes.axhline(0.0, color="#888888", linewidth=0.8)
    else:
        axes.set_ylim(*panel.limits)
    return not known.all()


def _draw_classes(
    axes: Axes, classes: pd.Series, local: pd.DatetimeIndex, utc_offset_h: float
) -> bool:
    """Draw the class of each day as a cell in its colour, with its name where it is a drought."""
    shifted = classes.set_axis(to_local(pd.DatetimeIndex(classes.index), utc_offset_h))
    colours = {"none": NONE_COLOUR, **USDM_COLOURS}
    unknown = False
    for day, value in shifted.reindex(local).items():
        moment = pd.Timestamp(str(day))
        if pd.isna(value):
            hatch_span(axes, (moment, moment + DAY))
            unknown = True
            continue
        first = day_number(moment)
        axes.axvspan(first, first + 1.0, facecolor=colours[value], edgecolor="#aaaaaa", lw=0.4)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.set_ylabel("drought\nclass", rotation=0.0, ha="right", va="center")
    axes.grid(visible=False)
    return unknown
