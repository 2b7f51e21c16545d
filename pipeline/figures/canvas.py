"""Empty figures in one style, and their SVG text to embed in a page."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = (
    "#0b5394", "#38761d", "#b45f06", "#741b47", "#45818e", "#666666", "#a61c00", "#351c75",
    "#bf9000",
)  # fmt: skip
ALARM_COLOUR, FLOOD_COLOUR = COLOURS[2], COLOURS[6]
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mekong",
    "font.size": 9.0,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "font.family": "sans-serif",
}


def new_figure(title: str, *, width: float = 4.2, height: float = 3.2) -> tuple[Figure, Axes]:
    """Make an empty figure with one pair of axes; sizes in inches."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, loc="left", fontsize=10.0)
    return figure, axes


def to_svg(figure: Figure, alt: str) -> str:
    """Render a figure as an ``<svg>`` element; the same figure gives the same text.

    Parameters
    ----------
    figure
        From :func:`new_figure`.
    alt
        Text alternative: what the figure shows.
    """
    stream = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns:xlink="[^"]*"', "", body).replace("xlink:href", "href")
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    label = alt.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return body.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()
