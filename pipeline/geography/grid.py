"""The target grid of each region: its cells, axes and orientation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from xarray.indexes import PandasIndex

from pipeline.choices import Region
from pipeline.geography.variables import attributes


@dataclass(frozen=True)
class Grid:
    """A regular longitude-latitude grid, north-up, on WGS 84.

    Parameters
    ----------
    lat_min, lat_max, lon_min, lon_max
        Outer edges in degrees.
    step
        Cell size in degrees.

    Examples
    --------
    >>> Grid(10.0, 10.2, 100.0, 100.3).lat.tolist()
    [10.15, 10.05]
    """

    lat_min: float
    lat_max: float
    lon_min: float
    lon_max: float
    step: float = 0.1

    @cached_property
    def lat(self) -> NDArray[np.float64]:
        """Cell centres, north to south, degrees."""
        count = round((self.lat_max - self.lat_min) / self.step)
        return np.round(self.lat_max - self.step * (np.arange(count) + 0.5), 6)

    @cached_property
    def lon(self) -> NDArray[np.float64]:
        """Cell centres, west to east, degrees."""
        count = round((self.lon_max - self.lon_min) / self.step)
        return np.round(self.lon_min + self.step * (np.arange(count) + 0.5), 6)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.lat), len(self.lon)

    def cell(self, lat: NDArray[np.floating], lon: NDArray[np.floating]) -> NDArray[np.int64]:
        """Flat index of the cell that holds each point, −1 outside the grid."""
        row = np.floor((self.lat_max - lat) / self.step + 1e-9).astype(np.int64)
        col = np.floor((lon - self.lon_min) / self.step + 1e-9).astype(np.int64)
        rows, cols = self.shape
        inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
        return np.where(inside, row * cols + col, -1)

    def mean(self, values: NDArray[np.floating], cell: NDArray[np.int64]) -> NDArray[np.float32]:
        """Mean per cell of scattered values; NaN where a cell has no finite value.

        Parameters
        ----------
        values
            Values at scattered points, NaN for missing.
        cell
            Flat cell index of each point, from :meth:`cell`.
        """
        good = np.isfinite(values) & (cell >= 0)
        size = self.shape[0] * self.shape[1]
        count = np.bincount(cell[good], minlength=size)
        total = np.bincount(cell[good], weights=values[good], minlength=size)
        with np.errstate(invalid="ignore"):
            return (
                (total / np.where(count > 0, count, np.nan)).reshape(self.shape).astype(np.float32)
            )

    def dataset(
        self,
        time: NDArray[np.datetime64],
        **variables: NDArray[np.floating],
    ) -> xr.Dataset:
        """Canonical dataset: dims (time, lat, lon), CRS written, attributes from the table.

        Parameters
        ----------
        time
            Start of each step, UTC.
        **variables
            Arrays of shape (time, lat, lon), by their name in ``variables.py``.
        """
        fields = {
            name: xr.Variable(
                ("time", "lat", "lon"), data, attributes(name), {"grid_mapping": "spatial_ref"}
            )
            for name, data in variables.items()
        }
        frame = _frame(self)
        index = PandasIndex(pd.DatetimeIndex(np.asarray(time, "datetime64[ns]")), "time")
        moments = xr.Variable("time", index.index, {"standard_name": "time"})
        coords = xr.Coordinates(
            {**frame.variables, "time": moments}, indexes={**frame.xindexes, "time": index}
        )
        return xr.Dataset(fields, coords=coords)


@lru_cache
def _frame(grid: Grid) -> xr.Coordinates:
    """Coordinates of a grid with its CRS, which takes longer to write than a granule to read."""
    import rioxarray  # noqa: F401, PLC0415  (registers .rio; costs 0.3 s, wanted only here)

    axes = {
        "lat": ("lat", grid.lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", grid.lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    coords: xr.Coordinates = xr.Dataset(coords=axes).rio.write_crs("EPSG:4326").coords
    return coords


MEKONG = Grid(7.5, 34.5, 93.0, 110.0)
"""The basin and the pilot cities of its five countries, 270 x 170 cells."""
ASEAN = Grid(-10.0, 34.5, 93.0, 127.0)
"""The same and the pilot cities of the island countries, 445 x 340 cells."""
GRIDS: dict[Region, Grid] = {"mekong": MEKONG, "asean": ASEAN}
"""Grid of each region."""
