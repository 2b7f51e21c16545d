"""Cities, gauges, sub-basins and the links between them, read from ``data/reference/``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pyproj import Geod
from shapely.geometry import Polygon

from pipeline.choices import Region
from pipeline.geography.grid import GRIDS
from pipeline.settings import REFERENCE

CITY_RADIUS_KM = 25.0
"""Radius of the disc that stands for a city: about two satellite cells each way."""


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
        Whether the day's maximum, not the morning reading, is what counts.
    upstream
        Codes of the next gauges upstream, nearest first, at most four. Of two gauges that face
        each other across the river one is named.
    basin
        Id of the sub-basin the gauge lies in.
    threshold_verified
        Whether both thresholds were checked against a cited source; an alert that counts must
        not rest on one that was not.
    replaced_by
        Code under which a retired gauge's series goes on.
    note
        What a reader of its readings must know.
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
    """One city that gets an assessment.

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
    note
        What a reader of its assessment must know.
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


def _rows(name: str, columns: Iterable[str]) -> list[dict[str, str]]:
    path: Path = REFERENCE / name
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(
                f"{name}: expected columns {sorted(columns)}, found {reader.fieldnames}"
            )
        return list(reader)


@lru_cache
def stations() -> dict[str, Station]:
    """All gauges by MRC code, in river order.

    Examples
    --------
    >>> stations()["010501"].alarm_m, stations()["012001"].replaced_by
    (11.5, '012002')
    """
    figures: dict[tuple[str, str], float] = {}
    for row in _rows("station_figures.csv", ("station", "quantity", "value")):
        figures[row["station"], row["quantity"]] = float(row["value"])
    latest: dict[tuple[str, str], tuple[str, float, bool]] = {}
    for row in _rows("thresholds.csv", ("station", "kind", "value", "as_of", "verified")):
        key = row["station"], row["kind"]
        latest[key] = max(
            latest.get(key, ("", 0.0, False)),
            (row["as_of"], float(row["value"]), row["verified"] == "V"),
        )
    found = {}
    for row in _rows("stations.csv", ("code", "upstream", "basin", "replaced_by", "tidal")):
        code = row["code"]
        alarm, flood = latest.get((code, "alarm")), latest.get((code, "flood"))
        found[code] = Station(
            code=code,
            name=row["name"],
            river=row["river"],
            country=row["country"],
            lat=figures[code, "latitude"],
            lon=figures[code, "longitude"],
            catchment_km2=figures.get((code, "catchment_area")),
            zero_m_amsl=figures.get((code, "gauge_zero")),
            alarm_m=alarm[1] if alarm else None,
            flood_m=flood[1] if flood else None,
            tidal=row["tidal"] == "true",
            upstream=tuple(row["upstream"].split()),
            basin=row["basin"],
            threshold_verified=bool(alarm and flood and alarm[2] and flood[2]),
            replaced_by=row["replaced_by"] or None,
            note=row["note"],
        )
    return found


@lru_cache
def cities(region: Region = "mekong") -> dict[str, City]:
    """Cities of a region by id: the basin's from north to south, then the pilots outside it.

    A city belongs to every region whose grid holds its disc.

    Examples
    --------
    >>> cities()["vientiane"].station, cities()["siem_reap"].station
    ('011901', None)
    >>> "singapore" in cities(), "singapore" in cities("asean")
    (False, True)
    """
    grid = GRIDS[region]
    found = {}
    for row in _rows("cities.csv", ("id", "lat", "lon", "station", "ascn", "in_basin", "basin")):
        lat, lon = float(row["lat"]), float(row["lon"])
        west, south, east, north = disc(lat, lon, radius_km=CITY_RADIUS_KM).bounds
        if min(west - grid.lon_min, grid.lon_max - east) < 0:
            continue
        if min(south - grid.lat_min, grid.lat_max - north) < 0:
            continue
        found[row["id"]] = City(
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
            note=row["note"],
        )
    return found


@lru_cache
def basins() -> dict[str, Basin]:
    """All sub-basins by id, each before the one it drains to.

    Examples
    --------
    >>> basins()["chi"].downstream
    'mun'
    """
    with (REFERENCE / "basins.geojson").open(encoding="utf-8") as stream:
        features = json.load(stream)["features"]
    outlines = {one["properties"]["basin"]: one["geometry"]["coordinates"] for one in features}
    found = {}
    for row in _rows("basins.csv", ("basin", "outlet_station", "downstream", "area_km2", "reach")):
        found[row["basin"]] = Basin(
            id=row["basin"],
            name=row["name"],
            outlet_station=row["outlet_station"] or None,
            downstream=row["downstream"] or None,
            area_km2=float(row["area_km2"]),
            travel_time_d=float(row["travel_time_d"]),
            reach=row["reach"],
            polygon=Polygon(outlines[row["basin"]][0]),
        )
    return found


@lru_cache
def zones(region: Region = "mekong") -> dict[str, Zone]:
    """Areal units of a region: ``basin:<id>`` for each sub-basin, ``city:<id>`` for each city.

    Examples
    --------
    >>> zones()["city:can_tho"].kind
    'city'
    """
    found = {
        f"basin:{one.id}": Zone(f"basin:{one.id}", "basin", one.name, one.polygon)
        for one in basins().values()
    }
    for city in cities(region).values():
        key = f"city:{city.id}"
        found[key] = Zone(
            key, "city", city.name, disc(city.lat, city.lon, radius_km=CITY_RADIUS_KM)
        )
    return found


@lru_cache
def _reference_flows() -> pd.DataFrame:
    rows = _rows("flows.csv", ("station", "month", "kind", "value", "verified"))
    frame = pd.DataFrame(rows)[["station", "month", "kind", "value", "verified"]]
    frame["month"] = frame["month"].astype(int)
    frame["value"] = frame["value"].astype(float)
    frame["verified"] = frame["verified"] == "V"
    return frame


def reference_flows() -> pd.DataFrame:
    """Return reference flows per station and calendar month, a fresh copy.

    Returns
    -------
    DataFrame
        Columns station, month (1-12), kind, value (m3/s), verified. Kinds: ``pmfm_6a``, the low
        flow undercut one year in five (MRC procedures on flows, Article 6A); ``pmfm_6c``, the
        mean daily peak flow of the flood season (Article 6C); ``mean``, the monthly mean.
    """
    return _reference_flows().copy()


@lru_cache
def verified_zeros() -> dict[str, float]:
    """Gauge zeros that were checked against a cited source, m above mean sea level, by MRC code.

    Examples
    --------
    >>> verified_zeros()["013901"], "012702" in verified_zeros()
    (86.49, False)
    """
    rows = _rows("station_figures.csv", ("station", "quantity", "value", "verified"))
    return {
        row["station"]: float(row["value"])
        for row in rows
        if (row["quantity"], row["verified"]) == ("gauge_zero", "V")
    }


def station(code: str) -> Station:
    """Return one gauge.

    Raises
    ------
    LookupError
        No gauge has this code.
    """
    if code not in stations():
        raise LookupError(f"station: expected one of {', '.join(stations())}, found {code!r}")
    return stations()[code]


def city(city_id: str) -> City:
    """Return one city of any region.

    Raises
    ------
    LookupError
        No city has this id.
    """
    known = cities("asean")
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
