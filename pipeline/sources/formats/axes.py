"""Latitude and longitude of a file by name and value, and the pixels of a grid's cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.sources.base import BadGranule
from pipeline.sources.formats.cf import NUMBERS, unpack
from pipeline.sources.formats.chunks import read_axis, read_slab
from pipeline.sources.formats.field import Field, read_attribute, read_text
from pipeline.sources.formats.hdf import get_variable

if TYPE_CHECKING:
    from pipeline.geography.grid import Grid

_NAMES = {
    **dict.fromkeys(("lat", "latitude", "nlat", "y", "ydim", "north_south"), "lat"),
    **dict.fromkeys(("lon", "longitude", "nlon", "x", "xdim", "east_west"), "lon"),
}
"""Names of dims, in lower case."""
_RANGES = {"lat": (-90.0, 90.0), "lon": (-180.0, 360.0)}
_UNEVEN = 0.02
"""Greatest deviation of a centre, as a share of the step; float32 needs a thousandth."""


def read_lat_lon(group: h5py.Group, path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the centres of a file's rows and columns.

    Parameters
    ----------
    group
        Group of the coordinates ``lat`` and ``lon``, of one dim each, in degrees.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        A coordinate is absent, has the units of the other, or is no regular axis on the Earth.
    """
    lat, lon = (get_variable(group, (name,), path) for name in ("lat", "lon"))
    axes = tuple(_read_centres(data, kind, path) for kind, data in (("lat", lat), ("lon", lon)))
    # A longitude beyond 90 distinguishes the two by value; attributes are slow to read.
    if np.abs(axes[1]).max() <= _RANGES["lat"][1]:
        for data, wrong_ends in ((lat, ("east", "_e")), (lon, ("north", "_n"))):
            units = read_text(data, "units").strip().lower()
            if units and (not units.startswith("deg") or units.endswith(wrong_ends)):
                raise BadGranule(
                    path,
                    expected="lat in degrees north and lon in degrees east",
                    found=f"{_short_name(data)} in {units}",
                )
    return axes[0], axes[1]


def _read_centres(data: Field, kind: str, path: Path) -> NDArray[np.float64]:
    if data.ndim != 1:
        raise BadGranule(path, expected=f"{kind} of one dim", found=str(data.shape))
    stored = read_axis(data)
    plain = stored.dtype.kind == "f" and not NUMBERS.intersection(data.attrs)
    if plain and (sound := _parse_centres(kind, stored.dtype.str, stored.tobytes())) is not None:
        return sound
    values = unpack(data, stored, path, dtype=np.float64)
    check_centres(values, kind, path)
    return values


@lru_cache(maxsize=32)
def _parse_centres(kind: str, dtype: str, content: bytes) -> NDArray[np.float64] | None:
    """Parse the centres of a coordinate, which files of a product repeat; None where refused."""
    values = np.frombuffer(content, dtype).astype(np.float64)
    try:
        check_centres(values, kind, Path())
    except BadGranule:
        return None
    values.flags.writeable = False
    return values


def check_centres(values: NDArray[np.floating], kind: str, path: Path) -> None:
    """Refuse centres of pixels that no regular grid on the Earth has.

    Parameters
    ----------
    values
        Degrees.
    kind
        ``lat`` or ``lon``.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        There are fewer than two, or some are missing, misplaced or beyond the Earth.
    """
    least, most = _RANGES[kind]
    check_even(values, kind, path)
    low, high = float(values.min()), float(values.max())
    if low < least - 1e-3 or high > most + 1e-3 or high - low > 360:
        raise BadGranule(
            path, expected=f"{kind} in {least:g}..{most:g}", found=f"{low:.4g}..{high:.4g}"
        )


def check_even(values: NDArray[np.floating], name: str, path: Path) -> None:
    """Refuse an axis that is not evenly spaced, in either direction.

    Parameters
    ----------
    values
        Centres in any units.
    name, path
        The axis and the file, for the message.

    Raises
    ------
    BadGranule
        There are fewer than two, or some are missing, repeated or misplaced.
    """
    if values.size < 2 or not np.isfinite(values).all():
        raise BadGranule(
            path,
            expected=f"two or more values in {name}, none of them missing",
            found=f"{values.size}, of which {int((~np.isfinite(values)).sum())} are missing",
        )
    step = (values[-1] - values[0]) / (values.size - 1)
    deviation = np.abs(values - (values[0] + step * np.arange(values.size))).max()
    if not abs(step) > 0 or deviation > _UNEVEN * abs(step):
        raise BadGranule(
            path,
            expected=f"{name} evenly spaced",
            found=f"steps of {step:.5g} with a value {deviation:.5g} off",
        )


def is_north_first(
    data: Field,
    lat: int,
    lon: int,
    path: Path,
    *,
    usual: tuple[str, ...],
    before: tuple[int, ...] = (1,),
    beside: bool | None = None,
) -> bool:
    """Return whether latitude precedes longitude in the last two dims of a variable.

    Sizes decide where they fit the product's usual order alone; otherwise the names of the dims do,
    wherever the file has them.

    Parameters
    ----------
    data
        The variable.
    lat, lon
        Sizes of the axes.
    path
        The file, for the message.
    usual
        Names of the dims in the product's order; the last two are ``lat`` and ``lon`` either way.
    before
        Sizes of the dims before them.
    beside
        Result for the variable that this one belongs to, used where this one has no names.

    Raises
    ------
    BadGranule
        The variable does not have the sizes of the axes, a square variable has no names, or two
        sets of names contradict each other.
    """
    usually = usual[-2:] == ("lat", "lon")
    if lat != lon and data.shape == _shape(before, lat, lon, north_first=usually):
        return usually
    orders = {
        order
        for names in _list_dims(data, path)
        if (order := _find_order(names, data.ndim)) is not None
    }
    if not orders and beside is not None:
        orders.add(beside)
    if len(orders) > 1 or (not orders and lat == lon):
        raise BadGranule(
            path,
            expected=f"names of the dims of {_short_name(data)}, a window of {lat} x {lon}",
            found="names that contradict each other" if orders else "none",
        )
    north_first = orders.pop() if orders else usually
    shape = _shape(before, lat, lon, north_first=north_first)
    if data.shape != shape:
        last_dims = ("lat", "lon") if north_first else ("lon", "lat")
        raise BadGranule(
            path,
            expected=f"{_short_name(data)} with dims ({', '.join((*usual[:-2], *last_dims))}) of "
            f"{' x '.join(map(str, shape))}",
            found=str(data.shape),
        )
    return north_first


def _shape(before: tuple[int, ...], lat: int, lon: int, *, north_first: bool) -> tuple[int, ...]:
    return (*before, lat, lon) if north_first else (*before, lon, lat)


def _short_name(data: Field) -> str:
    return str(data.name).rpartition("/")[2]


def _list_dims(data: Field, path: Path) -> Iterator[tuple[str, ...]]:
    """List the names of a variable's dims, by each of the ways in which files give them."""
    if content := read_text(data, "DimensionNames"):
        yield tuple(content.split(","))
    # HDF5's own functions for dimension scales end the process where these have another type.
    for name in ("DIMENSION_LIST", "_ARRAY_DIMENSIONS", "DIMENSION_LABELS"):
        content = read_attribute(data, name)
        if isinstance(content, str | bytes):
            try:
                content = json.loads(content)
            except ValueError:
                raise BadGranule(
                    path,
                    expected=f"a list of names in {name} of {_short_name(data)}",
                    found=repr(content)[:80],
                ) from None
        if isinstance(content, np.ndarray | list):
            yield tuple(_decode_dim(dim, data) for dim in content)


def _decode_dim(dim: Any, data: Field) -> str:
    """Decode the name of a dim, from text or from references to its scales."""
    if isinstance(dim, np.ndarray):
        dim = dim.flat[0] if dim.size else ""
    if isinstance(dim, h5py.Reference):
        dim = h5py.h5r.get_name(dim, data.id) or b""
    return dim.decode("utf-8", "replace") if isinstance(dim, bytes) else str(dim)


def _find_order(names: tuple[str, ...], ndim: int) -> bool | None:
    """Find whether names put latitude before longitude; None where they show neither."""
    kinds = [_NAMES.get(name.rpartition("/")[2].strip().lower()) for name in names]
    if len(kinds) != ndim or not any(kinds):
        return None
    return kinds.index("lat") < kinds.index("lon") if {"lat", "lon"} <= set(kinds) else None


def find_positions(axis: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.int64]:
    """Find the index in a regular axis of the cell that contains each point, −1 outside.

    Parameters
    ----------
    axis
        Cell centres, evenly spaced, in either direction.
    points
        Points in the units of the axis.

    Examples
    --------
    >>> find_positions(np.array([30.0, 20.0, 10.0]), np.array([9.0, 28.0, 60.0])).tolist()
    [2, 0, -1]
    """
    step = (float(axis[-1]) - float(axis[0])) / (len(axis) - 1)
    place = np.floor((points - float(axis[0])) / step + 0.5 + 1e-6)
    index = np.where(np.isfinite(place), place, -1.0).astype(np.int64)
    return np.where((index >= 0) & (index < len(axis)), index, -1)


def find_window(index: NDArray[np.int64]) -> slice:
    """Find the smallest slice that contains every index that is not −1.

    Parameters
    ----------
    index
        From :func:`find_positions`; at least one is not −1.
    """
    inside = index[index >= 0]
    return slice(int(inside.min()), int(inside.max()) + 1)


def find_cells(
    grid: Grid,
    lat: NDArray[np.floating],
    lon: NDArray[np.floating],
    path: Path,
    *,
    north: Callable[[NDArray[np.floating]], NDArray[np.floating]] = lambda lat: lat,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the row and column of the pixel at the centre of each row and column of a grid's cells.

    Parameters
    ----------
    grid
        Target grid.
    lat, lon
        Pixel centres of the file, degrees, either way up; longitudes up to 180 or to 360.
    path
        The file, for the message.
    north
        Evenly spaced function of the latitude; default the latitude.

    Returns
    -------
    tuple
        As of :func:`pipeline.sources.formats.axes.find_positions`.

    Raises
    ------
    BadGranule
        No pixel lies in the grid, or the pixels are not evenly spaced.
    """
    up = north(lat)
    check_even(up, "lat", path)
    check_even(lon, "lon", path)
    rows = find_positions(up, north(grid.lat))
    columns = find_positions(lon, grid.lon % 360 if lon.max() > 180 else grid.lon)
    if (rows < 0).all() or (columns < 0).all():
        raise BadGranule(
            path,
            expected=f"pixels in {grid.lat_min}..{grid.lat_max} N, "
            f"{grid.lon_min}..{grid.lon_max} E",
            found=f"{lat.min():.2f}..{lat.max():.2f} N, {lon.min():.2f}..{lon.max():.2f} E",
        )
    return rows, columns


def read_window(
    data: Field,
    down: slice,
    across: slice,
    *,
    north_first: bool = True,
    before: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    """Read a window of rows and columns as stored, as (row, column) for either order in the file.

    Parameters
    ----------
    data
        The variable.
    down, across
        Rows and columns.
    north_first
        From :func:`is_north_first`.
    before
        Index in the dims before; default the first.
    """
    if north_first:
        return read_slab(data, down, across, before=before)
    return read_slab(data, across, down, before=before).T


def read_cells(
    data: Field,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    path: Path,
    *,
    north_first: bool = True,
    before: tuple[int, ...] | None = None,
    fill: float = -9999.0,
) -> NDArray[np.float32]:
    """Read the pixels of the cells, (row, column), NaN for fill and outside, in one hyperslab.

    Parameters
    ----------
    data
        Field whose last two dims are rows and columns.
    rows, columns
        From :func:`find_cells`.
    path
        The file, for the message.
    north_first
        From :func:`is_north_first`.
    before
        Index in the dims before the last two; default the first.
    fill
        Fill, in stored units, where the field declares none.

    Raises
    ------
    BadGranule
        As of :func:`pipeline.sources.formats.cf.unpack`.
    """
    down, across = find_window(rows), find_window(columns)
    stored = read_window(data, down, across, north_first=north_first, before=before)
    pixels = unpack(data, stored, path, fill=fill)
    values = np.full((len(rows), len(columns)), np.nan, np.float32)
    inside = np.ix_(rows >= 0, columns >= 0)
    values[inside] = pixels[
        np.ix_(rows[rows >= 0] - down.start, columns[columns >= 0] - across.start)
    ]
    return values
