"""Rain of the grid by half-hours and days as known at a moment, from all rain products."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.areal import blend
from pipeline.areal.means import average_zones, sub_basin_of_cells
from pipeline.choices import Region
from pipeline.geography.grid import GRIDS
from pipeline.geography.places import zones
from pipeline.geography.variables import LEAST_HALF_HOURS, attributes, outside
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import day_start, utc64

SuspectSteps = Mapping[str, Collection[np.datetime64]]
"""Steps whose files are suspect as a whole, by product."""

HALF_HOUR = np.timedelta64(30, "m")
DAY = np.timedelta64(1, "D")
SUMMED_DAYS = 4
"""Days before the issue time whose rain is summed from half-hours; older days are daily files
where these exist."""


def read_rates(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime
) -> dict[str, xr.DataArray]:
    """Read the half-hourly rain rate of each product with any step in an interval.

    Parameters
    ----------
    archive, asof
        Archive of the products, and the moment as of which it is read.
    start, end
        Half-open interval on whole half-hours.

    Returns
    -------
    dict
        mm h-1 by product, dims (time, lat, lon), every half-hour of the interval; lazy.
    """
    time = np.arange(utc64(start), utc64(end), HALF_HOUR)
    rates = {}
    for product in (blend.MAIN_PRODUCT, *blend.ASSUMED_SIGMA):
        try:
            rate = archive.read(product, asof=asof, start=start, end=end)["rain_rate"]
        except NothingArchived:
            continue
        if product == "gk2a":
            rate = _average_half_hours(rate)
        rates[product] = rate.reindex(time=time)
    return rates


def read_half_hourly_rain(
    archive: Archive,
    *,
    asof: datetime,
    start: datetime,
    end: datetime,
    region: Region,
    suspects: SuspectSteps | None = None,
) -> xr.Dataset:
    """Blend half-hourly rain rates: Late where it exists, otherwise the others, mapped onto it.

    Parameters
    ----------
    archive
        Archive of the products.
    asof
        Only data available by then are used.
    start, end
        Half-open interval on whole half-hours.
    region
        Region of the grid.
    suspects
        Steps of suspect files.

    Returns
    -------
    xarray.Dataset
        ``rain_rate`` (mm h-1) and ``share_<product>`` (1), dims (time, lat, lon), every half-hour
        of the interval, NaN where no product saw the cell; ``impossible`` as from
        :func:`pipeline.areal.blend.blend_rates`, and ``suspect``, the share of suspect steps.
        Lazy.
    """
    rates = read_rates(archive, asof=asof, start=start, end=end)
    if not rates:
        time = np.arange(utc64(start), utc64(end), HALF_HOUR)
        rates = {blend.MAIN_PRODUCT: _unknown_grid(time, "rain_rate", region)}
    blended = blend.blend_rates(rates, read_mapping(archive, asof=asof), sub_basin_of_cells(region))
    suspect = xr.zeros_like(blended["rain_rate"])
    for product, times in (suspects or {}).items():
        if times and product in rates:
            steps = np.array(sorted(times)).astype("M8[m]")
            half_hours = (steps - steps.astype(np.int64) % 30).astype("M8[ns]")
            is_suspect = xr.DataArray(np.isin(blended["time"].values, half_hours), dims="time")
            suspect = suspect + blended[f"share_{product}"].fillna(0.0) * is_suspect
    return blended.assign(suspect=suspect)


def read_mapping(archive: Archive, *, asof: datetime) -> xr.Dataset | None:
    """Fit the mapping onto Late to the pairs of earlier nights; None before there are any.

    The pairs of the night itself are used from the next one on, so that a rerun gives the same.
    """
    before = day_start(asof) - timedelta(seconds=1)
    try:
        return blend.fit_mapping(archive.read("rain_pairs", asof=before).compute())
    except NothingArchived:
        return None


def make_rain_pairs(archive: Archive, *, asof: datetime, region: Region) -> xr.Dataset | None:
    """Pair each product with Late over their common half-hours of the last days.

    Returns
    -------
    xarray.Dataset or None
        Product ``rain_pairs`` from :func:`pipeline.areal.blend.sum_pairs` by sub-basin, with
        ``available_time``; None where no half-hour has Late and another. Computed.
    """
    end = day_start(asof)
    rates = read_rates(archive, asof=asof, start=end - timedelta(days=SUMMED_DAYS), end=end)
    if blend.MAIN_PRODUCT not in rates:
        return None
    basins = [name.startswith("basin:") for name in zones(region)]
    zonal = {name: average_zones(rate, region).isel(zone=basins) for name, rate in rates.items()}
    pairs = blend.sum_pairs(zonal).drop_vars("spatial_ref", errors="ignore").compute()
    known = pairs.to_array().notnull().any(["variable", "zone"]).values
    if not known.any():
        return None
    pairs = pairs.isel(time=known).assign_attrs(origin=combine_origins(archive))
    return pairs.assign_coords(available_time=("time", np.full(known.sum(), utc64(asof))))


def find_first_summed_day(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime
) -> datetime:
    """Find the first day that is summed from half-hours, earlier where daily files are missing.

    The last day where there are no half-hours.
    """
    recent = max(start, end - timedelta(days=SUMMED_DAYS))
    days = np.arange(utc64(start), utc64(recent), DAY)
    interval = {"asof": asof, "start": start, "end": end}
    lacking = np.setdiff1d(days, archive.rows("imerg_daily", **interval)[1])
    first_steps = [
        times[0]
        for product in (blend.MAIN_PRODUCT, *blend.ASSUMED_SIGMA)
        if (times := archive.rows(product, **interval)[1]).size
    ]
    if not first_steps:
        return end - timedelta(days=1)
    if lacking.size == 0:
        return recent
    first = max(lacking[0], min(first_steps).astype("M8[D]"))
    return min(recent, start + timedelta(days=int((first - utc64(start)) / DAY)))


def read_daily_rain(
    archive: Archive,
    *,
    asof: datetime,
    start: datetime,
    end: datetime,
    region: Region,
    suspects: SuspectSteps | None = None,
) -> xr.Dataset:
    """Read the rain of whole UTC days: daily files where complete, otherwise the sum of half-hours.

    Without IMERG the half-hours are those of GK2A, as far back as it is available.

    Parameters
    ----------
    archive, asof, start, end, region, suspects
        As for :func:`read_half_hourly_rain`; the interval is on whole days.

    Returns
    -------
    xarray.Dataset
        ``rain`` mm of the day, ``n_valid`` and ``share_<product>``, dims (time, lat, lon). A day
        with half-hours missing is scaled up to 48; below ``LEAST_HALF_HOURS`` it is NaN.
        ``impossible`` is the share of the day's half-hours with an impossible result, or 1 for an
        impossible sum, and ``suspect`` the share of the day that comes from suspect files. Lazy.
    """
    time = np.arange(utc64(start), utc64(end), DAY)
    try:
        ds = archive.read("imerg_daily", asof=asof, start=start, end=end)
    except NothingArchived:
        rain, n_valid = (_unknown_grid(time, name, region) for name in ("rain", "n_valid"))
    else:
        rain, n_valid = ds["rain"].reindex(time=time), ds["n_valid"].reindex(time=time)
    first = find_first_summed_day(archive, asof=asof, start=start, end=end)
    rates = read_half_hourly_rain(
        archive, asof=asof, start=first, end=end, region=region, suspects=suspects
    )
    daily_windows = rates.coarsen(time=48, coord_func="min")
    summed = (
        daily_windows.mean().assign(n_valid=daily_windows.count()["rain_rate"]).reindex(time=time)
    )
    better = summed["n_valid"].fillna(0) > n_valid.fillna(0)
    n_valid = summed["n_valid"].where(better, n_valid)
    rain = (summed["rain_rate"] * 24.0).where(better, rain).where(n_valid >= LEAST_HALF_HOURS)
    impossible = outside(rain, "rain")
    rain = rain.where(~impossible)
    suspect_days = np.isin(time, [*(suspects or {}).get("imerg_daily", ())])
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
            "impossible": summed["impossible"].fillna(0.0).where(~impossible, 1.0),
            "suspect": summed["suspect"].where(
                better, xr.DataArray(suspect_days * 1.0, dims="time")
            ),
            **shares,
        }
    )


def read_city_rain(
    archive: Archive, *, asof: datetime, region: Region, hours: int = 72
) -> xr.DataArray:
    """Read the half-hourly rain over each city of a region, for the hours before a moment.

    Returns
    -------
    xarray.DataArray
        mm per half-hour, dims (time, zone), zones ``city:<id>``, NaN where less than 80 % of the
        disc was seen.
    """
    end = asof.replace(minute=asof.minute // 30 * 30, second=0, microsecond=0)
    start = end - timedelta(hours=hours)
    rates = read_half_hourly_rain(archive, asof=asof, start=start, end=end, region=region)
    mean = average_zones(rates["rain_rate"], region) * 0.5
    return mean.isel(
        zone=[str(zone).startswith("city:") for zone in mean["zone"].values]
    ).assign_attrs(attributes("rain"))


def combine_origins(archive: Archive) -> str:
    """Return the origin of results of all products: virtual where any product is."""
    virtual = any(archive.origin(product) == "virtual" for product in archive.products())
    return "virtual" if virtual else "measured"


def _average_half_hours(rate: xr.DataArray) -> xr.DataArray:
    """Average three 10-minute images; a missing one is left out of the mean."""
    first, last = rate["time"].values[[0, -1]]
    first = first.astype("datetime64[h]").astype("datetime64[ns]")
    steps = np.arange(first, last + HALF_HOUR, HALF_HOUR / 3)
    complete = rate.reindex(time=steps[: len(steps) // 3 * 3])
    return complete.coarsen(time=3, coord_func="min").mean()


def _unknown_grid(time: NDArray[np.datetime64], name: str, region: Region) -> xr.DataArray:
    """Return a grid without data."""
    grid = GRIDS[region]
    values = np.full((len(time), *grid.shape), np.nan, np.float32)
    return grid.dataset(time, **{name: values})[name].drop_vars("spatial_ref")
