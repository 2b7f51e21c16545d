"""Streamflow indices: standardised discharge, and discharge against the agreed low flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipeline.indices.reference import (
    SLOTS,
    Season,
    along_time,
    definition,
    require_units,
    season_of,
    seasonal_sum,
    slots,
    within,
)

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

MIN_YEARS = 20
"""Fewer years give no index."""


def fit_sdi(
    *, discharge: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 5
) -> xr.Dataset:
    """Log-normal law of discharge by month or day of the year.

    μ and σ are the mean and standard deviation (n − 1) of ln Q.

    Parameters
    ----------
    discharge
        m3 s-1 (monthly or daily means), or mm of runoff, above 0, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For daily values: days on either side that count too.

    Returns
    -------
    Dataset
        ``mu``, ``sigma`` of ln Q and ``n_years`` by ``month`` or ``dayofyear``; μ and σ are NaN
        below 20 years. Attributes of :func:`reference.definition`.

    Raises
    ------
    ValueError
        Other units, a time axis with gaps, a value not above 0 (when computed).

    References
    ----------
    Nalbantis, I. & Tsakiris, G. (2009), doi 10.1007/s11269-008-9305-1 (SDI); Shukla, S. & Wood,
    A. W. (2008), doi 10.1029/2007GL032487 (SRI, the same for runoff).
    """
    require_units(discharge, "mm" if discharge.attrs.get("units") == "mm" else "m3 s-1")
    season = season_of(discharge)
    part = within(discharge, start=start, end=end)
    slot, size = slots(part["time"].values, season), SLOTS[season]
    window = 0 if season == "month" else half_window_days

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        log, good = _logarithm(x), np.isfinite(x)
        log = np.where(good, log, 0.0)
        count, total, square = (
            seasonal_sum(one, slot, size=size, half_window=window)
            for one in (good.astype(np.float64), log, log**2)
        )
        n_years = np.rint(count / (2 * window + 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            mu = total / count
            sigma = np.sqrt(np.maximum(square - count * mu**2, 0.0) / (count - 1))
        usable = (n_years >= MIN_YEARS) & (sigma > 1e-6)
        return np.stack([np.where(usable, mu, np.nan), np.where(usable, sigma, np.nan), n_years])

    stacked = along_time(kernel, part, output={"parameter": 3, season: size})
    how = definition(part, start=start, end=end, index="SDI", half_window=window)
    fields = {
        name: stacked.isel(parameter=number).assign_attrs(units="1")
        for number, name in enumerate(("mu", "sigma", "n_years"))
    }
    return xr.Dataset(fields, {season: np.arange(1, size + 1)}, how)


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
        Standard normal; NaN where discharge or law is missing.

    Raises
    ------
    ValueError
        Other units, or a value not above 0 (when computed).
    """
    require_units(discharge, "mm" if discharge.attrs.get("units") == "mm" else "m3 s-1")
    season: Season = "month" if "month" in parameters.dims else "dayofyear"
    slot = slots(discharge["time"].values, season)

    def kernel(
        x: NDArray[np.floating], mu: NDArray[np.floating], sigma: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        z: NDArray[np.floating] = (_logarithm(x) - mu[slot - 1]) / sigma[slot - 1]
        return np.asarray(np.clip(z, -3.0, 3.0))

    found = along_time(
        kernel, discharge, parameters["mu"], parameters["sigma"], core=[[season], [season]]
    )
    return found.assign_attrs(units="1", long_name="Streamflow drought index")


def low_flow_ratio(*, discharge: xr.DataArray, reference_flow: xr.DataArray) -> xr.DataArray:
    """Discharge over the low flow agreed for the month.

    Parameters
    ----------
    discharge
        m3 s-1, dims with ``time``.
    reference_flow
        m3 s-1, dims with ``month`` (1-12), e.g. the flows of PMFM Article 6A.

    Returns
    -------
    DataArray
        Below 1 the flow is lower than agreed; NaN in months without a reference.

    Examples
    --------
    >>> time = np.array(["2016-01-31", "2016-02-01", "2016-06-01"], "datetime64[ns]")
    >>> flow = xr.DataArray([699.0, 1051.0, 900.0], {"time": time}, attrs={"units": "m3 s-1"})
    >>> agreed = xr.DataArray([1398.0, 1051.0], {"month": [1, 2]}, attrs={"units": "m3 s-1"})
    >>> low_flow_ratio(discharge=flow, reference_flow=agreed).values
    array([0.5, 1. , nan])
    """
    require_units(discharge, "m3 s-1")
    require_units(reference_flow, "m3 s-1")
    month = xr.DataArray(slots(discharge["time"].values, "month"), {"time": discharge["time"]})
    agreed = reference_flow.reindex(month=np.arange(1, 13)).sel(month=month).drop_vars("month")
    ratio = (discharge / agreed).transpose(*discharge.dims, ...)
    return ratio.assign_attrs(units="1", long_name="Discharge over the agreed low flow")


def _logarithm(x: NDArray[np.floating]) -> NDArray[np.float64]:
    if (x <= 0).any():
        raise ValueError(f"discharge: expected above 0, found {np.nanmin(x)}")
    return np.asarray(np.log(x, dtype=np.float64))
