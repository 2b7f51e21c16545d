"""The reference tables and polygons: complete, consistent, and where they should be."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from graphlib import TopologicalSorter
from itertools import combinations

import pytest
import shapely
from pyproj import Geod
from shapely.geometry import Point, Polygon, shape
from shapely.geometry.base import BaseGeometry

from docs import areas as drawing
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.geography.grid import GRIDS, MEKONG
from pipeline.geography.zonal import equal_area
from pipeline.settings import REFERENCE, ROOT
from tests.conftest import LayOver

OUTLINE = ROOT.parent / "shared" / "geo" / "mekong_basin_hydrobasins_l3.geojson"


def area_km2(geometry: BaseGeometry) -> float:
    return float(shapely.area(shapely.transform(shapely.segmentize(geometry, 0.05), equal_area)))


def gap_km(geometry: BaseGeometry, lat: float, lon: float) -> float:
    """Distance from a point to a geometry, 0 inside."""
    (x0, y0), (x1, y1) = shapely.shortest_line(geometry, Point(lon, lat)).coords
    return float(Geod(ellps="WGS84").inv(x0, y0, x1, y1)[2]) / 1000


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# --- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "station_figures.csv",
        "thresholds.csv",
        "flows.csv",
        "travel_times.csv",
        "cities.csv",
    ],
)
def test_every_figure_has_its_provenance(name: str) -> None:
    for row in rows(name):
        assert all(row[key] for key in ("unit", "source", "as_of", "verified")), row
        assert row["verified"] in {"V", "M"}
        date(int(row["as_of"]), 1, 1)
        assert "memory" not in row["source"] or row["verified"] == "M"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("stations.csv", ("code",)),
        ("station_figures.csv", ("station", "quantity")),
        ("thresholds.csv", ("station", "kind", "as_of")),
        ("flows.csv", ("station", "month", "kind")),
        ("cities.csv", ("id",)),
        ("basins.csv", ("basin",)),
        ("travel_times.csv", ("from_station", "to_station")),
    ],
)
def test_keys_are_unique(name: str, key: tuple[str, ...]) -> None:
    found = [tuple(row[column] for column in key) for row in rows(name)]
    assert len(found) == len(set(found)) > 0


def test_tables_name_only_known_stations_and_basins() -> None:
    known, basins = places.stations(), places.basins()
    for name in ("station_figures.csv", "thresholds.csv", "flows.csv"):
        assert {row["station"] for row in rows(name)} <= set(known)
    for row in rows("travel_times.csv"):
        assert {row["from_station"], row["to_station"]} <= set(known)
        assert 0 < float(row["value_min"]) <= float(row["value_max"])
    for station in known.values():
        assert set(station.upstream) <= set(known)
        assert station.basin in basins
        assert station.replaced_by is None or station.replaced_by in known
    for city in places.cities("asean").values():
        assert city.station is None or city.station in known
        assert city.in_basin == (city.basin is not None)
        assert city.basin is None or city.basin in basins
        assert city.station is None or known[city.station].basin == city.basin
        assert ("river" in city.hazards.split()) == (city.station is not None)
        assert set(city.hazards.split()) <= {"river", "tidal", "pluvial", "drought"}
    assert {station.code for station in known.values()} >= {
        basin.outlet_station for basin in basins.values() if basin.outlet_station
    }


def test_figures_of_the_science_notes() -> None:
    known = places.stations()
    saen, kratie, pakse = known["010501"], known["014901"], known["013901"]
    assert (saen.catchment_km2, saen.zero_m_amsl) == (189_000, 357.11)
    assert (saen.alarm_m, saen.flood_m, saen.threshold_verified) == (11.5, 12.8, True)
    assert (kratie.zero_m_amsl, kratie.alarm_m, kratie.flood_m) == (-1.08, 22.0, 23.0)
    assert (pakse.alarm_m, pakse.flood_m) == (11.0, 12.0)
    assert known["092600"].zero_m_amsl is None
    assert known["092600"].alarm_m is None
    assert known["012001"].replaced_by == "012002"
    assert not known["012002"].threshold_verified
    assert not known["020101"].threshold_verified
    assert known["019803"].zero_m_amsl == 0.0  # zero, not missing
    assert {code for code, one in known.items() if one.tidal} == {"019804", "039803"}


def test_latest_threshold_counts() -> None:
    kept = {
        (row["kind"], row["as_of"]) for row in rows("thresholds.csv") if row["station"] == "012702"
    }
    assert kept == {(kind, year) for kind in ("alarm", "flood") for year in ("2022", "2026")}
    bueng_kan = places.stations()["012702"]
    assert (bueng_kan.alarm_m, bueng_kan.flood_m) == (10.18, 11.18)
    assert not bueng_kan.threshold_verified


def test_alarm_is_below_flood_and_neither_stands_alone() -> None:
    levels = {
        (one["station"], one["as_of"], one["kind"]): float(one["value"])
        for one in rows("thresholds.csv")
    }
    pairs = {(station, year) for station, year, kind in levels if kind != "bao_dong_2"}
    assert len(pairs) == 27
    for pair in pairs:
        assert levels[*pair, "alarm"] < levels[*pair, "flood"]
    for code, middle in (("019803", 4.0), ("039801", 3.5)):
        assert levels[code, "2026", "alarm"] < middle < levels[code, "2026", "flood"]


def test_upstream_links_run_upstream() -> None:
    """Nearest first, at most four, no cycle; catchments shrink on the way up."""
    known = places.stations()
    for station in known.values():
        assert len(station.upstream) <= 4
        assert len(set(station.upstream)) == len(station.upstream)
        sizes = [
            known[code].catchment_km2
            for code in (station.code, *station.upstream)
            if known[code].river in {"Lancang", "Mekong"} and known[code].catchment_km2
        ]
        assert sizes == sorted(sizes, key=lambda size: -(size or 0))

    links = {code: set(one.upstream) for code, one in known.items()}
    order = list(TopologicalSorter(links).static_order())  # raises on a cycle
    assert order[0] == "092600"
    assert known["092600"].upstream == ()
    assert known["010501"].upstream == ("092600",)
    assert {code for code, one in links.items() if not one} == {"092600"}


def test_pilot_cities() -> None:
    pilots = [city for city in places.cities().values() if city.ascn]
    count = {
        country: sum(one.country == country for one in pilots)
        for country in ("KH", "LA", "MM", "TH", "VN")
    }
    assert count == {"KH": 3, "LA": 2, "MM": 3, "TH": 3, "VN": 3}
    assert sum(not one.in_basin for one in pilots) == 9
    assert not places.city("tam_ky").ascn
    assert {one.utc_offset_h for one in pilots if one.country == "MM"} == {6.5}
    assert places.city("jinghong").utc_offset_h == 8
    assert places.city("ubon_ratchathani").station is None
    assert "M.7" in places.city("ubon_ratchathani").note


def test_the_larger_region_has_all_26_pilots() -> None:
    cities = places.cities("asean")
    pilots = [city for city in cities.values() if city.ascn]
    assert {city.name for city in pilots} == {
        *("Bandar Seri Begawan", "Battambang", "Phnom Penh", "Siem Reap", "Banyuwangi"),
        *("DKI Jakarta", "Makassar", "Luang Prabang", "Vientiane", "Johor Bahru"),
        *("Kota Kinabalu", "Kuala Lumpur", "Kuching", "Mandalay", "Nay Pyi Taw", "Yangon"),
        *("Cebu City", "Davao City", "Manila", "Singapore", "Bangkok", "Chonburi", "Phuket"),
        *("Da Nang", "Hanoi", "Ho Chi Minh City"),
    }
    assert len(pilots) == 26
    basin = places.cities("mekong")
    assert list(cities)[: len(basin)] == list(basin) == list(places.cities())
    assert {key: cities[key] for key in basin} == basin
    offsets = {city.country: city.utc_offset_h for city in cities.values()}
    for country, hours in {"BN": 8, "MY": 8, "PH": 8, "SG": 8, "MM": 6.5, "KH": 7}.items():
        assert offsets[country] == hours
    assert (cities["jakarta"].utc_offset_h, cities["makassar"].utc_offset_h) == (7, 8)
    for city in pilots:
        assert {"pluvial", "drought"} <= set(city.hazards.split())


@pytest.mark.parametrize("region", list(GRIDS))
def test_every_zone_lies_on_the_grid_of_its_region(region: Region) -> None:
    grid = GRIDS[region]
    box = shapely.box(grid.lon_min, grid.lat_min, grid.lon_max, grid.lat_max)
    assert all(box.contains(zone.polygon) for zone in places.zones(region).values())


def test_unknown_names_say_what_was_expected() -> None:
    with pytest.raises(LookupError, match=r"expected one of 092600, .*found '999999'"):
        places.station("999999")
    with pytest.raises(LookupError, match=r"expected one of jinghong, .*found 'Vientiane'"):
        places.city("Vientiane")
    assert places.station("011901").name == "Vientiane KM4"


# --- polygons ---------------------------------------------------------------------------------


def test_basins_run_downstream() -> None:
    order = list(places.basins())
    assert len(order) == 26
    for index, basin in enumerate(places.basins().values()):
        if basin.id == "delta":
            assert basin.downstream is None
        else:
            assert order.index(str(basin.downstream)) > index


def test_travel_times_of_basins_are_within_those_between_gauges() -> None:
    basins = places.basins()
    by_outlet = {one.outlet_station: one for one in basins.values()}
    for row in rows("travel_times.csv"):
        basin, days = by_outlet[row["from_station"]], 0.0
        while basin.outlet_station != row["to_station"]:
            days += basin.travel_time_d
            basin = basins[str(basin.downstream)]
        low, high = float(row["value_min"]), float(row["value_max"])
        assert low - 1e-9 <= days <= high + 1e-9, row


@pytest.mark.parametrize("basin", list(places.basins()))
def test_area_of_each_basin(basin: str) -> None:
    one = places.basins()[basin]
    assert area_km2(one.polygon) == pytest.approx(one.area_km2, rel=0.01)


def test_areas_add_up_to_the_published_catchments() -> None:
    basins, known = places.basins(), places.stations()

    def drained(outlet: str) -> float:
        upper = [one.id for one in basins.values() if one.downstream == outlet]
        return area_km2(basins[outlet].polygon) + sum(map(drained, upper))

    checked = 0
    for basin in basins.values():
        published = known[basin.outlet_station].catchment_km2 if basin.outlet_station else None
        # The published areas at Phnom Penh leave out the Tonle Sap.
        if published and basin.id not in {"phnom_penh", "delta"}:
            assert drained(basin.id) == pytest.approx(published, rel=0.005), basin.id
            checked += 1
    assert checked == 12
    assert drained("phnom_penh") == pytest.approx(663_000 + 85_000, rel=0.005)


def test_neither_overlap_nor_gap() -> None:
    polygons = {key: one.polygon for key, one in places.basins().items()}
    for (first, a), (second, b) in combinations(polygons.items(), 2):
        assert a.intersection(b).area < 1e-9, (first, second)
    whole = shapely.union_all(list(polygons.values()))
    assert isinstance(whole, shapely.Polygon)
    assert not whole.interiors
    assert shapely.coverage_is_valid(list(polygons.values()))
    assert shapely.box(MEKONG.lon_min, MEKONG.lat_min, MEKONG.lon_max, MEKONG.lat_max).contains(
        whole
    )


def test_each_basin_touches_the_one_it_drains_to() -> None:
    basins = places.basins()
    for basin in basins.values():
        if basin.downstream:
            gap = basin.polygon.distance(basins[basin.downstream].polygon)
            # Sesan and Srepok join the Sekong a few kilometres above its mouth.
            assert gap < (0.1 if basin.id in {"sesan", "srepok"} else 1e-9), basin.id


@pytest.mark.skipif(not OUTLINE.exists(), reason="the outline to compare with is not here")
def test_outline_agrees_with_hydrobasins() -> None:
    with OUTLINE.open(encoding="utf-8") as stream:
        other = shape(json.load(stream)["features"][0]["geometry"])
    ours = shapely.union_all([one.polygon for one in places.basins().values()])
    assert area_km2(other) == pytest.approx(773_000, rel=0.01)
    assert area_km2(ours & other) / area_km2(ours | other) > 0.90


def test_gauges_and_cities_lie_in_their_basins() -> None:
    basins = places.basins()
    for station in places.stations().values():
        assert gap_km(basins[station.basin].polygon, station.lat, station.lon) < 3, station.code
    for city in places.cities("asean").values():
        inside = {key for key, one in basins.items() if gap_km(one.polygon, city.lat, city.lon) < 3}
        assert city.basin in inside if city.in_basin else not inside, city.id


def test_gauges_lie_at_the_outlets_they_name() -> None:
    known = places.stations()
    for basin in places.basins().values():
        if basin.outlet_station and basin.id != "delta":  # Tan Chau lies within the delta
            station = known[basin.outlet_station]
            edge = basin.polygon.boundary
            assert gap_km(edge, station.lat, station.lon) < 15, basin.id
    assert gap_km(places.basins()["delta"].polygon, known["019803"].lat, known["019803"].lon) == 0


def test_zones() -> None:
    zones = places.zones()
    assert len(zones) == 26 + len(places.cities())
    for key, zone in zones.items():
        assert (zone.id, key.split(":")[0]) == (key, zone.kind)
        assert shapely.is_valid(zone.polygon)
        if zone.kind == "city":
            assert area_km2(zone.polygon) == pytest.approx(1963.5, rel=0.002)  # pi 25^2


CITIES = places.cities("asean")


def leaves_m(area: Polygon, land: BaseGeometry) -> float:
    """Distance by which an area leaves the land, taken every 100 m along its edge."""
    edge = shapely.segmentize(area.exterior, 0.001).coords
    return 1000 * max(gap_km(land, lat, lon) for lon, lat in edge)


def shared_m2(first: Polygon, second: Polygon) -> float:
    return 1e6 * float(shapely.area(shapely.transform(first & second, equal_area)))


def test_every_city_has_an_area_of_its_own() -> None:
    text = (REFERENCE / "areas.geojson").read_text(encoding="utf-8")
    features = json.loads(text, parse_float=str)["features"]
    assert [feature["properties"]["city"] for feature in features] == list(CITIES)
    for feature in features:
        (ring,) = feature["geometry"]["coordinates"]
        assert 4 <= len(ring) <= 60
        assert ring[0] == ring[-1]
        assert max(len(str(value).partition(".")[2]) for pair in ring for value in pair) <= 4


@pytest.mark.parametrize("city", CITIES.values(), ids=lambda city: city.id)
def test_an_area_holds_its_city_and_stays_in_its_country(city: places.City) -> None:
    assert city.area.is_valid
    assert city.area.exterior.is_ccw
    assert city.area.contains(Point(city.lon, city.lat))
    disc = places.disc(city.lat, city.lon, radius_km=places.CITY_RADIUS_KM + 0.02)
    assert disc.covers(city.area)
    land = drawing.read_outlines()[city.country]
    assert leaves_m(city.area, land) < 500
    on_land = area_km2(land & disc)
    least = 0.6 if city.id in {"tan_chau", "chau_doc"} else 0.7
    assert least * on_land < area_km2(city.area) < 1.02 * on_land, "most of the disc's land"


def test_no_two_areas_overlap() -> None:
    pairs = list(combinations(CITIES.values(), 2))
    assert {
        (first.id, second.id): shared_m2(first.area, second.area)
        for first, second in pairs
        if shared_m2(first.area, second.area) > 1000
    } == {}
    discs = [
        {first.id, second.id}
        for first, second in pairs
        if places.disc(first.lat, first.lon, radius_km=25.0).intersects(
            places.disc(second.lat, second.lon, radius_km=25.0)
        )
    ]
    assert {"thakhek", "nakhon_phanom"} in discs, "as the discs do"
    assert {"tan_chau", "chau_doc"} in discs


def test_what_would_be_wrong_with_an_area_is_measured() -> None:
    """The disc of Nakhon Phanom reaches 20 km into Laos and shares most of Thakhek's."""
    outlines = drawing.read_outlines()
    first, second = (
        places.disc(CITIES[name].lat, CITIES[name].lon, radius_km=25.0)
        for name in ("nakhon_phanom", "thakhek")
    )
    assert leaves_m(first, outlines["TH"]) > 20_000
    assert shared_m2(first, second) > 1.9e9


def test_areas_are_drawn_from_the_committed_outlines() -> None:
    """Another release of GEOS may place a point elsewhere by its last decimal."""
    outlines = drawing.simplify(drawing.read_outlines())
    for name in ("thakhek", "nakhon_phanom", "singapore"):
        area, drawn = CITIES[name].area, drawing.draw(CITIES[name], outlines)
        assert area_km2(area ^ drawn) < 0.001 * area_km2(area)


def test_cities_that_face_each_other() -> None:
    facing = {city.id: city.facing for city in CITIES.values() if city.facing}
    assert facing == {
        "vientiane": "nong_khai", "nong_khai": "vientiane",
        "paksane": "bueng_kan", "bueng_kan": "paksane",
        "thakhek": "nakhon_phanom", "nakhon_phanom": "thakhek",
        "savannakhet": "mukdahan", "mukdahan": "savannakhet",
    }  # fmt: skip
    for city in CITIES.values():
        opposite = places.facing(city.id)
        assert (opposite.id if opposite else None) == city.facing
        if opposite:
            assert opposite.country != city.country
            assert opposite.station
            apart = shapely.shortest_line(city.area, opposite.area)
            assert Geod(ellps="WGS84").geometry_length(apart) < 5000


def test_a_facing_city_that_does_not_count_yet_is_none(lay_over: LayOver) -> None:
    head = "id,name,country,lat,lon,unit,source,verified,ascn,in_basin,hazards,utc_offset_h"
    lay_over(
        "cities.csv",
        f"{head},facing,as_of",
        "huay_xai,Huay Xai,LA,20.27,100.41,degree,x,V,false,false,drought,7,chiang_khong,",
        "chiang_khong,Chiang Khong,TH,20.26,100.40,degree,x,V,false,false,drought,7,,2026-10-01",
    )
    before, after = (datetime(2026, month, 1, tzinfo=UTC) for month in (9, 11))
    assert places.facing("huay_xai", asof=before) is None
    opposite = places.facing("huay_xai", asof=after)
    assert opposite is not None
    assert opposite.name == "Chiang Khong"
    assert opposite.area == places.disc(20.26, 100.40, radius_km=25.0), "none is drawn"
    assert (opposite.iso_3166_2, opposite.facing) == (None, None)


def test_subdivisions_are_of_the_citys_country() -> None:
    codes = {city.id: city.iso_3166_2 for city in CITIES.values()}
    assert [name for name, code in codes.items() if code is None] == ["singapore"]
    for city in CITIES.values():
        assert city.iso_3166_2 is None or city.iso_3166_2.startswith(f"{city.country}-")
    assert codes["vientiane"] == "LA-VT", "the prefecture, not the province LA-VI"
    assert codes["kampong_cham"] == "KH-3"


def test_maps_are_small_and_say_where_they_come_from() -> None:
    for path in REFERENCE.glob("*.geojson"):
        assert path.stat().st_size < 150_000
        content = json.loads(path.read_text(encoding="utf-8"))
        assert {"source", "as_of", "licence"} <= set(content["provenance"])
        for feature in content["features"]:
            west, south, east, north = shape(feature["geometry"]).bounds
            grid = GRIDS["asean" if path.stem in {"areas", "countries"} else "mekong"]
            assert grid.lon_min <= west < east <= grid.lon_max
            assert grid.lat_min <= south < north <= grid.lat_max
    assert len(list(REFERENCE.glob("*.geojson"))) == 5
