"""Windows of HDF5 arrays: chunks inflated by a faster library than HDF5's, within their size.

HDF5 inflates a chunk to any length of its stream; a kilobyte can become a gigabyte. So this module
inflates each deflated chunk, or measures it before HDF5 inflates it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import h5py
import numpy as np
from isal import igzip_lib
from numpy.typing import NDArray

from pipeline.sources.base import MAX_BYTES
from pipeline.sources.formats.field import Field

AXIS = 1 << 17
"""Most cells of a coordinate: finer than 0.003 degree around the Earth."""
_CELLS = MAX_BYTES // 16
"""Most cells that are read at once, each in double precision and once more."""
_CHUNKS = 1 << 17
"""Most chunks of a window: reading a file of tiny ones would take minutes."""
_PART = 1 << 18
"""Bytes of a chunk that are inflated at a time. A chunk is a megabyte or more: inflating it in one
piece needs new memory that the system clears, which takes as long as inflating (2.7 ms against
0.9 ms for the two chunks of a half-hour of IMERG)."""
_DEFLATE, _SHUFFLE, _CHECKSUM = (
    h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32,
)  # fmt: skip


def read_slab(
    data: Field, down: slice, across: slice, *, before: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Read a window of the last two dims, by default at the first index of the others.

    Parameters
    ----------
    data
        Variable.
    down, across
        Windows in the last dim but one and in the last, with start and stop.
    before
        Index in each of the other dims; default the first.

    Raises
    ------
    OSError
        A chunk is damaged, or the window is larger than memory.
    """
    before = (0,) * (data.ndim - 2) if before is None else before
    size, filters = data.chunks, data.filters
    _check_size((down.stop - down.start, across.stop - across.start), size[-2:])
    if filters not in ((_DEFLATE,), (_SHUFFLE, _DEFLATE)) or any(width > 1 for width in size[:-2]):
        return _read_by_hdf5(data, (*before, down, across))
    shuffled, (rows, columns), dtype = len(filters) == 2, size[-2:], data.dtype
    window = np.empty((down.stop - down.start, across.stop - across.start), dtype)
    for top in range(down.start - down.start % rows, down.stop, rows):
        for left in range(across.start - across.start % columns, across.stop, columns):
            packed = _read_packed(data, (*before, top, left))
            if packed is None:
                return _read_by_hdf5(data, (*before, down, across))
            first, last = max(across.start, left), min(across.stop, left + columns)
            here, there = (slice(first - edge, last - edge) for edge in (across.start, left))
            parts = inflate(packed, (rows, columns), dtype)
            for row, part in _unshuffle(parts, (rows, columns), dtype) if shuffled else parts:
                begin, end = max(down.start, top + row), min(down.stop, top + row + len(part))
                if begin < end:
                    lines = part[begin - top - row : end - top - row, there]
                    window[begin - down.start : end - down.start, here] = lines
    return window


def read_whole(data: Field) -> NDArray[Any]:
    """Read a small array, such as a time or a coordinate.

    Parameters
    ----------
    data
        Variable of at most ``AXIS`` values.

    Raises
    ------
    OSError
        The array has more values, or a chunk is damaged.
    """
    if data.size > AXIS:
        raise OSError(f"{data.name} has {data.size} values, expected at most {AXIS}")
    if data.chunks:
        return _read_by_hdf5(data, tuple(slice(0, size) for size in data.shape))
    return data.read()


def read_axis(data: Field) -> NDArray[Any]:
    """Read a coordinate; files of a product repeat it byte for byte, so it is inflated once.

    Parameters
    ----------
    data
        Variable of one dimension.

    Raises
    ------
    OSError
        The coordinate has more than ``AXIS`` values, or its chunk is damaged.
    """
    if data.filters != (_DEFLATE,) or data.chunks != data.shape or data.size > AXIS:
        return read_whole(data)
    packed = _read_packed(data, (0,))
    return (
        read_whole(data) if packed is None else _inflate_coordinate(packed, len(data), data.dtype)
    )


def _check_size(shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    """Raise OSError where a window is larger than memory or lies in too many chunks."""
    if (cells := math.prod(shape)) > _CELLS:
        raise OSError(f"a window of {cells} cells, expected at most {_CELLS}")
    if not chunk:
        return
    count = math.prod(-(-size // width) for size, width in zip(shape, chunk, strict=True))
    if count > _CHUNKS:
        raise OSError(f"a window in {count} chunks, expected at most {_CHUNKS}")


def _read_by_hdf5(data: Field, region: tuple[int | slice, ...]) -> NDArray[Any]:
    """Read a region by HDF5, after its deflated chunks have been measured."""
    size, filters = data.chunks, data.filters
    if _DEFLATE in filters:
        after = filters[filters.index(_DEFLATE) + 1 :]
        if after not in ((), (_CHECKSUM,)):
            raise OSError(f"{data.name}: filters {filters}, expected deflate last")
        starts = [
            range(index.start - index.start % width, index.stop, width)
            if isinstance(index, slice)
            else (index - index % width,)
            for index, width in zip(region, size, strict=True)
        ]
        _check_size(tuple(map(len, starts)), (1,) * len(starts))
        for at in product(*starts):
            packed = _read_packed(data, at)
            if packed is not None:
                content = packed[:-4] if after else packed
                for _ in inflate(content, (math.prod(size), 1), data.dtype):
                    pass  # read to its end, and no further
    return data[region]


def _read_packed(data: Field, at: tuple[int, ...]) -> bytes | None:
    """Read the stored content of a chunk; None where it was never written or skipped its filter."""
    size = data.id.get_chunk_info_by_coord(at).size
    if not size:  # an unwritten chunk that is read directly can have any length
        return None
    # Data that does not deflate grows a little.
    most = 2 * math.prod(data.chunks) * data.dtype.itemsize + 1024
    if size > most:
        raise OSError(f"a chunk of {size} bytes, expected at most {most}")
    unfiltered, packed = data.id.read_direct_chunk(at)
    return None if unfiltered else packed


@lru_cache(maxsize=32)
def _inflate_coordinate(packed: bytes, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate([part for _, part in inflate(packed, (size, 1), dtype)])[:, 0]


def _unshuffle(
    parts: Iterator[tuple[int, NDArray[Any]]], shape: tuple[int, int], dtype: np.dtype[Any]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Join the bytes of each value; a shuffled chunk has all first bytes first, then all second."""
    content = b"".join(part.tobytes() for _, part in parts)
    planes = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
    yield 0, np.ascontiguousarray(planes.T).view(dtype).reshape(shape)


def inflate(
    packed: bytes, shape: tuple[int, int], dtype: np.dtype[Any]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the rows of a deflated chunk by parts, each with the number of its first.

    Parameters
    ----------
    packed
        Stored content of the chunk.
    shape, dtype
        Shape and type of the chunk.

    Raises
    ------
    OSError
        The chunk is damaged, or inflates to another size.
    """
    rows, columns = shape
    # Its other interface hands back what it has not read of the input, copied for each part.
    stream, width = (
        igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_ZLIB),
        columns * dtype.itemsize,
    )
    most = max(1, _PART // width)
    try:
        for row in range(0, rows, most):
            count = min(most, rows - row)
            content = stream.decompress(packed, count * width)
            packed = b""
            yield row, np.frombuffer(content, dtype).reshape(count, columns)
        is_whole = stream.eof or (not stream.decompress(packed, 1) and stream.eof)
    except (igzip_lib.error, ValueError, EOFError) as damage:  # type: ignore[misc]  # its stub errs
        raise OSError(f"a damaged chunk: {damage}") from damage
    if not is_whole:
        raise OSError("a chunk of another size than its file says")
