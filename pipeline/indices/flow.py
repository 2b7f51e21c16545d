"""Flow indices: standardised discharge and runoff, discharge against the agreed low flow."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pipeline.indices.common import apply_along_time, require_units, slots
from pipeline.indices.spi import TOO_MANY_ZEROS
from pipeline.indices.standardized import LIMIT, fit_standard, standardise
from pipeline.indices.windows import moving_sum

Floats = NDArray[np.floating]

MIN_YEARS = 20
"""Fewer years give no index."""


def mean_flow(*, discharge: xr.DataArray, steps: int, min_share: float = 1.0) -> xr.DataArray:
    """Average discharge over the last ``steps`` steps (volume by time of Nalbantis and Tsakiris).

    Parameters
    ----------
    discharge
        m3 s-1, daily or monthly means, dims with ``time``.
    steps
        Length of the window, 1 to 366.
    min_share
        Least share of the window's steps that must be known, above 0.

    Returns
    -------
    DataArray
        m3 s-1, NaN where too little is known; attributes ``window`` and ``min_share``.

    Examples
    --------
    >>> import xarray as xr
    >>> time = np.arange("2001-01", "2001-04", dtype="datetime64[M]").astype("M8[ns]")
    >>> flow = xr.DataArray([900.0, 1100.0, 1000.0], {"time": time}, attrs={"units": "m3 s-1"})
    >>> mean_flow(discharge=flow, steps=3).values
    array([  nan,   nan, 1000.])
    """
    require_units(discharge, "m3 s-1")
    total = moving_sum(values=discharge, steps=steps, min_share=min_share)
    mean: xr.DataArray = (total / steps).assign_attrs(total.attrs)
    return mean.rename(discharge.name).assign_attrs(
        units="m3 s-1", long_name=f"Mean discharge over {steps} steps", cell_methods="time: mean"
    )


def fit_sdi(
    *, discharge: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 5
) -> xr.Dataset:
    """Fit log-normal distributions of discharge by month or day of the year.

    μ and σ are the mean and standard deviation (n − 1) of ln Q.

    Parameters
    ----------
    discharge
        m3 s-1, above 0: monthly or daily means, or those of longer windows by :func:`mean_flow`;
        dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For daily values: days on either side that are included.

    Returns
    -------
    Dataset
        ``mu``, ``sigma`` of ln Q and ``n_years`` by ``month`` or ``dayofyear``; μ and σ are NaN
        below 20 years. Attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        Other units, a time axis with gaps, a reference period below 20 years; a value not above 0
        (when computed).

    References
    ----------
    Nalbantis, I. & Tsakiris, G. (2009), doi 10.1007/s11269-008-9305-1.
    """
    require_units(discharge, "m3 s-1")
    return fit_standard(
        values=discharge,
        start=start,
        end=end,
        half_window_days=half_window_days,
        min_years=MIN_YEARS,
        statistics=lambda x: _statistics(_require_above_zero(x)),
        estimate=_estimate_params,
        units=dict.fromkeys(("mu", "sigma"), "1"),
        index="SDI",
    )


def sdi(*, discharge: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Streamflow drought index: z = (ln Q − μ) / σ, at most ±3.

    Parameters
    ----------
    discharge
        As for the fit.
    parameters
        From :func:`fit_sdi`.

    Returns
    -------
    DataArray
        Standard normal; NaN where discharge or parameters are missing.

    Raises
    ------
    ValueError
        Other units or another window, or a value not above 0 (when computed).
    """
    require_units(discharge, "m3 s-1")
    index = standardise(
        values=discharge,
        parameters=parameters,
        names=("mu", "sigma"),
        score=lambda x, mu, sigma: _score(_require_above_zero(x), mu, sigma),
    )
    return index.assign_attrs(long_name="Streamflow drought index")


def fit_sri(
    *, runoff: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 5
) -> xr.Dataset:
    """Fit log-normal distributions of runoff with a zero mass, by month or day of the year.

    Parameters
    ----------
    runoff
        mm over n months or days, as from :func:`pipeline.indices.rain.accumulation`, not negative,
        dims with ``time``.
    start, end, half_window_days
        As for :func:`fit_sdi`.

    Returns
    -------
    Dataset
        ``mu``, ``sigma`` of the logarithm of runoff above 0, ``p_zero`` and ``h_zero`` as from
        :func:`pipeline.indices.spi.fit_spi`, and ``n_years``; μ and σ are NaN below 20 years and
        where more than half of the values are zero.

    Raises
    ------
    ValueError
        As :func:`fit_sdi`; a negative value (when computed).

    References
    ----------
    Shukla, S. & Wood, A. W. (2008), doi 10.1029/2007GL032487.
    """
    require_units(runoff, "mm")
    return fit_standard(
        values=runoff,
        start=start,
        end=end,
        half_window_days=half_window_days,
        min_years=MIN_YEARS,
        statistics=_statistics,
        estimate=_estimate_params_with_zeros,
        units=dict.fromkeys(("mu", "sigma", "p_zero", "h_zero"), "1"),
        index="SRI",
    )


def sri(*, runoff: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Standardised runoff index: z = Φ⁻¹[p0 + (1 − p0) Φ((ln R − μ) / σ)], at most ±3.

    Parameters
    ----------
    runoff
        As for the fit.
    parameters
        From :func:`fit_sri`.

    Returns
    -------
    DataArray
        Standard normal; NaN where runoff or parameters are missing.

    Raises
    ------
    ValueError
        Units other than mm or another window, or a negative value (when computed).
    """
    require_units(runoff, "mm")
    index = standardise(
        values=runoff,
        parameters=parameters,
        names=("mu", "sigma", "p_zero", "h_zero"),
        score=_score_with_zeros,
    )
    return index.assign_attrs(long_name="Standardised runoff index")


def _statistics(x: Floats) -> Floats:
    """Return the number known, the number above zero, sums of logarithms and of their squares."""
    if (x < 0).any():
        raise ValueError(f"runoff: expected 0 or more, found {np.nanmin(x)}")
    flows = x > 0
    log = np.log(np.where(flows, x, 1), dtype=np.float64)
    return np.stack(
        [np.isfinite(x).sum(axis=0), flows.sum(axis=0), log.sum(axis=0), (log**2).sum(axis=0)]
    )


def _estimate_params(sums: Floats, enough: NDArray[np.bool_]) -> Floats:
    _, flows, log, square = sums
    mu = log / flows
    sigma = np.sqrt(np.maximum(square - flows * mu**2, 0.0) / (flows - 1))
    return np.where(enough & (sigma > 1e-6), np.stack([mu, sigma]), np.nan)


def _estimate_params_with_zeros(sums: Floats, enough: NDArray[np.bool_]) -> Floats:
    count, flows = sums[:2]
    zeros = count - flows
    h_zero = np.where(zeros > 0, (zeros + 1) / (2 * (count + 1)), 0.0)
    params = _estimate_params(sums, enough & (zeros <= TOO_MANY_ZEROS * count))
    return np.concatenate([params, np.stack([zeros / (count + 1), h_zero])])


def _score(x: Floats, mu: Floats, sigma: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return (np.log(x) - mu.astype(x.dtype)) / sigma.astype(x.dtype)


def _score_with_zeros(
    x: Floats, mu: Floats, sigma: Floats, p_zero: Floats, h_zero: Floats
) -> Floats:
    if (x < 0).any():
        raise ValueError(f"runoff: expected 0 or more, found {np.nanmin(x)}")
    z = _score(x, mu, sigma)
    mixed = p_zero > 0
    if mixed.any():
        p = p_zero[mixed]
        z[:, mixed] = ndtri(p + (1 - p) * ndtr(z[:, mixed]))
    at_zero = np.where(np.isfinite(mu), np.maximum(ndtri(h_zero), -LIMIT), np.nan)
    return np.where(x == 0, at_zero, z)


def low_flow_ratio(*, discharge: xr.DataArray, reference_flow: xr.DataArray) -> xr.DataArray:
    """Divide discharge by the low flow agreed for the month.

    Parameters
    ----------
    discharge
        m3 s-1, dims with ``time``.
    reference_flow
        m3 s-1, dims with ``month`` (1-12), e.g. the flows of PMFM Article 6A.

    Returns
    -------
    DataArray
        Below 1 where the flow is lower than agreed; NaN in months without a reference flow.

    Examples
    --------
    >>> import xarray as xr
    >>> time = np.array(["2016-01-31", "2016-02-01", "2016-06-01"], "datetime64[ns]")
    >>> flow = xr.DataArray([699.0, 1051.0, 900.0], {"time": time}, attrs={"units": "m3 s-1"})
    >>> agreed = xr.DataArray([1398.0, 1051.0], {"month": [1, 2]}, attrs={"units": "m3 s-1"})
    >>> low_flow_ratio(discharge=flow, reference_flow=agreed).values
    array([0.5, 1. , nan])
    """
    require_units(discharge, "m3 s-1")
    require_units(reference_flow, "m3 s-1")
    month = slots(discharge["time"].values, "month") - 1
    ratio = apply_along_time(
        lambda flow, agreed: flow / agreed[month],
        discharge,
        reference_flow.reindex(month=np.arange(1, 13)),
        core=[["month"]],
    )
    return ratio.assign_attrs(units="1", long_name="Discharge over the agreed low flow")


def _require_above_zero(x: Floats) -> Floats:
    if (x <= 0).any():
        raise ValueError(f"discharge: expected above 0, found {np.nanmin(x)}")
    return x
