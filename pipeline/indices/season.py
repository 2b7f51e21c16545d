"""Onset and retreat of the wet season from the anomalous accumulation of daily rain."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import (
    SLOTS,
    apply_along_time,
    cadence,
    copy_reference_attrs,
    definition,
    require_units,
    select_period,
    slots,
    sum_by_slot,
)

Floats = NDArray[np.floating]

MIN_YEARS = 10
"""Fewer years give no mean season."""
MARGIN_DAYS = 50
"""Days before the mean onset and after the mean retreat that are searched (Dunning et al. 2016)."""
MIN_SHARE = 0.9
"""Share of the searched days that must be known; missing days count as their mean rain."""
_YEAR = SLOTS["dayofyear"]


def fit_wet_season(*, rain: xr.DataArray, start: datetime, end: datetime) -> xr.Dataset:
    """Fit the mean rain of each day of the year and the mean wet season.

    Parameters
    ----------
    rain
        mm per day, dims with ``time``.
    start, end
        Reference period, half-open.

    Returns
    -------
    Dataset
        ``usual`` (mm per day) by ``dayofyear``; ``onset`` and ``retreat``, days of the year after
        the minimum and of the maximum of Σ (usual − mean); NaN where a day of the year has fewer
        than 10 years. A season over New Year has its retreat before its onset. Attributes of
        :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        Units other than mm, steps other than a day, or no time in the period.
    """
    require_units(rain, "mm")
    part = select_period(rain, start=start, end=end)
    if cadence(part) != np.timedelta64(1, "D"):
        raise ValueError(f"{rain.name}: expected daily steps, found {cadence(part)}")
    slot = slots(part["time"].values, "dayofyear")

    def kernel(x: Floats) -> Floats:
        good = np.isfinite(x)
        count, total = (
            sum_by_slot(values, slot, size=_YEAR, half_window=0)
            for values in (good, np.where(good, x, 0))
        )
        known = count >= MIN_YEARS
        usual = np.where(known, total / np.where(known, count, 1), np.nan)
        curve = np.cumsum(usual - usual.mean(axis=0), axis=0)
        complete = known.all(axis=0)
        onset = np.where(complete, (curve.argmin(axis=0) + 1) % _YEAR + 1.0, np.nan)
        retreat = np.where(complete, curve.argmax(axis=0) + 1.0, np.nan)
        return np.concatenate([usual, onset[None], retreat[None]])

    stacked = apply_along_time(kernel, part, output={"dayofyear": _YEAR + 2})
    attrs = definition(part, start=start, end=end, index="wet season", margin_days=MARGIN_DAYS)
    usual = stacked.isel(dayofyear=slice(_YEAR)).assign_coords(dayofyear=np.arange(1, _YEAR + 1))
    fields = {"usual": usual.assign_attrs(units="mm")}
    for place, name in enumerate(("onset", "retreat")):
        day = stacked.isel(dayofyear=_YEAR + place)
        fields[name] = day.assign_attrs(units="1", long_name=f"Mean {name}, day of the year")
    return xr.Dataset(fields, attrs=attrs)


def wet_season(*, rain: xr.DataArray, parameters: xr.Dataset) -> xr.Dataset:
    """Find onset and retreat of the wet season of each year.

    A(d) = Σ (P − P̄) from 50 days before the mean onset, P̄ the mean daily rain of the reference
    period: A falls while it rains less than on a mean day. Onset is the day after its minimum up
    to the mean retreat, retreat the day of its maximum from there to 50 days after the mean
    retreat. The method has no threshold in mm, so that it holds from the dry plateau of Isan to
    the wet slopes of Laos; a shower before the monsoon is no onset if dry days follow.

    Parameters
    ----------
    rain
        mm per day, dims with ``time``, no gaps in the axis.
    parameters
        From :func:`fit_wet_season`.

    Returns
    -------
    Dataset
        ``onset``, ``retreat`` (days counted from 1 January of ``year`` = 1; beyond 365 in the next
        year) and ``length`` (days, both included), dims with ``year``. NaN until all
        searched days are over, and where fewer than 90 % of them are known.

    Raises
    ------
    ValueError
        Units other than mm, or steps other than a day.

    References
    ----------
    Liebmann, B. & Marengo, J. A. (2001). J. Climate 14, 4308-4318. Dunning, C. M. et al. (2016),
    doi 10.1002/2016JD025428 (the span searched). For dates in Thailand by another way: Cook, B. I.
    & Buckley, B. M. (2009), doi 10.1029/2009JD012795.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> time = np.arange("2001-01-01", "2012-01-01", dtype="datetime64[D]").astype("M8[ns]")
    >>> rain = xr.DataArray(np.zeros(len(time)), {"time": time}, attrs={"units": "mm"})
    >>> rain[rain["time"].dt.month.isin([5, 6, 7, 8, 9, 10])] = 9.0
    >>> params = fit_wet_season(rain=rain, start=datetime(2001, 1, 1, tzinfo=UTC),
    ...                         end=datetime(2011, 1, 1, tzinfo=UTC))
    >>> wet_season(rain=rain, parameters=params).sel(year=2011)["onset"].item()  # 1 May
    121.0
    """
    require_units(rain, "mm")
    if cadence(rain) != np.timedelta64(1, "D"):
        raise ValueError(f"{rain.name}: expected daily steps, found {cadence(rain)}")
    time = rain["time"].values.astype("datetime64[D]")
    slot = slots(time, "dayofyear") - 1
    years = np.unique(time.astype("datetime64[Y]"))
    january = (years.astype("datetime64[D]") - time[0]).astype(np.int64)

    def kernel(x: Floats, usual: Floats, onset: Floats, retreat: Floats) -> Floats:
        last = retreat + np.where(retreat < onset, _YEAR, 0)
        out = np.full((2, len(years), *x.shape[1:]), np.nan)
        seasonal = np.isfinite(onset)
        if not seasonal.any():
            return out
        mean = usual.mean(axis=0)
        earliest = int(np.nanmin(onset)) - MARGIN_DAYS
        day = np.arange(earliest, int(np.nanmax(last)) + MARGIN_DAYS + 1)
        days = day.reshape(-1, *(1,) * (x.ndim - 1))
        since, until = days >= onset - MARGIN_DAYS, days <= last + MARGIN_DAYS
        for number, first in enumerate(january):
            # Rows of the record, counted from 1 January; some may lie outside of it.
            row = day - 1 + first
            inside = (row >= 0) & (row < len(x))
            values = np.full((len(day), *x.shape[1:]), np.nan)
            values[inside] = x[row[inside]]
            filled = usual[slot[np.clip(row, 0, len(x) - 1)]]
            known = np.isfinite(values)
            total = np.cumsum(np.where(since, np.where(known, values, filled) - mean, 0), axis=0)
            rising = since & (days <= last)
            begin = np.where(rising, total, np.inf).argmin(axis=0)
            after = np.arange(len(day)).reshape(days.shape) > begin
            end = np.where(after & until, total, -np.inf).argmax(axis=0)
            for place, (span, offset) in enumerate(((rising, begin + 1), (since & until, end))):
                covered = (span & inside.reshape(days.shape)).sum(axis=0) == span.sum(axis=0)
                share = (span & known).sum(axis=0) / span.sum(axis=0).clip(1)
                out[place, number] = np.where(
                    seasonal & covered & (share >= MIN_SHARE), day[0] + offset, np.nan
                )
        return out

    stacked = apply_along_time(
        kernel,
        rain,
        *(parameters[name] for name in ("usual", "onset", "retreat")),
        core=[["dayofyear"], [], []],
        output={"moment": 2, "year": len(years)},
    ).assign_coords(year=years.astype(np.int64) + 1970)
    begin, end = stacked.isel(moment=0), stacked.isel(moment=1)
    fields = {"onset": begin, "retreat": end, "length": end - begin + 1}
    return xr.Dataset(
        {
            name: da.assign_attrs(units="days", long_name=f"{name.capitalize()} of the wet season")
            for name, da in fields.items()
        },
        attrs=copy_reference_attrs(parameters),
    )
