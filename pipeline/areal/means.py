"""Means over the zones of a region by the exact area of each cell in each zone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import xarray as xr
from scipy.sparse import csr_matrix

from pipeline.choices import Region
from pipeline.geography.grid import GRIDS
from pipeline.geography.places import zones
from pipeline.geography.reference_tables import Edition, edition
from pipeline.geography.zonal import zonal_mean, zonal_weights


def zone_weights(region: Region) -> csr_matrix:
    """Return the exact area of every cell in every zone of a region, km2, shape (zone, cell)."""
    return _zone_weights(region, edition())


@lru_cache
def _zone_weights(region: Region, tables: Edition) -> csr_matrix:  # noqa: ARG001  (a cache key)
    polygons = {zone.id: zone.polygon for zone in zones(region).values()}
    return zonal_weights(GRIDS[region], polygons)


@lru_cache
def sub_basin_of_cells(region: Region) -> xr.DataArray:
    """Return the id of the sub-basin with most of each cell, empty outside, dims (lat, lon)."""
    grid = GRIDS[region]
    names = np.array([name if name.startswith("basin:") else "" for name in zones(region)])
    shares = zone_weights(region).multiply((names != "")[:, None]).tocsc()
    owner = np.asarray(shares.argmax(axis=0)).ravel()
    ids = np.where(np.asarray(shares.max(axis=0).todense()).ravel() > 0, names[owner], "")
    return xr.DataArray(ids.reshape(grid.shape), {"lat": grid.lat, "lon": grid.lon}, ("lat", "lon"))


def average_zones(grids: xr.DataArray, region: Region) -> xr.DataArray:
    """Average over every zone of a region, dims (..., zone); see :func:`zonal_mean`."""
    return average_with_coverage(grids, region)[0]


def average_with_coverage(grids: xr.DataArray, region: Region) -> tuple[xr.DataArray, xr.DataArray]:
    """Average over every zone, and return the share of the zone's area with a value too.

    Parameters
    ----------
    grids
        Dims (..., lat, lon) on the region's grid, NaN for missing.
    region
        Region whose zones are averaged.

    Returns
    -------
    mean, coverage
        Dims (..., zone), lazy where the grids are; the mean is NaN below 80 % of the area.
    """
    return zonal_mean(grids, zone_weights(region), list(zones(region)))
