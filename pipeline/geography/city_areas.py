"""Areas of the cities' messages: the features of a GeoJSON file as rows, checked one by one."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from pipeline.geography.reference_schema import Row

MOST_POINTS, DECIMALS = 60, 4
"""Most points of an area, the last of which is the first again, and decimals of a degree."""


def read_features(path: Path) -> list[Any]:
    """Read the features of a GeoJSON file, unchecked.

    Raises
    ------
    ValueError
        The file is no feature collection in UTF-8.
    """
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list):
        raise ValueError("no features")  # noqa: TRY004
    return features


def read_row(feature: Any) -> Row:
    """Read a feature as a row with the columns ``city``, ``polygon`` and ``as_of``.

    Parameters
    ----------
    feature
        GeoJSON feature with the property ``city`` and, if its area does not count from ever,
        ``as_of``.

    Returns
    -------
    Row
        ``polygon`` holds the ring as JSON, degrees with four decimals.

    Raises
    ------
    ValueError
        A property is not known, or the geometry is no simple closed polygon of at most 60 points.
    """
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict) or not {"city"} <= set(properties) <= {"city", "as_of"}:
        names = ", ".join(map(str, properties)) if isinstance(properties, dict) else "none"
        raise ValueError(f"expected the properties city and, if it is dated, as_of, found {names}")
    city = str(properties["city"])
    try:
        ring = _read_ring(feature.get("geometry"))
    except ValueError as error:
        raise ValueError(f"{city}: {error}") from error
    return {
        "city": city,
        "polygon": json.dumps(ring.tolist()),
        "as_of": str(properties.get("as_of", "")),
    }


def _read_ring(geometry: Any) -> NDArray[np.float64]:
    """Read the ring of a polygon without holes, degrees, shape (point, 2)."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    rings = geometry.get("coordinates") if kind == "Polygon" else None
    if not isinstance(rings, list) or len(rings) != 1:
        described = f"{kind} of {len(rings)} rings" if isinstance(rings, list) else kind
        raise ValueError(f"expected a Polygon of one ring, found {described}")
    try:
        ring = np.array(rings[0], dtype=np.float64).round(DECIMALS)
    except (TypeError, ValueError, OverflowError):
        ring = np.empty(0)
    if ring.ndim != 2 or ring.shape[1] != 2 or not (np.abs(ring) <= (180.0, 90.0)).all():
        raise ValueError("expected pairs of longitude and latitude, found others")
    if not 4 <= len(ring) <= MOST_POINTS:
        raise ValueError(f"expected 4 to {MOST_POINTS} points, found {len(ring)}")
    if (ring[0] != ring[-1]).any():
        first, last = (f"{lon:g} {lat:g}" for lon, lat in ring[[0, -1]])
        raise ValueError(f"expected a ring that ends where it begins, found {first} and {last}")
    polygon = Polygon(ring)
    if not polygon.is_valid:
        raise ValueError(f"expected a simple polygon, found {shapely.is_valid_reason(polygon)}")
    return ring


@lru_cache(maxsize=1024)
def to_polygon(cell: str) -> Polygon:
    """Make the polygon of a row's cell ``polygon``, degrees.

    Examples
    --------
    >>> to_polygon("[[105, 15], [106, 15], [106, 16], [105, 15]]").area
    0.5
    """
    return Polygon(json.loads(cell))
