"""Figures of verification: skill by lead, reliability, and the value of acting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.figures.canvas import COLOURS, new_figure, to_svg


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


def draw_reliability(table: pd.DataFrame, lead: int) -> str:
    """Draw observed frequency against forecast probability of alarm stage, with the counts.

    Parameters
    ----------
    table
        Columns p (mean forecast), share (that was reached) and count, one row per bin.
    lead
        Lead, days.
    """
    figure, axes = new_figure(f"P(alarm stage), {lead} d ahead", height=3.6)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1.0)
    axes.plot(table["p"], table["share"], marker="o", color=COLOURS[0])
    for row in table.itertuples():
        axes.annotate(
            f"{row.count:,}",
            (row.p, row.share),
            xytext=(5, -9),
            textcoords="offset points",
            fontsize=7.0,
            color="#444444",
        )
    axes.set_xlim(-0.02, 1.08)
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlabel("forecast probability")
    axes.set_ylabel("share that came")
    return to_svg(figure, f"Reliability of the probability of alarm stage {lead} days ahead")


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
