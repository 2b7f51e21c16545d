"""All indices of a few cells through many days: fit and apply, with no thought of where they lie.

What the sub-basins and cities get from :mod:`pipeline.indices.daily` each cell gets from here, by
the same rows of :mod:`pipeline.indices.suite`, by day and by calendar month.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.extremes import return_period
from pipeline.indices.monthly import standardised
from pipeline.indices.suite import EXTREMES, INDICES, MIN_SHARE, TOTALS, Index, select
from pipeline.indices.vegetation import tci, vci, vhi
from pipeline.indices.windows import DAY, by_month

Days = NDArray[np.datetime64]

COMPOSITE_DAYS = 31
"""Days that a monthly composite describes; its age counts from their end."""


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
    runoff
        mm per month, one time per month, its first day.
    """

    rain: xr.DataArray
    pet: xr.DataArray | None = None
    soil_moisture: xr.DataArray | None = None
    ndvi: xr.DataArray | None = None
    lst: xr.DataArray | None = None
    runoff: xr.DataArray | None = None


def by_day(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    *,
    days: NDArray[np.int64],
    period: tuple[datetime, datetime] | None = None,
) -> Iterator[tuple[str, xr.DataArray]]:
    """Make the indices of some days, one after the other, so that few are in memory at a time.

    Parameters
    ----------
    cells
        What is known, from 90 days before the first one wanted, and a dry spell's length.
    laws
        By name the parameters; where a period is given they are fitted on the way and put here.
    days
        Places on the axis of days, ascending.
    period
        Reference period to fit, half-open; the days should be its own.

    Yields
    ------
    tuple
        Name, and array of dims (time, cell), NaN where not known.
    """
    wanted: slice | NDArray[np.int64] = days
    if days[-1] - days[0] + 1 == len(days):
        wanted = slice(days[0], days[-1] + 1)  # a view, where a list of places would be a copy
    spis: dict[str, xr.DataArray] = {}
    yield from _rain_by_day(cells, laws, wanted, period, spis)
    yield from _balance_by_day(cells, laws, wanted, period)
    yield from _drought_by_day(cells, laws, days, period, spis)


def _rain_by_day(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    wanted: slice | NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
    spis: dict[str, xr.DataArray],
) -> Iterator[tuple[str, xr.DataArray]]:
    """Make those of rain alone; the SPI are kept by their names, for those that build on them."""
    values = {"rain": cells.rain}
    for row in select("cells"):
        if row.of == ("rain",) and row.accumulate is None:
            yield row.name, row.describe(row.compute(values).isel(time=wanted))
    rarity: xr.DataArray | None = None
    for row in TOTALS:
        series = row.series(values)
        (total,) = series.values()
        if "cells" in row.families:
            yield row.name, row.describe(total.isel(time=wanted))
        if row in EXTREMES:
            law = row.parameters(laws, series, family="cells", period=period)
            rarest = return_period(total=total.isel(time=wanted), parameters=law)
            if rarity is not None:
                rarest = rarest.copy(data=np.maximum(rarest.values, rarity.values))
            rarity = rarest
        for index in select("cells"):
            if index.of == (row.name,) and index.fit is not None:
                spis[index.name] = _apply(index, {row.name: total}, laws, period, wanted)
                yield index.name, spis[index.name]
    if rarity is not None:
        row = INDICES["rain_return_period"]
        yield row.name, row.describe(rarity)


def _balance_by_day(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    wanted: slice | NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
) -> Iterator[tuple[str, xr.DataArray]]:
    if cells.pet is not None:
        values = {"rain": cells.rain, "pet": cells.pet}
        for row in select("cells"):
            if row.of == ("rain", "pet"):
                yield row.name, _apply(row, values, laws, period, wanted)


def _drought_by_day(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    days: NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
    spis: dict[str, xr.DataArray],
) -> Iterator[tuple[str, xr.DataArray]]:
    axis, quarter = cells.rain["time"].values, spis["spi_90d"]
    nothing = xr.full_like(quarter, np.nan).drop_attrs().assign_attrs(units="%")
    values = spis | {"soil_moisture_percentile": nothing, "vhi": nothing, "drought_score": quarter}
    if cells.soil_moisture is not None:
        row = INDICES["soil_moisture_percentile"]
        series = {"values": cells.soil_moisture}
        law = row.parameters(laws, series, family="cells", period=period)
        values[row.name] = row.describe(_soil_percentile(cells.soil_moisture, law, axis, days))
        yield row.name, values[row.name]
        row = INDICES["drought_score"]
        values[row.name] = _apply(row, values, laws, period)
    if cells.ndvi is not None and cells.lst is not None:
        row = INDICES["vhi"]
        both = {"ndvi": cells.ndvi, "lst": cells.lst}
        law = row.parameters(laws, both, family="cells", period=period)
        values[row.name] = row.describe(_vegetation_health(**both, law=law, axis=axis, days=days))
        yield row.name, values[row.name]
    row = INDICES["drought_score"]
    yield row.name, row.describe(values[row.name])
    for row in (INDICES["drought_class"], INDICES["cdi"]):
        yield row.name, _apply(row, values, laws, period)


def _apply(
    row: Index,
    values: Mapping[str, xr.DataArray],
    laws: dict[str, xr.Dataset],
    period: tuple[datetime, datetime] | None,
    wanted: slice | NDArray[np.int64] = slice(None),
) -> xr.DataArray:
    """Compute some days of an index whose days do not depend on each other."""
    series = row.series(values)
    law = row.parameters(laws, series, family="cells", period=period)
    recent = {name: da.isel(time=wanted) for name, da in series.items()}
    return row.describe(row.compute(recent, law))


def by_calendar_month(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    *,
    months: Days,
    period: tuple[datetime, datetime] | None = None,
) -> Iterator[tuple[str, xr.DataArray]]:
    """Make the indices of some calendar months, by their first days, as of :func:`by_day`."""
    values = {"rain": by_month(cells.rain, min_share=MIN_SHARE)}
    if cells.pet is not None:
        values["pet"] = by_month(cells.pet, min_share=MIN_SHARE)
    if cells.soil_moisture is not None:
        values["soil_moisture"] = by_month(cells.soil_moisture, min_share=MIN_SHARE, mean=True)
    if cells.runoff is not None:
        values["runoff"] = cells.runoff
    yield from standardised(values, laws, months=months, period=period)


def _soil_percentile(
    soil: xr.DataArray, law: xr.Dataset, axis: Days, days: NDArray[np.int64]
) -> xr.DataArray:
    row = INDICES["soil_moisture_percentile"]
    lag = (soil["time"].values[0] - axis[0]) // DAY
    near = np.unique(days[:, None] - lag - np.arange(row.max_age_days + 1))
    near = near[(near >= 0) & (near < soil.sizes["time"])]
    some = row.compute({"values": soil.isel(time=near)}, law)
    return _on_days(some, axis, days, age=row.max_age_days)


def _vegetation_health(
    ndvi: xr.DataArray, lst: xr.DataArray, law: xr.Dataset, axis: Days, days: NDArray[np.int64]
) -> xr.DataArray:
    both = np.intersect1d(ndvi["time"].values, lst["time"].values)
    health = vhi(
        vci=vci(ndvi=ndvi.sel(time=both), parameters=law),
        tci=tci(lst=lst.sel(time=both), parameters=law),
    )
    age = COMPOSITE_DAYS + INDICES["vhi"].max_age_days
    return _on_days(health, axis, days, age=age)


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
