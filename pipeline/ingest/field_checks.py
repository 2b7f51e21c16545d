"""Checks of whole fields, which can be wrong although every cell is possible.

A field that a check finds is kept and used like any other; it is flagged as suspect with its
granule, and who decides on a warning counts it as weak evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from pipeline.geography.places import basins

if TYPE_CHECKING:
    from pipeline.storage.archive import Archive

Field = NDArray[np.float32]
Moment = np.datetime64

CHECKED = (
    "rain_rate", "rain", "soil_moisture", "soil_moisture_surface", "soil_moisture_profile",
    "root_water", "runoff", "air_temperature", "pet", "ndvi", "lst",
)  # fmt: skip
"""Variables that differ from cell to cell and from step to step; a count or a share may not."""
RAIN = {"rain_rate", "rain"}
MAY_BE_ZERO = {*RAIN, "runoff", "pet"}
"""Variables that can be 0 in all cells at once: without rain, and at night."""
MIN_CELLS = 100
"""Cells with a value below which a field is too small to be judged as a whole."""
MIN_BASIN_CELLS = 1000
"""Cells of the basin with a value, of some 6,800, below which its dryness says nothing."""
WET = 0.1
"""Rain of a wet cell: the least that is called rain (mm, mm h-1)."""
WET_SEASON = range(6, 11)
"""June to October: over 800,000 km2 some cell rains in every window, in the virtual basin's
driest half-hour of a wet season at 2 mm/h."""


def suspicions(
    grids: Sequence[xr.Dataset], *, product: str, archive: Archive, asof: datetime
) -> dict[Moment, str]:
    """Say which steps of new grids are suspect as a whole, and why.

    Parameters
    ----------
    grids
        New grids of one product, dims (time, lat, lon), in any order.
    product
        Whose they are; its step archived last before them is compared with the first.
    archive, asof
        Where and as known when.

    Returns
    -------
    dict
        Reason by step; of several variables that are suspect there, each with its name.
    """
    if not grids:
        return {}
    found: dict[Moment, list[str]] = {}
    for name in CHECKED:
        if all(name in one for one in grids):
            of_one = _suspicions(grids, name, product=product, archive=archive, asof=asof)
            for time, reason in of_one.items():
                alone = len(grids[0].data_vars.keys() & CHECKED) == 1
                found.setdefault(time, []).append(reason if alone else f"{name} {reason}")
    return {time: "; ".join(reasons) for time, reasons in found.items()}


def _suspicions(
    grids: Sequence[xr.Dataset], name: str, *, product: str, archive: Archive, asof: datetime
) -> dict[Moment, str]:
    """Say which steps of one variable are suspect."""
    steps = [
        (time, values)
        for one in grids
        for time, values in zip(one["time"].values, one[name].values, strict=True)
    ]
    steps.sort(key=lambda step: step[0])
    basin = _basin_cells(grids[0]["lat"].values.tobytes(), grids[0]["lon"].values.tobytes())
    before = _last_before(product, name, steps[0][0], archive=archive, asof=asof)
    found = {}
    for time, values in steps:
        month = int(time.astype("M8[M]").astype(int)) % 12 + 1
        reason = _suspicion(values, before=before, constant_zero=name in MAY_BE_ZERO)
        if reason is None and name in RAIN and month in WET_SEASON:
            reason = _dry(values[basin])
        if reason is not None:
            found[time] = reason
        before = values
    return found


def without_value(grid: xr.Dataset) -> list[str]:
    """Name the variables of a grid that have no value in any cell.

    A satellite that passed by, clouds or the edge of a sector can leave none; a file that is broken
    too, so it is for people to know.

    Parameters
    ----------
    grid
        As a reader gives it.
    """
    return [str(name) for name, data in grid.data_vars.items() if not data.notnull().any()]


def _suspicion(values: Field, *, before: Field | None, constant_zero: bool) -> str | None:
    """Say whether a field repeats the one before or is the same everywhere.

    Where ``constant_zero``, a field of zeros is neither: it may be true.
    """
    finite = values[np.isfinite(values)]
    if finite.size < MIN_CELLS or (constant_zero and not finite.any()):
        return None
    if finite.min() == finite.max():
        return f"constant, {finite[0]:g} in all {finite.size} cells"
    if before is not None and np.array_equal(values, before, equal_nan=True):
        return "identical to the window before"
    return None


def _dry(values: Field) -> str | None:
    """Say whether no cell of the basin is wet."""
    finite = values[np.isfinite(values)]
    if finite.size < MIN_BASIN_CELLS or (finite >= WET).any():
        return None
    return "without a wet cell over the basin in the wet season"


def _last_before(
    product: str, name: str, time: Moment, *, archive: Archive, asof: datetime
) -> Field | None:
    """Field of the step archived last before a moment, as it was known."""
    rows, times = archive.rows(product, asof=asof)
    earlier = np.flatnonzero(times < time)
    if earlier.size == 0:
        return None
    row = rows[earlier[-1:]]
    field: Field = archive.block(product, name, rows=row, lat=slice(None), lon=slice(None))[0]
    return field


@lru_cache(maxsize=4)
def _basin_cells(lat: bytes, lon: bytes) -> NDArray[np.bool_]:
    """Cells whose centre lies in the basin, of shape (lat, lon), from the axes' bytes."""
    x, y = np.meshgrid(np.frombuffer(lon), np.frombuffer(lat))
    whole = shapely.union_all([basin.polygon for basin in basins().values()])
    shapely.prepare(whole)
    inside: NDArray[np.bool_] = shapely.contains_xy(whole, x, y)
    return inside
