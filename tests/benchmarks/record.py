"""An archive of generated rain, soil, evaporation, runoff and vegetation, as large as the real one.

Seeded and plainly statistical: what costs time is the number of values, how many are zero and how
many seasons have totals of zero, and these are as in the basin. It has no weather and no river.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.geography.grid import MEKONG, Grid
from pipeline.storage.archive import Archive

SOIL_SINCE, VEGETATION_SINCE = 2015, 2012
"""First years of SMAP and of the VIIRS composites."""


def record(
    folder: Path, *, first: int, end: int, grid: Grid = MEKONG, seed: int = 0, years: int = 1
) -> tuple[Archive, datetime]:
    """Fill an archive with the years [first, end), so many to a commit.

    Returns
    -------
    tuple
        The archive, and a moment that knows all of it.
    """
    archive = Archive(folder)
    for year in range(first, end, years):
        span = f"{year}-01-01", f"{min(year + years, end)}-01-01"
        days = np.arange(*span, dtype="M8[D]").astype("M8[ns]")
        rng = np.random.default_rng((seed, year))
        put = {"imerg_daily": rain(days, grid, rng), "gldas": evaporation(days, grid, rng)}
        since = min(SOIL_SINCE, end - 8), min(VEGETATION_SINCE, end - 12)
        late = days[days >= np.datetime64(str(since[0]))]
        if late.size:
            put["smap"] = soil(late, grid, rng)
        months = np.unique(days[days >= np.datetime64(str(since[1]))].astype("M8[M]"))
        if months.size:
            put |= vegetation(months.astype("M8[ns]"), grid, rng)
        every = np.unique(days.astype("M8[M]")).astype("M8[ns]")
        put["gldas_monthly"] = runoff(every, grid, rng)
        for product, ds in put.items():
            archive.append(product, ds, message=f"{product} from {year}")
    return archive, datetime(end, 3, 1, tzinfo=UTC)


def season(days: NDArray[np.datetime64]) -> NDArray[np.float32]:
    """From 0 at the end of January to 1 at the end of July, shape (day, 1, 1)."""
    day = (days.astype("M8[D]") - days.astype("M8[Y]")).astype(int)
    wave: NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * (day - 30) / 365)).astype("f4")
    return wave[:, None, None]


def rain(days: NDArray[np.datetime64], grid: Grid, rng: np.random.Generator) -> xr.Dataset:
    """Daily rain: wet on 6 % of the days of January and 75 % of those of July, skewed amounts."""
    shape = len(days), *grid.shape
    amount = rng.standard_exponential(shape, dtype="f4")
    amount *= np.sqrt(amount)
    amount *= 4 + 8 * season(days)
    amount[rng.random(shape, dtype="f4") > 0.06 + 0.69 * season(days)] = 0
    ds = grid.dataset(days, rain=amount, n_valid=np.full(shape, 48, "f4"))
    return known(ds, 38)


def evaporation(days: NDArray[np.datetime64], grid: Grid, rng: np.random.Generator) -> xr.Dataset:
    """Potential evaporation of 3 to 5 mm a day, one step a day."""
    shape = len(days), *grid.shape
    noise = rng.integers(-10, 11, shape, dtype="i1").astype("f4")
    return known(grid.dataset(days, pet=(50 - 20 * season(days) + noise) / 10), 45 * 24)


def runoff(months: NDArray[np.datetime64], grid: Grid, rng: np.random.Generator) -> xr.Dataset:
    """Monthly runoff, skewed, 10 to 200 mm, to a tenth."""
    shape = len(months), *grid.shape
    amount = (10 + 190 * season(months)) * rng.standard_exponential(shape, dtype="f4")
    return known(grid.dataset(months, runoff=np.round(amount, 1)), 76 * 24)


def soil(days: NDArray[np.datetime64], grid: Grid, rng: np.random.Generator) -> xr.Dataset:
    """Soil moisture of 0.1 to 0.5, to three decimals."""
    shape = len(days), *grid.shape
    noise = rng.integers(-100, 101, shape, dtype="i2").astype("f4")
    return known(grid.dataset(days, soil_moisture=(200 + 200 * season(days) + noise) / 1000), 60)


def vegetation(
    months: NDArray[np.datetime64], grid: Grid, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Monthly composites, 2 % of their cells under cloud."""
    shape = len(months), *grid.shape
    cloud = np.where(rng.random(shape, dtype="f4") < 0.02, np.float32(np.nan), np.float32(0))
    ndvi = 0.3 + 0.3 * season(months) + 0.1 * rng.random(shape, dtype="f4") + cloud
    lst = 300 + 10 * season(months) + 4 * rng.random(shape, dtype="f4") + cloud
    return {
        "ndvi": known(grid.dataset(months, ndvi=ndvi), 39 * 24),
        "lst": known(grid.dataset(months, lst=lst), 36 * 24),
    }


def known(ds: xr.Dataset, hours: int) -> xr.Dataset:
    """Mark each step as available so many hours after its start."""
    late = ds["time"].values + np.timedelta64(hours, "h")
    return ds.assign_coords(available_time=("time", late)).assign_attrs(origin="virtual")
