"""Figures of verification: skill by lead, reliability, and the value of acting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.figures.canvas import (
    COLOURS,
    Provenance,
    complete_figure,
    new_figure,
    size_of,
    styled,
    to_svg,
    write_title,
)

FEW = 10
"""Bins of fewer cases say little; their marks are open."""


def draw_skill(leads: Sequence[int], series: Mapping[str, NDArray[np.float64]]) -> str:
    """Draw the median persistence index by lead, of the model and every baseline.

    Parameters
    ----------
    leads
        Leads, days.
    series
        Label -> value, lower and upper bound, shape (n_leads, 3); the model first, with its
        interval.
    """
    figure, axes = new_figure("Median CP over the gauges, wet season", width=6.4, height=3.6)
    for number, (colour, (label, values)) in enumerate(zip(COLOURS, series.items(), strict=False)):
        axes.plot(
            leads,
            np.maximum(values[:, 0], -0.6),
            marker="o",
            color=colour,
            label=label,
            linewidth=1.2 if number else 2.4,
            markersize=4.0,
        )
    model = next(iter(series.values()))
    axes.fill_between(leads, model[:, 1], model[:, 2], color=COLOURS[0], alpha=0.15)
    axes.set_xticks(leads)
    axes.set_xlabel("lead, days")
    axes.set_ylabel("CP = 1 − MSE / MSE of persistence")
    axes.set_ylim(bottom=max(axes.get_ylim()[0], -0.65))
    figure.legend(loc="outside right center", fontsize=8.0, frameon=False)
    return to_svg(figure, "Median persistence index by lead for the model and each baseline")


@styled
def plot_reliability(
    table: pd.DataFrame, *, title: str, provenance: Provenance, width_px: int = 700
) -> Figure:
    """Plot observed frequency against forecast probability, and how many cases each bin has.

    Parameters
    ----------
    table
        Columns p (mean forecast), share (that came) and count, one row per bin; a bin without
        cases has no share. Bins of fewer than ten cases have an open mark.
    title
        What is forecast, and how far ahead.
    provenance
        Status, issue time and source.
    width_px
        Width, pixels.

    Raises
    ------
    ValueError
        No bin has a case.
    """
    cases = table[table["count"] > 0].dropna(subset=["p", "share"]).sort_values("p")
    if cases.empty:
        raise ValueError(f"{title}: expected at least one case, found none")
    figure = Figure(figsize=size_of(width_px, round(0.95 * width_px) + 90), layout="constrained")
    axes, bars = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1.0))
    rate = float((cases["share"] * cases["count"]).sum() / cases["count"].sum())
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1.0, label="as often as forecast")
    axes.axhline(
        rate, color="#888888", linewidth=1.0, linestyle=":", label=f"all cases: {rate:.1%}"
    )
    axes.plot(cases["p"], cases["share"], color=COLOURS[0], linewidth=1.6)
    few = cases["count"] < FEW
    for rows, fill, label in (
        (cases[~few], COLOURS[0], "share that came"),
        (cases[few], "white", f"fewer than {FEW} cases"),
    ):
        if not rows.empty:
            axes.plot(
                rows["p"],
                rows["share"],
                linestyle="none",
                marker="o",
                markersize=6.0,
                color=COLOURS[0],
                markerfacecolor=fill,
                label=label,
                clip_on=False,
                zorder=3.0,
            )
    bars.bar(cases["p"], cases["count"], width=0.035, color=COLOURS[0])
    bars.set_yscale("log")
    bars.yaxis.set_major_formatter("{x:,.0f}")
    bars.set_ylim(0.7, 12.0 * float(cases["count"].max()))
    for row in cases.itertuples():
        bars.annotate(
            f"{row.count:,}",
            (row.p, row.count),
            xytext=(0, 2),
            textcoords="offset points",
            fontsize=7.0,
            ha="center",
        )
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share that came")
    bars.set_ylabel("cases")
    bars.set_xlabel("forecast probability")
    write_title(axes, title)
    complete_figure(figure, provenance, alt=f"Reliability with counts: {title}")
    return figure


def draw_value(
    name: str,
    ratios: NDArray[np.float64],
    curves: Mapping[int, NDArray[np.float64]],
    threshold: float,
) -> str:
    """Draw the relative value of acting in a city by cost/loss ratio.

    Parameters
    ----------
    name
        Name of the city.
    ratios
        Cost/loss ratios of the curves.
    curves
        Lead (days) -> value at each ratio.
    threshold
        Probability at which the city's Watch begins, marked by a line.
    """
    figure, axes = new_figure(name, height=2.7)
    for colour, (lead, curve) in zip(COLOURS, curves.items(), strict=False):
        axes.plot(ratios, np.maximum(curve, -0.2), color=colour, label=f"{lead} d")
    axes.axvline(threshold, color="#999999", linewidth=1.0, linestyle="--")
    axes.set_ylim(-0.2, 1.0)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("cost / loss")
    axes.set_ylabel("value")
    axes.legend(fontsize=7.0, ncols=2, frameon=False)
    return to_svg(figure, f"Relative value of acting on alarm forecasts, {name}")


def draw_scores(title: str, leads: Sequence[int], series: Mapping[str, NDArray[np.float64]]) -> str:
    """Draw a score by lead, of two archives and of what both must beat.

    Parameters
    ----------
    title
        Name of the score and where the better one lies.
    leads
        Leads, days.
    series
        Label -> value, shape (n_leads,), NaN where unknown; the first two are the archives. The
        axis holds the first three whole.
    """
    figure, axes = new_figure(title, height=2.9)
    for number, (colour, (label, values)) in enumerate(zip(COLOURS, series.items(), strict=False)):
        width = 2.2 if number < 2 else 1.0
        axes.plot(leads, values, marker="o", markersize=4.0, color=colour, label=label, lw=width)
    axes.set_xticks(leads)
    axes.set_xlabel("lead, days")
    shown = np.concatenate([values[np.isfinite(values)] for values in [*series.values()][:3]])
    margin = 0.06 * max(float(np.ptp(shown)), 1e-6)
    axes.set_ylim(shown.min() - margin, shown.max() + margin)
    figure.legend(loc="outside lower center", ncols=4, fontsize=7.0, frameon=False)
    return to_svg(figure, f"{title}, by lead, of {', '.join(series)}")
