"""Empty figures in one style, what every figure says of itself, and their SVG and PNG."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import matplotlib as mpl
from matplotlib import patheffects, style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

COLOURS = (
    "#0b5394", "#38761d", "#b45f06", "#741b47", "#45818e", "#666666", "#a61c00", "#351c75",
    "#bf9000",
)  # fmt: skip
ALARM_COLOUR, FLOOD_COLOUR = COLOURS[2], COLOURS[6]
FONT = "DejaVu Sans"
"""Font that matplotlib brings along, so that a figure is the same on every machine."""
RIM = [patheffects.withStroke(linewidth=2.5, foreground="white")]
"""Light rim of words that stand on colours and lines."""
HATCH = "////"
"""Hatch of what is not known."""
DPI = 100
NARROW_PX = 700
"""Figures of fewer pixels are laid out for a telephone."""
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
    "font.sans-serif": [FONT, "sans-serif"],
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # names and notes are text, with any signs
}
styled = style.context(STYLE, after_reset=True)
"""Decorator of functions that draw: this style alone, whatever a notebook has set."""


@dataclass(frozen=True)
class Provenance:
    """What every figure says of its data.

    Parameters
    ----------
    status
        CAP status; ``Exercise`` and ``Test`` are written across the figure. None is of no message,
        as a hindcast of measured years.
    issue_time
        Moment of the run that the data are of, aware.
    source
        Where they come from, in words.
    """

    status: Literal["Exercise", "Test", "Actual"] | None
    issue_time: datetime
    source: str


def name_source(origin: str) -> str:
    """Name the source of a night's data by its origin.

    Examples
    --------
    >>> name_source("virtual")
    'virtual basin, not measured'
    """
    virtual = origin == "virtual"
    return "virtual basin, not measured" if virtual else "satellites and river gauges as used"


def new_figure(title: str, *, width: float = 4.2, height: float = 3.2) -> tuple[Figure, Axes]:
    """Make an empty figure with one pair of axes; sizes in inches."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, loc="left", fontsize=10.0)
    return figure, axes


def size_of(width_px: int, height_px: int) -> tuple[float, float]:
    """Size of a figure in inches, as matplotlib wants it."""
    return width_px / DPI, height_px / DPI


def is_narrow(figure: Figure) -> bool:
    """Whether a figure is laid out for a telephone."""
    return figure.get_figwidth() * DPI < NARROW_PX


def patch_unknown() -> Patch:
    """Make the hatched patch that stands for what is not known in a legend."""
    return Patch(
        facecolor="white", edgecolor="#888888", hatch=HATCH, linewidth=0.6, label="not known"
    )


def write_title(axes: Axes, title: str, notes: Sequence[str] = ()) -> None:
    """Write a title above the axes, and below it in small print what a reader must know."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("expected axes of a figure, found none")
    narrow, width = is_narrow(figure), figure.get_figwidth()
    lines = [line for note in notes for line in textwrap.wrap(note, int(width * 14.0))]
    size = 10.0 if narrow else 12.0
    heading = "\n".join(textwrap.wrap(title, int(width * 11.0)))
    axes.set_title(heading, loc="left", fontsize=size, pad=5.0 + 11.0 * len(lines))
    axes.annotate(
        "\n".join(lines),
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        fontsize=8.0,
        color="#444444",
        va="bottom",
        annotation_clip=False,
    )


def complete_figure(
    figure: Figure,
    provenance: Provenance,
    *,
    alt: str,
    keys: list[Artist] | None = None,
    unknown: bool = False,
) -> None:
    """Add legend, footer, and across the figure the status where that is no ``Actual``.

    Parameters
    ----------
    figure
        Figure with a constrained layout; the last call before it is rendered.
    provenance
        Status, issue time and source.
    alt
        Text alternative: what the figure shows. The status goes before it.
    keys
        Entries of the legend; default every labelled artist, each label once.
    unknown
        Whether a part is hatched because it is not known; the legend then says so.
    """
    word = provenance.status.upper() if provenance.status not in {None, "Actual"} else ""
    mark = f"{word}. " if word else ""
    figure.set_label(f"{mark}{alt}")
    narrow, width, height = is_narrow(figure), figure.get_figwidth(), figure.get_figheight()
    issued = f"Issued {provenance.issue_time.astimezone(UTC):%Y-%m-%d %H:%M} UTC. "
    text = f"{mark}{issued}Source: {provenance.source}. Automatic, not an official warning."
    lines = textwrap.wrap(text, int(width * (15.5 if narrow else 16.5)))
    footer_in = 0.08 + 0.15 * len(lines)
    figure.text(
        0.06 / width,
        0.06 / height,
        "\n".join(lines),
        fontsize=7.0 if narrow else 7.5,
        color="#333333",
        va="bottom",
        linespacing=1.2,
    )
    if keys is None:
        by_label = {
            label: handle
            for axes in figure.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        keys = list(by_label.values())
    if unknown:
        keys = [*keys, patch_unknown()]
    legend_in = _add_legend(figure, keys, bottom_in=footer_in) if keys else 0.0
    if word:
        _mark(figure, word)
    below = (footer_in + legend_in) / height
    engine = figure.get_layout_engine()
    if not isinstance(engine, ConstrainedLayoutEngine):
        raise TypeError(f"expected a figure with a constrained layout, found {engine!r}")
    engine.set(rect=(0.0, below, 1.0, 1.0 - below))


def _add_legend(figure: Figure, keys: list[Artist], *, bottom_in: float) -> float:
    """Add a legend above the footer; return its height in inches."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    longest = max(len(str(key.get_label())) for key in keys)
    columns = max(1, min(len(keys), int(width / (0.056 * longest + 0.5))))
    figure.legend(
        handles=keys,
        loc="lower left",
        bbox_to_anchor=(0.0, bottom_in / height),
        ncols=columns,
        fontsize=7.0,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.2,
    )
    return 0.15 + 0.16 * math.ceil(len(keys) / columns)


def _mark(figure: Figure, word: str) -> None:
    """Write a word across the figure: seen in every part of it, hiding nothing."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    slope = math.degrees(math.atan2(height, width))
    size = 72.0 * 0.78 * math.hypot(width, height) / (0.75 * len(word))
    figure.text(
        0.5,
        0.5,
        word,
        fontsize=min(size, 72.0 * 0.5 * height),
        rotation=slope,
        fontweight="bold",
        color="#a61c00",
        alpha=0.13,
        ha="center",
        va="center",
        zorder=10.0,
    ).set_in_layout(False)


@styled
def to_png(figure: Figure) -> bytes:
    """Render a figure as PNG of the size in pixels that it was made with."""
    stream = io.BytesIO()
    texts = {"Software": None, "Description": str(figure.get_label())}
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white", metadata=texts)
    return stream.getvalue()


@styled
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
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns:xlink="[^"]*"', "", body).replace("xlink:href", "href")
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    label = alt.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return body.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()
