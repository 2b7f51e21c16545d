"""Lay out below an upstream folder what the providers would have published by a night."""

from __future__ import annotations

import shutil
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.geography.grid import MEKONG, Grid
from pipeline.geography.places import station
from pipeline.progress import Progress, no_progress
from pipeline.sources import SOURCES, gk2a, gldas, imerg, smap, vegetation
from pipeline.sources.base import Granule
from pipeline.sources.upstream import list_matching
from pipeline.virtual.basin import MONTHLY_DAY, VirtualBasin
from pipeline.virtual.land import gldas_month, smap_root_zone, viirs_month
from pipeline.virtual.products import gk2a_rain, imerg_day, imerg_half_hour
from pipeline.virtual.sensors import outage
from pipeline.virtual.tables import areal_record, mrc_export
from pipeline.virtual.weather import START

MISSING = 1 / 150
"""Share of half-hourly and 10-minute files that never come."""
LATE, LATE_BY = 1 / 80, timedelta(hours=7)
"""Share of files that come later than usual, and by how much."""
REVISED, REVISED_AFTER, FIRST_FACTOR = 1 / 40, timedelta(hours=30), np.float32(0.9)
"""Share of daily files that are replaced in place, when, and what their first values were."""
OVERLAP = timedelta(days=31)
"""How far a night's export reaches into the year before, for what arrived or was put right late."""
AREAL_DELAY = np.timedelta64(24 * 60 + 30, "m")
"""From the start of a day to the night that knew its areal record."""


def lay_out_night(
    basin: VirtualBasin, issue_time: datetime, upstream: Path, *, grid: Grid = MEKONG
) -> int:
    """Write what a night reads, as published by its issue time, with the usual gaps and delays.

    Half-hourly IMERG Late and Early, daily Late, GK2A full disk, SMAP, NDVI and surface
    temperature over the lookback of their source; a gauge export from 1 December on in
    ``mrc/<issue time>``; and, through :func:`lay_out_history`, what came before. A file that lies
    there is not written again, unless it has been revised since.

    Parameters
    ----------
    basin
        The virtual basin.
    issue_time
        Moment of the night; nothing published later is written.
    upstream
        Root folder.
    grid
        Window of the global products that is written.

    Returns
    -------
    int
        Files written.
    """
    written = lay_out_history(basin, issue_time, upstream)
    first = datetime(START.year, START.month, START.day, tzinfo=UTC)
    for row in (imerg, gk2a, smap, vegetation, gldas):
        for source in (s for s in SOURCES.values() if s.core and s.module == row.__name__):
            begin = max(issue_time - source.lookback, first)
            for granule in row.granules(source.id, begin, issue_time, issue_time):
                written += _granule(basin, granule, issue_time, upstream, grid)
    start = datetime(issue_time.year, 1, 1, tzinfo=UTC) - OVERLAP
    folder = upstream / f"mrc/{issue_time:%Y%m%dT%H%M}"
    return written + _exports(basin, start, issue_time, folder)


def lay_out_days(
    basin: VirtualBasin,
    start: datetime,
    end: datetime,
    issue_time: datetime,
    upstream: Path,
    *,
    grid: Grid = MEKONG,
) -> int:
    """Write the daily IMERG files of an interval, as published by an issue time.

    Parameters
    ----------
    basin
        The virtual basin.
    start, end
        Half-open interval.
    issue_time
        Moment of the night.
    upstream
        Root folder.
    grid
        Window of the global product that is written.

    Returns
    -------
    int
        Files written.
    """
    days = imerg.granules("imerg_daily", start, end, issue_time)
    return sum(_granule(basin, day, issue_time, upstream, grid) for day in days)


def lay_out_record(
    basin: VirtualBasin,
    issue_time: datetime,
    upstream: Path,
    *,
    grid: Grid = MEKONG,
    progress: Progress = no_progress,
) -> int:
    """Write the daily IMERG files of the whole record, as of :func:`lay_out_days`, by year."""
    first, written = datetime(START.year, START.month, START.day, tzinfo=UTC), 0
    years = range(START.year, issue_time.year + 1)
    for number, year in enumerate(years):
        progress("years of daily grids", number + 1, len(years))
        begin = max(first, datetime(year, 1, 1, tzinfo=UTC))
        end = min(issue_time, datetime(year + 1, 1, 1, tzinfo=UTC))
        written += lay_out_days(basin, begin, end, issue_time, upstream, grid=grid)
    return written


def lay_out_history(basin: VirtualBasin, issue_time: datetime, upstream: Path) -> int:
    """Write the gauge exports and the areal record of the years before the issue time's.

    ``zones/areal_record_<year>.nc`` and ``mrc/history/<1 January>``.

    Parameters
    ----------
    basin
        The virtual basin.
    issue_time
        Moment of the night.
    upstream
        Root folder.

    Returns
    -------
    int
        Files written.
    """
    written = 0
    new_year = datetime(issue_time.year, 1, 1, tzinfo=UTC)
    for year in range(START.year, issue_time.year):
        if not (upstream / f"zones/areal_record_{year}.nc").exists():
            record = basin.areal_record(year)
            known = record["time"].to_numpy() + AREAL_DELAY
            areal_record(
                upstream,
                year=record.assign_coords(available_time=("time", known)),
                published=datetime(year + 1, 1, 1, 0, 30, tzinfo=UTC),
                origin="virtual",
            )
            written += 1
    first = datetime(START.year, START.month, START.day, tzinfo=UTC)
    folder = upstream / f"mrc/history/{new_year:%Y-%m-%d}"
    return written + _exports(basin, first, new_year, folder)


def _granule(
    basin: VirtualBasin, granule: Granule, issue_time: datetime, upstream: Path, grid: Grid
) -> int:
    """Write one granule if it has been published and is not there; 1 if written."""
    start, source = granule.start, granule.source
    published = granule.end + SOURCES[source].latency
    if source in {"ndvi", "lst"}:
        published = granule.end.replace(day=MONTHLY_DAY)
    if _chance(granule, "late") < LATE:
        published += LATE_BY
    again = published + REVISED_AFTER
    revised = source == "imerg_daily" and _chance(granule, "revised") < REVISED
    final = not revised or again <= issue_time
    if revised and final:
        published = again
    there = max(
        (
            path.stat().st_mtime
            for path in list_matching(upstream / granule.folder, granule.pattern)
        ),
        default=0.0,
    )
    if published > issue_time or there >= published.timestamp() or _absent(basin, granule):
        return 0
    day = start.date()
    if source == "imerg_daily":
        half_hours = imerg.granules("imerg_late", start, granule.end, granule.end)
        count = sum(not _absent(basin, one) for one in half_hours)
        rain = basin.imerg_day(day, "late", grid) * (1 if final else FIRST_FACTOR)
        imerg_day(
            upstream,
            time=start,
            rain=rain,
            n_valid=np.full(grid.shape, count),
            grid=grid,
            published=published,
        )
    elif source == "imerg_late":
        imerg_half_hour(
            upstream,
            run="late",
            time=start,
            rain_rate=basin.imerg(start, "late", grid),
            grid=grid,
            published=published,
        )
    elif source == "imerg_early":
        imerg_half_hour(
            upstream,
            run="early",
            time=start,
            rain_rate=basin.imerg(start, "early", grid),
            grid=grid,
            published=published,
        )
    elif source == "gk2a":
        gk2a_rain(
            upstream, time=start, rain_rate=basin.gk2a(start, grid), grid=grid, published=published
        )
    elif source == "smap":
        smap_root_zone(
            upstream,
            time=start,
            soil_moisture=basin.soil_moisture(day, grid),
            grid=grid,
            published=published,
        )
    elif source == "ndvi":
        viirs_month(
            upstream,
            variable="ndvi",
            month=start,
            values=basin.ndvi(day, grid),
            grid=grid,
            published=published,
        )
    elif source == "gldas_monthly":
        pet, runoff = basin.land(day, grid)
        gldas_month(
            upstream,
            month=start,
            product=granule.product,
            pet=pet,
            runoff=runoff,
            grid=grid,
            published=published,
        )
    else:
        viirs_month(
            upstream,
            variable="lst",
            month=start,
            values=basin.lst(day, grid),
            grid=grid,
            published=published,
        )
    return 1


def _chance(granule: Granule, what: str) -> float:
    """Uniform number in [0, 1) of a granule and a purpose, the same wherever it is asked."""
    name = granule.pattern.replace("_*_", "_fd020ge_")  # of the sectors only this one is written
    return zlib.crc32(f"{what} {granule.folder}/{name}".encode()) / 2**32


def _absent(basin: VirtualBasin, granule: Granule) -> bool:
    """Whether a granule never comes: its day is lost, or it alone is."""
    if granule.source.startswith("imerg") and outage(basin.seed, granule.start.date()):
        return True
    frequent = granule.source in {"imerg_late", "imerg_early", "gk2a"}
    return frequent and _chance(granule, "missing") < MISSING


def _exports(basin: VirtualBasin, start: datetime, end: datetime, folder: Path) -> int:
    """Export all series as known at the end of an interval, corrections in place, all or none."""
    if folder.exists():
        return 0
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    at = np.datetime64(end.replace(tzinfo=None))
    variables: tuple[Literal["stage", "discharge", "rain"], ...] = ("stage", "discharge", "rain")
    count = 0
    for variable in variables:
        readings = basin.gauge_readings(start, end, variable)
        readings = readings[(readings["arrival_time"] <= at) & readings["value"].notna()]
        latest = readings.drop_duplicates(["station", "valid_time"], keep="last")
        for code, rows in latest.sort_values("valid_time").groupby("station"):
            site = station(str(code))
            mrc_export(
                part,
                country=site.country,
                code=site.code,
                station=site.name,
                lat=site.lat,
                lon=site.lon,
                variable=variable,
                published=end,
                valid_time=rows["valid_time"].to_numpy(),
                value=rows["value"].to_numpy(),
            )
            count += 1
    part.replace(folder)
    return count
