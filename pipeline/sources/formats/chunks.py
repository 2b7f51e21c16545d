"""Windows of HDF5 arrays: chunks inflated by a faster library than HDF5's, within their size.

HDF5 inflates a chunk to whatever length its stream has; a kilobyte can become a gigabyte. So each
deflated chunk is inflated here, or measured here before HDF5 inflates it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from pipeline.sources.base import MAX_BYTES

AXIS = 1 << 17
"""Cells of a coordinate: finer than 0.003 degree around the Earth."""
_CELLS = MAX_BYTES // 16
"""Cells that are read at once, each in double precision and once more."""
_CHUNKS = 1 << 17
"""Chunks that a window may lie in: a file of tiny ones would be read for minutes."""
_PART = 1 << 18
"""Bytes of a chunk that are inflated at a time."""
_DEFLATE, _SHUFFLE, _CHECKSUM = (
    h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32,
)  # fmt: skip


def slab(
    data: h5py.Dataset, down: slice, across: slice, *, before: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Read a window of the last two dims; of those before them the first is taken.

    Parameters
    ----------
    data
        Dataset.
    down, across
        Windows in the last dim but one and in the last, with start and stop.
    before
        Index in each of the dims before them; default the first.

    Raises
    ------
    OSError
        A chunk is damaged, or the window is larger than memory.
    """
    before = (0,) * (data.ndim - 2) if before is None else before
    size, filters = _layout(data)
    _bounded((down.stop - down.start, across.stop - across.start), size[-2:])
    if filters not in ((_DEFLATE,), (_SHUFFLE, _DEFLATE)) or any(one > 1 for one in size[:-2]):
        return _through_hdf5(data, (*before, down, across), size, filters)
    shuffled, most = len(filters) == 2, _most(data, size)
    (rows, columns), dtype = size[-2:], data.dtype
    found = np.empty((down.stop - down.start, across.stop - across.start), dtype)
    for top in range(down.start - down.start % rows, down.stop, rows):
        for left in range(across.start - across.start % columns, across.stop, columns):
            packed = _packed(data, (*before, top, left), most)
            if packed is None:
                return _through_hdf5(data, (*before, down, across), size, filters)
            first, last = max(across.start, left), min(across.stop, left + columns)
            here, there = (slice(first - each, last - each) for each in (across.start, left))
            parts = _inflated(packed, (rows, columns), dtype)
            for row, part in _unshuffled(parts, (rows, columns), dtype) if shuffled else parts:
                begin, end = max(down.start, top + row), min(down.stop, top + row + len(part))
                if begin < end:
                    lines = part[begin - top - row : end - top - row, there]
                    found[begin - down.start : end - down.start, here] = lines
    return found


def whole(data: h5py.Dataset) -> NDArray[Any]:
    """Read a small array, such as a time or a coordinate.

    Parameters
    ----------
    data
        Dataset of at most ``AXIS`` values.

    Raises
    ------
    OSError
        It has more values, or a chunk is damaged.
    """
    if data.size > AXIS:
        raise OSError(f"{data.name} has {data.size} values, expected at most {AXIS}")
    return _through_hdf5(data, tuple(slice(0, one) for one in data.shape), *_layout(data))


def axis(data: h5py.Dataset) -> NDArray[Any]:
    """Read a coordinate; files of a product repeat theirs byte for byte, so it is inflated once.

    Parameters
    ----------
    data
        Dataset of one dimension.

    Raises
    ------
    OSError
        It has more than ``AXIS`` values, or its chunk is damaged.
    """
    size, filters = _layout(data)
    if filters != (_DEFLATE,) or size != data.shape or data.size > AXIS:
        return whole(data)
    packed = _packed(data, (0,), _most(data, size))
    return whole(data) if packed is None else _coordinate(packed, len(data), data.dtype)


def _layout(data: h5py.Dataset) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of the chunks and their filters, empty where there are none."""
    layout = data.id.get_create_plist()
    if layout.get_layout() != h5py.h5d.CHUNKED:
        return (), ()
    filters = tuple(layout.get_filter(number)[0] for number in range(layout.get_nfilters()))
    return tuple(layout.get_chunk()), filters


def _bounded(shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    """Raise where a window is larger than memory or lies in too many chunks."""
    if (cells := math.prod(shape)) > _CELLS:
        raise OSError(f"a window of {cells} cells, expected at most {_CELLS}")
    if not chunk:
        return
    count = math.prod(-(-size // width) for size, width in zip(shape, chunk, strict=True))
    if count > _CHUNKS:
        raise OSError(f"a window in {count} chunks, expected at most {_CHUNKS}")


def _through_hdf5(
    data: h5py.Dataset,
    region: tuple[int | slice, ...],
    size: tuple[int, ...],
    filters: tuple[int, ...],
) -> NDArray[Any]:
    """Read a region by HDF5, after its deflated chunks have been measured."""
    if _DEFLATE in filters:
        after = filters[filters.index(_DEFLATE) + 1 :]
        if after not in ((), (_CHECKSUM,)):
            raise OSError(f"{data.name}: filters {filters}, expected deflate last")
        starts = [
            range(each.start - each.start % width, each.stop, width)
            if isinstance(each, slice)
            else (each - each % width,)
            for each, width in zip(region, size, strict=True)
        ]
        _bounded(tuple(map(len, starts)), (1,) * len(starts))
        most = _most(data, size)
        for at in product(*starts):
            packed = _packed(data, at, most)
            if packed is not None:
                content = packed[:-4] if after else packed
                for _ in _inflated(content, (math.prod(size), 1), np.dtype(data.dtype)):
                    pass  # read to its end, and no further
    return np.asarray(data[region])


def _most(data: h5py.Dataset, size: tuple[int, ...]) -> int:
    """Bytes that a chunk can have as stored: what does not deflate grows by little."""
    return 2 * math.prod(size) * int(data.dtype.itemsize) + 1024


def _packed(data: h5py.Dataset, at: tuple[int, ...], most: int) -> bytes | None:
    """Content of a chunk as stored; None where it was never written or skipped its filter."""
    size = data.id.get_chunk_info_by_coord(at).size
    if not size:  # read directly, it can be any length
        return None
    if size > most:
        raise OSError(f"a chunk of {size} bytes, expected at most {most}")
    unfiltered, packed = data.id.read_direct_chunk(at)
    return None if unfiltered else bytes(packed)


@lru_cache(maxsize=32)
def _coordinate(packed: bytes, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate([part for _, part in _inflated(packed, (size, 1), dtype)])[:, 0]


def _unshuffled(
    parts: Iterator[tuple[int, NDArray[Any]]], shape: tuple[int, int], dtype: np.dtype[Any]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Put the bytes of each value together, of which a shuffled chunk has all firsts first."""
    content = b"".join(part.tobytes() for _, part in parts)
    planes = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
    yield 0, np.ascontiguousarray(planes.T).view(dtype).reshape(shape)


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
