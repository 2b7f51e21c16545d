"""Return periods of rain from annual maxima by L-moments, at one place or in a region."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import (
    FULL_CLIMATE_YEARS,
    apply_along_time,
    cadence,
    copy_reference_attrs,
    definition,
    require_units,
    require_window,
    select_period,
)
from pipeline.indices.lmoments import Distribution, compute_level, fit_params, l_moments

Floats = NDArray[np.float64]

MIN_YEARS = 10
"""Fewer annual maxima give no fit."""
MIN_YEAR_SHARE = 0.9
"""A year with fewer of its steps has no maximum."""
_UNITS = {"location": "mm", "scale": "mm", "shape": "1", "n_years": "1"}
_BLOCK = 4_000_000
"""Resampled maxima held at a time."""


def fit_return_period(
    *,
    total: xr.DataArray,
    start: datetime,
    end: datetime,
    distribution: Distribution = "gumbel",
) -> xr.Dataset:
    """Fit a distribution to the annual maxima of a reference period, by L-moments.

    Gumbel: α = λ2 / ln 2, ξ = λ1 − 0.5772 α. GEV: c = 2 / (3 + t3) − ln 2 / ln 3,
    k = 7.859 c + 2.9554 c², α = λ2 k / [(1 − 2^−k) Γ(1+k)], ξ = λ1 − α [1 − Γ(1+k)] / k.

    Parameters
    ----------
    total
        mm, e.g. one- or three-day rain, dims with ``time``.
    start, end
        Reference period, half-open; maxima are of calendar years, which do not divide a
        flood season in the basin.
    distribution
        ``gev`` needs 30 years; below that, :func:`fit_regional`.

    Returns
    -------
    Dataset
        ``location``, ``scale``, ``shape`` (k, 0 for Gumbel), ``n_years``; NaN below 10 years with
        at least 90 % of their steps. Attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        Units other than mm, no time in the period, or too few years for the distribution.

    References
    ----------
    Hosking & Wallis (1997), appendix A.
    """
    require_units(total, "mm")
    part = select_period(total, start=start, end=end)
    attrs = definition(part, start=start, end=end, index="return period", law=distribution)
    _require_years(distribution, attrs["n_years"])
    yearly_maxima = _make_yearly_maxima(part)

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        *moments, n = l_moments(yearly_maxima(x))
        params = fit_params(*moments, distribution=distribution)
        params = np.where((n >= MIN_YEARS) & (params[1] > 0), params, np.nan)
        return np.concatenate([params, n[None]])

    stacked = apply_along_time(kernel, part, output={"parameter": len(_UNITS)})
    fields = {
        name: stacked.isel(parameter=number).assign_attrs(units=units)
        for number, (name, units) in enumerate(_UNITS.items())
    }
    return xr.Dataset(fields, attrs=attrs)


def _require_years(distribution: Distribution, n_years: int) -> None:
    if distribution == "gev" and n_years < FULL_CLIMATE_YEARS:
        raise ValueError(
            f"distribution: expected {FULL_CLIMATE_YEARS} years for the GEV, found {n_years}"
        )


def _make_yearly_maxima(
    part: xr.DataArray,
) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
    """Return the function that maps values (time, ...) to the maxima of their years (year, ...)."""
    cadence(part)
    years = part["time"].values.astype("datetime64[Y]")
    unique, begin = np.unique(years, return_index=True)
    step = part["time"].values[1] - part["time"].values[0]
    length = ((unique + 1).astype("M8[ns]") - unique.astype("M8[ns]")) / step

    def yearly_maxima(x: NDArray[np.floating]) -> NDArray[np.floating]:
        n_known = np.add.reduceat(np.isfinite(x), begin, axis=0, dtype=np.int64)
        enough = n_known >= MIN_YEAR_SHARE * length.reshape(-1, *(1,) * (x.ndim - 1))
        maxima = np.where(enough, np.fmax.reduceat(x, begin, axis=0), np.nan)
        return np.asarray(maxima, np.float64)

    return yearly_maxima


def fit_regional(
    *, total: xr.DataArray, region: xr.DataArray, start: datetime, end: datetime
) -> xr.Dataset:
    """Fit a GEV to annual maxima with the L-moment ratios of a region: the index-flood method.

    For records below 30 years, whose own skewness is uncertain. Each place has λ1, t = λ2 / λ1 and
    t3; the region has tᴿ = Σ n_i t_i / Σ n_i, and t3ᴿ likewise. The distribution of a place is the
    GEV of (1, tᴿ, t3ᴿ) times its λ1.

    Parameters
    ----------
    total
        mm, e.g. one- or three-day rain, dims with ``time``.
    region
        Label of each place's region, dims of ``total`` without ``time``. Places of a region are
        assumed to differ in their mean only; neighbouring cells of a grid see the same storms, so
        that a region of many cells is worth fewer years than it counts.
    start, end
        Reference period, half-open.

    Returns
    -------
    Dataset
        As from :func:`fit_return_period`, with ``n_years`` of the place, and ``station_years`` of
        its region; NaN below 10 years at the place or 30 in the region.

    Raises
    ------
    ValueError
        Units other than mm, no time in the period, or other dims of ``region``.

    References
    ----------
    Hosking & Wallis (1997), chapter 6. Dalrymple, T. (1960). USGS Water-Supply Paper 1543-A.
    """
    require_units(total, "mm")
    if set(region.dims) != set(total.dims) - {"time"}:
        raise ValueError(f"region: expected the dims of {total.dims} but time, found {region.dims}")
    part = select_period(total, start=start, end=end)
    attrs = definition(part, start=start, end=end, index="return period", law="regional gev")
    yearly_maxima = _make_yearly_maxima(part)

    def moments(x: NDArray[np.floating]) -> NDArray[np.floating]:
        l1, l2, t3, n = l_moments(yearly_maxima(x))
        with np.errstate(divide="ignore", invalid="ignore"):
            usable = (n >= MIN_YEARS) & (l2 > 0)
            return np.concatenate([np.where(usable, [l1, l2 / l1, t3], np.nan), n[None]])

    stacked = apply_along_time(moments, part.astype(np.float64), output={"parameter": 4})
    l1, t, t3, n = (stacked.isel(parameter=number) for number in range(4))
    weight = n.where(l1.notnull(), 0.0)
    places = list(region.dims)
    pooled = {}
    for name, ratio in (("t", t), ("t3", t3), ("years", xr.ones_like(t))):
        pooled[name] = xr.full_like(l1, np.nan)
        for label in np.unique(region.values):
            in_region = weight.where(region == label, 0.0)
            years = in_region.sum(places)
            mean = years if name == "years" else (ratio * in_region).sum(places) / years
            pooled[name] = pooled[name].where(region != label, mean)
    enough = l1.notnull() & (pooled["years"] >= FULL_CLIMATE_YEARS)
    params: xr.DataArray = xr.apply_ufunc(
        lambda *moments: np.moveaxis(fit_params(*moments, distribution="gev"), 0, -1),
        xr.ones_like(l1),
        pooled["t"],
        pooled["t3"],
        output_core_dims=[["parameter"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"parameter": 3}},
    )
    location, scale, shape = (params.isel(parameter=number).where(enough) for number in range(3))
    fields = {"location": location * l1, "scale": scale * l1, "shape": shape, "n_years": n}
    order = [dim for dim in total.dims if dim != "time"]
    return xr.Dataset(
        {name: da.transpose(*order).assign_attrs(units=_UNITS[name]) for name, da in fields.items()}
        | {"station_years": pooled["years"].transpose(*order).assign_attrs(units="1")},
        attrs=attrs,
    )


def return_level_interval(
    *,
    total: xr.DataArray,
    start: datetime,
    end: datetime,
    years: float,
    seed: int,
    distribution: Distribution = "gumbel",
    coverage: float = 0.9,
    replicates: int = 1000,
) -> xr.Dataset:
    """Compute the interval of a return level by resampling whole years.

    Each replicate draws as many years as there are, with replacement, the same for all places, and
    fits the distribution to them; the interval is between the (1 ∓ coverage) / 2 quantiles of the
    levels (percentile bootstrap).

    Parameters
    ----------
    total, start, end, distribution
        As for :func:`fit_return_period`.
    years
        Return period T, above 1; beyond 2n the interval is NaN.
    seed
        Seed of the draws; the interval depends on it but not on the chunks.
    coverage
        Share of the replicates inside, between 0 and 1.
    replicates
        Number of replicates.

    Returns
    -------
    Dataset
        ``lower``, ``upper`` (mm); attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        As :func:`fit_return_period`; T, coverage or replicates out of range.

    References
    ----------
    Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap, chapter 13.
    """
    require_units(total, "mm")
    if years <= 1 or not 0 < coverage < 1 or replicates < 1:
        raise ValueError(
            "expected years above 1, coverage in (0, 1), a replicate or more, "
            f"found {years}, {coverage}, {replicates}"
        )
    part = select_period(total, start=start, end=end)
    attrs = definition(
        part,
        start=start,
        end=end,
        index="return level",
        law=distribution,
        return_period_years=years,
        coverage=coverage,
        replicates=replicates,
        seed=seed,
    )
    n_years = attrs["n_years"]
    _require_years(distribution, n_years)
    yearly_maxima = _make_yearly_maxima(part)
    draws = np.random.default_rng(seed).integers(0, n_years, (replicates, n_years))

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        maxima = yearly_maxima(x)
        maxima = maxima.reshape(len(maxima), -1)
        n = np.isfinite(maxima).sum(axis=0)
        bounds = np.empty((2, maxima.shape[1]))
        width = max(_BLOCK // draws.size, 1)
        for begin in range(0, maxima.shape[1], width):
            block = slice(begin, begin + width)
            l1, l2, t3, _ = l_moments(maxima[draws.T, block])
            levels = compute_level(years, *fit_params(l1, l2, t3, distribution=distribution))
            bounds[:, block] = np.quantile(levels, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
        known = (n >= MIN_YEARS) & (years <= 2 * n)
        return np.where(known, bounds, np.nan).reshape(2, *x.shape[1:])

    stacked = apply_along_time(kernel, part, output={"bound": 2})
    return xr.Dataset(
        {
            name: stacked.isel(bound=row).assign_attrs(units="mm")
            for row, name in enumerate(("lower", "upper"))
        },
        attrs=attrs,
    )


def return_period(*, total: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Compute the mean number of years between years whose maximum exceeds a value.

    T = 1 / (1 − F), F = exp(−e^−y), y = (x − ξ) / α (Gumbel) or −ln[1 − k (x − ξ) / α] / k,
    at most twice the years of the fit.

    Parameters
    ----------
    total
        mm, dims with ``time``, over the same window as the fit.
    parameters
        From :func:`fit_return_period`.

    Returns
    -------
    DataArray
        Years, 1 to 2n, NaN where the value or the parameters are missing.

    Raises
    ------
    ValueError
        Units other than mm, or another window.

    Examples
    --------
    >>> params = xr.Dataset({"location": 50.0, "scale": 10.0, "shape": 0.0, "n_years": 40.0})
    >>> time = np.array(["2001-01-01"], "datetime64[ns]")
    >>> total = xr.DataArray([89.0194], {"time": time}, attrs={"units": "mm"})
    >>> return_period(total=total, parameters=params).values.round(2)
    array([50.])
    """
    require_units(total, "mm")
    require_window(total, parameters)

    def kernel(
        x: NDArray[np.floating],
        location: NDArray[np.floating],
        scale: NDArray[np.floating],
        shape: NDArray[np.floating],
        n_years: NDArray[np.floating],
    ) -> NDArray[np.floating]:
        centre, inverse, k, limit = (
            param.astype(x.dtype) for param in (location, 1 / scale, shape, 2 * n_years)
        )
        y = (x - centre) * inverse
        with np.errstate(divide="ignore", over="ignore"):
            if k.any():
                curve = np.where(k, k, 1)
                y = np.where(k == 0, np.exp(-y), np.maximum(1 - k * y, 0) ** (1 / curve))
            else:
                np.exp(np.negative(y, out=y), out=y)
            # y is now the mean number of exceedances in a year; F = exp(−y).
            np.expm1(np.negative(y, out=y), out=y)
            return np.asarray(np.minimum(np.divide(-1, y, out=y), limit))

    fields = [parameters[name] for name in _UNITS]
    period = apply_along_time(kernel, total, *fields, core=[[]] * len(fields))
    return period.assign_attrs(
        units="years", long_name="Return period", **copy_reference_attrs(parameters)
    )


def return_level(*, years: float, parameters: xr.Dataset) -> xr.DataArray:
    """Compute the value that the annual maximum exceeds once in so many years.

    x_T = ξ − α ln(−ln(1 − 1/T)) (Gumbel), ξ + (α/k) [1 − (−ln(1 − 1/T))^k] (GEV).

    Parameters
    ----------
    years
        Return period T, above 1; beyond 2n the level is NaN.
    parameters
        From :func:`fit_return_period`.

    Examples
    --------
    >>> params = xr.Dataset({"location": 50.0, "scale": 10.0, "shape": 0.0, "n_years": 40.0})
    >>> round(return_level(years=50, parameters=params).item(), 3)
    89.019
    """
    if years <= 1:
        raise ValueError(f"years: expected above 1, found {years}")
    level: xr.DataArray = xr.apply_ufunc(
        lambda *params: compute_level(years, *params),
        *(parameters[name] for name in list(_UNITS)[:3]),
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    level = level.where(years <= 2 * parameters["n_years"])
    return level.assign_attrs(
        units="mm",
        long_name=f"Level of return period {years:g} years",
        **copy_reference_attrs(parameters),
    )
