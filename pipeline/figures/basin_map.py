"""The basin with its cities as an SVG that opens as fast as its page: no tiles, no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

import shapely
from shapely.geometry.base import BaseGeometry

WIDTH = 320
WEST, EAST, SOUTH, NORTH = 93.0, 109.5, 7.5, 34.0
"""Degrees shown."""
SIGNS = {
    "none": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "unknown": "M-4-4H4V4H-4z",
    "watch": "M0-6 6 5H-6z",
    "warning": "M0-7 7 0 0 7-7 0z",
    "emergency": "M-3-7H3L7-3V3L3 7H-3L-7 3V-3z",
}
"""Sign of a level around its city: a shape of its own for each, whatever colours are seen."""
PARTLY = SIGNS["none"] + "M-4 0h8"
"""Sign of a city without a warning of which only a part is assessed."""
RANK = tuple(SIGNS)
"""Levels in the order in which they are drawn, the most urgent on top."""
SIGN, DIGIT = 7, 6
"""Half the size of a sign, and the width of a digit beside it, pixels."""
PATTERN = (
    '<defs><pattern id="dry" width="5" height="5" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><path d="M0 0V5" class="hatch"/></pattern></defs>'
)
"""Hatch of a drought."""


@dataclass(frozen=True)
class Spot:
    """A city on the map.

    Parameters
    ----------
    lat, lon
        Degrees.
    link
        Address of its page.
    label
        Its name and level in words.
    level
        Level whose sign it has.
    drought
        Whether a drought is in force.
    number
        Number beside its sign, by which a table names it; none where empty.
    partly
        Whether only a part is assessed, so that no warning is not calm.
    """

    lat: float
    lon: float
    link: str
    label: str
    level: str
    drought: bool
    number: str = ""
    partly: bool = False


def draw_basin_map(
    layers: Mapping[str, Sequence[BaseGeometry]], spots: Sequence[Spot], *, alt: str
) -> str:
    """Draw layers of geometries and the cities as links.

    Parameters
    ----------
    layers
        Geometries on WGS 84 by the class of their style, the lowest layer first.
    spots
        Cities; those beyond the map are left out.
    alt
        What the map shows, in words.
    """
    spots = [spot for spot in spots if WEST < spot.lon < EAST and SOUTH < spot.lat < NORTH]
    height = WIDTH * (NORTH - SOUTH) / _stretch() / (EAST - WEST)
    frame = f'viewBox="0 0 {WIDTH} {height:.0f}" role="group" aria-label={quoteattr(alt)}'
    parts = [
        f'<svg class="map" {frame}>',
        PATTERN,
    ]
    for name, geometries in layers.items():
        path = "".join(_path(geometry) for geometry in geometries)
        parts.append(f'<path class="{name}" d="{path}"/>')
    for spot in sorted(spots, key=lambda spot: RANK.index(spot.level)):
        x, y = _place(spot.lon, spot.lat)
        dry = '<circle r="11" fill="url(#dry)" class="dry"/>' if spot.drought else ""
        sign = PARTLY if spot.partly else SIGNS[spot.level]
        parts.append(
            f'<a href={quoteattr(spot.link)} class="spot {spot.level}{" partly" * spot.partly}"'
            f' transform="translate({x:.0f} {y:.0f})"><title>{escape(spot.label)}</title>{dry}'
            f'<circle r="9" class="room"/><path d="{sign}"/></a>'
        )
    return "".join([*parts, *_number_spots(spots), "</svg>"])


def _number_spots(spots: Sequence[Spot]) -> list[str]:
    """Draw the numbers over all signs, each on the first side where nothing is in its way."""
    named = [(*_place(spot.lon, spot.lat), spot.number) for spot in spots if spot.number]
    taken = [shapely.box(x - SIGN, y - SIGN, x + SIGN, y + SIGN) for x, y, _ in named]
    parts = []
    for x, y, number in named:
        wide = DIGIT * len(number)
        sides = (
            (x + SIGN, y - 4), (x - SIGN - wide, y - 4),
            (x - wide / 2, y - SIGN - 8), (x - wide / 2, y + SIGN),
        )  # fmt: skip
        boxes = [shapely.box(left, top, left + wide, top + 8) for left, top in sides]
        free = [box for box in boxes if not any(box.overlaps(other) for other in taken)]
        box = (free or boxes)[0]
        taken.append(box)
        left, top, _, _ = box.bounds
        parts.append(f'<text x="{left:.0f}" y="{top + 7:.0f}">{escape(number)}</text>')
    return parts


def _stretch() -> float:
    """Degrees of latitude that are as long as one of longitude in the middle of the map."""
    return math.cos(math.radians((SOUTH + NORTH) / 2))


def _place(lon: float, lat: float) -> tuple[float, float]:
    scale = WIDTH / (EAST - WEST)
    return scale * (lon - WEST), scale * (NORTH - lat) / _stretch()


def _path(geometry: BaseGeometry) -> str:
    """Path of a geometry, to the pixel, in steps from point to point."""
    inside = shapely.intersection(geometry, shapely.box(WEST, SOUTH, EAST, NORTH))
    pixel = (EAST - WEST) / WIDTH
    simple = shapely.simplify(inside, 0.7 * pixel)
    path = []
    for part in shapely.get_parts(simple):
        for line in shapely.get_parts(shapely.boundary(part) if part.area else part):
            places = [_place(*point) for point in shapely.get_coordinates(line)]
            points = list(dict.fromkeys((round(x), round(y)) for x, y in places))
            if len(points) < (3 if part.area else 2):
                continue
            steps = [
                f"{x - before_x} {y - before_y}"
                for (before_x, before_y), (x, y) in pairwise(points)
            ]
            start = f"M{points[0][0]} {points[0][1]}"
            path.append(f"{start}l{' '.join(steps)}{'z' * bool(part.area)}".replace(" -", "-"))
    return "".join(path)
