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
    """Coordinates of a grid with its CRS."""
    axes = {
        "lat": ("lat", grid.lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", grid.lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return with_crs(xr.Dataset(coords=axes)).coords


_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,'
    'AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
    'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)
WGS84: dict[str, str | float] = {
    "crs_wkt": _WKT,
    "semi_major_axis": 6378137.0,
    "semi_minor_axis": 6356752.314245179,
    "inverse_flattening": 298.257223563,
    "reference_ellipsoid_name": "WGS 84",
    "longitude_of_prime_meridian": 0.0,
    "prime_meridian_name": "Greenwich",
    "geographic_crs_name": "WGS 84",
    "horizontal_datum_name": "World Geodetic System 1984",
    "grid_mapping_name": "latitude_longitude",
    "spatial_ref": _WKT,
}
"""Grid mapping of EPSG:4326 by the CF conventions (attributes), and for GDAL (``spatial_ref``)."""


def with_crs(ds: xr.Dataset) -> xr.Dataset:
    """Add the CRS of the grids, as ``ds.rio.write_crs("EPSG:4326")`` does.

    rioxarray is not used: its import costs every task of a night 0.4 s.
    """
    ds = ds.drop_vars("spatial_ref", errors="ignore").assign_coords(spatial_ref=((), 0, WGS84))
    ds.encoding = {**ds.encoding, "grid_mapping": "spatial_ref"}
    for da in ds.data_vars.values():
        if {"lat", "lon"} <= set(da.dims):
            da.encoding["grid_mapping"] = "spatial_ref"
    return ds


MEKONG = Grid(7.5, 34.5, 93.0, 110.0)
"""The basin and the pilot cities of its five countries, 270 x 170 cells."""
ASEAN = Grid(-10.0, 34.5, 93.0, 127.0)
"""The same and the pilot cities of the island countries, 445 x 340 cells."""
GRIDS: dict[Region, Grid] = {"mekong": MEKONG, "asean": ASEAN}
"""Grid of each region."""
