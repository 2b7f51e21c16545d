"""All indices of a block of cells over many days: fit and apply, independent of location.

The counterpart for cells of :mod:`pipeline.indices.daily`, with the same rows of
:mod:`pipeline.indices.suite`, by day and by calendar month.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.extremes import return_period
from pipeline.indices.monthly import compute_standardised
from pipeline.indices.suite import EXTREMES, INDICES, MIN_SHARE, TOTALS, Index, select
from pipeline.indices.vegetation import tci, vci, vhi
from pipeline.indices.windows import DAY, aggregate_by_month

Days = NDArray[np.datetime64]

COMPOSITE_DAYS = 31
"""Days that a monthly composite covers; its age is counted from their end."""


@dataclass(frozen=True)
class Cells:
    """Inputs of a block of cells.

    Parameters
    ----------
    rain
        mm per day, dims (time, cell), every day of the axis.
    pet
        Potential evapotranspiration, mm per day, likewise.
    soil_moisture
        m3 m-3, every day from the first with data.
    ndvi, lst
        1 and K; the time of a composite is its first day.
    runoff
        mm per month; the time of a month is its first day.
    """

    rain: xr.DataArray
    pet: xr.DataArray | None = None
    soil_moisture: xr.DataArray | None = None
    ndvi: xr.DataArray | None = None
    lst: xr.DataArray | None = None
    runoff: xr.DataArray | None = None


def compute_daily(
    cells: Cells,
    params: dict[str, xr.Dataset],
    *,
    days: NDArray[np.int64],
    period: tuple[datetime, datetime] | None = None,
) -> Iterator[tuple[str, xr.DataArray]]:
    """Compute the indices of some days one after the other, so that few are in memory at a time.

    Parameters
    ----------
    cells
        Inputs, from before the first of the days by 90 days and a dry spell's length.
    params
        Parameters by name; where a period is given they are fitted and added here.
    days
        Positions on the axis of days, ascending.
    period
        Reference period to fit, half-open; the days should be those of the period.

    Yields
    ------
    tuple
        Name, and array of dims (time, cell), NaN where unknown.
    """
    selection: slice | NDArray[np.int64] = days
    if days[-1] - days[0] + 1 == len(days):
        selection = slice(days[0], days[-1] + 1)  # a view; positions would be a copy
    spis: dict[str, xr.DataArray] = {}
    yield from _compute_rain(cells, params, selection, period, spis)
    yield from _compute_balance(cells, params, selection, period)
    yield from _compute_drought(cells, params, days, period, spis)


def _compute_rain(
    cells: Cells,
    params: dict[str, xr.Dataset],
    selection: slice | NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
    spis: dict[str, xr.DataArray],
) -> Iterator[tuple[str, xr.DataArray]]:
    """Compute the indices of rain alone; ``spis`` takes the SPI for the indices that use them."""
    values = {"rain": cells.rain}
    for row in select("cells"):
        if row.inputs == ("rain",) and row.accumulate is None:
            yield row.name, row.describe(row.compute(values).isel(time=selection))
    rarest: xr.DataArray | None = None
    for row in TOTALS:
        series = row.series(values)
        (total,) = series.values()
        if "cells" in row.families:
            yield row.name, row.describe(total.isel(time=selection))
        if row in EXTREMES:
            fitted = row.parameters(params, series, family="cells", period=period)
            years = return_period(total=total.isel(time=selection), parameters=fitted)
            if rarest is not None:
                years = years.copy(data=np.maximum(years.values, rarest.values))
            rarest = years
        for index in select("cells"):
            if index.inputs == (row.name,) and index.fit is not None:
                spis[index.name] = _apply(index, {row.name: total}, params, period, selection)
                yield index.name, spis[index.name]
    if rarest is not None:
        row = INDICES["rain_return_period"]
        yield row.name, row.describe(rarest)


def _compute_balance(
    cells: Cells,
    params: dict[str, xr.Dataset],
    selection: slice | NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
) -> Iterator[tuple[str, xr.DataArray]]:
    if cells.pet is not None:
        values = {"rain": cells.rain, "pet": cells.pet}
        for row in select("cells"):
            if row.inputs == ("rain", "pet"):
                yield row.name, _apply(row, values, params, period, selection)


def _compute_drought(
    cells: Cells,
    params: dict[str, xr.Dataset],
    days: NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
    spis: dict[str, xr.DataArray],
) -> Iterator[tuple[str, xr.DataArray]]:
    axis, spi_90d = cells.rain["time"].values, spis["spi_90d"]
    unknown = xr.full_like(spi_90d, np.nan).drop_attrs().assign_attrs(units="%")
    values = spis | {"soil_moisture_percentile": unknown, "vhi": unknown, "drought_score": spi_90d}
    if cells.soil_moisture is not None:
        row = INDICES["soil_moisture_percentile"]
        series = {"values": cells.soil_moisture}
        fitted = row.parameters(params, series, family="cells", period=period)
        values[row.name] = row.describe(_soil_percentile(cells.soil_moisture, fitted, axis, days))
        yield row.name, values[row.name]
        row = INDICES["drought_score"]
        values[row.name] = _apply(row, values, params, period)
    if cells.ndvi is not None and cells.lst is not None:
        row = INDICES["vhi"]
        series = {"ndvi": cells.ndvi, "lst": cells.lst}
        fitted = row.parameters(params, series, family="cells", period=period)
        values[row.name] = row.describe(
            _vegetation_health(**series, fitted=fitted, axis=axis, days=days)
        )
        yield row.name, values[row.name]
    row = INDICES["drought_score"]
    yield row.name, row.describe(values[row.name])
    for row in (INDICES["drought_class"], INDICES["cdi"]):
        yield row.name, _apply(row, values, params, period)


def _apply(
    row: Index,
    values: Mapping[str, xr.DataArray],
    params: dict[str, xr.Dataset],
    period: tuple[datetime, datetime] | None,
    selection: slice | NDArray[np.int64] = slice(None),
) -> xr.DataArray:
    """Compute selected days of an index whose days do not depend on each other."""
    series = row.series(values)
    fitted = row.parameters(params, series, family="cells", period=period)
    recent = {name: da.isel(time=selection) for name, da in series.items()}
    return row.describe(row.compute(recent, fitted))


def compute_monthly(
    cells: Cells,
    params: dict[str, xr.Dataset],
    *,
    months: Days,
    period: tuple[datetime, datetime] | None = None,
) -> Iterator[tuple[str, xr.DataArray]]:
    """Compute the indices of calendar months, given by first day, as :func:`compute_daily` does."""
    values = {"rain": aggregate_by_month(cells.rain, min_share=MIN_SHARE)}
    if cells.pet is not None:
        values["pet"] = aggregate_by_month(cells.pet, min_share=MIN_SHARE)
    if cells.soil_moisture is not None:
        values["soil_moisture"] = aggregate_by_month(
            cells.soil_moisture, min_share=MIN_SHARE, mean=True
        )
    if cells.runoff is not None:
        values["runoff"] = cells.runoff
    yield from compute_standardised(values, params, months=months, period=period)


def _soil_percentile(
    soil: xr.DataArray, fitted: xr.Dataset, axis: Days, days: NDArray[np.int64]
) -> xr.DataArray:
    row = INDICES["soil_moisture_percentile"]
    lag = (soil["time"].values[0] - axis[0]) // DAY
    near = np.unique(days[:, None] - lag - np.arange(row.max_age_days + 1))
    near = near[(near >= 0) & (near < soil.sizes["time"])]
    percent = row.compute({"values": soil.isel(time=near)}, fitted)
    return _carry_to_days(percent, axis, days, age=row.max_age_days)


def _vegetation_health(
    ndvi: xr.DataArray, lst: xr.DataArray, fitted: xr.Dataset, axis: Days, days: NDArray[np.int64]
) -> xr.DataArray:
    common = np.intersect1d(ndvi["time"].values, lst["time"].values)
    health = vhi(
        vci=vci(ndvi=ndvi.sel(time=common), parameters=fitted),
        tci=tci(lst=lst.sel(time=common), parameters=fitted),
    )
    age = COMPOSITE_DAYS + INDICES["vhi"].max_age_days
    return _carry_to_days(health, axis, days, age=age)


def _carry_to_days(
    values: xr.DataArray, axis: Days, days: NDArray[np.int64], *, age: int
) -> xr.DataArray:
    """Carry the last known value to each of the days, unless it is older than ``age`` days."""
    known, time = values.values, values["time"].values
    out_time = axis[days]
    last = np.searchsorted(time, out_time, "right") - 1
    out = np.full((len(days), *known.shape[1:]), np.nan, known.dtype)
    ever_known = np.isfinite(known).any(axis=0)
    open_rows = np.arange(len(days))
    for back in range(len(time)):
        row = last[open_rows] - back
        recent = (row >= 0) & (out_time[open_rows] - time[row] <= age * DAY)
        open_rows, row = open_rows[recent], row[recent]
        if open_rows.size == 0:
            break
        newer = out[open_rows]
        out[open_rows] = np.where(np.isnan(newer), known[row], newer) if back else known[row]
        open_rows = open_rows[(np.isnan(out[open_rows]) & ever_known).any(axis=1)]
    return xr.DataArray(out, {"time": out_time}, values.dims, attrs=values.attrs)
