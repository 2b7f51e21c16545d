"""Drought indices: seasonal percentile, drought score and class, combined indicator."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.indices.common import (
    SLOTS,
    apply_along_time,
    cadence,
    copy_reference_attrs,
    definition,
    require_units,
    select_period,
    slots,
)
from pipeline.indices.quantiles import keep_sample, score_by_rank

Floats = NDArray[np.floating]

MIN_YEARS = 5
"""Fewer years in the sample give no percentile; SMAP begins in 2015."""
SPI_BOUNDS = (-0.5, -0.8, -1.3, -1.6, -2.0)
PERCENTILE_BOUNDS = (30.0, 20.0, 10.0, 5.0, 2.0)
"""Upper bounds of D0-D4 (US Drought Monitor, drought classification)."""
CDI = ("none", "watch", "warning", "alert")
"""Meaning of 0-3 in the combined drought indicator; NaN is unknown."""
DRY_MONTHS = (12, 1, 2, 3)
"""Months whose SPI-1 is ignored: hardly any rain is usual."""
SPI3_DRY, SPI1_DRY, SOIL_DRY_PERCENT, VHI_DRY_PERCENT = -1.0, -2.0, 15.87, 40.0
"""Bounds of the combined indicator: rain and soil as in the EDO's (−1 and −2 standard deviations;
15.87 % is −1), vegetation as drought in Kogan's VHI."""
_ROWS = 256
"""Days worked on at a time in double precision."""


def fit_percentile(
    *, values: xr.DataArray, start: datetime, end: datetime, half_window_days: int = 15
) -> xr.Dataset:
    """Keep the reference sample for :func:`percentile`.

    Parameters
    ----------
    values
        Daily, any units, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        Days of the year on either side that are included; the year wraps around.

    Returns
    -------
    Dataset
        ``sample`` (sample_time, ...), the values of the period, and the attributes of
        :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        No units, steps other than a day, or no time in the period.
    """
    params = keep_sample(
        values=values, start=start, end=end, half_window_days=half_window_days, index="percentile"
    )
    if cadence(values) != np.timedelta64(1, "D"):
        raise ValueError(f"{values.name}: expected daily steps, found {cadence(values)}")
    return params


def percentile(*, values: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Compute the percentile in the values of the season, by the Weibull plotting position.

    100 i / (n+1), i the rank of the value among the n values of the reference period within the
    window around its day of the year: i = #(smaller) + [#(equal) + 1] / 2, which is the rank
    itself for a value of the sample, the mean rank of ties, and half-way between ranks otherwise.

    Parameters
    ----------
    values
        In the units of the sample, dims with ``time``.
    parameters
        From :func:`fit_percentile`.

    Returns
    -------
    DataArray
        Percent, above 0 and below 100; NaN where the value is missing or the sample
        has fewer than 5 years.

    Raises
    ------
    ValueError
        Units other than the sample's.

    References
    ----------
    Weibull, W. (1939); Makkonen, L. (2006), doi 10.1175/JAM2349.1 (plotting position).

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2008-01-01", dtype="datetime64[D]").astype("M8[ns]")
    >>> years = time.astype("datetime64[Y]").astype(int) - 30.0
    >>> soil = xr.DataArray(years, {"time": time}, attrs={"units": "m3 m-3"})
    >>> from datetime import UTC, datetime
    >>> params = fit_percentile(values=soil, start=datetime(2001, 1, 1, tzinfo=UTC),
    ...                         end=datetime(2008, 1, 1, tzinfo=UTC), half_window_days=0)
    >>> percentile(values=soil, parameters=params).sel(time=["2001-07-01", "2007-07-01"]).values
    array([12.5, 87.5])
    """
    percent = score_by_rank(
        values=values,
        parameters=parameters,
        min_years=MIN_YEARS,
        score=lambda rank, n, _: 100 * rank / (n + 1),
    )
    name = f"Seasonal percentile of {values.name}"
    return percent.assign_attrs(units="%", long_name=name, **copy_reference_attrs(parameters))


def fit_score(
    *, spi3: xr.DataArray, soil_moisture_percentile: xr.DataArray, start: datetime, end: datetime
) -> xr.Dataset:
    """Correlate the two parts of :func:`drought_score` over a reference period.

    Parameters
    ----------
    spi3
        Standardised rain of three months, dims with ``time``.
    soil_moisture_percentile
        Percent, same dims.
    start, end
        Reference period, half-open.

    Returns
    -------
    Dataset
        ``correlation``, dims without ``time``, NaN with fewer than 365 common days.
    """
    require_units(spi3, "1")
    require_units(soil_moisture_percentile, "%")
    rain, soil = (
        select_period(da, start=start, end=end) for da in (spi3, soil_moisture_percentile)
    )

    def kernel(x: Floats, percent: Floats) -> Floats:
        sums = np.zeros((6, *x.shape[1:]))
        for begin in range(0, len(x), _ROWS):
            block = slice(begin, begin + _ROWS)
            u, v = x[block].astype(np.float64), _to_normal(percent[block].astype(np.float64))
            paired = np.isfinite(u) & np.isfinite(v)
            u, v = np.where(paired, u, 0.0), np.where(paired, v, 0.0)
            for row, terms in enumerate((paired, u, v, u * u, v * v, u * v)):
                sums[row] += terms.sum(axis=0)
        n, a, b, aa, bb, ab = sums
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n))
        return np.where(n >= SLOTS["dayofyear"], r, np.nan)[None]

    stacked = apply_along_time(kernel, rain, soil, core=[["time"]], output={"parameter": 1})
    correlation = stacked.isel(parameter=0).assign_attrs(units="1")
    attrs = definition(rain, start=start, end=end, index="drought score")
    return xr.Dataset({"correlation": correlation}, attrs=attrs)


def drought_score(
    *, spi3: xr.DataArray, soil_moisture_percentile: xr.DataArray, parameters: xr.Dataset
) -> xr.DataArray:
    """Blend rain and soil moisture into the score that drought classes and forecasts use.

    s = (SPI-3 + z) / √[2 (1 + r)], z = Φ⁻¹(soil moisture percentile / 100) within ±3, r their
    correlation, so that s is standard normal like its parts; where soil moisture or r is missing,
    s = SPI-3. After the objective blends of the US Drought Monitor, with equal weights.

    Parameters
    ----------
    spi3
        Standardised rain of three months, dims with ``time``.
    soil_moisture_percentile
        Percent, same dims.
    parameters
        From :func:`fit_score`.

    Returns
    -------
    DataArray
        Standard normal; NaN where SPI-3 is missing.

    References
    ----------
    Svoboda, M. et al. (2002), doi 10.1175/1520-0477-83.8.1181.

    Examples
    --------
    >>> time = np.array(["2001-07-01"], "datetime64[ns]")
    >>> drought_score(spi3=xr.DataArray([-1.0], {"time": time}, attrs={"units": "1"}),
    ...               soil_moisture_percentile=xr.DataArray([50.0], {"time": time},
    ...                                                     attrs={"units": "%"}),
    ...               parameters=xr.Dataset({"correlation": -0.5})).values
    array([-1.])
    """
    require_units(spi3, "1")
    require_units(soil_moisture_percentile, "%")

    def kernel(x: Floats, percent: Floats, correlation: Floats) -> Floats:
        spread = np.sqrt(2 * (1 + correlation)).astype(x.dtype)
        blend = (x + _to_normal(percent).astype(x.dtype)) / spread
        return np.where(np.isnan(blend), x, blend)

    score = apply_along_time(
        kernel, spi3, soil_moisture_percentile, parameters["correlation"], core=[["time"], []]
    )
    return score.assign_attrs(
        units="1", long_name="Drought score", **copy_reference_attrs(parameters)
    )


def _to_normal(percent: Floats) -> Floats:
    return np.asarray(np.clip(ndtri(percent / 100), -3.0, 3.0))


def usdm_class(*, index: xr.DataArray) -> xr.DataArray:
    """Classify drought as the US Drought Monitor does.

    D0-D4 at or below 30, 20, 10, 5, 2 %, or at or below −0.5, −0.8, −1.3, −1.6, −2.0 of a
    standardised index.

    Parameters
    ----------
    index
        Percentile (units %) or standardised index (units 1).

    Returns
    -------
    DataArray
        −1 no drought, 0-4 for D0-D4, NaN unknown.

    Raises
    ------
    ValueError
        Units other than these two.

    References
    ----------
    US Drought Monitor, Drought Classification, droughtmonitor.unl.edu.

    Examples
    --------
    >>> usdm_class(index=xr.DataArray([31.0, 30.0, 2.0, np.nan], attrs={"units": "%"})).values
    array([-1.,  0.,  4., nan])
    """
    percent = index.attrs.get("units") == "%"
    require_units(index, "%" if percent else "1")
    level = xr.full_like(index, -1.0)
    for bound in PERCENTILE_BOUNDS if percent else SPI_BOUNDS:
        level = level + (index <= bound)
    level = level.where(index.notnull())
    return level.drop_attrs(deep=False).assign_attrs(
        units="1",
        long_name="Drought class",
        flag_values=[-1.0, 0.0, 1.0, 2.0, 3.0, 4.0],
        flag_meanings="none D0 D1 D2 D3 D4",
    )


def mekong_cdi(
    *,
    spi1: xr.DataArray,
    spi3: xr.DataArray,
    soil_moisture_percentile: xr.DataArray,
    vhi: xr.DataArray,
) -> xr.DataArray:
    """Combine rain, soil moisture and vegetation as the European Drought Observatory does.

    Watch: rain deficit, that is SPI-3 < −1, or SPI-1 < −2 outside December-March. Warning: and
    soil moisture below −1 standard deviation (15.87 %). Alert: and vegetation in drought too
    (VHI < 40).

    Parameters
    ----------
    spi1, spi3
        Standardised rain of one and three months, dims with ``time``.
    soil_moisture_percentile, vhi
        Percent.

    Returns
    -------
    DataArray
        0 none, 1 watch, 2 warning, 3 alert, NaN unknown: where a rain deficit cannot be
        determined. With soil or vegetation missing, the level is that of the known inputs.

    References
    ----------
    Sepulcre-Canto, G. et al. (2012), doi 10.5194/nhess-12-3519-2012. Kogan (1995).

    Examples
    --------
    >>> time = np.array(["2001-07-01"], "datetime64[ns]")
    >>> index, percent = {"units": "1"}, {"units": "%"}
    >>> mekong_cdi(spi1=xr.DataArray([0.1], {"time": time}, attrs=index),
    ...            spi3=xr.DataArray([-1.2], {"time": time}, attrs=index),
    ...            soil_moisture_percentile=xr.DataArray([10.0], {"time": time}, attrs=percent),
    ...            vhi=xr.DataArray([np.nan], {"time": time}, attrs=percent)).values
    array([2.])
    """
    for da, units in ((spi1, "1"), (spi3, "1"), (soil_moisture_percentile, "%"), (vhi, "%")):
        require_units(da, units)
    month = slots(spi1["time"].values, "month")
    wet = xr.DataArray(~np.isin(month, DRY_MONTHS), {"time": spi1["time"]})
    short = (spi1 < SPI1_DRY) & wet
    deficit = (spi3 < SPI3_DRY) | short
    known = deficit | (spi3.notnull() & (spi1.notnull() | ~wet))
    soil = deficit & (soil_moisture_percentile < SOIL_DRY_PERCENT)
    vegetation = soil & (vhi < VHI_DRY_PERCENT)
    level = deficit.astype(spi3.dtype) + soil + vegetation
    level = level.where(known).transpose(*spi3.dims, ...)
    return level.drop_attrs(deep=False).assign_attrs(
        units="1",
        long_name="Combined drought indicator of the Mekong",
        flag_values=[0.0, 1.0, 2.0, 3.0],
        flag_meanings=" ".join(CDI),
    )
