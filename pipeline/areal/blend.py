"""Blend of rain products: each mapped onto IMERG Late by month and sub-basin, then weighted.

The zonal daily series that indices and models are fitted on is IMERG Late as it was issued. Late is
therefore used as it is. The products that are available before it are mapped onto it by the rain
that both gave for the same half-hours of earlier nights, and averaged by the inverse of their error
variance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from pipeline.geography.variables import attributes, outside

MAIN_PRODUCT = "imerg_late"
"""Product onto which the others are mapped."""
ASSUMED_SIGMA = {"imerg_early": 0.45, "gk2a": 0.65, "gk2a_ir": 0.9}
"""Products of the hours that Late has not reached, and the standard deviation of the logarithm of
a day's error that is assumed before there are enough pairs (unverified)."""
MIN_FACTOR, MAX_FACTOR = 0.5, 2.0
"""Bounds of a factor: a product further off is broken, not biased."""
PRIOR_MM = 60.0
"""Prior rain with a factor of 1, before there is any pair: some ten wet days."""
MIN_WET_DAYS = 30
"""Least number of days with rain in either product for a fitted error; else it is assumed."""
WET_MM = 1.0


def sum_pairs(rates: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Sum each product, and Late, over the half-hours of a day that both have.

    Parameters
    ----------
    rates
        Rain rate over zones by product, mm h-1, dims (time, zone), half-hours of whole days;
        :data:`MAIN_PRODUCT` among them.

    Returns
    -------
    xarray.Dataset
        ``<product>`` and ``<product>_late``, mm, dims (time, zone), a day each; NaN where no
        half-hour has both.
    """
    late = rates[MAIN_PRODUCT]
    sums = {}
    for product in ASSUMED_SIGMA:
        rate = rates.get(product, xr.full_like(late, np.nan))
        paired = rate.notnull() & late.notnull()
        for name, values in ((product, rate), (f"{product}_late", late)):
            total = (values * 0.5).where(paired).resample(time="1D").sum(min_count=1)
            sums[name] = total.astype(np.float32).assign_attrs(attributes("rain"))
    return xr.Dataset(sums)


def fit_mapping(pairs: xr.Dataset) -> xr.Dataset:
    """Fit the mapping of each product onto Late, by zone and calendar month.

    Parameters
    ----------
    pairs
        From :func:`sum_pairs`, over all known days, ascending.

    Returns
    -------
    xarray.Dataset
        ``factor`` (product, month, zone), 1: Late's rain over the product's, shrunk towards 1 by
        ``PRIOR_MM`` on either side and clipped to 0.5 to 2; ``sigma`` (product): standard
        deviation of the logarithm of a mapped day's rain over Late's; ``days`` (product): number
        of days with rain in either.

    Examples
    --------
    >>> time = np.datetime64("2026-07-01", "ns") + np.arange(31) * np.timedelta64(1, "D")
    >>> rain = xr.DataArray(np.full((31, 1), 20.0), {"time": time, "zone": ["a"]})
    >>> pairs = {f"{name}_late": rain * 0.5 for name in ASSUMED_SIGMA}
    >>> pairs |= dict.fromkeys(ASSUMED_SIGMA, rain)
    >>> mapping = fit_mapping(xr.Dataset(pairs)).sel(product="gk2a", zone="a")
    >>> mapping["factor"].sel(month=[7, 8]).round(3).values.tolist()
    [0.544, 1.0]
    """
    month = pairs["time"].dt.month
    factors, sigmas, days = [], [], []
    for product, assumed in ASSUMED_SIGMA.items():
        rain, late = pairs[product], pairs[f"{product}_late"]
        factor = fit_monthly_factor(rain, late)
        mapped = (rain * factor.sel(month=month)).values
        wet = (mapped >= WET_MM) | (late.values >= WET_MM)
        error = np.log((mapped[wet] + WET_MM) / (late.values[wet] + WET_MM))
        wet_days = int(wet.any(1).sum())
        factors.append(factor)
        sigmas.append(float(np.sqrt(np.mean(error**2))) if wet_days >= MIN_WET_DAYS else assumed)
        days.append(wet_days)
    names = xr.Variable("product", list(ASSUMED_SIGMA))
    return xr.Dataset(
        {
            "factor": xr.concat(factors, names).transpose("product", "month", "zone"),
            "sigma": ("product", sigmas),
            "days": ("product", days),
        }
    ).drop_vars("time", errors="ignore")


def fit_monthly_factor(rain: xr.DataArray, target: xr.DataArray) -> xr.DataArray:
    """Fit the factor that maps one rain series onto another, by zone and calendar month.

    Parameters
    ----------
    rain, target
        mm, dims (time, zone), the same steps; steps that either lacks are left out.

    Returns
    -------
    xarray.DataArray
        1, dims (month, zone), months 1 to 12; 1 where there is no rain in either.
    """
    paired = rain.notnull() & target.notnull()
    month = rain["time"].dt.month
    rain_mm, target_mm = (
        series.where(paired).groupby(month).sum().reindex(month=np.arange(1, 13), fill_value=0.0)
        for series in (rain, target)
    )
    factor: xr.DataArray = (target_mm + PRIOR_MM) / (rain_mm + PRIOR_MM)
    return factor.clip(MIN_FACTOR, MAX_FACTOR)


def blend_rates(
    rates: Mapping[str, xr.DataArray], mapping: xr.Dataset | None, zone: xr.DataArray
) -> xr.Dataset:
    """Blend all products of a half-hour into one rain rate, with the share of each.

    Late alone where it is known; elsewhere the mean of the other products, mapped onto Late and
    weighted by the inverse of their error variances.

    Parameters
    ----------
    rates
        Rain rate by product, mm h-1, dims (time, lat, lon) on the same half-hours; at least one.
    mapping
        From :func:`fit_mapping`; None before there are pairs: every factor is then 1.
    zone
        Id of the sub-basin of each cell, dims (lat, lon), empty outside, where the mean factor of
        all sub-basins applies.

    Returns
    -------
    xarray.Dataset
        ``rain_rate``, mm h-1, NaN where no product saw the cell or the result is impossible, which
        ``impossible`` marks; and ``share_<product>``, 1, NaN there too; dims (time, lat, lon).
        Lazy where the rates are.
    """
    first = next(iter(rates.values()))
    weighted = total = xr.zeros_like(first, np.float32)
    weights: dict[str, xr.DataArray] = {}
    late = rates.get(MAIN_PRODUCT)
    without_late = xr.ones_like(first, bool) if late is None else late.isnull()
    for product, assumed in ASSUMED_SIGMA.items():
        rate = rates.get(product)
        if rate is None:
            continue
        sigma = assumed if mapping is None else float(mapping["sigma"].sel(product=product))
        mapped = rate
        if mapping is not None:
            mapped = rate * _expand_factor(mapping, product, zone, rate["time"])
        weight = (rate.notnull() & without_late) / np.float32(sigma**2)
        weights[product] = weight
        weighted, total = weighted + mapped.fillna(0.0) * weight, total + weight
    if late is not None:
        weights[MAIN_PRODUCT] = late.notnull().astype(np.float32)
        weighted, total = weighted + late.fillna(0.0), total + weights[MAIN_PRODUCT]
    known = total > 0
    total = total.where(known)
    rate = (weighted / total).astype(np.float32)
    impossible = outside(rate, "rain_rate")
    known = known & ~impossible
    rate, total = rate.where(known), total.where(known)
    shares = {
        f"share_{product}": (weights[product] / total).astype(np.float32)
        if product in weights
        else xr.zeros_like(rate).where(known)
        for product in (MAIN_PRODUCT, *ASSUMED_SIGMA)
    }
    rate = rate.assign_attrs(attributes("rain_rate"))
    return xr.Dataset({"rain_rate": rate, "impossible": impossible, **shares})


def _expand_factor(
    mapping: xr.Dataset, product: str, zone: xr.DataArray, time: xr.DataArray
) -> xr.DataArray:
    """Return the factor of each cell and step, float32 of dims (time, lat, lon)."""
    table = mapping["factor"].sel(product=product, drop=True)
    everywhere = table.mean("zone")
    ids = [str(name) for name in table["zone"].values]
    position = np.searchsorted(np.array(sorted(ids)), zone.values.ravel())
    order = np.argsort(ids)
    known = np.isin(zone.values.ravel(), ids)
    column = order[np.where(known, position, 0).clip(max=len(ids) - 1)]
    by_month = np.where(known, table.values[:, column], everywhere.values[:, None])
    cells = by_month.astype(np.float32).reshape(12, *zone.shape)
    months = time.dt.month.values - 1
    return xr.DataArray(cells[months], {"time": time, **zone.coords}, ("time", *zone.dims))
