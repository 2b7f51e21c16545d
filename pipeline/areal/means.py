"""From grids to zones: the night's blended rain, soil moisture and vegetation per areal unit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from pipeline.areal import blend
from pipeline.choices import Region
from pipeline.geography.grid import GRIDS, zonal_mean, zonal_weights
from pipeline.geography.places import zones
from pipeline.geography.variables import LEAST_HALF_HOURS, attributes, outside
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import day_start, utc64

Suspects = Mapping[str, Collection[np.datetime64]]

HALF_HOUR = np.timedelta64(30, "m")
DAY = np.timedelta64(1, "D")
SUMMED_DAYS = 4
"""Days before the issue time whose rain is summed from half-hours; older ones are daily files, as
long as these come."""
DOUBTS = "impossible", "suspect"
"""What is told of the values beside the areal record; see :func:`areal_record`."""
MOST_SUSPECT = 0.1875
"""Share of a day's rain that suspect files may tell: without it 39 half-hours of 48 are left."""


@lru_cache
def weights(region: Region = "mekong") -> csr_matrix:
    """Exact areas of every cell in every zone of a region, km2, of shape (zone, cell)."""
    polygons = {zone.id: zone.polygon for zone in zones(region).values()}
    return zonal_weights(GRIDS[region], polygons)


def half_hourly_rain(
    archive: Archive,
    *,
    asof: datetime,
    start: datetime,
    end: datetime,
    region: Region = "mekong",
    suspects: Suspects | None = None,
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
    suspects
        By product the steps whose files are suspect as a whole.

    Returns
    -------
    xarray.Dataset
        ``rain_rate`` (mm h-1) and ``share_<product>`` (1), dims (time, lat, lon), every half-hour
        of the interval, NaN where no product saw the cell; ``impossible`` of
        :func:`pipeline.areal.blend.combine`, and ``suspect``, the share that suspect steps told.
        Lazy.
    """
    rates = product_rates(archive, asof=asof, start=start, end=end)
    if not rates:
        time = np.arange(utc64(start), utc64(end), HALF_HOUR)
        rates = {blend.REFERENCE: _blank(time, "rain_rate", region)}
    found = blend.combine(rates, mapping(archive, asof=asof), sub_basins(region))
    told = xr.zeros_like(found["rain_rate"])
    for product, times in (suspects or {}).items():
        if times and product in rates:
            steps = np.array(sorted(times)).astype("M8[m]")
            slots = (steps - steps.astype(np.int64) % 30).astype("M8[ns]")
            marked = xr.DataArray(np.isin(found["time"].values, slots), dims="time")
            told = told + found[f"share_{product}"].fillna(0.0) * marked
    return found.assign(suspect=told)


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
        Product ``rain_pairs`` of :func:`pipeline.areal.blend.pairs`, with ``available_time``; None
        where Late has said nothing beside another. Computed.
    """
    end = day_start(asof)
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


def mapping(archive: Archive, *, asof: datetime) -> xr.Dataset | None:
    """Fit the mapping onto Late to what earlier nights learnt; None before there is anything.

    What the night itself learns is left to the next one, so that a night made twice is the same.
    """
    before = day_start(asof) - timedelta(seconds=1)
    try:
        return blend.fit(archive.read("rain_pairs", asof=before).compute())
    except NothingArchived:
        return None


def told_by(archive: Archive, *, asof: datetime) -> xr.Dataset | None:
    """Say whose rain yesterday's was over each zone, and how far off it may be.

    Parameters
    ----------
    archive, asof
        Where the shares are read, as known when.

    Returns
    -------
    Dataset or None
        ``gk2a``, the share that GK2A told (1), and ``log_error``, the standard deviation of the
        logarithm of the day's rain over that of Late, the products' errors being one and the same
        all day; dims (zone), NaN where there was no rain product. None where no night has made
        yesterday's record.
    """
    midnight = day_start(asof)
    day = {"start": midnight - timedelta(days=1), "end": midnight}
    try:
        shares = archive.read("rain_shares", asof=asof, **day).compute().isel(time=0)
    except NothingArchived:
        return None
    fitted = mapping(archive, asof=asof)
    error = xr.zeros_like(shares[f"share_{blend.REFERENCE}"])
    for product, assumed in blend.TAIL.items():
        sigma = assumed if fitted is None else float(fitted["sigma"].sel(product=product))
        error = error + shares[f"share_{product}"] * sigma
    gk2a = shares["share_gk2a"] + shares["share_gk2a_ir"]
    return xr.Dataset({"gk2a": gk2a.drop_attrs(), "log_error": error.drop_attrs()})


def suspect_rain(archive: Archive, *, asof: datetime, days: int) -> xr.DataArray | None:
    """Share of the rain of each of the last days that suspect files told, dims (time, zone).

    None where no night has made their record.
    """
    midnight = day_start(asof)
    try:
        doubts = archive.read("doubts", asof=asof, start=midnight - timedelta(days=days))
    except NothingArchived:
        return None
    return doubts["suspect_rain"].compute()


def summed_from(archive: Archive, *, asof: datetime, start: datetime, end: datetime) -> datetime:
    """Find the first day that is summed from half-hours: an earlier one where daily files lack."""
    recent = max(start, end - timedelta(days=SUMMED_DAYS))
    days = np.arange(utc64(start), utc64(recent), DAY)
    of = {"asof": asof, "start": start, "end": end}
    lacking = np.setdiff1d(days, archive.rows("imerg_daily", **of)[1])
    begins = [
        times[0]
        for product in (blend.REFERENCE, *blend.TAIL)
        if (times := archive.rows(product, **of)[1]).size
    ]
    if lacking.size == 0 or not begins:
        return recent
    first = max(lacking[0], min(begins).astype("M8[D]"))
    return min(recent, start + timedelta(days=int((first - utc64(start)) / DAY)))


def daily_rain(
    archive: Archive,
    *,
    asof: datetime,
    start: datetime,
    end: datetime,
    region: Region = "mekong",
    suspects: Suspects | None = None,
) -> xr.Dataset:
    """Rain of whole UTC days: daily files where complete, else the sum of half-hours.

    Without IMERG the half-hours are GK2A's, as far back as it has come.

    Parameters
    ----------
    archive, asof, start, end, region, suspects
        As of :func:`half_hourly_rain`; the interval is on whole days.

    Returns
    -------
    xarray.Dataset
        ``rain`` mm of the day, ``n_valid`` and ``share_<product>``, dims (time, lat, lon). A day
        with half-hours missing is scaled up to 48; below ``LEAST_HALF_HOURS`` it is NaN.
        ``impossible`` is the share of the day's half-hours whose result no rain can have, or 1 for
        such a sum, and ``suspect`` the share of the day that suspect files told. Lazy.
    """
    time = np.arange(utc64(start), utc64(end), DAY)
    try:
        ds = archive.read("imerg_daily", asof=asof, start=start, end=end)
    except NothingArchived:
        rain, n_valid = _blank(time, "rain", region), _blank(time, "n_valid", region)
    else:
        rain, n_valid = ds["rain"].reindex(time=time), ds["n_valid"].reindex(time=time)
    recent = summed_from(archive, asof=asof, start=start, end=end)
    rates = half_hourly_rain(
        archive, asof=asof, start=recent, end=end, region=region, suspects=suspects
    )
    by_day = rates.coarsen(time=48, coord_func="min")
    summed = by_day.mean().assign(n_valid=by_day.count()["rain_rate"]).reindex(time=time)
    better = summed["n_valid"].fillna(0) > n_valid.fillna(0)
    n_valid = summed["n_valid"].where(better, n_valid)
    rain = (summed["rain_rate"] * 24.0).where(better, rain).where(n_valid >= LEAST_HALF_HOURS)
    wrong = outside(rain, "rain")
    rain = rain.where(~wrong)
    doubtful = np.isin(time, [*(suspects or {}).get("imerg_daily", ())])
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
            "impossible": summed["impossible"].fillna(0.0).where(~wrong, 1.0),
            "suspect": summed["suspect"].where(better, xr.DataArray(doubtful * 1.0, dims="time")),
            **shares,
        }
    )


def areal_record(
    archive: Archive,
    *,
    asof: datetime,
    start: datetime,
    end: datetime,
    region: Region = "mekong",
    suspects: Suspects | None = None,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Make the areal record of whole days as it is known at a moment.

    Parameters
    ----------
    archive, asof, start, end, region, suspects
        As of :func:`half_hourly_rain`; the interval is on whole days.

    Returns
    -------
    record, shares, doubts
        Products ``zones``, ``rain_shares`` and ``doubts``, dims (time, zone), coordinate
        ``available_time``, all of it ``asof``, computed. The record has ``rain``, ``coverage``,
        ``soil_moisture``, ``ndvi`` and ``lst``; soil moisture and the composites of vegetation
        stand on the day they became available, so that no day holds what its own night did not
        know. The shares say
        what part of a day's rain each product told, ``share_<product>``, 1. The doubts say of what
        share of the zone the result was none that the variable can have and was left out,
        ``impossible_<variable>``, and what share of the day's value suspect files told,
        ``suspect_<variable>``, 1.
    """
    time, suspects = np.arange(utc64(start), utc64(end), DAY), suspects or {}
    daily = daily_rain(archive, asof=asof, start=start, end=end, region=region, suspects=suspects)
    rain, coverage = _zonal(daily["rain"], region)
    shares = {
        name: _zonal(daily[name], region)[0].astype("float32").assign_attrs(units="1")
        for name in map(str, daily.data_vars)
        if name.startswith("share_")
    }
    found = {"rain": rain, "coverage": coverage}
    doubts = {f"{name}_rain": _zonal(daily[name], region)[0] for name in DOUBTS}
    for product, name in (("smap", "soil_moisture"), ("ndvi", "ndvi"), ("lst", "lst")):
        values = _by_day(archive, product, name, time, asof=asof, suspects=suspects)
        found[name] = xr.full_like(rain, np.nan)
        if values is not None:
            zonal = {key: _zonal(one, region)[0].reindex(time=time) for key, one in values.items()}
            found[name] = zonal[name]
            doubts |= {f"{key}_{name}": zonal[key] for key in DOUBTS}
    named = {
        name: one.astype("float32").assign_attrs(attributes(name)) for name, one in found.items()
    }
    for name in [name for name in named if f"impossible_{name}" in doubts]:
        wrong, cells = outside(named[name], name), doubts[f"impossible_{name}"]
        named[name], doubts[f"impossible_{name}"] = (
            named[name].where(~wrong),
            cells.where(~wrong, 1.0),
        )
    told = {
        f"{key}_{name}": doubts.get(f"{key}_{name}", xr.zeros_like(rain))
        .fillna(0.0)
        .astype("float32")
        .drop_attrs()
        .assign_attrs(units="1")
        for key in DOUBTS
        for name in ("rain", "soil_moisture", "ndvi", "lst")
    }
    ds = xr.Dataset(named | shares | told).drop_vars("spatial_ref", errors="ignore").compute()
    ds = ds.assign_attrs(origin=_origin(archive))
    ds = ds.assign_coords(available_time=("time", np.full(len(time), utc64(asof))))
    return ds[list(named)], ds[list(shares)], ds[list(told)]


def _by_day(
    archive: Archive,
    product: str,
    name: str,
    time: NDArray[np.datetime64],
    *,
    asof: datetime,
    suspects: Suspects,
) -> xr.Dataset | None:
    """Average a product by the day on which it became available, and what is doubtful of it.

    Returns
    -------
    Dataset or None
        The variable and the shares ``impossible`` and ``suspect`` of the day's steps, dims (time,
        lat, lon); None where nothing became available on those days. Lazy.
    """
    try:
        values = archive.read(product, asof=asof)[name]
    except NothingArchived:
        return None
    day = values["available_time"].dt.floor("D")
    within = ((day >= time[0]) & (day <= time[-1])).values
    if not within.any():
        return None
    values, day = values.isel(time=within), day.values[within]
    wrong = outside(values, name)
    dates = values["time"].values.astype("M8[D]")
    doubtful = np.isin(dates, [one.astype("M8[D]") for one in suspects.get(product, ())])
    whole = xr.Dataset(
        {
            name: values.where(~wrong),
            "impossible": wrong.astype(np.float32),
            "suspect": xr.zeros_like(values).fillna(0.0) + xr.DataArray(doubtful, dims="time"),
        }
    ).assign_coords(day=("time", day))
    return whole.groupby("day").mean(skipna=True).rename(day="time")


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
    rain = _zonal(chirps.where(~outside(chirps, "rain")), region)[0].drop_vars(
        ["spatial_ref", "available_time"], errors="ignore"
    )
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
        [earlier, record.sel(time=slice(first, None))],
        "time",
        data_vars="all",
        join="outer",
        combine_attrs="drop_conflicts",
    )
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
