"""Return periods of rain from annual maxima by L-moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr
from scipy.special import gamma

from pipeline.indices.reference import (
    FULL_CLIMATE_YEARS,
    along_time,
    cadence,
    definition,
    require_units,
    within,
)

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

EULER = 0.5772156649015329
MIN_YEARS = 10
"""Fewer annual maxima give no fit."""
MIN_YEAR_SHARE = 0.9
"""A year with fewer of its steps has no maximum."""
_PARAMETERS = ("location", "scale", "shape", "n_years")


def l_moments(
    maxima: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """First two L-moments and L-skewness along the first axis, unbiased, NaN left out.

    b_r = n⁻¹ Σ_j [(j−1)...(j−r)] / [(n−1)...(n−r)] x_j over the sample in ascending order;
    λ1 = b0, λ2 = 2 b1 − b0, λ3 = 6 b2 − 6 b1 + b0, t3 = λ3 / λ2.

    Parameters
    ----------
    maxima
        Shape (year, ...).

    Returns
    -------
    l1, l2, t3, n
        Each of shape (...).

    References
    ----------
    Hosking, J. R. M. & Wallis, J. R. (1997). Regional Frequency Analysis, sections 2.4 and 2.8.

    Examples
    --------
    >>> l1, l2, t3, n = l_moments(np.array([1.0, 2.0, 3.0, 6.0]))
    >>> float(l1), round(float(l2), 6), round(float(t3), 6), int(n)
    (3.0, 1.333333, 0.375, 4)
    """
    x = np.sort(np.asarray(maxima, np.float64), axis=0)
    n = np.isfinite(x).sum(axis=0)
    j = np.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1))
    x = np.where(j < n, x, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        b0 = x.sum(axis=0) / n
        b1 = (j * x).sum(axis=0) / (n * (n - 1))
        b2 = (j * (j - 1) * x).sum(axis=0) / (n * (n - 1) * (n - 2))
        l2 = 2 * b1 - b0
        t3 = (6 * b2 - 6 * b1 + b0) / l2
    return b0, l2, t3, n


def fit_return_period(
    *,
    total: xr.DataArray,
    start: datetime,
    end: datetime,
    law: Literal["gumbel", "gev"] = "gumbel",
) -> xr.Dataset:
    """Law of the annual maxima of a reference period, by L-moments.

    Gumbel: α = λ2 / ln 2, ξ = λ1 − 0.5772 α. GEV: c = 2 / (3 + t3) − ln 2 / ln 3,
    k = 7.859 c + 2.9554 c², α = λ2 k / [(1 − 2^−k) Γ(1+k)], ξ = λ1 − α [1 − Γ(1+k)] / k.

    Parameters
    ----------
    total
        mm, e.g. one- or three-day rain, dims with ``time``.
    start, end
        Reference period, half-open; maxima are of calendar years, which in the basin part no
        flood season.
    law
        ``gev`` needs 30 years.

    Returns
    -------
    Dataset
        ``location``, ``scale``, ``shape`` (k, 0 for Gumbel), ``n_years``; NaN below 10 years with
        at least 90 % of their steps. Attributes of :func:`reference.definition`.

    Raises
    ------
    ValueError
        Units other than mm, no time in the period, or too few years for the law.

    References
    ----------
    Hosking & Wallis (1997), appendix A.
    """
    require_units(total, "mm")
    part = within(total, start=start, end=end)
    cadence(part)
    how = definition(part, start=start, end=end, index="return period", law=law)
    if law == "gev" and how["n_years"] < FULL_CLIMATE_YEARS:
        raise ValueError(
            f"law: expected {FULL_CLIMATE_YEARS} years for the GEV, found {how['n_years']}"
        )
    years = part["time"].values.astype("datetime64[Y]")
    each, begin = np.unique(years, return_index=True)
    step = part["time"].values[1] - part["time"].values[0]
    length = ((each + 1).astype("M8[ns]") - each.astype("M8[ns]")) / step

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        seen = np.add.reduceat(np.isfinite(x), begin, axis=0, dtype=np.int64)
        enough = seen >= MIN_YEAR_SHARE * length.reshape(-1, *(1,) * (x.ndim - 1))
        l1, l2, t3, n = l_moments(np.where(enough, np.fmax.reduceat(x, begin, axis=0), np.nan))
        with np.errstate(divide="ignore", invalid="ignore"):
            if law == "gumbel":
                scale, shape = l2 / np.log(2), np.zeros_like(l2)
                location = l1 - EULER * scale
            else:
                c = 2 / (3 + t3) - np.log(2) / np.log(3)
                shape = 7.859 * c + 2.9554 * c**2
                scale = l2 * shape / ((1 - 2**-shape) * gamma(1 + shape))
                location = l1 - scale * (1 - gamma(1 + shape)) / shape
        usable = (n >= MIN_YEARS) & (scale > 0)
        found = [np.where(usable, one, np.nan) for one in (location, scale, shape)]
        return np.stack([*found, n.astype(np.float64)])

    stacked = along_time(kernel, part, output={"parameter": len(_PARAMETERS)})
    units = {"location": "mm", "scale": "mm", "shape": "1", "n_years": "1"}
    fields = {
        name: stacked.isel(parameter=number).assign_attrs(units=units[name])
        for number, name in enumerate(_PARAMETERS)
    }
    return xr.Dataset(fields, attrs=how)


def return_period(*, total: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Mean number of years between years whose maximum is beyond a value.

    T = 1 / (1 − F), F = exp(−e^−y), y = (x − ξ) / α (Gumbel) or −ln[1 − k (x − ξ) / α] / k,
    at most twice the years that the law was fitted on.

    Parameters
    ----------
    total
        mm, dims with ``time``, over the same window as the fit.
    parameters
        From :func:`fit_return_period`.

    Returns
    -------
    DataArray
        Years, 1 to 2n, NaN where the value or the law is missing.

    Raises
    ------
    ValueError
        Units other than mm, or another window.

    Examples
    --------
    >>> law = xr.Dataset({"location": 50.0, "scale": 10.0, "shape": 0.0, "n_years": 40.0})
    >>> time = np.array(["2001-01-01"], "datetime64[ns]")
    >>> total = xr.DataArray([89.0194], {"time": time}, attrs={"units": "mm"})
    >>> return_period(total=total, parameters=law).values.round(2)
    array([50.])
    """
    require_units(total, "mm")
    _same_window(total, parameters)
    location, scale, shape = (parameters[name] for name in _PARAMETERS[:3])
    reduced = (total - location) / scale
    curved = shape.where(shape != 0)
    bent = -xr.apply_ufunc(np.log, (1 - curved * reduced).clip(min=1e-300), dask="allowed") / curved
    y = reduced.where(shape == 0, bent)
    years = 1 / xr.apply_ufunc(lambda v: -np.expm1(-np.exp(-v)), y, dask="allowed")
    years = years.clip(max=2 * parameters["n_years"]).transpose(*total.dims, ...)
    plain: xr.DataArray = years.drop_attrs(deep=False)
    return plain.assign_attrs(units="years", long_name="Return period")


def return_level(*, years: float, parameters: xr.Dataset) -> xr.DataArray:
    """Value beyond which the annual maximum lies once in so many years.

    x_T = ξ − α ln(−ln(1 − 1/T)) (Gumbel), ξ + (α/k) [1 − (−ln(1 − 1/T))^k] (GEV).

    Parameters
    ----------
    years
        Return period T, above 1; beyond 2n the level is NaN.
    parameters
        From :func:`fit_return_period`.

    Examples
    --------
    >>> law = xr.Dataset({"location": 50.0, "scale": 10.0, "shape": 0.0, "n_years": 40.0})
    >>> round(return_level(years=50, parameters=law).item(), 3)
    89.019
    """
    if years <= 1:
        raise ValueError(f"years: expected above 1, found {years}")
    location, scale, shape = (parameters[name] for name in _PARAMETERS[:3])
    y = -np.log(-np.log1p(-1 / years))
    curved = shape.where(shape != 0)
    bent = (1 - np.exp(-y) ** curved) / curved
    level = location + scale * bent.where(shape != 0, y)
    level = level.where(years <= 2 * parameters["n_years"])
    plain: xr.DataArray = level.drop_attrs(deep=False)
    return plain.assign_attrs(units="mm", long_name=f"Level of return period {years} years")


def _same_window(total: xr.DataArray, parameters: xr.Dataset) -> None:
    expected, found = parameters.attrs.get("window", ""), total.attrs.get("window", "")
    if expected and expected != found:
        raise ValueError(f"{total.name}: expected the window {expected!r}, found {found!r}")
