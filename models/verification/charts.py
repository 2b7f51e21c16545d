"""Pictures of a hindcast as SVG that stands by itself in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.verification.reliability import RATIOS
from models.verification.skill import Skill

COLOURS = ("#0b5394", "#38761d", "#b45f06", "#741b47", "#45818e", "#666666", "#a61c00", "#351c75")
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "mekong", "font.size": 9.0, "axes.grid": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "font.family": "sans-serif",
}  # fmt: skip
APART_D = 45
"""Days each side of a flood's crest that its hydrograph shows."""


def figure(title: str, *, width: float = 4.2, height: float = 3.2) -> tuple[Figure, Axes]:
    """Make an empty picture with one pair of axes, inches."""
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(width, height), layout="constrained")
        axes = drawn.add_subplot()
        axes.set_title(title, loc="left", fontsize=10.0)
    return drawn, axes


def svg(drawn: Figure, alt: str) -> str:
    """Picture as an ``<svg>`` element; the same picture gives the same text."""
    stream = io.StringIO()
    with mpl.rc_context(STYLE):
        drawn.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns:xlink="[^"]*"', "", body).replace("xlink:href", "href")
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    said = alt.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return body.replace("<svg", f'<svg role="img" aria-label="{said}"', 1).strip()


def headline(skill: Skill, names: Mapping[str, str]) -> str:
    """Median persistence index by lead, of the model and every baseline."""
    drawn, axes = figure("Median CP over the gauges, wet season", width=6.4, height=3.6)
    for colour, (key, series) in zip(COLOURS, skill.median.items(), strict=True):
        middle = [max(one.value, -0.6) for one in series]
        axes.plot(
            skill.leads,
            middle,
            marker="o",
            color=colour,
            label=names[key],
            linewidth=2.4 if key == "model" else 1.2,
            markersize=4.0,
        )
    own = skill.median["model"]
    axes.fill_between(
        skill.leads, [o.low for o in own], [o.high for o in own], color=COLOURS[0], alpha=0.15
    )
    axes.set_xticks(skill.leads)
    axes.set_xlabel("lead, days")
    axes.set_ylabel("CP = 1 − MSE / MSE of persistence")
    axes.set_ylim(bottom=max(axes.get_ylim()[0], -0.65))
    drawn.legend(loc="outside right center", fontsize=8.0, frameon=False)
    return svg(drawn, "Median persistence index by lead for the model and each baseline")


def reliability(table: pd.DataFrame, lead: int) -> str:
    """Observed frequency against forecast probability of alarm stage, with the counts."""
    drawn, axes = figure(f"P(alarm stage), {lead} d ahead", height=3.6)
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
    return svg(drawn, f"Reliability of the probability of alarm stage {lead} days ahead")


def value(name: str, curves: Mapping[int, NDArray[np.float64]], ratio: float) -> str:
    """Value of acting in a city, by what acting costs; the line marks the city's own ratio."""
    drawn, axes = figure(name, height=2.7)
    for colour, (lead, curve) in zip(COLOURS, curves.items(), strict=False):
        axes.plot(RATIOS, np.maximum(curve, -0.2), color=colour, label=f"{lead} d")
    axes.axvline(ratio, color="#999999", linewidth=1.0, linestyle="--")
    axes.set_ylim(-0.2, 1.0)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("cost / loss")
    axes.set_ylabel("value")
    axes.legend(fontsize=7.0, ncols=2, frameon=False)
    return svg(drawn, f"Relative value of acting on alarm forecasts, {name}")


def hydrograph(name: str, rows: pd.DataFrame, lead: int, marks: Mapping[str, float | None]) -> str:
    """Biggest flood of a gauge: what came, and what was forecast so many days before."""
    rows = rows[rows["lead_days"] == lead].sort_values("valid_time")
    top = rows["valid_time"].iloc[int(rows["observed_m"].to_numpy().argmax())]
    near = rows[(rows["valid_time"] - top).abs() <= pd.Timedelta(days=APART_D)]
    drawn, axes = figure(f"{name}, {top:%Y}", height=2.7)
    days = pd.date_range(near["valid_time"].min(), near["valid_time"].max())
    near = near.set_index("valid_time").reindex(days)
    axes.fill_between(days, near["q10"], near["q90"], color=COLOURS[0], alpha=0.2, linewidth=0.0)
    axes.plot(days, near["q50"], color=COLOURS[0], label=f"forecast {lead} d before, 80 %")
    axes.plot(days, near["observed_m"], color="#111111", linewidth=1.4, label="observed")
    bottom, above = axes.get_ylim()
    for mark, level in marks.items():
        if level is not None and bottom <= level <= above + 0.3 * (above - bottom):
            colour = COLOURS[6] if mark == "flood" else COLOURS[2]
            axes.axhline(level, color=colour, linewidth=1.0, linestyle="--", label=f"{mark} stage")
    locator = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_ylabel("stage, m")
    axes.legend(fontsize=7.0, frameon=False)
    return svg(drawn, f"Hydrograph of the highest stage at {name}")
