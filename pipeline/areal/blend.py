"""How several rain products become one: mapped by month and sub-basin, weighted, shares kept.

The record that indices and models were fitted on is IMERG Late as it was issued. Late therefore
stands as it is, and the products that speak before it does are mapped onto it by what both said of
the same half-hours in earlier nights, then averaged by the inverse of their error variance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from pipeline.geography.variables import attributes, outside

REFERENCE = "imerg_late"
TAIL = {"imerg_early": 0.45, "gk2a": 0.65, "gk2a_ir": 0.9}
"""Products of the hours that Late has not reached, and the standard deviation of the logarithm of
a day's error that is assumed before there are enough pairs (unverified)."""
NARROWEST, WIDEST = 0.5, 2.0
"""Bounds of a factor: a product that is further off than this is broken, not biased."""
PRIOR_MM = 60.0
"""Rain that speaks for a factor of 1 before there is any pair: some ten wet days."""
ENOUGH_DAYS = 30
"""Days with rain in either before their scatter is believed."""
WET_MM = 1.0


def pairs(rates: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Sum each product, and Late, over the half-hours of a day that both have.

    Parameters
    ----------
    rates
        Rain rate over zones by product, mm h-1, dims (time, zone), half-hours of whole days;
        :data:`REFERENCE` among them.

    Returns
    -------
    xarray.Dataset
        ``<product>`` and ``<product>_late``, mm, dims (time, zone), a day each; NaN where no
        half-hour has both.
    """
    late = rates[REFERENCE]
    found = {}
    for product in TAIL:
        rate = rates.get(product, xr.full_like(late, np.nan))
        both = rate.notnull() & late.notnull()
        for name, one in ((product, rate), (f"{product}_late", late)):
            total = (one * 0.5).where(both).resample(time="1D").sum(min_count=1)
            found[name] = total.astype(np.float32).assign_attrs(attributes("rain"))
    return xr.Dataset(found)


def fit(paired: xr.Dataset) -> xr.Dataset:
    """Fit what maps each product onto Late, by zone and calendar month.

    Parameters
    ----------
    paired
        From :func:`pairs`, over as many days as are known, ascending.

    Returns
    -------
    xarray.Dataset
        ``factor`` (product, month, zone), 1: Late's rain over the product's, drawn towards 1 by
        ``PRIOR_MM`` on either side and kept within 0.5 to 2; ``sigma`` (product): standard
        deviation of the logarithm of a mapped day's rain over Late's; ``days`` (product): days
        that had rain in either.

    Examples
    --------
    >>> time = np.datetime64("2026-07-01", "ns") + np.arange(31) * np.timedelta64(1, "D")
    >>> rain = xr.DataArray(np.full((31, 1), 20.0), {"time": time, "zone": ["a"]})
    >>> told = {f"{name}_late": rain * 0.5 for name in TAIL} | dict.fromkeys(TAIL, rain)
    >>> found = fit(xr.Dataset(told)).sel(product="gk2a", zone="a")
    >>> found["factor"].sel(month=[7, 8]).round(3).values.tolist()
    [0.544, 1.0]
    """
    month = paired["time"].dt.month
    factors, sigmas, days = [], [], []
    for product, assumed in TAIL.items():
        ours, late = paired[product], paired[f"{product}_late"]
        factor = monthly_factor(ours, late)
        mapped = (ours * factor.sel(month=month)).values
        wet = (mapped >= WET_MM) | (late.values >= WET_MM)
        error = np.log((mapped[wet] + WET_MM) / (late.values[wet] + WET_MM))
        factors.append(factor)
        sigmas.append(
            float(np.sqrt(np.mean(error**2))) if wet.any(1).sum() >= ENOUGH_DAYS else assumed
        )
        days.append(int(wet.any(1).sum()))
    names = xr.Variable("product", list(TAIL))
    return xr.Dataset(
        {
            "factor": xr.concat(factors, names).transpose("product", "month", "zone"),
            "sigma": ("product", sigmas),
            "days": ("product", days),
        }
    ).drop_vars("time", errors="ignore")


def monthly_factor(ours: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """Fit the factor that maps one rain series onto another, by zone and calendar month.

    Parameters
    ----------
    ours, reference
        mm, dims (time, zone), the same steps; steps that either lacks are left out.

    Returns
    -------
    xarray.DataArray
        1, dims (month, zone), months 1 to 12; 1 where there is nothing to go by.
    """
    both = ours.notnull() & reference.notnull()
    month = ours["time"].dt.month
    sums = [
        one.where(both).groupby(month).sum().reindex(month=np.arange(1, 13), fill_value=0.0)
        for one in (ours, reference)
    ]
    factor: xr.DataArray = (sums[1] + PRIOR_MM) / (sums[0] + PRIOR_MM)
    return factor.clip(NARROWEST, WIDEST)


def combine(
    rates: Mapping[str, xr.DataArray], fitted: xr.Dataset | None, zone: xr.DataArray
) -> xr.Dataset:
    """One rain rate from all that saw a half-hour, and who said how much of it.

    Late alone where it is; elsewhere the mean of the mapped others, each with the inverse of its
    error variance as its weight.

    Parameters
    ----------
    rates
        Rain rate by product, mm h-1, dims (time, lat, lon) on the same half-hours; at least one.
    fitted
        From :func:`fit`; None before there are pairs, when every factor is 1.
    zone
        Id of the sub-basin of each cell, dims (lat, lon), empty outside; there the mean factor of
        all counts.

    Returns
    -------
    xarray.Dataset
        ``rain_rate``, mm h-1, NaN where no product saw the cell or the result is none that rain can
        have, which ``impossible`` marks; and ``share_<product>``, 1, NaN there too; dims (time,
        lat, lon). Lazy where the rates are.
    """
    first = next(iter(rates.values()))
    weighted = total = xr.zeros_like(first, np.float32)
    weights: dict[str, xr.DataArray] = {}
    late = rates.get(REFERENCE)
    free = xr.ones_like(first, bool) if late is None else late.isnull()
    for product, assumed in TAIL.items():
        rate = rates.get(product)
        if rate is None:
            continue
        sigma = assumed if fitted is None else float(fitted["sigma"].sel(product=product))
        mapped = rate if fitted is None else rate * _factor(fitted, product, zone, rate["time"])
        weight = (rate.notnull() & free) / np.float32(sigma**2)
        weights[product] = weight
        weighted, total = weighted + mapped.fillna(0.0) * weight, total + weight
    if late is not None:
        weights[REFERENCE] = late.notnull().astype(np.float32)
        weighted, total = weighted + late.fillna(0.0), total + weights[REFERENCE]
    seen = total > 0
    total = total.where(seen)
    rate = (weighted / total).astype(np.float32)
    impossible = outside(rate, "rain_rate")
    seen = seen & ~impossible
    rate, total = rate.where(seen), total.where(seen)
    shares = {
        f"share_{product}": (weights[product] / total).astype(np.float32)
        if product in weights
        else xr.zeros_like(rate).where(seen)
        for product in (REFERENCE, *TAIL)
    }
    rate = rate.assign_attrs(attributes("rain_rate"))
    return xr.Dataset({"rain_rate": rate, "impossible": impossible, **shares})


def _factor(
    fitted: xr.Dataset, product: str, zone: xr.DataArray, time: xr.DataArray
) -> xr.DataArray:
    """Factor of each cell and step, float32 of dims (time, lat, lon)."""
    table = fitted["factor"].sel(product=product, drop=True)
    everywhere = table.mean("zone")
    ids = [str(one) for one in table["zone"].values]
    position = np.searchsorted(np.array(sorted(ids)), zone.values.ravel())
    order = np.argsort(ids)
    known = np.isin(zone.values.ravel(), ids)
    column = order[np.where(known, position, 0).clip(max=len(ids) - 1)]
    by_month = np.where(known, table.values[:, column], everywhere.values[:, None])
    cells = by_month.astype(np.float32).reshape(12, *zone.shape)
    months = time.dt.month.values - 1
    return xr.DataArray(cells[months], {"time": time, **zone.coords}, ("time", *zone.dims))
