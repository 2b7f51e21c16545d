"""Features of an agency's areas: read as rows, and refused with what was expected and found."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path
from typing import Any

import pytest

from pipeline.geography.city_areas import read_features, read_row, to_polygon

RING = [[105.7, 15.0], [105.9, 15.0], [105.8, 15.3], [105.7, 15.0]]


def feature(ring: Any = RING, *, kind: str = "Polygon", **properties: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"city": "pakse"} | properties,
        "geometry": {"type": kind, "coordinates": [ring]},
    }


def test_a_feature_is_read_as_a_row() -> None:
    row = read_row(feature([[105.70001, 15.0], *RING[1:3], [105.70004, 15.0]], as_of="2026-10-01"))
    assert (row["city"], row["as_of"]) == ("pakse", "2026-10-01")
    assert json.loads(row["polygon"]) == RING, "four decimals"
    assert to_polygon(row["polygon"]).area == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("ring", "fault"),
    [
        (RING[:3], "expected 4 to 60 points, found 3"),
        ([*RING[:3]] * 20 + RING[:1], "expected 4 to 60 points, found 61"),
        ([*RING[:3], [105.6, 15.0]],
         "expected a ring that ends where it begins, found 105.7 15 and 105.6 15"),
        ([[105.0, 15.0], [106.0, 16.0], [106.0, 15.0], [105.0, 16.0], [105.0, 15.0]],
         "expected a simple polygon, found Self-intersection[105.5 15.5]"),
        ([[lat, lon] for lon, lat in RING], "expected pairs of longitude and latitude, found"),
        ([[105.7, 15.0, 100.0]] * 4, "expected pairs of longitude and latitude, found"),
        ([[105.7, nan]] * 4, "expected pairs of longitude and latitude, found"),
        ([[105.7, 10**400]] * 4, "expected pairs of longitude and latitude, found"),
        ([[105.7]] * 4, "expected pairs of longitude and latitude, found"),
        ([[105.7, "north"]] * 4, "expected pairs of longitude and latitude, found"),
        (None, "expected pairs of longitude and latitude, found"),
    ],
)  # fmt: skip
def test_a_ring_that_is_none_is_refused(ring: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=r"^pakse: ") as refused:
        read_row(feature(ring))
    assert fault in str(refused.value)


def test_a_polygon_with_a_hole_and_other_geometries_are_refused() -> None:
    holed = feature()
    holed["geometry"]["coordinates"].append(RING)
    for wrong, found in (
        (holed, "found Polygon of 2 rings"),
        (feature(kind="MultiPolygon"), "found MultiPolygon"),
        (feature() | {"geometry": None}, "found None"),
    ):
        with pytest.raises(ValueError, match=f"^pakse: expected a Polygon of one ring, {found}$"):
            read_row(wrong)


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        (feature(asof="2026"), "city, asof"),
        (feature() | {"properties": {}}, ""),
        (feature() | {"properties": None}, "none"),
        ("pakse", "none"),
    ],
)
def test_other_properties_are_refused(wrong: Any, names: str) -> None:
    with pytest.raises(ValueError, match=f"expected the properties city .*found {names}$"):
        read_row(wrong)


def test_features_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "areas.geojson"
    path.write_text(json.dumps({"features": [feature()]}), encoding="utf-8-sig")
    assert read_features(path) == [feature()]
