"""From grids to zones: the night's blended rain, soil moisture and vegetation per areal unit."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipeline.archive import NothingArchived, utc64
from pipeline.grid import MEKONG, zonal_mean, zonal_weights
from pipeline.places import zones
from pipeline.variables import attributes

if TYPE_CHECKING:
    from datetime import datetime

    from scipy.sparse import csr_matrix

    from pipeline.archive import Archive

HALF_HOUR = np.timedelta64(30, "m")
DAY = np.timedelta64(1, "D")
SUMMED_DAYS = 4
"""Days before the issue time whose rain is summed from half-hours; older ones are daily files."""
LEAST_HALF_HOURS = 39
"""A day with fewer of its 48 half-hours (80 %) has no sum."""


@lru_cache
def weights() -> csr_matrix:
    """Exact areas of every cell in every zone, km2, of shape (zone, cell)."""
    return zonal_weights(MEKONG, {zone.id: zone.polygon for zone in zones().values()})


def half_hourly_rain(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime
) -> xr.DataArray:
    """Rain rate by half-hours: Late where it exists, then Early, then GK2A.

    Parameters
    ----------
    archive
        Where the products are read.
    asof
        Only what was available by then goes in.
    start, end
        Half-open interval on whole half-hours.

    Returns
    -------
    xarray.DataArray
        mm h-1, dims (time, lat, lon), every half-hour of the interval, NaN where no product saw the
        cell. Lazy.
    """
    time = np.arange(utc64(start), utc64(end), HALF_HOUR)
    blend: xr.DataArray | None = None
    for product in ("imerg_late", "imerg_early", "gk2a"):
        try:
            rate = archive.read(product, asof=asof, start=start, end=end)["rain_rate"]
        except NothingArchived:
            continue
        if product == "gk2a":
            rate = _by_half_hours(rate)
        rate = rate.reindex(time=time)
        blend = rate if blend is None else blend.fillna(rate)
    if blend is None:
        blend = _blank(time, "rain_rate")
    return blend.assign_attrs(attributes("rain_rate"))


def daily_rain(archive: Archive, *, asof: datetime, start: datetime, end: datetime) -> xr.Dataset:
    """Rain of whole UTC days: daily files where complete, else the sum of half-hours.

    Parameters
    ----------
    archive, asof
        Where the products are read, as known when.
    start, end
        Half-open interval on whole days.

    Returns
    -------
    xarray.Dataset
        ``rain`` mm of the day and ``n_valid``, dims (time, lat, lon). A day with half-hours missing
        is scaled up to 48; below ``LEAST_HALF_HOURS`` it is NaN. Lazy.
    """
    time = np.arange(utc64(start), utc64(end), DAY)
    try:
        ds = archive.read("imerg_daily", asof=asof, start=start, end=end)
    except NothingArchived:
        rain, n_valid = _blank(time, "rain"), _blank(time, "n_valid")
    else:
        rain, n_valid = ds["rain"].reindex(time=time), ds["n_valid"].reindex(time=time)
    recent = max(start, end - timedelta(days=SUMMED_DAYS))
    rate = half_hourly_rain(archive, asof=asof, start=recent, end=end)
    by_day = rate.coarsen(time=48, coord_func="min")
    summed = xr.Dataset({"rain": by_day.mean() * 24.0, "n_valid": by_day.count()})
    summed = summed.reindex(time=time)
    better = summed["n_valid"].fillna(0) > n_valid.fillna(0)
    n_valid = summed["n_valid"].where(better, n_valid)
    rain = summed["rain"].where(better, rain).where(n_valid >= LEAST_HALF_HOURS)
    return xr.Dataset(
        {
            "rain": rain.assign_attrs(attributes("rain")),
            "n_valid": n_valid.assign_attrs(attributes("n_valid")),
        }
    )


def areal_record(archive: Archive, *, asof: datetime, start: datetime, end: datetime) -> xr.Dataset:
    """Make the areal record of whole days as it is known at a moment.

    Parameters
    ----------
    archive, asof
        Where the grids are read, as known when.
    start, end
        Half-open interval on whole days.

    Returns
    -------
    xarray.Dataset
        Product ``zones``: dims (time, zone), variables ``rain``, ``coverage``, ``soil_moisture``,
        ``ndvi`` and ``lst``, coordinate ``available_time``, all of it ``asof``. Soil moisture and
        the composites of vegetation stand on the day they became available, so that no day holds
        what its own night did not know. Computed.
    """
    time = np.arange(utc64(start), utc64(end), DAY)
    rain, coverage = _zonal(daily_rain(archive, asof=asof, start=start, end=end)["rain"])
    found = {"rain": rain, "coverage": coverage}
    for product, name in (("smap", "soil_moisture"), ("ndvi", "ndvi"), ("lst", "lst")):
        try:
            values = archive.read(product, asof=asof)[name]
        except NothingArchived:
            found[name] = xr.full_like(rain, np.nan)
            continue
        day = values["available_time"].dt.floor("D").rename("day")
        values = values.assign_coords(day=("time", day.values))
        values = values.isel(time=(day >= time[0]).values & (day <= time[-1]).values)
        if values.sizes["time"] == 0:
            found[name] = xr.full_like(rain, np.nan)
            continue
        daily = values.groupby("day").mean(skipna=True).rename(day="time")
        found[name] = _zonal(daily)[0].reindex(time=time)
    ds = xr.Dataset(
        {
            name: array.astype("float32").assign_attrs(attributes(name))
            for name, array in found.items()
        }
    ).drop_vars("spatial_ref", errors="ignore")
    virtual = any(archive.origin(product) == "virtual" for product in archive.products())
    ds = ds.assign_attrs(origin="virtual" if virtual else "measured")
    return ds.assign_coords(available_time=("time", np.full(len(time), utc64(asof)))).compute()


def city_rain(archive: Archive, *, asof: datetime, hours: int = 72) -> xr.DataArray:
    """Half-hourly rain over each city, for the hours before a moment.

    Returns
    -------
    xarray.DataArray
        mm per half-hour, dims (time, zone), zones ``city:<id>``, NaN where less than 80 % of the
        disc was seen.
    """
    end = asof.replace(minute=asof.minute // 30 * 30, second=0, microsecond=0)
    start = end - timedelta(hours=hours)
    rate = half_hourly_rain(archive, asof=asof, start=start, end=end)
    mean = _zonal(rate)[0] * 0.5
    return mean.isel(
        zone=[str(zone).startswith("city:") for zone in mean["zone"].values]
    ).assign_attrs(attributes("rain"))


def _by_half_hours(rate: xr.DataArray) -> xr.DataArray:
    """Means of three 10-minute pictures; where one of them is missing the others stand."""
    first, last = rate["time"].values[[0, -1]]
    first = first.astype("datetime64[h]").astype("datetime64[ns]")
    slots = np.arange(first, last + HALF_HOUR, HALF_HOUR / 3)
    complete = rate.reindex(time=slots[: len(slots) // 3 * 3])
    return complete.coarsen(time=3, coord_func="min").mean()


def _zonal(grids: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    return zonal_mean(grids, weights(), list(zones()))


def _blank(time: np.ndarray[tuple[int], np.dtype[np.datetime64]], name: str) -> xr.DataArray:
    """Grid of which nothing is known."""
    values = np.full((len(time), *MEKONG.shape), np.nan, np.float32)
    return MEKONG.dataset(time, **{name: values})[name].drop_vars("spatial_ref")
