"""Data of figures under test, and how a figure is compared with the picture that was looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.testing.compare import compare_images

from pipeline.figures.canvas import HATCH, Provenance, to_png

BASELINE = Path(__file__).parent / "baseline"
TOLERANCE = 2.0
"""Root mean square difference of two pictures (0 to 255): the loss of one thin line is above it."""
ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
EXERCISE = Provenance("Exercise", ISSUED, "virtual basin, not measured")
ACTUAL = Provenance("Actual", ISSUED, "satellites and river gauges as used")
PHONE_PX = 400
MORNINGS = pd.date_range("2026-08-06", "2026-08-20", freq="D")
"""Times of the readings: 00 UTC, 07:00 in Pakse."""
STAGES = pd.Series(9.0 + 0.2 * np.arange(15), index=MORNINGS)
"""9.0 m on 6 August to 11.8 m on 20 August."""


def forecast(first_m: float = 12.0, *, issued_as: str = "model") -> pd.DataFrame:
    """Seven days from 21 August: a median that rises by 0.1 m a day, and a fan that widens."""
    widths = {"q025": -2.0, "q10": -1.3, "q25": -0.7, "q50": 0.0, "q75": 0.7, "q90": 1.3}
    days = np.arange(7)
    values = {
        name: first_m + 0.1 * days + width * 0.2 * (1 + days)
        for name, width in {**widths, "q975": 2.0}.items()
    }
    index = pd.date_range("2026-08-21", periods=7, freq="D")
    return pd.DataFrame({**values, "issued_as": issued_as}, index=index)


def compare(figure: Figure, name: str, folder: Path) -> None:
    """Compare a figure with its baseline; a new look is copied there once it was looked at."""
    result = folder / f"{name}.png"
    result.write_bytes(to_png(figure))
    baseline = BASELINE / f"{name}.png"
    assert baseline.is_file(), f"no {baseline}: look at {result}, then copy it there"
    difference = compare_images(str(baseline), str(result), TOLERANCE)
    assert difference is None, difference


def hatched_days(axes: Axes) -> list[tuple[str, str]]:
    """First and last moment of each hatched span of a time axis."""
    spans = [
        patch.get_bbox()
        for patch in axes.patches
        if isinstance(patch, Rectangle) and patch.get_hatch() == HATCH
    ]
    moment = "%m-%d %H:%M"
    return [
        (_moment(span.x0).strftime(moment), _moment(span.x1).strftime(moment)) for span in spans
    ]


def _moment(number: float) -> pd.Timestamp:
    return (pd.Timestamp("1970-01-01") + pd.Timedelta(days=number)).round("min")


def texts(figure: Figure) -> str:
    """All words of a figure, a line each."""
    words = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        words += [text.get_text() for text in axes.texts]
        words += [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
    return "\n".join([*words, *legend(figure)])


def legend(figure: Figure) -> list[str]:
    """Entries of a figure's legend."""
    return [entry.get_text() for part in figure.legends for entry in part.get_texts()]


def line(axes: Axes, label: str) -> pd.Series:
    """Values of the line with a label, by time or x."""
    (artist,) = [artist for artist in axes.lines if artist.get_label() == label]
    return pd.Series(np.asarray(artist.get_ydata()), index=np.asarray(artist.get_xdata()))


def bars(axes: Axes) -> list[Patch]:
    """Bars of an axes, without its hatched spans."""
    return [patch for patch in axes.patches if patch.get_hatch() is None]
