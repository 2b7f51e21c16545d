"""The commands ``mekong cities`` and ``mekong gauges``: an agency's own places, from row to use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.command_options import KnownDay, known_time, read_settings

if TYPE_CHECKING:
    from pipeline.geography.reference_tables import Finding

USAGE = 2
"""Exit code where a table or text cannot be used."""
OF_GAUGES = ("stations.csv", "station_figures.csv", "thresholds.csv", "flows.csv",
             "travel_times.csv", "thaiwater.csv", "basins.csv")  # fmt: skip
"""Tables of gauges and rivers; all others are of cities."""
cities = typer.Typer(
    rich_markup_mode="rich",
    help="Add a city of your own, check your own rows and texts of cities. "
    "Example: mekong cities check.",
)
gauges = typer.Typer(
    rich_markup_mode="rich",
    help="Add a gauge of your own, check what its readings are enough for. "
    "Example: mekong gauges check.",
)
Country = Annotated[str, typer.Option(help="ISO 3166 code of the country, such as LA.")]
Lat = Annotated[float, typer.Option(help="Latitude in degrees, WGS 84.")]
Lon = Annotated[float, typer.Option(help="Longitude in degrees, WGS 84.")]
Source = Annotated[str, typer.Option(help="Where the figures are from.")]
Verified = Annotated[
    bool, typer.Option("--verified", help="The figures were checked against the source.")
]


def _own_folder() -> Path:
    folder = read_settings().reference_dir
    if folder is None:
        raise typer.BadParameter(
            "expected MEKONG_REFERENCE_DIR to name a folder for your own rows, found none"
        )
    return folder


def _print_added(folder: Path, added: Sequence[Finding]) -> None:
    for finding in added:
        print(f"{folder / finding.file} line {finding.line}: {finding.text}")


def _check_own(*, of_gauges: bool, of_one: bool) -> None:
    """Print what the agency's own rows do, unless one place is asked for; leave where they fail."""
    from pipeline.alerts.templates import check_own_texts
    from pipeline.geography.reference_check import check_reference

    folder = read_settings().reference_dir
    if folder is None:
        return
    findings = check_reference(folder)
    wrong = any(finding.wrong for finding in findings)
    if not wrong:
        findings = [row for row in findings if not of_one and (row.file in OF_GAUGES) == of_gauges]
    texts = [] if of_gauges else check_own_texts(folder)
    for finding in [*findings, *texts]:
        print(finding)
    if wrong or any(finding.wrong for finding in texts):
        raise typer.Exit(USAGE)


@gauges.command("add")
def add_gauge(
    code: Annotated[str, typer.Argument(help="Code of the gauge, as in your files.")],
    *,
    name: Annotated[str, typer.Option(help="Name of the gauge.")],
    river: Annotated[str, typer.Option(help="Name of the river.")],
    country: Country,
    lat: Lat,
    lon: Lon,
    source: Source,
    alarm: Annotated[
        float | None, typer.Option(help="Alarm stage, m above the gauge's zero.")
    ] = None,
    flood: Annotated[
        float | None, typer.Option(help="Flood stage, m above the gauge's zero.")
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(help="Code of the next gauge upstream; again for the one above it."),
    ] = None,
    tidal: Annotated[
        bool, typer.Option("--tidal", help="The day's maximum counts, not the morning.")
    ] = False,
    verified: Verified = False,
) -> None:
    """Add a gauge to MEKONG_REFERENCE_DIR. Example: mekong gauges add CODE --name NAME ..."""
    from pipeline import own_rows

    folder = _own_folder()
    gauge = own_rows.OwnGauge(
        code=code,
        name=name,
        river=river,
        country=country,
        lat=lat,
        lon=lon,
        source=source,
        alarm_m=alarm,
        flood_m=flood,
        upstream=tuple(upstream or ()),
        tidal=tidal,
        verified=verified,
    )
    _print_added(folder, own_rows.add_gauge(gauge, folder))
    basin = own_rows.find_basin(lat, lon)
    print(f"{name} ({code}) lies in the sub-basin {basin}")
    around = [] if upstream or basin is None else own_rows.list_gauges_around(basin)
    others = ", ".join(other for other in around if other != code)
    if others:
        print(f"gauges in it and in those above; --upstream names what flows to {name}: {others}")
    print(f"next: mekong ingest gauges --from DIR, then mekong gauges check {code}")


@gauges.command("check")
def check_gauges(
    code: Annotated[
        str | None, typer.Argument(help="Gauge; default every one of your own.")
    ] = None,
    day: KnownDay = None,
) -> None:
    """Say what a gauge's readings are enough for. Example: mekong gauges check 013901."""
    from pipeline.gauge_readiness import check_gauge, describe_readiness

    _check_own(of_gauges=True, of_one=code is not None)
    codes = [code] if code else _list_own("stations.csv")
    asof = known_time(day)
    for number, own in enumerate(codes):
        if number:
            print()
        for line in describe_readiness(
            check_gauge(own, asof=asof, settings=read_settings()), asof=asof
        ):
            print(line)
    if not codes:
        print("no gauge of your own: mekong gauges add CODE (mekong gauges add --help)")


def _list_own(table: str) -> list[str]:
    """List the keys of a table that an agency's own rows have and the project's have not."""
    from pipeline.geography.reference_tables import tables

    agency, project = tables().agency.get(table, {}), tables().project[table]
    return [key[0] for key in agency if key not in project]


@cities.command("add")
def add_city(
    name: Annotated[str, typer.Argument(help="Name of the city.")],
    *,
    country: Country,
    lat: Lat,
    lon: Lon,
    source: Source,
    gauge: Annotated[
        str | None, typer.Option(help="Code of its gauge; without one rain and drought alone.")
    ] = None,
    verified: Verified = False,
) -> None:
    """Add a city to MEKONG_REFERENCE_DIR. Example: mekong cities add NAME --country LA ..."""
    from pipeline import own_rows

    folder = _own_folder()
    city = own_rows.OwnCity(
        name=name,
        country=country,
        lat=lat,
        lon=lon,
        source=source,
        gauge=gauge,
        verified=verified,
    )
    _print_added(folder, own_rows.add_city(city, folder))
    print(f"next: mekong cities check {city.id}")


@cities.command("check")
def check_cities(
    city: Annotated[str | None, typer.Argument(help="City; default every one of your own.")] = None,
) -> None:
    """Say what your rows and texts of cities do. Example: mekong cities check pakse."""
    _check_own(of_gauges=False, of_one=city is not None)
    ids = [city] if city else _list_own("cities.csv")
    for number, own in enumerate(ids):
        if number:
            print()
        for line in _describe_city(own):
            print(line)
    if not ids:
        print("no city of your own: mekong cities add NAME (mekong cities add --help)")


def _describe_city(text: str) -> list[str]:
    """Describe what a city is assessed on, and what it lacks."""
    from pipeline.geography import places
    from pipeline.geography.place_search import find_city
    from pipeline.geography.reference_tables import edition

    city = find_city(text, region="asean")
    where = f"in the sub-basin {city.basin}" if city.basin else "outside of the basin"
    regions = ", ".join(places.regions_of(city.lat, city.lon))
    rows = {name: edition().rows(name) for name in ("areas.geojson", "report_numbers.csv")}
    number = next(
        (row["number"] for row in rows["report_numbers.csv"] if row["city"] == city.id), "none"
    )
    drawn = any(row["city"] == city.id for row in rows["areas.geojson"])
    area = "its polygon" if drawn else "the disc of 25 km, across borders too (areas.geojson)"
    lines = [
        f"{city.name} ({city.id}), {city.country}, {where}; regions {regions}",
        f"hazards: {city.hazards}; clocks UTC{city.utc_offset_h:+g} h",
        f"area of its messages: {area}",
        f"number in texts from the ground: {number}",
    ]
    if city.station is None:
        return [
            *lines,
            "gauge: none; its flood level rests on rain alone and goes no higher than watch",
            "next: with a gauge, mekong gauges add and its code in the column station",
        ]
    from pipeline.gauge_readiness import describe_stages

    gauge = places.station(city.station)
    lines.append(f"gauge: {gauge.name} ({gauge.code}), {describe_stages(gauge)}")
    return [*lines, f"next: mekong gauges check {gauge.code}"]
