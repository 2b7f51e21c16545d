"""Rain indices: accumulations, antecedent precipitation, dry spells, pluvial flooding."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import apply_along_time, cadence, require_units
from pipeline.indices.windows import known_steps, moving_sum

WET_DAY_MM = 1.0
"""Least rain of a wet day (WMO-ETCCDI)."""
API_FACTOR = 0.95
"""Recession of antecedent precipitation per day, of a large basin."""
DURATIONS_H = (1, 3, 6, 24, 72)
"""Durations of the pluvial index."""


def accumulation(*, rain: xr.DataArray, steps: int, min_share: float = 1.0) -> xr.DataArray:
    """Accumulate rain over the last ``steps`` steps, the current step included.

    S_t = Σ_{i<steps} P_{t−i}; with steps missing S_t = steps x mean of the known ones, if their
    share is at least ``min_share``. A missing step never counts as no rain.

    Parameters
    ----------
    rain
        mm per step (day, half-hour or calendar month), dims with ``time``, no gaps in the axis.
    steps
        Length of the window, 1 to 366.
    min_share
        Least share of the window's steps that must be known, above 0.

    Returns
    -------
    DataArray
        mm, NaN where too little is known; attributes ``window`` and ``min_share``.

    Raises
    ------
    ValueError
        Units other than mm, a time axis with gaps, or a window or share out of range.

    References
    ----------
    Scaling by the known steps: WMO-No. 1203, on totals from incomplete data.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2001-01-05", dtype="datetime64[D]").astype("M8[ns]")
    >>> rain = xr.DataArray([1.0, 2.0, np.nan, 4.0], {"time": time}, attrs={"units": "mm"})
    >>> accumulation(rain=rain, steps=2).values
    array([nan,  3., nan, nan])
    >>> accumulation(rain=rain, steps=3, min_share=0.6).values
    array([nan, 4.5, 4.5, 9. ])
    """
    require_units(rain, "mm")
    return moving_sum(values=rain, steps=steps, min_share=min_share).assign_attrs(
        units="mm",
        long_name=f"Rain over {steps} steps",
        standard_name="lwe_thickness_of_precipitation_amount",
        cell_methods="time: sum",
    )


def api(
    *, rain: xr.DataArray, k: float = API_FACTOR, spin_up_days: int = 90, min_share: float = 1.0
) -> xr.DataArray:
    """Compute the antecedent precipitation index.

    A_t = k A_{t−1} + P_t, started from zero ``spin_up_days`` − 1 days before, that is
    A_t = Σ_{i<spin_up_days} kⁱ P_{t−i}: it does not depend on where the record begins.

    Parameters
    ----------
    rain
        mm per day, dims with ``time``.
    k
        Recession per day: 0.90 for a tributary, 0.95 for a large basin.
    spin_up_days
        Days that are included, at least 90.
    min_share
        Least share of the weights Σ kⁱ whose days must be known; missing days count as the mean
        of the known ones.

    Returns
    -------
    DataArray
        mm, NaN where too little is known.

    Raises
    ------
    ValueError
        Units other than mm, steps other than a day, or k or the spin-up out of range.

    References
    ----------
    Kohler, M. A. & Linsley, R. K. (1951). Predicting the runoff from storm rainfall. US Weather
    Bureau Research Paper 34.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2001-04-11", dtype="datetime64[D]").astype("M8[ns]")
    >>> rain = xr.DataArray(np.ones(100), {"time": time}, attrs={"units": "mm"})
    >>> round(api(rain=rain, k=0.9).item(99), 4)  # (1 - 0.9^90) / (1 - 0.9)
    9.9992
    """
    require_units(rain, "mm")
    if cadence(rain) != np.timedelta64(1, "D"):
        raise ValueError(f"{rain.name}: expected daily steps, found {cadence(rain)}")
    if not 0.0 < k < 1.0 or spin_up_days < 90 or not 0.0 < min_share <= 1.0:
        raise ValueError(
            "expected k and min_share in (0, 1) and (0, 1], spin_up_days >= 90, "
            f"found {k}, {min_share}, {spin_up_days}"
        )
    weights_sum = (1 - k**spin_up_days) / (1 - k)

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        good = np.isfinite(x)
        total = _fading_sum(np.where(good, x, x.dtype.type(0)), k, spin_up_days)
        share = _fading_sum(known_steps(good).astype(np.float64), k, spin_up_days)
        share /= weights_sum
        share[share > 1 - 1e-9] = 1.0
        share[share < max(min_share, 1e-9)] = np.nan
        return np.asarray(np.multiply(total, (1 / share).astype(x.dtype), out=total))

    return apply_along_time(kernel, rain).assign_attrs(
        units="mm", long_name=f"Antecedent precipitation index, k = {k}", min_share=min_share
    )


def _fading_sum(x: NDArray[np.floating], k: float, steps: int) -> NDArray[np.floating]:
    """Sum kⁱ x_{t−i} over i < steps, along the first axis, by doubling: few passes and no drift."""
    total, lag = np.zeros_like(x), 0
    power, width = x, 1
    while lag < steps:
        if steps & width:
            total[lag:] += power[: len(x) - lag] * x.dtype.type(k**lag)
            lag += width
        if lag < steps:
            wider = power.copy()
            wider[width:] += power[: len(x) - width] * x.dtype.type(k**width)
            power, width = wider, 2 * width
    return total


def dry_spell(*, rain: xr.DataArray, wet_mm: float = WET_DAY_MM) -> xr.DataArray:
    """Count the days since the last wet day.

    Parameters
    ----------
    rain
        mm per day, dims with ``time``.
    wet_mm
        Least rain of a wet day, above 0.

    Returns
    -------
    DataArray
        Days, 0 on a wet day. NaN before the first wet day, and from a missing day to the next
        wet one: the length of the spell is then unknown.

    Raises
    ------
    ValueError
        Units other than mm, steps other than a day, or ``wet_mm`` not above 0.

    References
    ----------
    ETCCDI index CDD (Zhang et al. 2011, doi 10.1002/wcc.147), as a running count.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2001-01-07", dtype="datetime64[D]").astype("M8[ns]")
    >>> rain = xr.DataArray([0, 5, 0, 0.9, np.nan, 2], {"time": time}, attrs={"units": "mm"})
    >>> dry_spell(rain=rain).values
    array([nan,  0.,  1.,  2., nan,  0.])
    """
    require_units(rain, "mm")
    if cadence(rain) != np.timedelta64(1, "D") or wet_mm <= 0:
        raise ValueError(
            f"{rain.name}: expected daily steps and wet_mm above 0, found {cadence(rain)}, {wet_mm}"
        )

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        out = np.empty_like(x)
        count = np.full(x.shape[1:], np.nan, x.dtype)
        for row, today in enumerate(x):
            count += 1
            count[np.isnan(today)] = np.nan
            count[today >= wet_mm] = 0
            out[row] = count
        return out

    return apply_along_time(kernel, rain).assign_attrs(
        units="days", long_name=f"Days since rain of {wet_mm} mm or more"
    )


def short_depths(*, day_mm: xr.DataArray, three_day_mm: xr.DataArray) -> xr.DataArray:
    """Derive design depths for the durations of the pluvial index from those of one and three days.

    P_D = P_24 (D / 24 h)^(1/3) for D below a day, the one-third rule of the Indian
    Meteorological Department for places without a recording gauge.

    Parameters
    ----------
    day_mm, three_day_mm
        Depths of one return period for 24 and 72 h, mm, from
        :func:`pipeline.indices.extremes.return_level`.

    Returns
    -------
    DataArray
        mm, dims (duration_h, ...).

    References
    ----------
    Ramaseshan, S. (1996). Urban hydrology in different climate conditions (the rule).

    Examples
    --------
    >>> depth = xr.DataArray(80.0, attrs={"units": "mm"})
    >>> short_depths(day_mm=depth, three_day_mm=depth * 1.5).sel(duration_h=[3, 24, 72]).values
    array([ 40.,  80., 120.])
    """
    require_units(day_mm, "mm")
    parts = [day_mm * (hours / 24.0) ** (1 / 3) for hours in DURATIONS_H[:-1]] + [three_day_mm]
    depth: xr.DataArray = xr.concat(parts, "duration_h", coords="minimal", compat="override")
    return depth.assign_coords(duration_h=list(DURATIONS_H)).assign_attrs(units="mm")


def pluvial_index(
    *, rain: xr.DataArray, depth: xr.DataArray, min_share: float = 0.8
) -> xr.DataArray:
    """Divide the rain of the last hours by its two-year depth, for a city without a gauge.

    I_t = max over D of P_D(t) / P_D(T = 2 years).

    Parameters
    ----------
    rain
        mm per step, steps that divide an hour, dims with ``time``.
    depth
        Depth of return period 2 years, mm, dims with ``duration_h`` (hours).
    min_share
        Least share of a window's steps that must be known.

    Returns
    -------
    DataArray
        1 and more where the rain of at least one duration reaches its two-year depth. Where a
        window is unknown, the others decide if they reach 1; otherwise NaN.

    Raises
    ------
    ValueError
        Units other than mm, or steps that do not divide an hour.

    Examples
    --------
    >>> time = np.arange("2001-01-01T00", "2001-01-01T03", dtype="datetime64[h]").astype("M8[ns]")
    >>> rain = xr.DataArray([10.0, 30.0, 6.0], {"time": time}, attrs={"units": "mm"})
    >>> depth = xr.DataArray([40.0, 60.0], {"duration_h": [1, 2]}, attrs={"units": "mm"})
    >>> pluvial_index(rain=rain, depth=depth).values  # nan, max(30/40, 40/60), max(6/40, 36/60)
    array([ nan, 0.75, 0.6 ])
    """
    require_units(depth, "mm")
    step, hour = cadence(rain), np.timedelta64(1, "h")
    if step is None or hour % step != np.timedelta64(0):
        raise ValueError(f"{rain.name}: expected steps that divide an hour, found {step}")
    ratios = [
        accumulation(rain=rain, steps=int(hours) * int(hour // step), min_share=min_share)
        / depth.sel(duration_h=hours, drop=True)
        for hours in depth["duration_h"].values
    ]
    by_duration = xr.concat(ratios, "duration_h", coords="minimal", compat="override")
    known = by_duration.notnull().all("duration_h")
    highest = by_duration.max("duration_h", skipna=True)
    index = highest.where(known | (highest >= 1.0)).transpose(*rain.dims, ...)
    return index.assign_attrs(units="1", long_name="Pluvial index")
