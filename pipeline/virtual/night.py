"""Write the files that providers would have published by a night below an upstream folder."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from pipeline.choices import Region
from pipeline.geography.grid import MEKONG, Grid
from pipeline.geography.places import station, zones
from pipeline.progress import Progress, no_progress
from pipeline.sources import SOURCES, gk2a, gldas, imerg, smap, vegetation
from pipeline.sources.base import Granule
from pipeline.sources.upstream import list_matching
from pipeline.storage.atomic import draft_folder
from pipeline.virtual.basin import MONTHLY_DAY, VirtualBasin
from pipeline.virtual.land import write_gldas_month, write_smap_root_zone, write_viirs_month
from pipeline.virtual.products import write_gk2a_rain, write_imerg_day, write_imerg_half_hour
from pipeline.virtual.sensors import is_outage
from pipeline.virtual.tables import write_areal_record, write_mrc_export
from pipeline.virtual.weather import START

MISSING = 1 / 150
"""Share of half-hourly and 10-minute files that never come."""
LATE, LATE_BY = 1 / 80, timedelta(hours=7)
"""Share of files that come later than usual, and by how much."""
REVISED, REVISED_AFTER, FIRST_FACTOR = 1 / 40, timedelta(hours=30), np.float32(0.9)
"""Share of daily files that are replaced in place, after what time, and factor of their first
values."""
OVERLAP = timedelta(days=31)
"""Days of the year before in a night's export, for readings that arrive or are corrected late."""
AREAL_DELAY = np.timedelta64(24 * 60 + 30, "m")
"""Time from the start of a day to the night that knows its areal record."""
_RECORD_START = datetime.combine(START, time.min, UTC)


def lay_out_night(
    basin: VirtualBasin, issue_time: datetime, upstream: Path, *, grid: Grid = MEKONG
) -> int:
    """Write the files of a night, as published by its issue time, with the usual gaps and delays.

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
    for row in (imerg, gk2a, smap, vegetation, gldas):
        for source in (s for s in SOURCES.values() if s.core and s.module == row.__name__):
            begin = max(issue_time - source.lookback, _RECORD_START)
            for granule in row.granules(source.id, begin, issue_time, issue_time):
                written += _write_granule(basin, granule, issue_time, upstream, grid)
    start = datetime(issue_time.year, 1, 1, tzinfo=UTC) - OVERLAP
    folder = upstream / f"mrc/{issue_time:%Y%m%dT%H%M}"
    return written + write_exports(basin, start, issue_time, folder)


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
    return sum(_write_granule(basin, day, issue_time, upstream, grid) for day in days)


def lay_out_record(
    basin: VirtualBasin,
    issue_time: datetime,
    upstream: Path,
    *,
    grid: Grid = MEKONG,
    progress: Progress = no_progress,
) -> int:
    """Write the daily IMERG files of the whole record, as of :func:`lay_out_days`, by year."""
    written = 0
    years = range(START.year, issue_time.year + 1)
    for number, year in enumerate(years):
        progress("years of daily grids", number + 1, len(years))
        begin = max(_RECORD_START, datetime(year, 1, 1, tzinfo=UTC))
        end = min(issue_time, datetime(year + 1, 1, 1, tzinfo=UTC))
        written += lay_out_days(basin, begin, end, issue_time, upstream, grid=grid)
    return written


def lay_out_history(basin: VirtualBasin, issue_time: datetime, upstream: Path) -> int:
    """Write the gauge exports and the areal record of the years before the issue time's.

    ``zones/areal_record_<year>.nc`` and ``mrc/history/<1 January>``. An areal record without a zone
    that is new in the tables is written again, published at the issue time.

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
    years = range(START.year, issue_time.year)
    # The last year tells: it is written last, so that a killed rewriting is done again.
    again = bool(years) and _lacks_zones(
        upstream / f"zones/areal_record_{years[-1]}.nc", basin.region
    )
    for year in years:
        if again or not (upstream / f"zones/areal_record_{year}.nc").exists():
            record = basin.areal_record(year)
            known = record["time"].to_numpy() + AREAL_DELAY
            write_areal_record(
                upstream,
                year=record.assign_coords(available_time=("time", known)),
                published=issue_time if again else datetime(year + 1, 1, 1, 0, 30, tzinfo=UTC),
                origin="virtual",
            )
            written += 1
    folder = upstream / f"mrc/history/{new_year:%Y-%m-%d}"
    return written + write_exports(basin, _RECORD_START, new_year, folder)


def _lacks_zones(path: Path, region: Region) -> bool:
    """Return whether an areal record lacks a zone of the tables; False where there is none."""
    if not path.exists():
        return False
    with h5py.File(path) as file:
        held = {name.decode() for name in file["zone"][()]}
    return not set(zones(region)) <= held


def _write_granule(
    basin: VirtualBasin, granule: Granule, issue_time: datetime, upstream: Path, grid: Grid
) -> int:
    """Write one granule if it is published and not there yet; return 1 if written, else 0."""
    start, source = granule.start, granule.source
    published = granule.end + SOURCES[source].latency
    if source in {"ndvi", "lst"}:
        published = granule.end.replace(day=MONTHLY_DAY)
    if _draw_chance(granule, "late") < LATE:
        published += LATE_BY
    revision_time = published + REVISED_AFTER
    revised = source == "imerg_daily" and _draw_chance(granule, "revised") < REVISED
    final = not revised or revision_time <= issue_time
    if revised and final:
        published = revision_time
    last_published = max(
        (
            path.stat().st_mtime
            for path in list_matching(upstream / granule.folder, granule.pattern)
        ),
        default=0.0,
    )
    if (
        published > issue_time
        or last_published >= published.timestamp()
        or _is_absent(basin, granule)
    ):
        return 0
    day = start.date()
    if source == "imerg_daily":
        half_hours = imerg.granules("imerg_late", start, granule.end, granule.end)
        count = sum(not _is_absent(basin, half_hour) for half_hour in half_hours)
        rain = basin.imerg_day(day, "late", grid) * (1 if final else FIRST_FACTOR)
        write_imerg_day(
            upstream,
            time=start,
            rain=rain,
            n_valid=np.full(grid.shape, count),
            grid=grid,
            published=published,
        )
    elif source in {"imerg_late", "imerg_early"}:
        run: Literal["late", "early"] = "late" if source == "imerg_late" else "early"
        write_imerg_half_hour(
            upstream,
            run=run,
            time=start,
            rain_rate=basin.imerg(start, run, grid),
            grid=grid,
            published=published,
        )
    elif source == "gk2a":
        write_gk2a_rain(
            upstream, time=start, rain_rate=basin.gk2a(start, grid), grid=grid, published=published
        )
    elif source == "smap":
        write_smap_root_zone(
            upstream,
            time=start,
            soil_moisture=basin.soil_moisture(day, grid),
            grid=grid,
            published=published,
        )
    elif source == "ndvi":
        write_viirs_month(
            upstream,
            variable="ndvi",
            month=start,
            values=basin.ndvi(day, grid),
            grid=grid,
            published=published,
        )
    elif source == "gldas_monthly":
        pet, runoff = basin.land(day, grid)
        write_gldas_month(
            upstream,
            month=start,
            product=granule.product,
            pet=pet,
            runoff=runoff,
            grid=grid,
            published=published,
        )
    else:
        write_viirs_month(
            upstream,
            variable="lst",
            month=start,
            values=basin.lst(day, grid),
            grid=grid,
            published=published,
        )
    return 1


def _draw_chance(granule: Granule, purpose: str) -> float:
    """Draw a uniform number in [0, 1) from granule and purpose; the same on every call."""
    name = granule.pattern.replace("_*_", "_fd020ge_")  # only this sector is written
    return zlib.crc32(f"{purpose} {granule.folder}/{name}".encode()) / 2**32


def _is_absent(basin: VirtualBasin, granule: Granule) -> bool:
    """Return whether a granule never comes: its whole day is lost, or it alone."""
    if granule.source.startswith("imerg") and is_outage(basin.seed, granule.start.date()):
        return True
    frequent = granule.source in {"imerg_late", "imerg_early", "gk2a"}
    return frequent and _draw_chance(granule, "missing") < MISSING


def write_exports(basin: VirtualBasin, start: datetime, end: datetime, folder: Path) -> int:
    """Write all series as known at the end of an interval, corrected; the whole folder or none.

    Parameters
    ----------
    basin
        Virtual basin.
    start, end
        Interval of the readings; what arrives after its end is not there.
    folder
        Folder of the exports.

    Returns
    -------
    int
        Number of files; 0 where the folder is there already.
    """
    if folder.exists():
        return 0
    export_time = np.datetime64(end.replace(tzinfo=None))
    variables: tuple[Literal["stage", "discharge", "rain"], ...] = ("stage", "discharge", "rain")
    count = 0
    with draft_folder(folder) as draft:
        for variable in variables:
            readings = basin.gauge_readings(start, end, variable)
            readings = readings[
                (readings["arrival_time"] <= export_time) & readings["value"].notna()
            ]
            latest = readings.drop_duplicates(["station", "valid_time"], keep="last")
            for code, rows in latest.sort_values("valid_time").groupby("station"):
                site = station(str(code))
                write_mrc_export(
                    draft,
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
    return count
