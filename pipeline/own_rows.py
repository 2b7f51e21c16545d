"""Add rows to an agency's own reference tables: a gauge or a city, all of its rows or none."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from shapely.geometry import Point

from pipeline.geography.places import Station, basins, cities, regions_of, stations
from pipeline.geography.reference_schema import AREAS, TABLES, Row
from pipeline.geography.reference_tables import BadReference, Finding, ReferenceTables, edition
from pipeline.settings import REFERENCE
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve
from pipeline.storage.atomic import draft_file

NUMBERS = range(99, 9, -1)
"""Numbers of cities in texts from the ground, in the order in which an agency takes them: the
project numbers its own from 10 upwards."""


@dataclass(frozen=True)
class OwnGauge:
    """A gauge to add.

    Parameters
    ----------
    code, name, river, country
        Code as in the files of readings, name, river and ISO 3166 country.
    lat, lon
        Degrees on WGS 84.
    alarm_m, flood_m
        Alarm and flood stage, m above the gauge's zero; None where none is set.
    upstream
        Codes of the next gauges upstream, nearest first.
    tidal
        Whether the day's maximum counts instead of the morning reading.
    source
        Where the figures are from.
    verified
        Whether they were checked against it.
    """

    code: str
    name: str
    river: str
    country: str
    lat: float
    lon: float
    source: str
    alarm_m: float | None = None
    flood_m: float | None = None
    upstream: tuple[str, ...] = ()
    tidal: bool = False
    verified: bool = False


@dataclass(frozen=True)
class OwnCity:
    """A city to add.

    Parameters
    ----------
    name, country
        Name and ISO 3166 country.
    lat, lon
        Degrees on WGS 84.
    gauge
        Code of its gauge; None for a city that is assessed on rain and drought alone.
    source
        Where its place is from.
    verified
        Whether it was checked against it.
    """

    name: str
    country: str
    lat: float
    lon: float
    source: str
    gauge: str | None = None
    verified: bool = False

    @property
    def id(self) -> str:
        """Id made of the name: ``Ban Tha`` is ``ban_tha``."""
        plain = unicodedata.normalize("NFKD", self.name.replace("đ", "d").replace("Đ", "D"))
        return re.sub(r"[^a-z0-9]+", "_", plain.encode("ascii", "ignore").decode().lower()).strip(
            "_"
        )


def find_basin(lat: float, lon: float) -> str | None:
    """Find the sub-basin in whose outline a point lies; None outside of all.

    Examples
    --------
    >>> find_basin(15.1, 105.813), find_basin(13.75, 100.5)
    ('se_done', None)
    """
    point = Point(lon, lat)
    return next((key for key, basin in basins().items() if basin.polygon.covers(point)), None)


def list_gauges_around(basin: str) -> list[str]:
    """List the gauges in a sub-basin and in those that drain to it, the nearest sub-basin first.

    The gauge at its outlet is left out: it is below every other one in it.
    """
    known, distance = basins(), dict[str, int]()
    for key in known:
        below, steps = key, 0
        while below != basin and (downstream := known[below].downstream) is not None:
            below, steps = downstream, steps + 1
        if below == basin:
            distance[key] = steps
    outlet = known[basin].outlet_station
    gauges = [gauge for gauge in stations().values() if gauge.basin in distance]
    gauges.sort(key=lambda gauge: distance[gauge.basin])
    return [gauge.code for gauge in gauges if gauge.code != outlet]


def add_gauge(gauge: OwnGauge, folder: Path) -> list[Finding]:
    """Add a gauge to an agency's tables.

    Parameters
    ----------
    gauge
        Gauge.
    folder
        Folder of the agency's tables.

    Returns
    -------
    list of Finding
        Rows that were added, with their lines.

    Raises
    ------
    LookupError
        Its code is that of a known gauge, in this form or another, or it lies in no sub-basin.
    BadReference
        A row does not fit; nothing was written.
    """
    if gauge.code in stations():
        known = stations()[gauge.code]
        raise LookupError(f"gauge: expected a new code, found {gauge.code} ({known.name})")
    read_as = _read_as(gauge.code)
    if read_as is not None:
        raise LookupError(
            f"gauge: expected a code of its own, found {gauge.code}, which files of readings use "
            f"for {read_as.code} ({read_as.name})"
        )
    basin = find_basin(gauge.lat, gauge.lon)
    if basin is None:
        raise LookupError(
            f"gauge: expected a place in a sub-basin of the Mekong, found {gauge.lat:g}, "
            f"{gauge.lon:g} in none"
        )
    figure = {"station": gauge.code, "source": gauge.source, "verified": _mark(gauge)}
    places = (("latitude", gauge.lat, "degrees_north"), ("longitude", gauge.lon, "degrees_east"))
    stages = [
        figure | {"kind": kind, "value": f"{value:.10g}", "unit": "m above gauge zero"}
        for kind, value in (("alarm", gauge.alarm_m), ("flood", gauge.flood_m))
        if value is not None
    ]
    rows: dict[str, Sequence[Row]] = {
        "stations.csv": [
            {
                "code": gauge.code, "name": gauge.name, "river": gauge.river,
                "country": gauge.country, "tidal": str(gauge.tidal).lower(),
                "upstream": " ".join(gauge.upstream), "basin": basin,
            }
        ],
        "station_figures.csv": [
            figure | {"quantity": quantity, "value": f"{value:.10g}", "unit": unit}
            for quantity, value, unit in places
        ],
        "thresholds.csv": stages,
    }  # fmt: skip
    return add_rows(folder, rows)


def _read_as(code: str) -> Station | None:
    """Known gauge whose readings a file with this code holds: 13901 is 013901 without its zero."""
    try:
        return stations().get(resolve(code)[0])
    except UnknownStationError:
        return None


def add_city(city: OwnCity, folder: Path) -> list[Finding]:
    """Add a city to an agency's tables, with a number for texts from the ground.

    Parameters
    ----------
    city
        City.
    folder
        Folder of the agency's tables.

    Returns
    -------
    list of Finding
        Rows that were added, with their lines.

    Raises
    ------
    LookupError
        Its name has no Latin letter, its id is that of a known city, it lies outside of every
        region, its country has no city whose clocks it could share, its gauge is not known, or all
        numbers are given.
    BadReference
        A row does not fit; nothing was written.
    """
    if not city.id:
        raise LookupError(
            f"city: expected a name in Latin letters, found {city.name}; those in other languages "
            "are rows of names.csv"
        )
    if not (abs(city.lat) <= 90.0 and abs(city.lon) <= 180.0):
        raise LookupError(
            f"city: expected degrees of latitude and longitude, found {city.lat:g}, {city.lon:g}"
        )
    known = cities("asean") | cities()
    if city.id in known:
        raise LookupError(f"city: expected a new name, found {city.id} ({known[city.id].name})")
    if not regions_of(city.lat, city.lon):
        place = f"latitude {city.lat:g}, longitude {city.lon:g}"
        raise LookupError(f"city: expected a place on the grid with 25 km around it, found {place}")
    offsets = {town.country: town.utc_offset_h for town in known.values()}
    if city.country not in offsets:
        countries = ", ".join(sorted(offsets))
        raise LookupError(f"city: expected a country of {countries}, found {city.country!r}")
    if city.gauge is not None and city.gauge not in stations():
        raise LookupError(
            f"city: expected the code of a known gauge, found {city.gauge!r}; add it first: "
            "mekong gauges add"
        )
    basin = find_basin(city.lat, city.lon)
    hazards = "pluvial drought"
    if city.gauge is not None:
        hazards = ("river tidal " if stations()[city.gauge].tidal else "river ") + hazards
    rows: dict[str, Sequence[Row]] = {
        "cities.csv": [
            {
                "id": city.id, "name": city.name, "country": city.country,
                "lat": f"{city.lat:.10g}", "lon": f"{city.lon:.10g}", "unit": "degree",
                "source": city.source, "verified": _mark(city),
                "station": city.gauge or "", "ascn": "false",
                "in_basin": str(basin is not None).lower(), "basin": basin or "",
                "hazards": hazards, "utc_offset_h": f"{offsets[city.country]:g}",
            }
        ],
        "report_numbers.csv": [{"number": _find_number(), "city": city.id}],
    }  # fmt: skip
    return add_rows(folder, rows)


def _mark(place: OwnGauge | OwnCity) -> str:
    """Mark of the figures of a place in the tables."""
    return "V" if place.verified else "M"


def _find_number() -> str:
    """Find a number that no city has ever had."""
    tables = edition().tables
    layers = (tables.project, tables.agency)
    given = {key[0] for layer in layers for key in layer.get("report_numbers.csv", {})}
    for number in NUMBERS:
        if str(number) not in given:
            return str(number)
    raise LookupError("city: expected a number for texts from the ground, found all of them given")


def add_rows(folder: Path, rows: Mapping[str, Sequence[Row]]) -> list[Finding]:
    """Add rows to an agency's tables, if all tables can be used with them.

    Parameters
    ----------
    folder
        Folder of the agency's tables.
    rows
        Rows by table; columns that they leave out are empty.

    Returns
    -------
    list of Finding
        Rows that were added, with their lines.

    Raises
    ------
    BadReference
        A table cannot be used, with or without them; nothing was written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trial = Path(scratch)
        for name in (*TABLES, AREAS):
            if (folder / name).is_file():
                shutil.copy(folder / name, trial / name)
        added = [
            finding for name, of_table in rows.items() for finding in _append(trial, name, of_table)
        ]
        ReferenceTables(REFERENCE, trial)
        with ExitStack() as drafts:  # all are written before the first takes its name
            for name in {finding.file for finding in added}:
                shutil.copyfile(trial / name, drafts.enter_context(draft_file(folder / name)))
    return added


def _append(folder: Path, name: str, rows: Sequence[Row]) -> list[Finding]:
    """Append rows to one table, with the columns that it lacks."""
    if not rows:
        return []
    path = folder / name
    old: list[dict[str, str]] = []
    header = [column for column in (*TABLES[name].columns, "as_of") if column in rows[0]]
    if path.exists():
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream)
                columns = [column.strip() for column in reader.fieldnames or ()]
                reader.fieldnames = columns
                old = list(reader)
        except (UnicodeDecodeError, csv.Error) as error:
            text = f"expected a table of text in UTF-8, found: {error}"
            raise BadReference([Finding(name, 0, text)]) from error
        header = [*columns, *(column for column in header if column not in columns)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, header, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(old)
        writer.writerows({column: row.get(column, "") for column in header} for row in rows)
    lines = path.read_text(encoding="utf-8").count("\n")
    key = TABLES[name].key
    return [
        Finding(name, lines - len(rows) + 1 + number, ", ".join(row[column] for column in key),
                wrong=False)
        for number, row in enumerate(rows)
    ]  # fmt: skip
