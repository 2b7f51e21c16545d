"""Exact-area weights of grid cells in zones, and means over zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse
import shapely
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from pipeline.geography.grid import Grid
from pipeline.geography.variables import attributes


def equal_area(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project to the cylindrical equal-area projection of the WGS 84 ellipsoid, in km.

    Meridians and parallels stay straight and square to each other, so a cell of a
    longitude-latitude grid stays a rectangle and areas in the plane are true areas
    (Snyder 1987, USGS Professional Paper 1395, eq. 3-12 and 10-17).

    Parameters
    ----------
    lonlat
        Longitude and latitude in degrees, shape (n, 2).

    Returns
    -------
    ndarray
        Easting and northing in km, shape (n, 2).

    Examples
    --------
    >>> x, y = equal_area(np.array([[180.0, 90.0]]))[0]
    >>> round(4e-6 * float(x * y), 3)  # the Earth's surface, million km2
    510.066
    """
    radius_km, e = 6378.137, 0.0818191908426215
    s = np.sin(np.radians(lonlat[:, 1]))
    q = (1 - e**2) * (s / (1 - (e * s) ** 2) + np.arctanh(e * s) / e)
    return np.column_stack([radius_km * np.radians(lonlat[:, 0]), radius_km * q / 2])


def zonal_weights(
    grid: Grid, polygons: Mapping[str, Polygon | MultiPolygon]
) -> scipy.sparse.csr_matrix:
    """Compute the area that each zone shares with each cell, on the ellipsoid.

    Parameters
    ----------
    grid
        Target grid.
    polygons
        Outline of each zone on WGS 84; edges are straight in longitude and latitude.

    Returns
    -------
    csr_matrix
        Areas in km2, shape (zone, cell), zones in the mapping's order, cells row by row from
        the north-west corner.

    Raises
    ------
    ValueError
        A zone is empty, invalid or reaches beyond the grid.

    Examples
    --------
    >>> grid = Grid(0.0, 2.0, 100.0, 102.0, step=1.0)
    >>> weights = zonal_weights(grid, {"half": shapely.box(100.0, 1.0, 101.5, 2.0)})
    >>> weights.toarray().round().tolist()
    [[12305.0, 6152.0, 0.0, 0.0]]
    """
    rows, cols = grid.shape
    x = equal_area(np.column_stack([np.linspace(grid.lon_min, grid.lon_max, cols + 1)] * 2))[:, 0]
    y = equal_area(np.column_stack([np.linspace(grid.lat_max, grid.lat_min, rows + 1)] * 2))[:, 1]
    parts = []
    for zone, (name, outline) in enumerate(polygons.items()):
        if outline.is_empty or not outline.is_valid:
            raise ValueError(f"{name}: expected a valid polygon, found {outline.wkt[:80]}")
        west, south, east, north = outline.bounds
        if (
            west < grid.lon_min
            or south < grid.lat_min
            or east > grid.lon_max
            or north > grid.lat_max
        ):
            raise ValueError(
                f"{name}: expected within {grid.lon_min}-{grid.lon_max} E, "
                f"{grid.lat_min}-{grid.lat_max} N, found {outline.bounds}"
            )
        # A straight edge bends in projection by < 1e-4 of its length when cut to one cell's size.
        plane = shapely.transform(shapely.segmentize(outline, grid.step), equal_area)
        x0, y0, x1, y1 = plane.bounds
        first_column, first_row = (
            np.searchsorted(x, x0, "right") - 1,
            np.searchsorted(-y, -y1, "right") - 1,
        )
        end_column, end_row = np.searchsorted(x, x1, "right"), np.searchsorted(-y, -y0, "right")
        row, col = (
            index.ravel()
            for index in np.mgrid[
                first_row : min(end_row, rows), first_column : min(end_column, cols)
            ]
        )
        cells = shapely.box(x[col], y[row + 1], x[col + 1], y[row])
        shapely.prepare(plane)
        area = np.where(shapely.contains_properly(plane, cells), shapely.area(cells), 0.0)
        edge = (area == 0) & shapely.intersects(plane, cells)
        area[edge] = shapely.area(shapely.intersection(plane, cells[edge]))
        keep = area > 0
        parts.append((area[keep], np.full(keep.sum(), zone), (row * cols + col)[keep]))
    area, zone_index, cell = (np.concatenate(part) for part in zip(*parts, strict=True))
    return scipy.sparse.csr_matrix((area, (zone_index, cell)), shape=(len(polygons), rows * cols))


def zonal_mean(
    da: xr.DataArray,
    weights: scipy.sparse.csr_matrix,
    zones: Sequence[str],
    min_coverage: float = 0.8,
) -> tuple[xr.DataArray, xr.DataArray]:
    """Area-weighted mean per zone, and the share of the zone's area that had a value.

    mean = sum(a v) / sum(a) and coverage = sum(a) / A over the cells with a value, a the area a
    cell shares with the zone and A the zone's. Lazy where ``da`` is.

    Parameters
    ----------
    da
        Dims (..., lat, lon), latitude descending, NaN for missing.
    weights
        From :func:`zonal_weights`, for the grid that ``da`` is on.
    zones
        Ids of the zones, in the order of the weights' rows.
    min_coverage
        Below this coverage the mean is missing.

    Returns
    -------
    mean, coverage
        Dims (..., zone); the mean keeps the attributes of ``da``.

    Raises
    ------
    ValueError
        The cells or zones do not fit the weights, or latitude ascends.

    Examples
    --------
    >>> grid = Grid(0.0, 1.0, 100.0, 102.0, step=1.0)
    >>> weights = zonal_weights(grid, {"a": shapely.box(100.0, 0.0, 101.5, 1.0)})
    >>> rain = xr.DataArray([[4.0, 1.0]], {"lat": grid.lat, "lon": grid.lon})
    >>> mean, coverage = zonal_mean(rain, weights, ["a"])
    >>> round(mean.item(), 6), coverage.item()
    (3.0, 1.0)
    """
    cells = da.sizes["lat"] * da.sizes["lon"]
    if (len(zones), cells) != weights.shape:
        raise ValueError(
            f"weights: expected shape (zone, cell) {(len(zones), cells)}, found {weights.shape}"
        )
    if not (np.diff(da["lat"].values) < 0).all():
        raise ValueError(f"lat: expected descending, found {da['lat'].values[:2]}...")
    used = np.unique(weights.indices)
    share = weights[:, used]
    total = np.asarray(share.sum(axis=1)).ravel()
    dtype = np.promote_types(da.dtype, np.float32)

    def reduce(values: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        shape = values.shape[:-2]
        flat = values.reshape(-1, cells)[:, used].T.astype(dtype)
        good = np.isfinite(flat)
        part = share.astype(dtype)
        area = (part @ good.astype(dtype)).T
        amount = (part @ np.where(good, flat, 0)).T
        coverage = np.clip(area / total, 0, 1)
        enough = (coverage >= min_coverage - 1e-6) & (area > 0)
        mean = np.where(enough, amount / np.where(area > 0, area, 1), np.nan)
        return (
            mean.astype(dtype).reshape(*shape, len(zones)),
            coverage.astype(dtype).reshape(*shape, len(zones)),
        )

    mean, coverage = xr.apply_ufunc(
        reduce,
        da.chunk({"lat": -1, "lon": -1}) if da.chunks else da,
        input_core_dims=[["lat", "lon"]],
        output_core_dims=[["zone"], ["zone"]],
        dask="parallelized",
        output_dtypes=[dtype, dtype],
        dask_gufunc_kwargs={"output_sizes": {"zone": len(zones)}},
        keep_attrs=True,
    )
    coverage.attrs = dict(attributes("coverage"))
    named = {"zone": ("zone", np.asarray(zones, dtype=str))}
    return mean.assign_coords(named), coverage.rename("coverage").assign_coords(named)
