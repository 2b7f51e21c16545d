"""Zonal daily series: rain, soil moisture and vegetation of each zone as known on each day."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.areal import blend
from pipeline.areal.means import average_with_coverage, average_zones
from pipeline.areal.rain import (
    DAY,
    SuspectSteps,
    combine_origins,
    read_daily_rain,
    read_mapping,
)
from pipeline.choices import Region
from pipeline.geography.variables import attributes, outside
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import day_start, utc64

PRODUCTS = {"soil_moisture": "smap", "ndvi": "ndvi", "lst": "lst"}
"""Product of each variable beside rain."""
DOUBTS = "impossible", "suspect"
"""Kinds of doubt about a value; see :func:`make_daily_series`."""
MOST_SUSPECT = 0.1875
"""Share of a day's rain that may come from suspect files: 39 of 48 half-hours are left without."""


def make_daily_series(
    archive: Archive,
    *,
    asof: datetime,
    start: datetime,
    end: datetime,
    region: Region,
    suspects: SuspectSteps | None = None,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Make the zonal daily series of whole days as known at a moment.

    Parameters
    ----------
    archive
        Archive of the products.
    asof
        Only data available by then are used.
    start, end
        Half-open interval on whole days.
    region
        Region of the zones.
    suspects
        Steps of suspect files.

    Returns
    -------
    series, shares, doubts
        Products ``zones``, ``rain_shares`` and ``doubts``, dims (time, zone), coordinate
        ``available_time``, all of it ``asof``, computed. The series are ``rain``, ``coverage``,
        ``soil_moisture``, ``ndvi`` and ``lst``; soil moisture and the composites of vegetation
        are on the day they became available, so that no day holds data that its own night did not
        have. The shares are the part of a day's rain that comes from each product,
        ``share_<product>``, 1. The doubts are the share of the zone where the result was
        impossible for the variable and left out, ``impossible_<variable>``, and the share of the
        day's value that comes from suspect files, ``suspect_<variable>``, 1.
    """
    time, suspects = np.arange(utc64(start), utc64(end), DAY), suspects or {}
    daily = read_daily_rain(
        archive, asof=asof, start=start, end=end, region=region, suspects=suspects
    )
    rain, coverage = average_with_coverage(daily["rain"], region)
    shares = {
        name: average_zones(daily[name], region).astype("float32").assign_attrs(units="1")
        for name in map(str, daily.data_vars)
        if name.startswith("share_")
    }
    means = {"rain": rain, "coverage": coverage}
    doubts = {f"{kind}_rain": average_zones(daily[kind], region) for kind in DOUBTS}
    for name, product in PRODUCTS.items():
        grids = _average_by_day_available(
            archive, product, name, time=time, asof=asof, suspects=suspects
        )
        means[name] = xr.full_like(rain, np.nan)
        if grids is not None:
            zonal = {
                key: average_zones(grid, region).reindex(time=time) for key, grid in grids.items()
            }
            means[name] = zonal[name]
            doubts |= {f"{kind}_{name}": zonal[kind] for kind in DOUBTS}
    series = {
        name: mean.astype("float32").assign_attrs(attributes(name)) for name, mean in means.items()
    }
    for name in [name for name in series if f"impossible_{name}" in doubts]:
        impossible, cell_share = outside(series[name], name), doubts[f"impossible_{name}"]
        series[name] = series[name].where(~impossible)
        doubts[f"impossible_{name}"] = cell_share.where(~impossible, 1.0)
    all_doubts = {
        f"{kind}_{name}": doubts.get(f"{kind}_{name}", xr.zeros_like(rain))
        .fillna(0.0)
        .astype("float32")
        .drop_attrs()
        .assign_attrs(units="1")
        for kind in DOUBTS
        for name in ("rain", *PRODUCTS)
    }
    ds = xr.Dataset(series | shares | all_doubts).drop_vars("spatial_ref", errors="ignore")
    ds = ds.compute().assign_attrs(origin=combine_origins(archive))
    ds = ds.assign_coords(available_time=("time", np.full(len(time), utc64(asof))))
    return ds[list(series)], ds[list(shares)], ds[list(all_doubts)]


def _average_by_day_available(
    archive: Archive,
    product: str,
    name: str,
    *,
    time: NDArray[np.datetime64],
    asof: datetime,
    suspects: SuspectSteps,
) -> xr.Dataset | None:
    """Average a product by the day on which it became available, and its doubts.

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
    in_window = ((day >= time[0]) & (day <= time[-1])).values
    if not in_window.any():
        return None
    values, day = values.isel(time=in_window), day.values[in_window]
    impossible = outside(values, name)
    dates = values["time"].values.astype("M8[D]")
    suspect_dates = [step.astype("M8[D]") for step in suspects.get(product, ())]
    suspect = xr.DataArray(np.isin(dates, suspect_dates), dims="time")
    steps = xr.Dataset(
        {
            name: values.where(~impossible),
            "impossible": impossible.astype(np.float32),
            "suspect": xr.zeros_like(values).fillna(0.0) + suspect,
        }
    ).assign_coords(day=("time", day))
    return steps.groupby("day").mean(skipna=True).rename(day="time")


def read_rain_sources(archive: Archive, *, asof: datetime) -> xr.Dataset | None:
    """Read the share of GK2A in yesterday's rain of each zone, and the error of that rain.

    Parameters
    ----------
    archive, asof
        Archive of the shares, and the moment as of which it is read.

    Returns
    -------
    Dataset or None
        ``gk2a``, GK2A's share (1), and ``log_error``, the standard deviation of the logarithm of
        the day's rain over that of Late, with the products' errors taken as constant over the day;
        dims (zone), NaN where there was no rain product. None where yesterday's series have not
        been made.
    """
    midnight = day_start(asof)
    yesterday = {"start": midnight - timedelta(days=1), "end": midnight}
    try:
        shares = archive.read("rain_shares", asof=asof, **yesterday).compute().isel(time=0)
    except NothingArchived:
        return None
    mapping = read_mapping(archive, asof=asof)
    error = xr.zeros_like(shares[f"share_{blend.MAIN_PRODUCT}"])
    for product, assumed in blend.ASSUMED_SIGMA.items():
        sigma = assumed if mapping is None else float(mapping["sigma"].sel(product=product))
        error = error + shares[f"share_{product}"] * sigma
    gk2a = shares["share_gk2a"] + shares["share_gk2a_ir"]
    return xr.Dataset({"gk2a": gk2a.drop_attrs(), "log_error": error.drop_attrs()})


def read_suspect_rain(archive: Archive, *, asof: datetime, days: int) -> xr.DataArray | None:
    """Read the share of suspect files in the rain of each of the last days, dims (time, zone).

    None where their series have not been made.
    """
    try:
        doubts = archive.read("doubts", asof=asof, start=day_start(asof) - timedelta(days=days))
    except NothingArchived:
        return None
    return doubts["suspect_rain"].compute()


def prepend_chirps(
    series: xr.Dataset, archive: Archive, *, asof: datetime, region: Region
) -> xr.Dataset:
    """Put the years of CHIRPS before zonal daily series, for a longer reference period.

    Parameters
    ----------
    series
        Product ``zones``.
    archive, asof
        Archive of CHIRPS, and the moment as of which it is read.
    region
        Region of the zones.

    Returns
    -------
    xarray.Dataset
        The series, and before their first day with rain the rain of CHIRPS, mapped onto theirs by
        month and zone over the common days; the other variables are unknown on the added days. The
        series themselves where no CHIRPS has been archived.
    """
    try:
        chirps = archive.read("chirps", asof=asof)["rain"]
    except NothingArchived:
        return series
    with_rain = series["rain"].notnull().any("zone").values
    first = series["time"].values[with_rain][0] if with_rain.any() else series["time"].values[0]
    rain = average_zones(chirps.where(~outside(chirps, "rain")), region).drop_vars(
        ["spatial_ref", "available_time"], errors="ignore"
    )
    rain = rain.sel(zone=series["zone"]).compute()
    shared = np.intersect1d(rain["time"].values, series["time"].values)
    factor = blend.fit_monthly_factor(rain.sel(time=shared), series["rain"].sel(time=shared))
    before = rain.isel(time=rain["time"].values < first)
    mapped = before * factor.sel(month=before["time"].dt.month).drop_vars("month")
    if mapped.sizes["time"] == 0:
        return series
    available = xr.DataArray(mapped["time"].values + DAY, dims="time")
    earlier = xr.Dataset({"rain": mapped.astype("float32")})
    earlier = earlier.assign_coords(available_time=available)
    joined = xr.concat(
        [earlier, series.sel(time=slice(first, None))],
        "time",
        data_vars="all",
        join="outer",
        combine_attrs="drop_conflicts",
    )
    for name in series.data_vars:
        joined[name].attrs = dict(series[name].attrs)
    return joined.assign_attrs(series.attrs)
