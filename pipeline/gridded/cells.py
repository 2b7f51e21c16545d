"""All indices of a few cells through many days: fit and apply, with no thought of where they lie.

What the sub-basins and cities get from :mod:`pipeline.indices.suite` each cell gets from here, by
the same functions and with the same shares and ages, by day and by calendar month.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import law_of
from pipeline.indices.drought import (
    drought_score,
    fit_percentile,
    fit_score,
    mekong_cdi,
    percentile,
    usdm_class,
)
from pipeline.indices.extremes import fit_return_period, return_period
from pipeline.indices.monthly import standardised
from pipeline.indices.rain import accumulation, api, dry_spell
from pipeline.indices.spei import fit_spei, spei, water_balance
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.suite import EXTREMES, MIN_SHARE, SOIL_DAYS, VEGETATION_DAYS
from pipeline.indices.vegetation import fit_vegetation, tci, vci, vhi
from pipeline.indices.windows import DAY, by_month

Days = NDArray[np.datetime64]

TOTALS_D = (1, 3, 7, 30, 90)
"""Lengths of rain totals, days; the 30 and 90 days' are standardised."""
WINDOWS_D = 30, 90
"""Lengths of the windows of SPI and SPEI, days."""
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
    spis: dict[int, xr.DataArray] = {}
    yield from _rain_by_day(cells, laws, wanted, period, spis)
    yield from _balance_by_day(cells, laws, wanted, period)
    yield from _drought_by_day(cells, laws, days, period, spis)


def _rain_by_day(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    wanted: slice | NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
    spis: dict[int, xr.DataArray],
) -> Iterator[tuple[str, xr.DataArray]]:
    """Make those of rain alone; the SPI are kept by their days, for those that build on them."""
    yield "api", api(rain=cells.rain, min_share=MIN_SHARE).isel(time=wanted)
    yield "dry_spell", dry_spell(rain=cells.rain).isel(time=wanted)
    rarity: xr.DataArray | None = None
    for n in TOTALS_D:
        total = accumulation(rain=cells.rain, steps=n, min_share=MIN_SHARE)
        if n > 1:
            named = total.isel(time=wanted).assign_attrs(long_name=f"Rain of {n} days")
            yield f"rain_{n}d", named
        if n in EXTREMES.values():
            name = next(name for name, length in EXTREMES.items() if length == n)
            law = law_of(laws, name, period, fit_return_period, total=total)
            found = return_period(total=total.isel(time=wanted), parameters=law)
            if rarity is not None:
                found = found.copy(data=np.maximum(found.values, rarity.values))
            rarity = found
        if n in WINDOWS_D:
            law = law_of(laws, f"spi_{n}d", period, fit_spi, total=total)
            spis[n] = spi(total=total.isel(time=wanted), parameters=law)
            yield f"spi_{n}d", spis[n]
    if rarity is not None:
        yield (
            "rain_return_period",
            rarity.assign_attrs(long_name="Return period of the rain of one or three days"),
        )


def _balance_by_day(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    wanted: slice | NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
) -> Iterator[tuple[str, xr.DataArray]]:
    for n in WINDOWS_D:
        if cells.pet is None:
            break
        total = water_balance(rain=cells.rain, pet=cells.pet, steps=n, min_share=MIN_SHARE)
        law = law_of(laws, f"spei_{n}d", period, fit_spei, balance=total)
        yield f"spei_{n}d", spei(balance=total.isel(time=wanted), parameters=law)


def _drought_by_day(
    cells: Cells,
    laws: dict[str, xr.Dataset],
    days: NDArray[np.int64],
    period: tuple[datetime, datetime] | None,
    spis: dict[int, xr.DataArray],
) -> Iterator[tuple[str, xr.DataArray]]:
    axis, (month, quarter) = cells.rain["time"].values, (spis[n] for n in WINDOWS_D)
    soil = health = xr.full_like(quarter, np.nan).drop_attrs().assign_attrs(units="%")
    score = quarter
    if cells.soil_moisture is not None:
        law = law_of(laws, "soil_moisture", period, fit_percentile, values=cells.soil_moisture)
        soil = _soil_percentile(cells.soil_moisture, law, axis, days)
        yield "soil_moisture_percentile", soil
        both = {"spi3": quarter, "soil_moisture_percentile": soil}
        law = law_of(laws, "score", period, fit_score, **both)
        score = drought_score(**both, parameters=law)
    if cells.ndvi is not None and cells.lst is not None:
        law = law_of(laws, "vegetation", period, fit_vegetation, ndvi=cells.ndvi, lst=cells.lst)
        health = _vegetation_health(cells.ndvi, cells.lst, law, axis, days)
        yield "vhi", health
    yield "drought_score", score.assign_attrs(long_name="Drought score")
    yield "drought_class", usdm_class(index=score)
    yield "cdi", mekong_cdi(spi1=month, spi3=quarter, soil_moisture_percentile=soil, vhi=health)


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
    lag = (soil["time"].values[0] - axis[0]) // DAY
    near = np.unique(days[:, None] - lag - np.arange(SOIL_DAYS + 1))
    near = near[(near >= 0) & (near < soil.sizes["time"])]
    some = percentile(values=soil.isel(time=near), parameters=law)
    return _on_days(some, axis, days, age=SOIL_DAYS)


def _vegetation_health(
    ndvi: xr.DataArray, lst: xr.DataArray, law: xr.Dataset, axis: Days, days: NDArray[np.int64]
) -> xr.DataArray:
    both = np.intersect1d(ndvi["time"].values, lst["time"].values)
    health = vhi(
        vci=vci(ndvi=ndvi.sel(time=both), parameters=law),
        tci=tci(lst=lst.sel(time=both), parameters=law),
    )
    return _on_days(health, axis, days, age=COMPOSITE_DAYS + VEGETATION_DAYS)


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
