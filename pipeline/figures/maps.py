"""Maps of the zones: index classes in the colours of the US Drought Monitor, and rain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import shapely
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from pipeline.figures.canvas import (
    HATCH,
    RIM,
    Provenance,
    complete_figure,
    is_narrow,
    size_of,
    styled,
    write_title,
)

Outline = NDArray[np.float64]
USDM_COLOURS = {"D0": "#ffff00", "D1": "#fcd37f", "D2": "#ffaa00", "D3": "#e60000", "D4": "#730000"}
"""Colours of the classes on the US Drought Monitor's maps."""
LEAST_WRITTEN = 0.6
"""Sub-basins of fewer square degrees have no room for a word."""
NONE_COLOUR = "#f2f2f2"
"""Colour of a zone that is known to be in no class."""
RAIN_BOUNDS_MM = (1.0, 10.0, 25.0, 50.0, 100.0, 200.0, 400.0)
"""Bounds of the classes of rain; below the first it is dry."""
RAIN_COLOURS = (
    NONE_COLOUR,
    *(to_hex(colormaps["Blues"](share)) for share in np.linspace(0.18, 1.0, 7)),
)
"""Colour of each class of rain, ever darker."""


@dataclass(frozen=True)
class ZoneMap:
    """What a map shows its values on.

    Parameters
    ----------
    outlines
        Id of a sub-basin -> longitude and latitude of its outline, degrees, shape (n_points, 2).
    cities
        Id of a city -> its name, longitude and latitude.
    rivers
        Lines drawn for orientation, each like an outline.
    marked
        Id of a city that is named on the map.
    """

    outlines: Mapping[str, Outline]
    cities: Mapping[str, tuple[str, float, float]]
    rivers: Sequence[Outline] = field(default=())
    marked: str | None = None


@styled
def plot_classes(
    title: str,
    zones: ZoneMap,
    classes: Mapping[str, str | None],
    *,
    provenance: Provenance,
    width_px: int = 800,
) -> Figure:
    """Plot the drought class of every sub-basin and city.

    Parameters
    ----------
    title
        Index and its time.
    zones
        Outlines and cities.
    classes
        Id -> ``none`` or ``D0`` to ``D4``; None, or no entry, is not known: hatched.
    provenance
        Status, issue time and source.
    width_px
        Width, pixels; a narrow figure is laid out for a telephone.
    """
    colours = {"none": NONE_COLOUR, **USDM_COLOURS}
    looks = {
        name: (colours[value], value if value != "none" else "")
        for name, value in classes.items()
        if value is not None
    }
    keys: list[Artist] = [
        Patch(facecolor=colour, edgecolor="#555555", linewidth=0.6, label=name)
        for name, colour in colours.items()
    ]
    return _plot(title, zones, looks, keys=keys, provenance=provenance, width_px=width_px)


@styled
def plot_rain(
    title: str,
    zones: ZoneMap,
    rain_mm: Mapping[str, float],
    *,
    provenance: Provenance,
    width_px: int = 800,
) -> Figure:
    """Plot the rain of every sub-basin and city in classes.

    Parameters
    ----------
    title
        How long and up to when it rained.
    zones
        Outlines and cities.
    rain_mm
        Id -> rain, mm; NaN, or no entry, is not known: hatched.
    provenance
        Status, issue time and source.
    width_px
        Width, pixels; a narrow figure is laid out for a telephone.
    """
    looks = {
        name: (
            RAIN_COLOURS[int(np.searchsorted(RAIN_BOUNDS_MM, rain, side="right"))],
            f"{rain:.0f}",
        )
        for name, rain in rain_mm.items()
        if math.isfinite(rain)
    }
    low, *_, high = RAIN_BOUNDS_MM
    pairs = pairwise(RAIN_BOUNDS_MM)
    labels = [f"under {low:g} mm", *(f"{a:g} to {b:g}" for a, b in pairs), f"{high:g} mm and more"]
    keys: list[Artist] = [
        Patch(facecolor=colour, edgecolor="#555555", linewidth=0.6, label=label)
        for colour, label in zip(RAIN_COLOURS, labels, strict=True)
    ]
    return _plot(title, zones, looks, keys=keys, provenance=provenance, width_px=width_px)


def _plot(
    title: str,
    zones: ZoneMap,
    looks: Mapping[str, tuple[str, str]],
    *,
    keys: list[Artist],
    provenance: Provenance,
    width_px: int,
) -> Figure:
    """Plot zones in a colour and with a word each; those without are hatched."""
    figure = Figure(figsize=size_of(width_px, round(1.5 * width_px) + 60), layout="constrained")
    axes = figure.add_subplot()
    narrow = is_narrow(figure)
    for line in zones.rivers:
        axes.plot(line[:, 0], line[:, 1], color="#8a9bab", linewidth=0.6, zorder=2.0)
    for name, outline in zones.outlines.items():
        look = looks.get(name)
        patch = Polygon(
            outline,
            facecolor=look[0] if look else "white",
            edgecolor="#555555",
            linewidth=0.7,
            hatch=None if look else HATCH,
            zorder=1.0,
            label=name,
        )
        axes.add_patch(patch)
        if look and not narrow and shapely.Polygon(outline).area > LEAST_WRITTEN:
            _write(axes, outline, look[1])
    for name, (_, lon, lat) in zones.cities.items():
        look = looks.get(name)
        axes.plot(
            lon,
            lat,
            marker="o" if look else "X",
            markersize=5.0 if narrow else 7.0,
            markerfacecolor=look[0] if look else "white",
            markeredgecolor="#111111",
            markeredgewidth=0.8,
            linestyle="none",
            zorder=3.0,
            label=name,
        )
    _name_city(axes, zones)
    _label_degrees(axes, zones)
    write_title(axes, title)
    ids = {*zones.outlines, *zones.cities}
    complete_figure(figure, provenance, alt=title, keys=keys, unknown=bool(ids - looks.keys()))
    return figure


def _write(axes: Axes, outline: Outline, word: str) -> None:
    """Write a word inside an outline, dark with a light rim to be read on every colour."""
    point = shapely.Polygon(outline).representative_point()
    axes.text(
        point.x,
        point.y,
        word,
        fontsize=7.5,
        fontweight="bold",
        ha="center",
        va="center",
        zorder=4.0,
        path_effects=RIM,
    )


def _name_city(axes: Axes, zones: ZoneMap) -> None:
    """Ring the marked city, and write its name beside it."""
    if zones.marked is None:
        return
    name, lon, lat = zones.cities[zones.marked]
    axes.plot(
        lon,
        lat,
        marker="o",
        markersize=15.0,
        markerfacecolor="none",
        markeredgecolor="#111111",
        markeredgewidth=1.6,
        linestyle="none",
        zorder=3.0,
    )
    axes.annotate(
        name,
        (lon, lat),
        xytext=(11, 6),
        textcoords="offset points",
        fontsize=10.0,
        fontweight="bold",
        zorder=5.0,
        path_effects=RIM,
    )


def _label_degrees(axes: Axes, zones: ZoneMap) -> None:
    """Frame all zones, a degree east as long as it is in the middle of the map."""
    corners = [*zones.outlines.values(), np.array([place[1:] for place in zones.cities.values()])]
    points = np.concatenate([corner for corner in corners if corner.size])
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    axes.set_xlim(west - 0.6, east + 0.6)
    axes.set_ylim(south - 0.6, north + 0.6)
    axes.set_aspect(1.0 / math.cos(math.radians((south + north) / 2.0)))
    axes.xaxis.set_major_locator(MultipleLocator(5.0))
    axes.yaxis.set_major_locator(MultipleLocator(5.0))
    axes.xaxis.set_major_formatter("{x:g}°E")
    axes.yaxis.set_major_formatter("{x:g}°N")
    axes.grid(visible=False)
