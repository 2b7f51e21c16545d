"""Draw the areas of the cities' messages anew: ``python -m docs.areas``.

An area is the disc of the city, clipped to its country and kept 20 m off every other; water of less
than 800 m between two parts of the country is bridged. Borders are simplified once for both
countries, so that areas on opposite banks do not overlap. What two cities of a country both reach
belongs to the nearer one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.enums import TransformDirection
from shapely.affinity import rotate
from shapely.geometry import MultiPolygon, Point, Polygon, shape
from shapely.geometry.base import BaseGeometry

from pipeline.geography import places
from pipeline.geography.city_areas import MOST_POINTS
from pipeline.geography.reference_schema import AREAS
from pipeline.settings import REFERENCE

COUNTRIES = "countries.geojson"
"""Outlines of the countries around the cities."""
BORDER_DEG = 0.0012
"""Tolerance to which borders and coasts are simplified, about 130 m."""
BRIDGED_M, APART_M = 400.0, 20.0
"""Half the width of water that is bridged, and the distance kept from another area."""


def read_outlines() -> dict[str, MultiPolygon]:
    """Read the outlines of the countries by their ISO 3166 code."""
    features = json.loads((REFERENCE / COUNTRIES).read_text(encoding="utf-8"))["features"]
    return {
        feature["properties"]["country"]: MultiPolygon(
            list(shapely.get_parts(shape(feature["geometry"])))
        )
        for feature in features
    }


def simplify(outlines: Mapping[str, MultiPolygon]) -> dict[str, BaseGeometry]:
    """Simplify outlines, each border once for both its countries."""
    simple = shapely.coverage_simplify(list(outlines.values()), BORDER_DEG)
    return dict(zip(outlines, simple, strict=True))


def project(
    geometry: BaseGeometry,
    plane: Transformer,
    direction: TransformDirection = TransformDirection.FORWARD,
) -> BaseGeometry:
    """Lay a geometry out on a city's plane (m), or back on the globe (degrees)."""

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(plane.transform(points[:, 0], points[:, 1], direction=direction))

    return shapely.transform(geometry, move)


def find_nearer(city: places.City, plane: Transformer) -> BaseGeometry:
    """Find what lies nearer to a city than to any other of its country, on the city's plane."""
    far = 4e3 * places.CITY_RADIUS_KM
    nearer: BaseGeometry = Point(0, 0).buffer(far)
    for other in places.cities("asean").values():
        if other.country != city.country or other.id == city.id:
            continue
        x, y = plane.transform(other.lon, other.lat)
        distance = math.hypot(x, y)
        if distance < far:
            half = shapely.box(-2 * far, -2 * far, distance / 2 - APART_M, 2 * far)
            angle = math.atan2(y, x)
            nearer = nearer.intersection(rotate(half, angle, origin=(0, 0), use_radians=True))
    return nearer


def draw(city: places.City, outlines: Mapping[str, BaseGeometry]) -> Polygon:
    """Draw the area of a city.

    Parameters
    ----------
    city
        City.
    outlines
        Simplified outlines of the countries around it, degrees.

    Returns
    -------
    Polygon
        Degrees with four decimals, counter-clockwise, at most 60 points.
    """
    plane = Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lat_0={city.lat} +lon_0={city.lon}", always_xy=True
    )
    corners = places.disc(city.lat, city.lon, radius_km=places.CITY_RADIUS_KM).exterior.coords[::2]
    nearby = {
        country: project(outline.intersection(Polygon(corners).buffer(0.02)), plane)
        for country, outline in outlines.items()
    }
    land = nearby.pop(city.country).buffer(BRIDGED_M).buffer(-BRIDGED_M)
    abroad = shapely.union_all(list(nearby.values())).buffer(APART_M, join_style="mitre")
    disc = project(Polygon(corners), plane).intersection(find_nearer(city, plane))
    parts = shapely.get_parts(disc.intersection(land).difference(abroad))
    area = Polygon(next(part for part in parts if part.contains(Point(0, 0))).exterior)
    tolerance = 0.0
    while shapely.get_num_coordinates(drawn := area.simplify(tolerance)) > MOST_POINTS:
        tolerance += 10.0
    degrees = project(drawn, plane, TransformDirection.INVERSE)
    degrees = shapely.orient_polygons(shapely.set_precision(degrees, 1e-4))
    return Polygon(shapely.get_exterior_ring(degrees))


def main() -> None:
    """Draw all areas and keep the provenance of the file."""
    path = REFERENCE / AREAS
    outlines = simplify(read_outlines())
    areas = {city.id: draw(city, outlines) for city in places.cities("asean").values()}
    before = json.loads(path.read_text(encoding="utf-8"))
    features = [
        {
            "type": "Feature",
            "properties": {"city": city},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[round(x, 4), round(y, 4)] for x, y in area.exterior.coords]],
            },
        }
        for city, area in areas.items()
    ]
    head, *lines = (
        json.dumps(part, separators=(",", ":"), ensure_ascii=False)
        for part in (before["provenance"], *features)
    )
    text = f'{{"type":"FeatureCollection","provenance":{head},"features":[\n'
    path.write_text(text + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
