"""From grids to zones: the night's blended rain, soil moisture and vegetation per areal unit."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipeline import blend
from pipeline.archive import NothingArchived, utc64
from pipeline.grid import GRIDS, zonal_mean, zonal_weights
from pipeline.places import zones
from pipeline.variables import LEAST_HALF_HOURS, attributes

if TYPE_CHECKING:
    from datetime import datetime

    from scipy.sparse import csr_matrix

    from pipeline.archive import Archive
    from pipeline.settings import Region

HALF_HOUR = np.timedelta64(30, "m")
DAY = np.timedelta64(1, "D")
SUMMED_DAYS = 4
"""Days before the issue time whose rain is summed from half-hours; older ones are daily files."""


@lru_cache
def weights(region: Region = "mekong") -> csr_matrix:
    """Exact areas of every cell in every zone of a region, km2, of shape (zone, cell)."""
    polygons = {zone.id: zone.polygon for zone in zones(region).values()}
    return zonal_weights(GRIDS[region], polygons)


def half_hourly_rain(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime, region: Region = "mekong"
) -> xr.Dataset:
    """Rain rate by half-hours: Late where it exists, else the others, mapped and weighted.

    Parameters
    ----------
    archive
        Where the products are read.
    asof
        Only what was available by then goes in.
    start, end
        Half-open interval on whole half-hours.
    region
        Whose grid it is.

    Returns
    -------
    xarray.Dataset
        ``rain_rate`` (mm h-1) and ``share_<product>`` (1), dims (time, lat, lon), every half-hour
        of the interval, NaN where no product saw the cell. Lazy.
    """
    rates = product_rates(archive, asof=asof, start=start, end=end)
    if not rates:
        time = np.arange(utc64(start), utc64(end), HALF_HOUR)
        rates = {blend.REFERENCE: _blank(time, "rain_rate", region)}
    before = asof.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(seconds=1)
    try:  # what earlier nights learnt, so that a night made twice is the same night
        fitted = blend.fit(archive.read("rain_pairs", asof=before).compute())
    except NothingArchived:
        fitted = None
    return blend.combine(rates, fitted, sub_basins(region))


def product_rates(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime
) -> dict[str, xr.DataArray]:
    """Rain rate of each product that has any step of an interval, mm h-1, by half-hours.

    Parameters
    ----------
    archive, asof
        Where the products are read, as known when.
    start, end
        Half-open interval on whole half-hours.

    Returns
    -------
    dict
        Dims (time, lat, lon), every half-hour of the interval; lazy.
    """
    time = np.arange(utc64(start), utc64(end), HALF_HOUR)
    found = {}
    for product in (blend.REFERENCE, *blend.TAIL):
        try:
            rate = archive.read(product, asof=asof, start=start, end=end)["rain_rate"]
        except NothingArchived:
            continue
        if product == "gk2a":
            rate = _by_half_hours(rate)
        found[product] = rate.reindex(time=time)
    return found


@lru_cache
def sub_basins(region: Region = "mekong") -> xr.DataArray:
    """Id of the sub-basin that has most of each cell, empty outside, dims (lat, lon)."""
    grid = GRIDS[region]
    names = np.array([name if name.startswith("basin:") else "" for name in zones(region)])
    shares = weights(region).multiply((names != "")[:, None]).tocsc()
    owner = np.asarray(shares.argmax(axis=0)).ravel()
    ids = np.where(np.asarray(shares.max(axis=0).todense()).ravel() > 0, names[owner], "")
    return xr.DataArray(ids.reshape(grid.shape), {"lat": grid.lat, "lon": grid.lon}, ("lat", "lon"))


def rain_pairs(archive: Archive, *, asof: datetime, region: Region = "mekong") -> xr.Dataset | None:
    """Pair what each product and Late said of the same half-hours of the last days, per sub-basin.

    Returns
    -------
    xarray.Dataset or None
        Product ``rain_pairs`` of :func:`pipeline.blend.pairs`, with ``available_time``; None where
        Late has said nothing beside another. Computed.
    """
    end = asof.replace(hour=0, minute=0, second=0, microsecond=0)
    rates = product_rates(archive, asof=asof, start=end - timedelta(days=SUMMED_DAYS), end=end)
    if blend.REFERENCE not in rates:
        return None
    basins = [name.startswith("basin:") for name in zones(region)]
    zonal = {name: _zonal(rate, region)[0].isel(zone=basins) for name, rate in rates.items()}
    ds = blend.pairs(zonal).drop_vars("spatial_ref", errors="ignore").compute()
    told = ds.to_array().notnull().any(["variable", "zone"]).values
    if not told.any():
        return None
    ds = ds.isel(time=told).assign_attrs(origin=_origin(archive))
    return ds.assign_coords(available_time=("time", np.full(told.sum(), utc64(asof))))


def daily_rain(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime, region: Region = "mekong"
) -> xr.Dataset:
    """Rain of whole UTC days: daily files where complete, else the sum of half-hours.

    Parameters
    ----------
    archive, asof
        Where the products are read, as known when.
    start, end
        Half-open interval on whole days.
    region
        Whose grid it is.

    Returns
    -------
    xarray.Dataset
        ``rain`` mm of the day, ``n_valid`` and ``share_<product>``, dims (time, lat, lon). A day
        with half-hours missing is scaled up to 48; below ``LEAST_HALF_HOURS`` it is NaN. Lazy.
    """
    time = np.arange(utc64(start), utc64(end), DAY)
    try:
        ds = archive.read("imerg_daily", asof=asof, start=start, end=end)
    except NothingArchived:
        rain, n_valid = _blank(time, "rain", region), _blank(time, "n_valid", region)
    else:
        rain, n_valid = ds["rain"].reindex(time=time), ds["n_valid"].reindex(time=time)
    recent = max(start, end - timedelta(days=SUMMED_DAYS))
    rates = half_hourly_rain(archive, asof=asof, start=recent, end=end, region=region)
    by_day = rates.coarsen(time=48, coord_func="min")
    summed = by_day.mean().assign(n_valid=by_day.count()["rain_rate"]).reindex(time=time)
    better = summed["n_valid"].fillna(0) > n_valid.fillna(0)
    n_valid = summed["n_valid"].where(better, n_valid)
    rain = (summed["rain_rate"] * 24.0).where(better, rain).where(n_valid >= LEAST_HALF_HOURS)
    shares = {
        name: summed[name].where(better, 0.0).where(rain.notnull())
        for name in map(str, summed.data_vars)
        if name.startswith("share_")
    }
    shares["share_imerg_daily"] = (~better).astype("float32").where(rain.notnull())
    return xr.Dataset(
        {
            "rain": rain.assign_attrs(attributes("rain")),
            "n_valid": n_valid.assign_attrs(attributes("n_valid")),
            **shares,
        }
    )


def areal_record(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime, region: Region = "mekong"
) -> tuple[xr.Dataset, xr.Dataset]:
    """Make the areal record of whole days as it is known at a moment.

    Parameters
    ----------
    archive, asof
        Where the grids are read, as known when.
    start, end
        Half-open interval on whole days.
    region
        Whose zones they are.

    Returns
    -------
    record, shares
        Products ``zones`` and ``rain_shares``, dims (time, zone), coordinate ``available_time``,
        all of it ``asof``, computed. The record has ``rain``, ``coverage``, ``soil_moisture``,
        ``ndvi`` and ``lst``; soil moisture and the composites of vegetation stand on the day they
        became available, so that no day holds what its own night did not know. The shares say
        what part of a day's rain each product told, ``share_<product>``, 1.
    """
    time = np.arange(utc64(start), utc64(end), DAY)
    daily = daily_rain(archive, asof=asof, start=start, end=end, region=region)
    rain, coverage = _zonal(daily["rain"], region)
    shares = {
        name: _zonal(daily[name], region)[0].astype("float32").assign_attrs(units="1")
        for name in map(str, daily.data_vars)
        if name.startswith("share_")
    }
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
        by_day = values.groupby("day").mean(skipna=True).rename(day="time")
        found[name] = _zonal(by_day, region)[0].reindex(time=time)
    named = {
        name: one.astype("float32").assign_attrs(attributes(name)) for name, one in found.items()
    }
    ds = xr.Dataset(named | shares).drop_vars("spatial_ref", errors="ignore").compute()
    ds = ds.assign_attrs(origin=_origin(archive))
    ds = ds.assign_coords(available_time=("time", np.full(len(time), utc64(asof))))
    return ds[list(named)], ds[list(shares)]


def _origin(archive: Archive) -> str:
    """Virtual where any product is."""
    virtual = any(archive.origin(product) == "virtual" for product in archive.products())
    return "virtual" if virtual else "measured"


def with_baseline(
    record: xr.Dataset, archive: Archive, *, asof: datetime, region: Region = "mekong"
) -> xr.Dataset:
    """Put the years of CHIRPS before an areal record, for a longer reference period.

    Parameters
    ----------
    record
        Product ``zones``.
    archive, asof
        Where CHIRPS is read, as known when.
    region
        Whose zones they are.

    Returns
    -------
    xarray.Dataset
        The record, and before its first day with rain the rain of CHIRPS, mapped onto it by month
        and zone from the days that both have; nothing else is known of those days. The record
        itself where no CHIRPS has been archived.
    """
    try:
        chirps = archive.read("chirps", asof=asof)["rain"]
    except NothingArchived:
        return record
    told = record["rain"].notnull().any("zone").values
    first = record["time"].values[told][0] if told.any() else record["time"].values[0]
    rain = _zonal(chirps, region)[0].drop_vars(["spatial_ref", "available_time"], errors="ignore")
    rain = rain.sel(zone=record["zone"]).compute()
    shared = np.intersect1d(rain["time"].values, record["time"].values)
    factor = blend.monthly_factor(rain.sel(time=shared), record["rain"].sel(time=shared))
    before = rain.isel(time=rain["time"].values < first)
    mapped = before * factor.sel(month=before["time"].dt.month).drop_vars("month")
    if mapped.sizes["time"] == 0:
        return record
    known = xr.DataArray(mapped["time"].values + DAY, dims="time")
    earlier = xr.Dataset({"rain": mapped.astype("float32")}).assign_coords(available_time=known)
    whole = xr.concat(
        [earlier, record.sel(time=slice(first, None))], "time", data_vars="all", join="outer",
        combine_attrs="drop_conflicts",
    )  # fmt: skip
    for name in record.data_vars:
        whole[name].attrs = dict(record[name].attrs)
    return whole.assign_attrs(record.attrs)


def city_rain(
    archive: Archive, *, asof: datetime, hours: int = 72, region: Region = "mekong"
) -> xr.DataArray:
    """Half-hourly rain over each city of a region, for the hours before a moment.

    Returns
    -------
    xarray.DataArray
        mm per half-hour, dims (time, zone), zones ``city:<id>``, NaN where less than 80 % of the
        disc was seen.
    """
    end = asof.replace(minute=asof.minute // 30 * 30, second=0, microsecond=0)
    start = end - timedelta(hours=hours)
    rates = half_hourly_rain(archive, asof=asof, start=start, end=end, region=region)
    mean = _zonal(rates["rain_rate"], region)[0] * 0.5
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


def _zonal(grids: xr.DataArray, region: Region) -> tuple[xr.DataArray, xr.DataArray]:
    return zonal_mean(grids, weights(region), list(zones(region)))


def _blank(
    time: np.ndarray[tuple[int], np.dtype[np.datetime64]], name: str, region: Region
) -> xr.DataArray:
    """Grid of which nothing is known."""
    grid = GRIDS[region]
    values = np.full((len(time), *grid.shape), np.nan, np.float32)
    return grid.dataset(time, **{name: values})[name].drop_vars("spatial_ref")
