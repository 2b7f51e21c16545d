"""Zones of the tables without a record yet, and their past days from the archived grids."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import xarray as xr

from pipeline.areal import blend
from pipeline.areal.daily_series import PRODUCTS, make_daily_series
from pipeline.choices import Region
from pipeline.geography.places import zones
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import from_utc64

RAIN_PRODUCTS = ("imerg_daily", blend.MAIN_PRODUCT, *blend.ASSUMED_SIGMA)
"""Products of the archive that give the rain of a past day."""


def find_new_zones(archive: Archive, *, asof: datetime, end: datetime, region: Region) -> list[str]:
    """Find the zones of the tables that have no rain in the record before a day.

    Parameters
    ----------
    archive, asof
        Archive of ``zones``, and the moment as of which it is read.
    end
        Days from here on are not looked at: a night makes them anyway.
    region
        Region of the zones.

    Returns
    -------
    list of str
        In the order of the tables; empty where there is no record yet.
    """
    try:
        rain = archive.read("zones", asof=asof, end=end)["rain"]
    except NothingArchived:
        return []
    known = rain["zone"].values[rain.notnull().any("time").values].tolist()
    return [name for name in zones(region) if name not in known]


def make_past(
    archive: Archive, *, names: list[str], asof: datetime, end: datetime, region: Region
) -> xr.Dataset | None:
    """Make the past days of new zones from the archived grids.

    Parameters
    ----------
    archive
        Archive of the grids and of ``zones``.
    names
        Zones, from :func:`find_new_zones`.
    asof
        Only data available by then are used.
    end
        First day that is not made.
    region
        Region of the zones.

    Returns
    -------
    xarray.Dataset or None
        Product ``zones`` of these zones alone, dims (time, zone), for the days of the record that
        have a grid; each with the ``available_time`` of its day in the record, as of a history
        that comes later. None where no such day has a value. Computed.
    """
    if not names:
        return None
    record = archive.read("zones", asof=asof, end=end)
    dated = [
        archive.rows(product, asof=asof, end=end)[1]
        for product in (*RAIN_PRODUCTS, *PRODUCTS.values())
    ]
    firsts = [times[0] for times in dated if times.size]
    if not firsts:
        return None
    first = max(min(firsts).astype("M8[D]"), record["time"].values[0].astype("M8[D]"))
    parts, start = list[xr.Dataset](), from_utc64(first.astype("M8[ns]"))
    while start < end:  # by year: the half-hours and grids of decades do not fit into memory
        stop = min(end, datetime(start.year + 1, 1, 1, tzinfo=UTC))
        series, _, _ = make_daily_series(archive, asof=asof, start=start, end=stop, region=region)
        parts.append(series.sel(zone=names).drop_vars("available_time"))
        start = stop
    if not parts:
        return None
    past = xr.concat(parts, "time", combine_attrs="override")
    named = [name for name in past.data_vars if name != "coverage"]
    given = past[named].to_array().notnull().any(["variable", "zone"]).values
    past = past.isel(time=given & np.isin(past["time"].values, record["time"].values))
    if past.sizes["time"] == 0:
        return None
    available = record["available_time"].sel(time=past["time"].values).values
    return past.assign_coords(available_time=("time", available))
