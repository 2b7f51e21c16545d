"""Projection of GK2A's images on the Earth, and means of their pixels in cells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pipeline.geography.grid import Grid
from pipeline.sources.base import BadGranule
from pipeline.sources.formats.ami import read_finite, read_size
from pipeline.sources.formats.field import Field, read_text

_SATELLITE, _MERIDIAN = 128.2, 126.0
"""Longitude of GK2A, and the central meridian of its Lambert sectors, degrees east."""
_LARGEST_DEVIATION = 0.5
"""Greatest deviation of a file, degrees: the satellite is kept within 0.05."""
MOST_PIXELS = 1 << 23
"""Most pixels of a window: 0.4 GB while they are placed."""


@dataclass(frozen=True)
class Projection:
    """Pixel centres of an image: x = x0 + dx * column, y = y0 + dy * row, in metres of ``crs``."""

    crs: str
    x0: float
    dx: float
    y0: float
    dy: float
    width: int
    height: int


def projection_of(mapping: Field | h5py.HLObject, path: Path) -> Projection:
    """Build an image's projection from `gk2a_imager_projection`, whose names are not CF's.

    Parameters
    ----------
    mapping
        The scalar variable that carries the attributes.
    path
        The file, for messages.

    Raises
    ------
    BadGranule
        An attribute is missing or invalid, or the projection is of another kind.
    """
    kind = read_text(mapping, "grid_mapping_name")

    def value(name: str) -> float:
        return read_finite(mapping, name, path)

    width, height = (read_size(mapping, name, path) for name in ("image_width", "image_height"))
    if kind == "lambert_conformal_conic":
        _check_longitude("central_meridian", value("central_meridian"), _MERIDIAN, path)
        crs = (
            f"+proj=lcc +lat_1={value('standard_parallel1')} +lat_2={value('standard_parallel2')} "
            f"+lat_0={value('origin_latitude')} +lon_0={value('central_meridian')} "
            f"+x_0={value('false_easting')} +y_0={value('false_northing')} +ellps=WGS84 +units=m"
        )
        step = value("pixel_size")
        left, top = value("upper_left_easting"), value("upper_left_northing")
        return Projection(crs, left, step, top, -step, width, height)
    if kind == "geostationary":
        longitude = value("longitude_of_projection_origin")
        _check_longitude("longitude_of_projection_origin", longitude, _SATELLITE, path)
        semi_major = value("semi_major_axis")
        altitude = value("perspective_point_height")
        if altitude > 40e6:  # some files give the distance from the Earth's centre
            altitude -= semi_major
        return _geostationary(
            altitude=altitude,
            longitude=longitude,
            axes=(semi_major, value("semi_minor_axis")),
            factors=(value("column_scale_factor"), value("line_scale_factor")),
            offsets=(value("column_offset"), value("line_offset")),
            shape=(width, height),
        )
    raise BadGranule(
        path, expected="projection lambert_conformal_conic or geostationary", found=kind or "none"
    )


def projection_of_level_1b(file: h5py.File, path: Path) -> Projection:
    """Build the geostationary view that a Level 1B file's attributes describe.

    Parameters
    ----------
    file
        The open file.
    path
        Its path, for messages.

    Raises
    ------
    BadGranule
        An attribute is missing.
    """

    def value(name: str) -> float:
        return read_finite(file, name, path)

    longitude = float(np.degrees(value("sub_longitude")))
    _check_longitude("sub_longitude", longitude, _SATELLITE, path)
    semi_major = value("earth_equatorial_radius")
    return _geostationary(
        altitude=value("nominal_satellite_height") - semi_major,
        longitude=longitude,
        axes=(semi_major, value("earth_polar_radius")),
        factors=(value("cfac"), value("lfac")),
        offsets=(value("coff"), value("loff")),
        shape=(
            read_size(file, "number_of_columns", path),
            read_size(file, "number_of_lines", path),
        ),
    )


def _check_longitude(name: str, value: float, expected: float, path: Path) -> None:
    """Refuse an image of another longitude, which would be misplaced on the Earth."""
    if abs(value - expected) > _LARGEST_DEVIATION:
        raise BadGranule(path, expected=f"{name} {expected:g}", found=f"{value:g}")


def _geostationary(
    *,
    altitude: float,
    longitude: float,
    axes: tuple[float, float],
    factors: tuple[float, float],
    offsets: tuple[float, float],
    shape: tuple[int, int],
) -> Projection:
    """Build the geostationary projection from factors, offsets and shape, columns before lines."""
    crs = f"+proj=geos +h={altitude} +lon_0={longitude} +a={axes[0]} +b={axes[1]} +sweep=y +units=m"
    # Columns and lines count from 1; 2^16 / factor is the pixel's angle in degrees.
    dx = altitude * np.radians(65536 / factors[0])
    dy = -altitude * np.radians(65536 / abs(factors[1]))
    x0, y0 = dx * (1 - offsets[0]), dy * (1 - offsets[1])
    return Projection(crs, x0, dx, y0, dy, *shape)


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels of an image that may lie in a grid.

    Parameters
    ----------
    rows, columns
        Window of the image.
    cell
        Flat grid cell of each pixel in the window, row by row, −1 outside the grid.
    grid
        The grid.
    """

    rows: slice
    columns: slice
    cell: NDArray[np.int64]
    grid: Grid

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Whether each pixel lies in the grid."""
        return self.cell >= 0

    @cached_property
    def _count(self) -> NDArray[np.int64]:
        """Pixels in each cell."""
        return np.bincount(self.cell[self.inside], minlength=math.prod(self.grid.shape))

    def mean(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Average the values in each cell; NaN where a cell has no finite value.

        Pixels of 0 are counted but not summed: they are nine tenths of a rain rate (3 ms, not 18).

        Parameters
        ----------
        values
            Value of each pixel in the window, NaN for missing.
        """
        flat = np.ravel(values)
        some = np.flatnonzero((flat != 0) & self.inside)
        value, cell = flat[some], self.cell[some]
        good = np.isfinite(value)
        count = self._count - np.bincount(cell[~good], minlength=self._count.size)
        total = np.bincount(cell[good], weights=value[good], minlength=self._count.size)
        with np.errstate(invalid="ignore"):
            mean = total / np.where(count > 0, count, np.nan)
        return mean.reshape(self.grid.shape).astype(np.float32)


@lru_cache(maxsize=4)
def pixels_in(view: Projection, grid: Grid) -> Pixels:
    """Find the pixels of an image that lie in the cells of a grid.

    Parameters
    ----------
    view
        The image's projection.
    grid
        Target grid.

    Raises
    ------
    ValueError
        The projection has pixels of no size, or more than :data:`MOST_PIXELS` in the window.
    """
    if not view.dx or not view.dy:
        raise ValueError(f"expected pixels of some size, found {view.dx} x {view.dy} m")
    geographic = Transformer.from_crs("EPSG:4326", view.crs, always_xy=True)
    lon, lat = np.meshgrid(
        np.linspace(grid.lon_min, grid.lon_max, 200), np.linspace(grid.lat_min, grid.lat_max, 200)
    )
    x, y = geographic.transform(lon, lat)
    visible = np.isfinite(x) & np.isfinite(y)
    column, row = (x[visible] - view.x0) / view.dx, (y[visible] - view.y0) / view.dy

    def span(index: NDArray[np.floating], count: int) -> slice:
        if not index.size:
            return slice(0, 0)
        low, high = np.clip([index.min() - 3, index.max() + 4], 0, count).astype(int)
        return slice(int(low), int(high))

    rows, columns = span(row, view.height), span(column, view.width)
    if (count := (rows.stop - rows.start) * (columns.stop - columns.start)) > MOST_PIXELS:
        raise ValueError(f"expected at most {MOST_PIXELS} pixels in the grid, found {count}")
    x, y = np.meshgrid(
        view.x0 + view.dx * np.arange(columns.start, columns.stop),
        view.y0 + view.dy * np.arange(rows.start, rows.stop),
    )
    lon, lat = geographic.transform(x.ravel(), y.ravel(), direction="INVERSE")
    cell = np.full(lon.shape, -1)
    visible = np.isfinite(lon) & np.isfinite(lat)
    cell[visible] = grid.cell(lat[visible], lon[visible])
    return Pixels(rows, columns, cell, grid)
