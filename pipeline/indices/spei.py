"""Standardised precipitation-evapotranspiration index and potential evapotranspiration."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from pipeline.indices.common import apply_along_time, cadence, require_units
from pipeline.indices.lmoments import weighted_moments
from pipeline.indices.standardized import fit_standard, standardise
from pipeline.indices.windows import moving_sum

MIN_YEARS = 20
"""Fewer years give no index, as for the SPI."""
SOLAR_CONSTANT = 0.0820
"""MJ m-2 min-1 (FAO-56, equation 21)."""
MM_PER_MJ = 0.408
"""Water that 1 MJ m-2 evaporates, mm (FAO-56, equation 20)."""
_TERMS = 14
_REACH = 6.7
"""Largest logit resolved; Φ⁻¹ of it is 3.02."""


def pet_hargreaves(*, tmin: xr.DataArray, tmax: xr.DataArray, lat: xr.DataArray) -> xr.DataArray:
    """Compute daily potential evapotranspiration by Hargreaves and Samani.

    PET = 0.0023 · 0.408 Ra (T + 17.8) √(Tx − Tn), T = (Tn + Tx) / 2, not below 0. Ra is the
    radiation at the top of the atmosphere, MJ m-2 d-1 (FAO-56, equations 21-25):
    Ra = (1440 / π) · 0.0820 dr (ω sin φ sin δ + cos φ cos δ sin ω), dr = 1 + 0.033 cos(2πJ/365),
    δ = 0.409 sin(2πJ/365 − 1.39), ω = arccos(−tan φ tan δ), J the day of the year.

    Parameters
    ----------
    tmin, tmax
        Lowest and highest air temperature of the day, degC, daily, dims with ``time``.
    lat
        Latitude, degrees north, within ±66 (where the sun rises and sets every day), a scalar or
        along dims of the temperature.

    Returns
    -------
    DataArray
        mm per day; NaN where a temperature is missing.

    Raises
    ------
    ValueError
        Units other than degC, steps other than a day, a latitude out of range; a lowest above the
        highest temperature (when computed).

    References
    ----------
    Hargreaves, G. H. & Samani, Z. A. (1985), doi 10.13031/2013.26773. Allen, R. G. et al. (1998).
    Crop evapotranspiration. FAO Irrigation and Drainage Paper 56, equations 21-25 and 52.

    Examples
    --------
    >>> import xarray as xr
    >>> time = np.array(["2015-07-15", "2015-07-16"], "datetime64[ns]")
    >>> cold, warm = (xr.DataArray([t, t], {"time": time}, attrs={"units": "degC"})
    ...               for t in (14.8, 26.6))
    >>> lyon = xr.DataArray(45.72)  # FAO-56, example 20: Ra 40.6 MJ m-2 d-1, PET 5.0 mm
    >>> pet_hargreaves(tmin=cold, tmax=warm, lat=lyon).values.round(1)
    array([5., 5.])
    """
    for temperature in (tmin, tmax):
        require_units(temperature, "degC")
        if cadence(temperature) != np.timedelta64(1, "D"):
            raise ValueError(
                f"{temperature.name}: expected daily steps, found {cadence(temperature)}"
            )
    if not bool((np.abs(lat) <= 66).all()):
        raise ValueError(f"lat: expected within ±66 degrees, found {lat.values}")
    time = tmin["time"].values
    day = (time.astype("datetime64[D]") - time.astype("datetime64[Y]")).astype(np.int64) + 1
    angle = 2 * np.pi * day / 365
    distance, declination = 1 + 0.033 * np.cos(angle), 0.409 * np.sin(angle - 1.39)

    def kernel(
        cold: NDArray[np.floating], warm: NDArray[np.floating], degrees: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        if (cold > warm).any():
            raise ValueError("tmin: expected at most tmax, found it above")
        out = np.empty_like(cold)
        phi = np.deg2rad(degrees.astype(np.float64))
        for row, (dr, delta) in enumerate(zip(distance, declination, strict=True)):
            omega = np.arccos(-np.tan(phi) * np.tan(delta))
            light = omega * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.sin(
                omega
            )
            ra = (1440 / np.pi) * SOLAR_CONSTANT * dr * light
            mean = (cold[row] + warm[row]) / 2 + 17.8
            out[row] = (
                (0.0023 * MM_PER_MJ * ra).astype(out.dtype) * mean * np.sqrt(warm[row] - cold[row])
            )
        return np.maximum(out, 0)

    pet = apply_along_time(kernel, tmin, tmax, lat, core=[["time"], []])
    return pet.assign_attrs(
        units="mm",
        long_name="Potential evapotranspiration",
        standard_name="water_potential_evaporation_amount",
        cell_methods="time: sum",
    )


def water_balance(
    *, rain: xr.DataArray, pet: xr.DataArray, steps: int, min_share: float = 1.0
) -> xr.DataArray:
    """Sum rain less potential evapotranspiration over the last ``steps`` steps.

    Parameters
    ----------
    rain, pet
        mm per step, as for :func:`pipeline.indices.rain.accumulation`, same dims.
    steps, min_share
        As for :func:`pipeline.indices.rain.accumulation`; a step is known where both are.

    Returns
    -------
    DataArray
        mm, negative where potential evapotranspiration exceeds rain.

    Examples
    --------
    >>> import xarray as xr
    >>> time = np.arange("2001-01", "2001-04", dtype="datetime64[M]").astype("M8[ns]")
    >>> rain, pet = (xr.DataArray(v, {"time": time}, attrs={"units": "mm"})
    ...              for v in ([10.0, 90.0, 300.0], [100.0, 110.0, 120.0]))
    >>> water_balance(rain=rain, pet=pet, steps=2).values
    array([ nan, -110.,  160.])
    """
    require_units(rain, "mm")
    require_units(pet, "mm")
    balance = (rain - pet).transpose(*rain.dims).rename("water_balance")
    return moving_sum(values=balance, steps=steps, min_share=min_share).assign_attrs(
        units="mm", long_name=f"Rain less potential evapotranspiration over {steps} steps"
    )


def fit_spei(
    *, balance: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 5
) -> xr.Dataset:
    """Fit log-logistic distributions of the water balance by month or, for sums of days, by day.

    By unbiased probability-weighted moments, that is L-moments (Hosking & Wallis 1997, appendix
    A.7): k = −t3, α = λ2 sin(kπ) / (kπ), ξ = λ1 − α (1/k − π / sin(kπ)). In the terms of
    Vicente-Serrano et al. the three-parameter log-logistic has β = −1/k, scale α/abs(k) and origin
    ξ + α/k. The L-moments of a day are means over those of the days around it, each computed
    from the values of all years and weighted by their number.

    Parameters
    ----------
    balance
        mm over n months or days, from :func:`water_balance`, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For running sums: days on either side that are included.

    Returns
    -------
    Dataset
        By ``month`` or ``dayofyear``, in the precision of the balance: ``location`` ξ, ``scale`` α
        (mm), ``shape`` k, and ``n_years``; NaN below 20 years and for a constant balance.
        Attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        Units other than mm, a time axis with gaps, or a reference period below 20 years.

    References
    ----------
    Vicente-Serrano, S. M., Begueria, S. & Lopez-Moreno, J. I. (2010), doi 10.1175/2009JCLI2909.1.
    Begueria, S. et al. (2014), doi 10.1002/joc.3887 (unbiased moments).
    """
    require_units(balance, "mm")
    return fit_standard(
        values=balance,
        start=start,
        end=end,
        half_window_days=half_window_days,
        min_years=MIN_YEARS,
        statistics=_statistics,
        estimate=_estimate_params,
        units={"location": "mm", "scale": "mm", "shape": "1"},
        index="SPEI",
    )


def _statistics(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the number known, and L-moments times it (4, cell); zeros from fewer than three."""
    b0, b1, b2, n = weighted_moments(x)
    enough = n >= 3
    parts = np.where(enough, np.stack([b0, 2 * b1 - b0, 6 * b2 - 6 * b1 + b0]), 0.0)
    return np.concatenate([enough[None], parts]) * n


def _estimate_params(sums: NDArray[np.floating], enough: NDArray[np.bool_]) -> NDArray[np.floating]:
    l1, l2, l3 = sums[1:] / sums[0]
    usable = enough & (l2 > 1e-6 * np.maximum(np.abs(l1), 1.0)) & (np.abs(l3) < l2)
    k = np.where(np.abs(l3) > 1e-6 * l2, -l3 / l2, 1e-6)
    scale = l2 * np.sinc(k)
    location = l1 - scale * (1 / k - np.pi / np.sin(k * np.pi))
    return np.where(usable, np.stack([location, scale, k]), np.nan)


def spei(*, balance: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Standardised precipitation-evapotranspiration index.

    z = Φ⁻¹(F), F = 1 / (1 + e^−y), y = −ln[1 − k (x − ξ) / α] / k; z within ±3.

    Parameters
    ----------
    balance
        mm over the same window as the fit, dims with ``time``.
    parameters
        From :func:`fit_spei`.

    Returns
    -------
    DataArray
        NaN where the balance or the parameters are missing.

    Raises
    ------
    ValueError
        Units other than mm, or another window.

    Examples
    --------
    >>> import xarray as xr
    >>> params = xr.Dataset({"location": 50.0, "scale": 20.0, "shape": -0.2})
    >>> time = np.array(["2001-01-01", "2001-01-02"], "datetime64[ns]")
    >>> balance = xr.DataArray([50.0, -49.9], {"time": time}, attrs={"units": "mm"})
    >>> spei(balance=balance, parameters=params.expand_dims(month=12)).values  # median, clipped
    array([ 0., -3.])
    """
    require_units(balance, "mm")
    names = ("location", "scale", "shape")
    index = standardise(values=balance, parameters=parameters, names=names, score=_score)
    return index.assign_attrs(long_name="Standardised precipitation-evapotranspiration index")


def _score(
    x: NDArray[np.floating],
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
    shape: NDArray[np.float64],
) -> NDArray[np.floating]:
    """Return the index of the balances x (time, cell) of one slot."""
    kind = x.dtype
    y = 1 - (x - location.astype(kind)) * (shape / scale).astype(kind)
    np.maximum(y, kind.type(1e-30), out=y)  # beyond the bound of the distribution
    np.log(y, out=y)
    y *= (-1 / shape).astype(kind)
    np.clip(y, -_REACH, _REACH, out=y)
    square = y * y
    square *= kind.type(2 / _REACH**2)
    square -= kind.type(1)
    first, *coefficients = _from_logit()[::-1].astype(kind)
    z: NDArray[np.floating] = np.full_like(y, first)
    for coefficient in coefficients:
        z *= square
        z += coefficient
    return z * y


@lru_cache
def _from_logit() -> NDArray[np.float64]:
    """Return coefficients of Φ⁻¹(1 / (1 + e^−y)) / y in powers of 2 (y / reach)² − 1, to 1e-6."""
    nodes = np.cos(np.pi * (np.arange(_TERMS) + 0.5) / _TERMS)
    y = _REACH * np.sqrt((nodes + 1) / 2)
    series = np.linalg.solve(chebyshev.chebvander(nodes, _TERMS - 1), -ndtri(expit(-y)) / y)
    return np.asarray(chebyshev.cheb2poly(series))
