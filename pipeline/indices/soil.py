"""Soil moisture: standardised index from ranks, and root-zone moisture from the surface's."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.indices.common import apply_along_time, copy_reference_attrs
from pipeline.indices.quantiles import keep_sample, score_by_rank
from pipeline.indices.windows import DAY

MIN_YEARS = 10
"""Fewer years give no index; SMAP begins in 2015."""
ROOT_ZONE_DAYS = 20.0
"""Time scale of the first metre of soil behind its surface (Wagner et al. 1999)."""
LEAST_WEIGHT = 3.0
"""Least sum of the retrievals' weights by age; with less, the index describes the surface only."""


def fit_ssi(
    *, soil_moisture: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 15
) -> xr.Dataset:
    """Keep the reference sample for :func:`ssi`.

    Parameters
    ----------
    soil_moisture
        m3 m-3 or any other units, daily or monthly, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For daily values: days of the year on either side that count, the year's end wrapped.

    Returns
    -------
    Dataset
        ``sample`` (sample_time, ...) and the attributes of
        :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        No units, steps other than a day or a month, or no time in the period.
    """
    return keep_sample(
        values=soil_moisture, start=start, end=end, half_window_days=half_window_days, index="SSI"
    )


def ssi(*, soil_moisture: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Standardised soil-moisture index.

    z = Φ⁻¹(p), p = (i − 0.44) / (n + 0.12) by Gringorten, i the rank among the n values of the
    season. Non-parametric, since soil moisture between wilting and saturation follows no common
    distribution; so a sample of N years does not resolve rarer values than its own extremes, and z
    is within ±Φ⁻¹[(N − 0.44) / (N + 0.12)], 1.6 for ten years and 2.1 for thirty.

    Parameters
    ----------
    soil_moisture
        In the units of the fit, dims with ``time``.
    parameters
        From :func:`fit_ssi`.

    Returns
    -------
    DataArray
        NaN where the value is missing or the season has fewer than 10 years.

    Raises
    ------
    ValueError
        Units other than the sample's.

    References
    ----------
    Hao, Z. & AghaKouchak, A. (2013), doi 10.1016/j.advwatres.2013.03.009. Farahmand, A. &
    AghaKouchak, A. (2015), doi 10.1016/j.advwatres.2014.11.012. Gringorten, I. I. (1963), doi
    10.1029/JZ068i003p00813.

    Examples
    --------
    >>> import xarray as xr
    >>> from datetime import UTC, datetime
    >>> time = np.arange("2001-01", "2012-01", dtype="datetime64[M]").astype("M8[ns]")
    >>> years = time.astype("datetime64[Y]").astype(int) - 30.0
    >>> soil = xr.DataArray(years, {"time": time}, attrs={"units": "m3 m-3"})
    >>> params = fit_ssi(soil_moisture=soil, start=datetime(2001, 1, 1, tzinfo=UTC),
    ...                  end=datetime(2012, 1, 1, tzinfo=UTC))
    >>> index = ssi(soil_moisture=soil, parameters=params)
    >>> index.sel(time=["2001-07-01", "2006-07-01"]).values.round(2)
    array([-1.64,  0.  ])
    """

    def score(
        rank: NDArray[np.float64], n: NDArray[np.int64], n_years: NDArray[np.int64]
    ) -> NDArray[np.floating]:
        most = ndtri((n_years - 0.44) / (n_years + 0.12))
        return np.clip(ndtri((rank - 0.44) / (n + 0.12)), -most, most)

    index = score_by_rank(
        values=soil_moisture, parameters=parameters, min_years=MIN_YEARS, score=score
    )
    return index.assign_attrs(
        units="1", long_name="Standardised soil-moisture index", **copy_reference_attrs(parameters)
    )


def soil_water_index(*, surface: xr.DataArray) -> xr.DataArray:
    """Estimate root-zone moisture from the surface moisture of the last weeks.

    Mean of the retrievals mᵢ at times tᵢ ≤ t, weighted by exp[−(t − tᵢ) / T], T = 20 days; as a
    recursion mₙ' = mₙ₋₁' + Kₙ (mₙ − mₙ₋₁'), Kₙ = Kₙ₋₁ / {Kₙ₋₁ + exp[−(tₙ − tₙ₋₁) / T]}.

    Parameters
    ----------
    surface
        Surface soil moisture, any units, dims with ``time``, ascending, gaps allowed; NaN where
        nothing was retrieved.

    Returns
    -------
    DataArray
        In the units and the range of the surface; NaN where nothing was retrieved, and where the
        weights add up to less than 3.

    References
    ----------
    Wagner, W. et al. (1999), doi 10.1016/S0034-4257(99)00036-X. Albergel, C. et al. (2008),
    doi 10.5194/hess-12-1323-2008.

    Examples
    --------
    >>> import xarray as xr
    >>> time = np.arange("2026-07-01", "2026-07-05", dtype="datetime64[D]").astype("M8[ns]")
    >>> surface = xr.DataArray([0.2, 0.2, 0.2, 0.4], {"time": time}, attrs={"units": "m3 m-3"})
    >>> soil_water_index(surface=surface).values.round(4)
    array([   nan,    nan,    nan, 0.2538])
    """
    steps = np.diff(surface["time"].values, prepend=surface["time"].values[:1]) / DAY

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        out = np.full(x.shape, np.nan)
        level, weight = np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
        for row, (step, today) in enumerate(zip(steps, x.astype(np.float64), strict=True)):
            known = np.isfinite(today)
            weight = weight * np.exp(-step / ROOT_ZONE_DAYS) + known
            level = np.where(known, level + (today - level) / np.maximum(weight, 1.0), level)
            out[row] = np.where(known & (weight >= LEAST_WEIGHT), level, np.nan)
        return out

    return apply_along_time(kernel, surface).assign_attrs(surface.attrs)
