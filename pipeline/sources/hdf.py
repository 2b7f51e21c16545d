"""What the readers of HDF5, netCDF-4 and HDF4 files share: opening, naming, masking, windows."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from isal import isal_zlib

from pipeline.sources.base import BadGranule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.grid import Grid

_MAGIC = b"\x89HDF\r\n\x1a\n"
_PART = 1 << 18
"""Bytes of a chunk that are inflated at a time."""
_MAGIC_4 = b"\x0e\x03\x13\x01"


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadGranule
        The file is empty, is something else (providers answer HTTP 200 with a login page), or
        ends too early, now or while its arrays are read.
    """
    with path.open("rb") as stream:
        head = stream.read(80)
    if not head.startswith(_MAGIC):
        found = f"a file that begins with {head[:40]!r}" if head else "an empty file"
        raise BadGranule(path, expected="an HDF5 file", found=found)
    try:
        # Files are renamed into place whole, and some network disks refuse locks.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except OSError as error:
        raise BadGranule(path, expected="a whole HDF5 file", found=str(error)) from error


@contextmanager
def opened_eos(path: Path) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Open the grid of an HDF-EOS file: version 5 (HDF5, one grid) or 2 (HDF4).

    Yields
    ------
    fields, file
        Data fields by name, each with ``attrs``, ``shape`` and slicing as in h5py, and the owner
        of the file's attributes.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadGranule
        The file is empty, is something else, has not one grid, or ends too early, now or while its
        fields are read.
    """
    with path.open("rb") as stream:
        is_4 = stream.read(4) == _MAGIC_4
    if is_4:
        with _opened_4(path) as (fields, file):
            yield fields, file
        return
    with opened(path) as file:
        grids = variable(file, ("HDFEOS/GRIDS",), path)
        if len(grids) != 1:
            raise BadGranule(
                path, expected="one grid in HDFEOS/GRIDS", found=", ".join(grids) or "none"
            )
        yield variable(grids[next(iter(grids))], ("Data Fields",), path), file


class _Owner:
    """What carries attributes in an HDF4 file, and where it is a field its values, as in h5py."""

    def __init__(self, item: Any) -> None:
        self.attrs: dict[str, Any] = item.attributes()
        self._item = item

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        sizes = self._item.info()[2]
        return tuple(sizes) if isinstance(sizes, list) else (sizes,)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self._item[index])


@contextmanager
def _opened_4(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    from pyhdf.error import HDF4Error  # noqa: PLC0415  (HDF4 is rare)
    from pyhdf.SD import SD  # noqa: PLC0415

    try:
        file = SD(str(path))
        try:
            yield {name: _Owner(file.select(name)) for name in file.datasets()}, _Owner(file)
        finally:
            file.end()
    except HDF4Error as error:
        raise BadGranule(path, expected="a whole HDF4 file", found=str(error)) from error


def variable(group: Any, names: tuple[str, ...], path: Path) -> Any:
    """Return the first of several variables that a group has.

    Parameters
    ----------
    group
        Where to look: an HDF5 group, or the fields of an HDF4 file by name.
    names
        Names in order of preference; versions of a product name the same thing differently.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The group has none of them.
    """
    for name in names:
        found = group.get(name)
        if found is not None:
            return found
    raise BadGranule(
        path, expected=f"variable {' or '.join(names)}", found=f"{', '.join(group) or 'nothing'}"
    )


def text(owner: Any, name: str) -> str:
    """Return an attribute as text, empty where it is absent.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.
    """
    value = owner.attrs.get(name, "")
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def number(owner: Any, name: str, path: Path) -> float:
    """Return an attribute as a number.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The attribute is absent or no number.
    """
    try:
        return float(text(owner, name))
    except ValueError:
        raise BadGranule(
            path, expected=f"a number in {name}", found=repr(text(owner, name))
        ) from None


def moment(time: h5py.Dataset, path: Path) -> np.datetime64:
    """Return the one moment that a time variable holds, UTC.

    Parameters
    ----------
    time
        Count since an epoch, in seconds, minutes, hours or days.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        It holds several, or its units say something else.
    """
    said = text(time, "units")
    found = re.fullmatch(
        r"(second|minute|hour|day)s? since (\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d+)?))?"
        r" ?(?:UTC|Z)?", said,
    )  # fmt: skip
    if found is None or time.size != 1:
        raise BadGranule(
            path, expected="one time in seconds, minutes, hours or days since an epoch",
            found=f"{time.size} in {said!r}",
        )  # fmt: skip
    size = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}[found[1]]
    seconds = round(float(np.ravel(time[...])[0]) * size)
    return np.datetime64(f"{found[2]}T{found[3] or '00:00:00'}", "ns") + np.timedelta64(
        seconds, "s"
    )


def masked(values: NDArray[Any], fill: float) -> NDArray[np.float32]:
    """Return values as float32 with NaN for the fill, before any arithmetic.

    The fill is matched by tolerance: −9999.9 stored in float32 is −9999.900391.

    Parameters
    ----------
    values
        Values as stored.
    fill
        The fill value, in stored units.

    Examples
    --------
    >>> masked(np.array([-9999.9, 0.0, 2.5], "f4"), -9999.9).tolist()
    [nan, 0.0, 2.5]
    """
    found = np.array(values, dtype=np.float32)
    found[np.abs(found - np.float32(fill)) <= max(1e-4 * abs(fill), 0.01)] = np.nan
    return found


def slab(data: h5py.Dataset, down: slice, across: slice) -> NDArray[Any]:
    """Read a window of the last two dims; of those before them the first is taken.

    Chunks that are deflated and nothing else are inflated here, by a faster library than HDF5's.

    Parameters
    ----------
    data
        Dataset.
    down, across
        Windows in the last dim but one and in the last, with start and stop.

    Raises
    ------
    OSError
        A chunk is damaged.
    """
    size, before = _deflated(data), (0,) * (data.ndim - 2)
    if not size or any(one > 1 for one in size[:-2]):
        return np.asarray(data[(*before, down, across)])
    (rows, columns), dtype = size[-2:], data.dtype
    found = np.empty((down.stop - down.start, across.stop - across.start), dtype)
    for top in range(down.start - down.start % rows, down.stop, rows):
        for left in range(across.start - across.start % columns, across.stop, columns):
            packed = _packed(data, (*before, top, left))
            if packed is None:
                return np.asarray(data[(*before, down, across)])
            first, last = max(across.start, left), min(across.stop, left + columns)
            here, there = (slice(first - each, last - each) for each in (across.start, left))
            for row, part in _inflated(packed, (rows, columns), dtype):
                begin, end = max(down.start, top + row), min(down.stop, top + row + len(part))
                if begin < end:
                    lines = part[begin - top - row : end - top - row, there]
                    found[begin - down.start : end - down.start, here] = lines
    return found


def axis(data: h5py.Dataset) -> NDArray[Any]:
    """Read a coordinate; files of a product repeat theirs byte for byte, so it is inflated once.

    Parameters
    ----------
    data
        Dataset of one dimension.

    Raises
    ------
    OSError
        Its chunk is damaged.
    """
    packed = _packed(data, (0,)) if _deflated(data) == data.shape else None
    return np.asarray(data[:]) if packed is None else _coordinate(packed, len(data), data.dtype)


def _deflated(data: h5py.Dataset) -> tuple[int, ...]:
    """Shape of the chunks, empty unless they are deflated and nothing else."""
    layout = data.id.get_create_plist()
    filters = [layout.get_filter(number)[0] for number in range(layout.get_nfilters())]
    return tuple(layout.get_chunk()) if filters == [h5py.h5z.FILTER_DEFLATE] else ()


def _packed(data: h5py.Dataset, at: tuple[int, ...]) -> bytes | None:
    """Content of a chunk as stored; None where it was never written or skipped its filter."""
    if not data.id.get_chunk_info_by_coord(at).size:  # read directly, it can be any length
        return None
    unfiltered, packed = data.id.read_direct_chunk(at)
    return None if unfiltered else bytes(packed)


@lru_cache(maxsize=32)
def _coordinate(packed: bytes, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    ((_, rows),) = _inflated(packed, (1, size), dtype)
    return np.asarray(rows[0])


def _inflated(
    packed: bytes, shape: tuple[int, int], dtype: np.dtype[Any]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows of a deflated chunk by parts, each with the number of its first.

    A chunk is a megabyte or more: inflated in one piece each would be memory of its own that the
    system clears, which takes as long as inflating it.
    """
    rows, columns = shape
    stream, width = isal_zlib.decompressobj(), columns * dtype.itemsize
    most = max(1, _PART // width)
    try:
        for row in range(0, rows, most):
            count = min(most, rows - row)
            content = stream.decompress(packed, count * width)
            packed = stream.unconsumed_tail
            yield row, np.frombuffer(content, dtype).reshape(count, columns)
        whole = not stream.decompress(packed, 1) and stream.eof
    except (isal_zlib.error, ValueError) as damage:  # type: ignore[misc]  # its stub errs
        raise OSError(f"a damaged chunk: {damage}") from damage
    if not whole:
        raise OSError("a chunk of another size than its file says")


def positions(axis: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.int64]:
    """Index in a regular axis of the cell that holds each wanted point, −1 outside.

    Parameters
    ----------
    axis
        Cell centres, evenly spaced, in either direction.
    wanted
        Points in the units of the axis.

    Examples
    --------
    >>> positions(np.array([30.0, 20.0, 10.0]), np.array([9.0, 28.0, 60.0])).tolist()
    [2, 0, -1]
    """
    step = (float(axis[-1]) - float(axis[0])) / (len(axis) - 1)
    index = np.floor((wanted - float(axis[0])) / step + 0.5 + 1e-6).astype(np.int64)
    return np.where((index >= 0) & (index < len(axis)), index, -1)


def window(index: NDArray[np.int64]) -> slice:
    """Smallest slice that holds every index that is not −1.

    Parameters
    ----------
    index
        From :func:`positions`; at least one is not −1.
    """
    inside = index[index >= 0]
    return slice(int(inside.min()), int(inside.max()) + 1)


def cells(
    grid: Grid,
    lat: NDArray[np.floating],
    lon: NDArray[np.floating],
    path: Path,
    *,
    north: Callable[[NDArray[np.floating]], NDArray[np.floating]] = lambda lat: lat,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the pixel that holds the centre of each row and column of a grid's cells.

    Parameters
    ----------
    grid
        Target grid.
    lat, lon
        Pixel centres of the file, degrees, either way up; longitudes up to 180 or to 360.
    path
        The file, for the message.
    north
        What of the latitude is evenly spaced; default the latitude.

    Returns
    -------
    tuple
        As of :func:`positions`.

    Raises
    ------
    BadGranule
        No pixel lies in the grid.
    """
    rows = positions(north(lat), north(grid.lat))
    columns = positions(lon, grid.lon % 360 if lon.max() > 180 else grid.lon)
    if (rows < 0).all() or (columns < 0).all():
        raise BadGranule(
            path,
            expected=f"pixels in {grid.lat_min}..{grid.lat_max} N, "
            f"{grid.lon_min}..{grid.lon_max} E",
            found=f"{lat.min():.2f}..{lat.max():.2f} N, {lon.min():.2f}..{lon.max():.2f} E",
        )
    return rows, columns


def cut(
    data: Any, rows: NDArray[np.int64], columns: NDArray[np.int64], fill: float
) -> NDArray[np.float32]:
    """Pixels of the cells, (row, column), NaN for fill and outside; one hyperslab is read.

    Parameters
    ----------
    data
        Field whose last two dims are rows and columns; of those before them the first is taken.
    rows, columns
        From :func:`cells`.
    fill
        The fill value, in stored units.

    Examples
    --------
    >>> cut(np.array([[1.0, -9999.0], [3.0, 4.0]]), np.array([1, 0]), np.array([-1, 1]), -9999.0)
    array([[nan,  4.],
           [nan, nan]], dtype=float32)
    """
    down, across = window(rows), window(columns)
    slab = masked(data[(0,) * (len(data.shape) - 2) + (down, across)], fill)
    found = np.full((len(rows), len(columns)), np.nan, np.float32)
    inside = np.ix_(rows >= 0, columns >= 0)
    found[inside] = slab[np.ix_(rows[rows >= 0] - down.start, columns[columns >= 0] - across.start)]
    return found


def stamp(text: str, form: str, path: Path) -> np.datetime64:
    """Return the UTC moment that digits in a file's name or text stand for.

    Parameters
    ----------
    text, form
        The digits, and their format as of ``strptime``.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        They are no date between 1900 and 2200.

    Examples
    --------
    >>> from pathlib import Path
    >>> str(stamp("2024033", "%Y%j", Path("a.hdf")))[:10]
    '2024-02-02'
    """
    try:
        found = datetime.strptime(f"{text}Z", f"{form}%z")
    except ValueError:
        found = None
    if found is None or not 1900 <= found.year < 2200:
        raise BadGranule(path, expected=f"a date as {form}", found=text)
    return np.datetime64(found.replace(tzinfo=None), "ns")
