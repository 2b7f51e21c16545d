"""All indices of a few cells through many days: fit and apply, with no thought of where they lie.

What the sub-basins and cities get from :mod:`pipeline.indices.risk` each cell gets from here, by
the same functions and with the same shares and ages, by day and by calendar month.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipeline.indices.drought import (
    drought_score,
    fit_percentile,
    fit_score,
    mekong_cdi,
    percentile,
    usdm_class,
)
from pipeline.indices.extremes import fit_return_period, return_period
from pipeline.indices.rain import accumulation, api, dry_spell
from pipeline.indices.risk import EXTREMES, MIN_SHARE, SOIL_DAYS, VEGETATION_DAYS
from pipeline.indices.soil import fit_ssi, ssi
from pipeline.indices.spei import fit_spei, spei, water_balance
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.vegetation import fit_vegetation, tci, vci, vhi

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    Days = NDArray[np.datetime64]

DAY = np.timedelta64(1, "D")
TOTALS_D = (1, 3, 7, 30, 90)
"""Lengths of rain totals, days; the 30 and 90 days' are standardised."""
WINDOWS_D, WINDOWS_M, WINDOWS_SOIL = (30, 90), (1, 3, 6, 9, 12), (1, 3)
"""Lengths of the windows of SPI and SPEI, days and months, and of the SSI, months."""
COMPOSITE_DAYS = 31
"""Days that a monthly composite describes; it counts for ``VEGETATION_DAYS`` after them."""


@dataclass(frozen=True)
class Cells:
    """What is known of some cells.

    Parameters
    ----------
    rain
        mm per day, dims (time, cell), every day of the axis.
    pet
        Potential evapotranspiration, mm per day, likewise.
    soil_moisture
        m3 m-3, every day from its first one on.
    ndvi, lst
        1 and K, one time per composite, its first day.
    """

    rain: xr.DataArray
    pet: xr.DataArray | None = None
    soil_moisture: xr.DataArray | None = None
    ndvi: xr.DataArray | None = None
    lst: xr.DataArray | None = None


def totals(cells: Cells) -> dict[str, xr.DataArray]:
    """Add up what laws are fitted to: ``rain_30d``, ``balance_30d``, ``rain_3m``, ``soil_1m``."""
    found = {}
    monthly = by_month(cells.rain)
    for days in TOTALS_D:
        found[f"rain_{days}d"] = accumulation(rain=cells.rain, steps=days, min_share=MIN_SHARE)
    for months in WINDOWS_M:
        found[f"rain_{months}m"] = accumulation(rain=monthly, steps=months)
    if cells.pet is not None:
        monthly_pet = by_month(cells.pet)
        for days in WINDOWS_D:
            found[f"balance_{days}d"] = water_balance(
                rain=cells.rain, pet=cells.pet, steps=days, min_share=MIN_SHARE
            )
        for months in WINDOWS_M:
            found[f"balance_{months}m"] = water_balance(rain=monthly, pet=monthly_pet, steps=months)
    if cells.soil_moisture is not None:
        mean = by_month(cells.soil_moisture, mean=True)
        for months in WINDOWS_SOIL:
            found[f"soil_{months}m"] = mean.rolling(time=months).mean().assign_attrs(mean.attrs)
    return found


def fit(
    cells: Cells, sums: Mapping[str, xr.DataArray], *, start: datetime, end: datetime
) -> dict[str, xr.Dataset]:
    """Fit everything but the drought score, which rests on the others' indices.

    Parameters
    ----------
    cells
        What is known, from at least a year before the reference period where there is so much.
    sums
        From :func:`totals`.
    start, end
        Reference period, half-open.
    """
    found = {}
    for name in [*(f"{n}d" for n in WINDOWS_D), *(f"{n}m" for n in WINDOWS_M)]:
        found[f"spi_{name}"] = fit_spi(total=sums[f"rain_{name}"], start=start, end=end)
        if cells.pet is not None:
            balance = sums[f"balance_{name}"]
            found[f"spei_{name}"] = fit_spei(balance=balance, start=start, end=end)
    for name, days in EXTREMES.items():
        total = sums[f"rain_{days}d"]
        found[name] = fit_return_period(total=total, start=start, end=end)
    if cells.soil_moisture is not None:
        found["soil_moisture"] = fit_percentile(values=cells.soil_moisture, start=start, end=end)
        for n in WINDOWS_SOIL:
            soil = sums[f"soil_{n}m"]
            found[f"ssi_{n}m"] = fit_ssi(soil_moisture=soil, start=start, end=end)
    if cells.ndvi is not None and cells.lst is not None:
        found["vegetation"] = fit_vegetation(ndvi=cells.ndvi, lst=cells.lst, start=start, end=end)
    return found


def fit_blend(daily: xr.Dataset, *, start: datetime, end: datetime) -> xr.Dataset:
    """Fit the drought score to the indices of the reference period, as of :func:`by_day`."""
    return fit_score(
        spi3=daily["spi_90d"],
        soil_moisture_percentile=daily["soil_moisture_percentile"],
        start=start,
        end=end,
    )


def by_day(
    cells: Cells,
    sums: Mapping[str, xr.DataArray],
    parameters: Mapping[str, xr.Dataset],
    *,
    days: NDArray[np.int64],
) -> xr.Dataset:
    """Apply the laws to some days; the drought score and what rests on it are left out.

    Parameters
    ----------
    cells, sums
        What is known, from 90 days before the first one wanted, and a dry spell's length.
    parameters
        From :func:`fit`.
    days
        Places on the axis of days, ascending.

    Returns
    -------
    Dataset
        Dims (time, cell), NaN where not known or not fitted.
    """
    axis = cells.rain["time"].values
    wanted: slice | NDArray[np.int64] = days
    if days[-1] - days[0] + 1 == len(days):
        wanted = slice(days[0], days[-1] + 1)  # a view, where a list of places would be a copy
    at = {key: one.isel(time=wanted) for key, one in sums.items() if key.endswith("d")}
    fields = {name: at[name].assign_attrs(long_name=f"Rain of {name[5:-1]} days")
              for name in (f"rain_{n}d" for n in TOTALS_D[1:])}  # fmt: skip
    fields["api"] = api(rain=cells.rain, min_share=MIN_SHARE).isel(time=wanted)
    fields["dry_spell"] = dry_spell(rain=cells.rain).isel(time=wanted)
    one, three = (
        return_period(total=at[f"rain_{length}d"], parameters=parameters[name])
        for name, length in EXTREMES.items()
    )
    fields["rain_return_period"] = one.copy(data=np.maximum(one.values, three.values)).assign_attrs(
        long_name="Return period of the rain of one or three days"
    )
    for n in WINDOWS_D:
        fields[f"spi_{n}d"] = spi(total=at[f"rain_{n}d"], parameters=parameters[f"spi_{n}d"])
        if cells.pet is not None:
            fields[f"spei_{n}d"] = spei(
                balance=at[f"balance_{n}d"], parameters=parameters[f"spei_{n}d"]
            )
    if cells.soil_moisture is not None:
        soil = cells.soil_moisture
        lag = (soil["time"].values[0] - axis[0]) // DAY
        near = np.unique(days[:, None] - lag - np.arange(SOIL_DAYS + 1))
        near = near[(near >= 0) & (near < soil.sizes["time"])]
        some = percentile(values=soil.isel(time=near), parameters=parameters["soil_moisture"])
        fields["soil_moisture_percentile"] = _on_days(some, axis, days, age=SOIL_DAYS)
    if cells.ndvi is not None and cells.lst is not None:
        both = np.intersect1d(cells.ndvi["time"].values, cells.lst["time"].values)
        bounds = parameters["vegetation"]
        health = vhi(
            vci=vci(ndvi=cells.ndvi.sel(time=both), parameters=bounds),
            tci=tci(lst=cells.lst.sel(time=both), parameters=bounds),
        )
        age = COMPOSITE_DAYS + VEGETATION_DAYS
        fields["vhi"] = _on_days(health, axis, days, age=age)
    return xr.Dataset(fields)


def blended(daily: xr.Dataset, parameters: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Add the drought score, the class of the US Drought Monitor and the combined indicator."""
    unknown = xr.full_like(daily["spi_90d"], np.nan).drop_attrs().assign_attrs(units="%")
    soil = daily.get("soil_moisture_percentile", unknown)
    score = daily["spi_90d"]
    if "score" in parameters:
        score = drought_score(
            spi3=score, soil_moisture_percentile=soil, parameters=parameters["score"]
        )
    level = mekong_cdi(
        spi1=daily["spi_30d"],
        spi3=daily["spi_90d"],
        soil_moisture_percentile=soil,
        vhi=daily.get("vhi", unknown),
    )
    return daily.assign(drought_score=score, drought_class=usdm_class(index=score), cdi=level)


def by_calendar_month(
    cells: Cells,
    sums: Mapping[str, xr.DataArray],
    parameters: Mapping[str, xr.Dataset],
    *,
    months: NDArray[np.int64],
) -> xr.Dataset:
    """Apply the laws to some calendar months, dims (time, cell), as of :func:`by_day`."""
    fields = {}
    axis = whole_months(cells.rain["time"].values)[months]
    if cells.soil_moisture is not None:
        for n in WINDOWS_SOIL:
            soil = sums[f"soil_{n}m"].reindex(time=axis)
            fields[f"ssi_{n}m"] = ssi(soil_moisture=soil, parameters=parameters[f"ssi_{n}m"])
    for n in WINDOWS_M:
        total = sums[f"rain_{n}m"].isel(time=months)
        fields[f"spi_{n}m"] = spi(total=total, parameters=parameters[f"spi_{n}m"])
        if cells.pet is not None:
            balance = sums[f"balance_{n}m"].isel(time=months)
            fields[f"spei_{n}m"] = spei(balance=balance, parameters=parameters[f"spei_{n}m"])
    return xr.Dataset(fields)


def by_month(daily: xr.DataArray, *, mean: bool = False) -> xr.DataArray:
    """Sum or average over the calendar months that lie whole on the axis.

    Missing days count as the mean of the others; below ``MIN_SHARE`` of its days a month is
    missing.

    Examples
    --------
    >>> time = np.arange("2001-02-01", "2001-04-10", dtype="M8[D]").astype("M8[ns]")
    >>> rain = xr.DataArray(np.ones((68, 1)), {"time": time}, ("time", "cell"))
    >>> rain[3] = np.nan  # one of 28 days, which leaves 96 %
    >>> rain[30:34] = np.nan  # four of 31, which leave 87 %
    >>> by_month(rain).values.ravel()
    array([28., nan])
    """
    time = daily["time"].values
    whole = whole_months(time)
    begin = np.searchsorted(time, whole)
    part = daily.values[begin[0] : np.searchsorted(time, next_months(whole)[-1])]
    good = np.isfinite(part)
    length = ((next_months(whole) - whole) // DAY).astype(part.dtype)[:, None]
    seen = np.add.reduceat(good, begin - begin[0], axis=0, dtype=part.dtype)
    seen[seen < MIN_SHARE * length - 1e-6] = np.nan
    total = np.add.reduceat(np.where(good, part, part.dtype.type(0)), begin - begin[0], axis=0)
    found = total / seen if mean else total * (length / seen)
    return xr.DataArray(found, {"time": whole}, daily.dims, name=daily.name, attrs=daily.attrs)


def whole_months(axis: Days) -> Days:
    """Calendar months that lie whole on an axis of days.

    Examples
    --------
    >>> whole_months(np.arange("2001-01-31", "2001-04-01", dtype="M8[D]"))
    array(['2001-02-01T00:00:00.000000000', '2001-03-01T00:00:00.000000000'],
          dtype='datetime64[ns]')
    """
    first = axis[0].astype("M8[M]")
    first = first + int(first < axis[0])
    return np.arange(first, (axis[-1] + DAY).astype("M8[M]")).astype("M8[ns]")


def next_months(months: Days) -> Days:
    """First day of the month after each."""
    return (months.astype("M8[M]") + 1).astype("M8[ns]")


def _on_days(
    values: xr.DataArray, axis: Days, days: NDArray[np.int64], *, age: int
) -> xr.DataArray:
    """Last value seen by each day wanted, as long as it is not older than ``age`` days."""
    seen, time = values.values, values["time"].values
    wanted = axis[days]
    last = np.searchsorted(time, wanted, "right") - 1
    out = np.full((len(days), *seen.shape[1:]), np.nan, seen.dtype)
    ever = np.isfinite(seen).any(axis=0)
    open_rows = np.arange(len(days))
    for back in range(len(time)):
        row = last[open_rows] - back
        recent = (row >= 0) & (wanted[open_rows] - time[row] <= age * DAY)
        open_rows, row = open_rows[recent], row[recent]
        if open_rows.size == 0:
            break
        some = out[open_rows]
        out[open_rows] = np.where(np.isnan(some), seen[row], some) if back else seen[row]
        open_rows = open_rows[(np.isnan(out[open_rows]) & ever).any(axis=1)]
    return xr.DataArray(out, {"time": wanted}, values.dims, attrs=values.attrs)
