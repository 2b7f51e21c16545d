"""Outlines read by a GIS library are those of the reference tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import pytest
from shapely.geometry import shape

from pipeline.exchange.issue import Issue
from pipeline.exchange.zone_files import write_zones
from pipeline.geography import places
from tests.conftest import LayOver

ISSUE = Issue(
    issue_time=datetime(2026, 8, 20, 0, 30, tzinfo=UTC), status="Exercise", origin="virtual"
)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> gpd.GeoDataFrame:
    path = tmp_path_factory.mktemp("zones") / "zones.geojson"
    path.write_bytes(write_zones("mekong", ISSUE))
    return gpd.read_file(path).set_index("id")


def test_geopandas_reads_every_zone(frame: gpd.GeoDataFrame) -> None:
    assert frame.crs.to_epsg() == 4326
    assert [*frame.index] == [*places.zones()]
    assert frame.geometry.is_valid.all()
    assert (frame.geometry.geom_type == "Polygon").all()
    assert frame.geometry.exterior.is_ccw.all()
    known = frame.loc["city:vientiane"]
    assert (known["kind"], known["name"], known["country"]) == ("city", "Vientiane", "LA")
    assert frame.loc["basin:chi", "kind"] == "basin"
    assert frame["country"].isna().sum() == len(places.basins())


def test_outlines_are_those_of_the_tables(frame: gpd.GeoDataFrame) -> None:
    outlines = {f"basin:{basin.id}": basin.polygon for basin in places.basins().values()}
    outlines |= {f"city:{city.id}": city.area for city in places.cities().values()}
    for zone, outline in outlines.items():
        written = frame.loc[zone].geometry
        assert written.symmetric_difference(outline).area < 2e-4 * outline.area
        assert written.hausdorff_distance(outline) < 1e-4
    banks = frame.loc[["city:vientiane", "city:nong_khai"]].geometry
    assert not banks.iloc[0].intersects(banks.iloc[1])


def test_the_file_is_small_and_says_what_it_is() -> None:
    content = write_zones("mekong", ISSUE)
    assert len(content) < 80_000
    document = json.loads(content)
    assert document["type"] == "FeatureCollection"
    assert (document["status"], document["issue_time"]) == ("Exercise", "2026-08-20T00:30:00Z")
    for feature in document["features"]:
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert all(corner != after for corner, after in pairwise(ring))
        assert all(value == round(value, 4) for corner in ring for value in corner)


def test_an_agencys_area_counts_from_its_day_on(lay_over: LayOver) -> None:
    square = [[102.5, 17.9], [102.7, 17.9], [102.7, 18.0], [102.5, 18.0], [102.5, 17.9]]
    feature = {
        "type": "Feature",
        "properties": {"city": "vientiane", "as_of": "2026-08-21"},
        "geometry": {"type": "Polygon", "coordinates": [square]},
    }
    before = area_of("city:vientiane", ISSUE)
    lay_over("areas.geojson", json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert area_of("city:vientiane", ISSUE) == before
    later = Issue(
        issue_time=datetime(2026, 8, 21, 0, 30, tzinfo=UTC), status="Test", origin="measured"
    )
    assert area_of("city:vientiane", later) == pytest.approx(0.02)


def area_of(zone: str, issue: Issue) -> float:
    features = json.loads(write_zones("mekong", issue))["features"]
    (found,) = (feature for feature in features if feature["id"] == zone)
    return float(shape(found["geometry"]).area)


def test_another_region_has_its_own_cities(tmp_path: Path) -> None:
    path = tmp_path / "zones.geojson"
    path.write_bytes(write_zones("asean", ISSUE))
    assert "city:singapore" in {*gpd.read_file(path)["id"]}
