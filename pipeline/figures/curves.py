"""Curves of the record: double mass and flow duration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.figures.canvas import (
    COLOURS,
    Provenance,
    complete_figure,
    size_of,
    styled,
    write_title,
)

LINES = ("-", "--", "-.", ":")
"""Lines of curves in turn, so that they differ where their colours do not."""


@styled
def plot_double_mass(
    names: tuple[str, str],
    reference_mm: pd.Series,
    tested_mm: pd.Series,
    *,
    provenance: Provenance,
    width_px: int = 900,
) -> Figure:
    """Plot the sum of one series of rain against that of another: a break is a bend.

    Steps that one of the two does not know are left out of both, never taken as zero, and counted
    below the title. The thin line is that of the same ratio throughout.

    Parameters
    ----------
    names
        Names of the reference and of the series that is tested.
    reference_mm, tested_mm
        Rain of the same steps, mm, by time; NaN where not known.
    provenance
        Status, issue time and source.
    width_px
        Width, pixels.

    Raises
    ------
    ValueError
        No step is known in both.
    """
    pair = pd.concat([reference_mm, tested_mm], axis=1, keys=["reference", "tested"], sort=True)
    both = pair.dropna()
    if both.empty:
        raise ValueError(f"expected steps known of both {names[0]} and {names[1]}, found none")
    sums = both.cumsum() / 1000.0
    figure = Figure(figsize=size_of(width_px, min(width_px, 720)), layout="constrained")
    axes = figure.add_subplot()
    x, y = sums["reference"].to_numpy(), sums["tested"].to_numpy()
    axes.plot([0.0, x[-1]], [0.0, y[-1]], color="#888888", linewidth=1.0, label="the same ratio")
    axes.plot([0.0, *x], [0.0, *y], color=COLOURS[0], linewidth=1.8, label="sums")
    years = pd.DatetimeIndex(sums.index).year
    firsts = [int(np.argmax(years == year)) for year in sorted(set(years))]
    step = -(-len(firsts) // 8)
    for row in firsts[::step]:
        axes.plot(x[row], y[row], marker="o", markersize=4.0, color=COLOURS[0])
        axes.annotate(
            str(years[row]),
            (x[row], y[row]),
            xytext=(6, -9 if row else 3),
            textcoords="offset points",
            fontsize=7.5,
            color="#444444",
        )
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(f"sum of {names[0]}, m")
    axes.set_ylabel(f"sum of {names[1]}, m")
    left_out = len(pair) - len(both)
    note = f"{len(both):,} steps; {left_out:,} left out, not known in one of them"
    write_title(axes, f"Double mass: {names[1]} against {names[0]}", [note])
    complete_figure(figure, provenance, alt=f"Double-mass curve of {names[1]} and {names[0]}")
    return figure


def exceedance(flow_m3s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the time that each flow is reached or exceeded, by Weibull's plotting position.

    Parameters
    ----------
    flow_m3s
        Flows, m3/s; NaN is left out.

    Returns
    -------
    tuple
        Share of the time, 100 i / (n + 1) for the i-th highest flow (%), and the flow (m3/s).

    Examples
    --------
    >>> share, flow = exceedance(np.array([100.0, np.nan, 300.0, 200.0]))
    >>> share.tolist(), flow.tolist()
    ([25.0, 50.0, 75.0], [300.0, 200.0, 100.0])
    """
    flow = np.sort(flow_m3s[np.isfinite(flow_m3s)])[::-1]
    return 100.0 * np.arange(1, len(flow) + 1) / (len(flow) + 1), flow


@styled
def plot_flow_duration(
    name: str,
    flows_m3s: Mapping[str, pd.Series],
    *,
    provenance: Provenance,
    marks_m3s: Mapping[str, float] | None = None,
    width_px: int = 900,
) -> Figure:
    """Plot flow-duration curves: the flow that is reached or exceeded in a share of the time.

    Parameters
    ----------
    name
        Name of the gauge.
    flows_m3s
        Label (a period, a season) -> daily flows, m3/s; NaN where not known: left out, and counted
        in the legend.
    provenance
        Status, issue time and source.
    marks_m3s
        Label -> flow that a line marks, as today's.
    width_px
        Width, pixels.

    Raises
    ------
    ValueError
        A series has no known flow, or one that is not above zero, which no logarithmic axis has.
    """
    figure = Figure(figsize=size_of(width_px, 560), layout="constrained")
    axes = figure.add_subplot()
    for number, (label, flows) in enumerate(flows_m3s.items()):
        share, flow = exceedance(flows.to_numpy(dtype="float64"))
        if not len(flow) or flow[-1] <= 0.0:
            lowest = f"{flow[-1]:g}" if len(flow) else "none"
            raise ValueError(f"{label}: expected flows above 0 m3/s, found {lowest}")
        missing = len(flows) - len(flow)
        axes.plot(
            share,
            flow,
            color=COLOURS[number % len(COLOURS)],
            linestyle=LINES[number % len(LINES)],
            linewidth=1.8,
            label=f"{label}: {len(flow):,} days, {missing:,} not known",
        )
    axes.set_yscale("log")
    for label, mark in (marks_m3s or {}).items():
        axes.axhline(mark, color="#555555", linewidth=1.0, linestyle=":")
        axes.annotate(
            f"{label} {mark:,.0f} m³/s",
            (1.0, mark),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 2),
            textcoords="offset points",
            fontsize=7.5,
            ha="right",
        )
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter("{x:,.0f}")
    axes.tick_params(axis="y", which="minor", labelsize=7.0)
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("share of the days that reach or exceed it, %")
    axes.set_ylabel("daily flow, m³/s")
    write_title(axes, f"{name}: flow duration")
    complete_figure(figure, provenance, alt=f"Flow-duration curve of {name}")
    return figure
