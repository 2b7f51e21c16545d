"""``zones.geojson``: outlines of the sub-basins and of the areas that the cities' messages warn."""

from __future__ import annotations

import json
from typing import Any

import shapely
from shapely.geometry import Polygon

from pipeline.choices import Region
from pipeline.exchange.issue import Issue
from pipeline.geography import places
from pipeline.geography.city_areas import DECIMALS


def write_zones(region: Region, issue: Issue) -> bytes:
    """Write the zones of a region as GeoJSON (RFC 7946) as of an issue.

    The polygon of ``basin:<id>`` is what the indices of a sub-basin are means over; that of
    ``city:<id>`` the area of the city's messages, while its indices are means over the disc of 25
    km around it.

    Parameters
    ----------
    region
        Region.
    issue
        Issue that the zones belong to.
    """
    moment = issue.issue_time
    features = [
        _describe_zone(f"basin:{basin.id}", "basin", basin.name, None, basin.polygon)
        for basin in places.basins(asof=moment).values()
    ]
    features += [
        _describe_zone(f"city:{city.id}", "city", city.name, city.country, city.area)
        for city in places.cities(region, asof=moment).values()
    ]
    collection = {"type": "FeatureCollection", **issue.members(), "features": features}
    text = json.dumps(collection, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _describe_zone(
    zone: str, kind: str, name: str, country: str | None, outline: Polygon
) -> dict[str, Any]:
    """Describe a zone as a feature, its outer ring counterclockwise."""
    ring = shapely.geometry.polygon.orient(outline).exterior.coords
    corners = [[round(lon, DECIMALS), round(lat, DECIMALS)] for lon, lat in ring]
    return {
        "type": "Feature",
        "id": zone,
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": {"id": zone, "kind": kind, "name": name, "country": country},
    }
