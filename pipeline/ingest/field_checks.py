"""Checks of whole fields, which can be wrong although every cell is possible.

A suspect field is kept and used like any other. Its granule is flagged as suspect, and decisions on
warnings count it as weak evidence.
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
"""Cells of the basin with a value, of some 6,800, below which its dryness is no evidence."""
WET = 0.1
"""Rain of a wet cell: the least that is called rain (mm, mm h-1)."""
WET_SEASON = range(6, 11)
"""June to October: over 800,000 km2 some cell rains in every window, in the virtual basin's
driest half-hour of a wet season at 2 mm/h."""


def find_suspect_steps(
    grids: Sequence[xr.Dataset], *, product: str, archive: Archive, asof: datetime
) -> dict[Moment, str]:
    """Find the steps of new grids whose whole field is suspect.

    Parameters
    ----------
    grids
        New grids of one product, dims (time, lat, lon), in any order.
    product
        Product of the grids; its last archived step before them is compared with the first.
    archive, asof
        Archive of the product, read as known at this moment.

    Returns
    -------
    dict
        Reason by step; where several variables are suspect, each with its name.
    """
    if not grids:
        return {}
    reasons_by_step: dict[Moment, list[str]] = {}
    for name in CHECKED:
        if all(name in grid for grid in grids):
            found_reasons = _check_variable(
                grids, name, product=product, archive=archive, asof=asof
            )
            for time, reason in found_reasons.items():
                alone = len(grids[0].data_vars.keys() & CHECKED) == 1
                reasons_by_step.setdefault(time, []).append(reason if alone else f"{name} {reason}")
    return {time: "; ".join(reasons) for time, reasons in reasons_by_step.items()}


def _check_variable(
    grids: Sequence[xr.Dataset], name: str, *, product: str, archive: Archive, asof: datetime
) -> dict[Moment, str]:
    """Find the suspect steps of one variable."""
    steps = [
        (time, values)
        for grid in grids
        for time, values in zip(grid["time"].values, grid[name].values, strict=True)
    ]
    steps.sort(key=lambda step: step[0])
    basin = _find_basin_cells(grids[0]["lat"].values.tobytes(), grids[0]["lon"].values.tobytes())
    before = _read_last_before(product, name, steps[0][0], archive=archive, asof=asof)
    reasons = {}
    for time, values in steps:
        month = int(time.astype("M8[M]").astype(int)) % 12 + 1
        reason = _describe_suspicion(values, before=before, constant_zero=name in MAY_BE_ZERO)
        if reason is None and name in RAIN and month in WET_SEASON:
            reason = _describe_dryness(values[basin])
        if reason is not None:
            reasons[time] = reason
        before = values
    return reasons


def list_empty_variables(grid: xr.Dataset) -> list[str]:
    """List the variables of a grid that have no value in any cell.

    Clouds, an orbit beside the window or the edge of a sector can cause it, and so can a broken
    file, so a remark names it.

    Parameters
    ----------
    grid
        As a reader gives it.
    """
    return [str(name) for name, data in grid.data_vars.items() if not data.notnull().any()]


def _describe_suspicion(values: Field, *, before: Field | None, constant_zero: bool) -> str | None:
    """Describe a field that repeats the one before or is constant; None where it does neither.

    Where ``constant_zero``, a field of zeros is plausible and not checked.
    """
    finite = values[np.isfinite(values)]
    if finite.size < MIN_CELLS or (constant_zero and not finite.any()):
        return None
    if finite.min() == finite.max():
        return f"constant, {finite[0]:g} in all {finite.size} cells"
    if before is not None and np.array_equal(values, before, equal_nan=True):
        return "identical to the window before"
    return None


def _describe_dryness(values: Field) -> str | None:
    """Describe a field without a wet cell in the basin; None where there is one."""
    finite = values[np.isfinite(values)]
    if finite.size < MIN_BASIN_CELLS or (finite >= WET).any():
        return None
    return "without a wet cell over the basin in the wet season"


def _read_last_before(
    product: str, name: str, time: Moment, *, archive: Archive, asof: datetime
) -> Field | None:
    """Read the field of the last archived step before a moment, as it was known."""
    rows, times = archive.rows(product, asof=asof)
    earlier = np.flatnonzero(times < time)
    if earlier.size == 0:
        return None
    row = rows[earlier[-1:]]
    field: Field = archive.block(product, name, rows=row, lat=slice(None), lon=slice(None))[0]
    return field


@lru_cache(maxsize=4)
def _find_basin_cells(lat: bytes, lon: bytes) -> NDArray[np.bool_]:
    """Find the cells whose centre lies in the basin, shape (lat, lon), from the axes' bytes."""
    x, y = np.meshgrid(np.frombuffer(lon), np.frombuffer(lat))
    outline = shapely.union_all([basin.polygon for basin in basins().values()])
    shapely.prepare(outline)
    inside: NDArray[np.bool_] = shapely.contains_xy(outline, x, y)
    return inside
