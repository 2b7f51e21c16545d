"""Cities, gauges, sub-basins, zones and the links between them, as of a moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

import numpy as np
from pyproj import Geod
from shapely.geometry import Polygon

from pipeline.choices import Region
from pipeline.geography.city_areas import to_polygon
from pipeline.geography.grid import GRIDS
from pipeline.geography.reference_schema import AREAS
from pipeline.geography.reference_tables import OUTLINES, Edition, edition
from pipeline.settings import REFERENCE

CITY_RADIUS_KM = 25.0
"""Radius of the disc that represents a city: about two satellite cells each way."""


@dataclass(frozen=True)
class Station:
    """One river gauge.

    Parameters
    ----------
    code, name, river, country
        MRC code, name, river and ISO 3166 country.
    lat, lon
        Degrees on WGS 84.
    catchment_km2
        Area drained, where published.
    zero_m_amsl
        Level of the gauge's zero, metres above the country's mean sea level.
    alarm_m, flood_m
        Latest thresholds, metres above the gauge's zero.
    tidal
        Whether the day's maximum counts instead of the morning reading.
    upstream
        Codes of the next gauges upstream, nearest first, at most four. Of two gauges on opposite
        banks one is named.
    basin
        Id of the sub-basin the gauge lies in.
    threshold_verified
        Whether both thresholds were checked against a cited source; an actual alert must not rest
        on an unverified one.
    replaced_by
        Code of the successor that continues a retired gauge's series.
    note
        Caveats on its readings.
    """

    code: str
    name: str
    river: str
    country: str
    lat: float
    lon: float
    catchment_km2: float | None
    zero_m_amsl: float | None
    alarm_m: float | None
    flood_m: float | None
    tidal: bool
    upstream: tuple[str, ...]
    basin: str
    threshold_verified: bool
    replaced_by: str | None
    note: str


@dataclass(frozen=True)
class City:
    """One city that is assessed.

    Parameters
    ----------
    id, name, country
        Id in snake case, name and ISO 3166 country.
    lat, lon
        Degrees on WGS 84.
    station
        Code of its gauge; without one it gets the pluvial and drought assessment only.
    ascn
        Whether it is a pilot of the ASEAN Smart Cities Network.
    in_basin, basin
        Whether it lies in the Mekong basin, and in which sub-basin.
    hazards
        Hazards assessed, words parted by spaces: river, tidal, pluvial, drought.
    utc_offset_h
        Hours its clocks are ahead of UTC.
    iso_3166_2
        Code of the country's first-order subdivision it lies in.
    facing
        Id of the city on the opposite bank, in another country.
    area
        Area of its messages on WGS 84, on its own side of the border; its disc if none is drawn.
    note
        Caveats on its assessment.
    """

    id: str
    name: str
    country: str
    lat: float
    lon: float
    station: str | None
    ascn: bool
    in_basin: bool
    basin: str | None
    hazards: str
    utc_offset_h: float
    iso_3166_2: str | None
    facing: str | None
    area: Polygon
    note: str


@dataclass(frozen=True)
class Basin:
    """One sub-basin.

    Parameters
    ----------
    id, name
        Id in snake case and name.
    outlet_station
        Code of the gauge at its outlet, where there is one.
    downstream
        Id of the sub-basin it drains to; None at the sea.
    area_km2
        Published area, or its share of the area between two published gauges.
    travel_time_d
        Time from its outlet to the outlet of the sub-basin downstream, days.
    reach
        Row of the calibrated parameters that it takes.
    polygon
        Outline on WGS 84, digitised by the project to some 10-20 km.
    """

    id: str
    name: str
    outlet_station: str | None
    downstream: str | None
    area_km2: float
    travel_time_d: float
    reach: str
    polygon: Polygon


@dataclass(frozen=True)
class Zone:
    """One areal unit over which grids are averaged: a sub-basin or a city's disc."""

    id: str
    kind: Literal["basin", "city"]
    name: str
    polygon: Polygon


def stations(*, asof: datetime | None = None) -> dict[str, Station]:
    """All gauges by MRC code, in river order.

    Parameters
    ----------
    asof
        Rows that count at this moment; default the newest.

    Examples
    --------
    >>> stations()["010501"].alarm_m, stations()["012001"].replaced_by
    (11.5, '012002')
    """
    return _stations(edition(asof))


@lru_cache
def _stations(tables: Edition) -> dict[str, Station]:
    figures = {
        (row["station"], row["quantity"]): float(row["value"])
        for row in tables.rows("station_figures.csv")
    }
    stages = {(row["station"], row["kind"]): row for row in tables.rows("thresholds.csv")}
    gauges = {}
    for row in tables.rows("stations.csv"):
        code = row["code"]
        alarm, flood = stages.get((code, "alarm")), stages.get((code, "flood"))
        gauges[code] = Station(
            code=code,
            name=row["name"],
            river=row["river"],
            country=row["country"],
            lat=figures[code, "latitude"],
            lon=figures[code, "longitude"],
            catchment_km2=figures.get((code, "catchment_area")),
            zero_m_amsl=figures.get((code, "gauge_zero")),
            alarm_m=float(alarm["value"]) if alarm else None,
            flood_m=float(flood["value"]) if flood else None,
            tidal=row["tidal"] == "true",
            upstream=tuple(row["upstream"].split()),
            basin=row["basin"],
            threshold_verified=bool(
                alarm and flood and alarm["verified"] == flood["verified"] == "V"
            ),
            replaced_by=row["replaced_by"] or None,
            note=row["note"],
        )
    return gauges


def cities(region: Region = "mekong", *, asof: datetime | None = None) -> dict[str, City]:
    """Cities of a region by id: the basin's from north to south, then the pilots outside it.

    A city belongs to every region whose grid holds its disc.

    Parameters
    ----------
    region
        Region.
    asof
        Rows that count at this moment; default the newest.

    Examples
    --------
    >>> cities()["vientiane"].station, cities()["siem_reap"].station
    ('011901', None)
    >>> "singapore" in cities(), "singapore" in cities("asean")
    (False, True)
    """
    return _cities(region, edition(asof))


@lru_cache
def _cities(region: Region, tables: Edition) -> dict[str, City]:
    areas = {row["city"]: to_polygon(row["polygon"]) for row in tables.rows(AREAS)}
    towns = {}
    for row in tables.rows("cities.csv"):
        lat, lon = float(row["lat"]), float(row["lon"])
        if region not in regions_of(lat, lon):
            continue
        towns[row["id"]] = City(
            id=row["id"],
            name=row["name"],
            country=row["country"],
            lat=lat,
            lon=lon,
            station=row["station"] or None,
            ascn=row["ascn"] == "true",
            in_basin=row["in_basin"] == "true",
            basin=row["basin"] or None,
            hazards=row["hazards"],
            utc_offset_h=float(row["utc_offset_h"]),
            iso_3166_2=row["iso_3166_2"] or None,
            facing=row["facing"] or None,
            area=areas.get(row["id"]) or disc(lat, lon, radius_km=CITY_RADIUS_KM),
            note=row["note"],
        )
    return towns


def cities_by_gauge(*, asof: datetime | None = None) -> dict[str, City]:
    """Cities of the basin that have a gauge, by its MRC code, as of a moment as :func:`cities`.

    Examples
    --------
    >>> cities_by_gauge()["011901"].id
    'vientiane'
    """
    return {city.station: city for city in cities(asof=asof).values() if city.station}


def facing(city_id: str, *, asof: datetime | None = None) -> City | None:
    """Return the city on the opposite bank, in another country; None where there is none.

    Raises
    ------
    LookupError
        No city has this id.

    Examples
    --------
    >>> facing("vientiane").name, facing("pakse")
    ('Nong Khai', None)
    """
    opposite = city(city_id, asof=asof).facing
    return cities("asean", asof=asof).get(opposite) if opposite else None


def reach_km(city: City) -> float:
    """Distance from a city to the farthest corner of its area, km on the ellipsoid.

    Examples
    --------
    >>> round(reach_km(cities()["vientiane"]), 1)
    25.0
    """
    lons, lats = np.array(city.area.exterior.coords).T
    centre = np.ones_like(lons)
    _, _, distances_m = Geod(ellps="WGS84").inv(city.lon * centre, city.lat * centre, lons, lats)
    return float(distances_m.max()) / 1000.0


def regions_of(lat: float, lon: float) -> list[Region]:
    """List the regions whose grid holds the disc of a city.

    Examples
    --------
    >>> regions_of(1.29, 103.85)
    ['asean']
    """
    west, south, east, north = disc(lat, lon, radius_km=CITY_RADIUS_KM).bounds
    return [
        region
        for region, grid in GRIDS.items()
        if min(west - grid.lon_min, grid.lon_max - east) >= 0
        and min(south - grid.lat_min, grid.lat_max - north) >= 0
    ]


def basins(*, asof: datetime | None = None) -> dict[str, Basin]:
    """All sub-basins by id, each before the one it drains to.

    Parameters
    ----------
    asof
        Rows that count at this moment; default the newest.

    Examples
    --------
    >>> basins()["chi"].downstream
    'mun'
    """
    return _basins(edition(asof))


@lru_cache
def _basins(tables: Edition) -> dict[str, Basin]:
    with (REFERENCE / OUTLINES).open(encoding="utf-8") as stream:
        features = json.load(stream)["features"]
    outlines = {
        feature["properties"]["basin"]: feature["geometry"]["coordinates"] for feature in features
    }
    return {
        row["basin"]: Basin(
            id=row["basin"],
            name=row["name"],
            outlet_station=row["outlet_station"] or None,
            downstream=row["downstream"] or None,
            area_km2=float(row["area_km2"]),
            travel_time_d=float(row["travel_time_d"]),
            reach=row["reach"],
            polygon=Polygon(outlines[row["basin"]][0]),
        )
        for row in tables.rows("basins.csv")
    }


def zones(region: Region = "mekong", *, asof: datetime | None = None) -> dict[str, Zone]:
    """Areal units of a region: ``basin:<id>`` for each sub-basin, ``city:<id>`` for each city.

    Parameters
    ----------
    region
        Region.
    asof
        Rows that count at this moment; default the newest.

    Examples
    --------
    >>> zones()["city:can_tho"].kind
    'city'
    """
    return _zones(region, edition(asof))


@lru_cache
def _zones(region: Region, tables: Edition) -> dict[str, Zone]:
    areas = {
        f"basin:{basin.id}": Zone(f"basin:{basin.id}", "basin", basin.name, basin.polygon)
        for basin in _basins(tables).values()
    }
    for city in _cities(region, tables).values():
        key = f"city:{city.id}"
        areas[key] = Zone(
            key, "city", city.name, disc(city.lat, city.lon, radius_km=CITY_RADIUS_KM)
        )
    return areas


def station(code: str, *, asof: datetime | None = None) -> Station:
    """Return one gauge.

    Raises
    ------
    LookupError
        No gauge has this code.
    """
    known = stations(asof=asof)
    if code not in known:
        raise LookupError(f"station: expected one of {', '.join(known)}, found {code!r}")
    return known[code]


def city(city_id: str, *, region: Region = "asean", asof: datetime | None = None) -> City:
    """Return one city of a region; default any.

    Raises
    ------
    LookupError
        No city of the region has this id.
    """
    known = cities(region, asof=asof)
    if city_id not in known:
        raise LookupError(f"city: expected one of {', '.join(known)}, found {city_id!r}")
    return known[city_id]


def disc(lat: float, lon: float, *, radius_km: float) -> Polygon:
    """Disc on the ellipsoid: 72 corners at a geodesic distance from the centre.

    Parameters
    ----------
    lat, lon
        Centre, degrees.
    radius_km
        Radius; the polygon's area is within 0.2 % of the circle's.

    Examples
    --------
    >>> [round(edge, 2) for edge in disc(0.0, 100.0, radius_km=111.3195).bounds]
    [99.0, -1.01, 101.0, 1.01]
    """
    azimuth = np.arange(0.0, 360.0, 5.0)
    centre = np.ones_like(azimuth)
    lons, lats, _ = Geod(ellps="WGS84").fwd(
        lon * centre, lat * centre, azimuth, 1000.0 * radius_km * centre
    )
    return Polygon(np.column_stack([lons, lats]))
