"""GeoTIFF on a grid: window, missing values and cell means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from pipeline.sources.base import BadGranule, Origin
from pipeline.sources.formats.limits import mask_impossible_pixels, refuse_fills

if TYPE_CHECKING:
    from pipeline.geography.grid import Grid

NODATA = -9999.0
"""Nodata of the Climate Hazards Center, with or without its tag."""
MOST_PIXELS = 1 << 24
"""Most pixels of a window, or of a block, in memory: 0.5 GB while they are summed."""


@contextmanager
def open_geotiff(path: Path) -> Iterator[DatasetReader]:
    """Open a file as GeoTIFF alone: in no other format, without files beside it.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadGranule
        The file is not a GeoTIFF, is cut short or damaged, at opening or while it is read, or has
        blocks of more than :data:`MOST_PIXELS`.
    """
    try:
        with (
            rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
            rasterio.open(path, driver="GTiff") as image,
        ):
            _refuse_blocks(image, path)
            yield image
    except BadGranule:
        raise
    except Exception as error:  # for a damaged file GDAL raises every kind
        raise BadGranule(
            path, expected="a whole GeoTIFF", found=f"{type(error).__name__}: {error}"
        ) from error


def _refuse_blocks(image: DatasetReader, path: Path) -> None:
    """Raise BadGranule where a block, which is read whole, is larger than any product's."""
    for height, width in image.block_shapes:
        if height * width > MOST_PIXELS:
            raise BadGranule(
                path,
                expected=f"blocks of at most {MOST_PIXELS} pixels",
                found=f"{height} x {width}",
            )


def has_unwritten_blocks(image: DatasetReader) -> bool:
    """Return whether blocks of the first band were never written: they read as nodata, else 0.

    Parameters
    ----------
    image
        From :func:`open_geotiff`.
    """
    return any(
        image.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1) is None
        for (row, column), _ in image.block_windows(1)
    )


def read_on_grid(
    path: Path, grid: Grid, variable: str
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Read a one-band image in longitude and latitude on the cells of a grid.

    Where pixels are smaller than the grid's cells a cell is the mean of those whose centre lies in
    it, else the pixel at its own centre. Scale and offset are those of the image's tags.

    Parameters
    ----------
    path
        GeoTIFF in EPSG:4326, either way up.
    grid
        Target grid.
    variable
        Name in ``variables.py``; pixels with impossible values are missing.

    Returns
    -------
    tuple
        Values of shape (lat, lon), NaN where no pixel has one; and attributes for their dataset:
        ``origin``, virtual where the file's tag ``ORIGIN`` says so, and ``out_of_range`` of the
        pixels.

    Raises
    ------
    BadGranule
        The file is not a GeoTIFF, is cut short, has several bands, another projection or a
        rotation, no pixel or too many pixels in the grid, or impossible values in more than 1 % of
        them.
    """
    with open_geotiff(path) as image:
        if image.count != 1 or image.crs is None or image.crs.to_epsg() != 4326:
            raise BadGranule(
                path, expected="one band in EPSG:4326", found=f"{image.count} in {image.crs}"
            )
        place, kind = image.transform, np.dtype(image.dtypes[0])
        if not np.isfinite(place).all() or place.b or place.d or not place.a or not place.e:
            raise BadGranule(
                path, expected="rows along parallels", found=f"transform {tuple(place)[:6]}"
            )
        if kind.kind not in "iuf":
            raise BadGranule(path, expected="real numbers", found=f"pixels of {kind}")
        rows, down = _find_pixels(place.f, place.e, image.height, -grid.step, grid.lat)
        columns, across = _find_pixels(place.c, place.a, image.width, grid.step, grid.lon)
        if not rows.size or not columns.size:
            raise BadGranule(path, expected="pixels in the grid", found=str(image.bounds))
        size = np.ptp(rows) + 1, np.ptp(columns) + 1
        if size[0] * size[1] > MOST_PIXELS:
            raise BadGranule(
                path,
                expected=f"at most {MOST_PIXELS} pixels in the grid",
                found=f"{size[0]} x {size[1]}",
            )
        window = Window(int(columns.min()), int(rows.min()), int(size[1]), int(size[0]))
        pixels = image.read(1, window=window, masked=True)
        fill = NODATA if image.nodata is None else image.nodata
        scale, offset = float(image.scales[0]), float(image.offsets[0])
        if not np.isfinite([scale, offset]).all() or not scale:
            raise BadGranule(
                path, expected="a scale and an offset", found=f"scale {scale}, offset {offset}"
            )
        origin: Origin = "virtual" if image.tags().get("ORIGIN") == "virtual" else "measured"
        stored, masked = np.asarray(pixels.data), np.ma.getmaskarray(pixels)
        with np.errstate(invalid="ignore", over="ignore"):
            masked = masked | np.isclose(stored.astype(np.float64), NODATA, rtol=0, atol=0.5)
            # 255 in bytes without this nodata may be a value, nodata or a cut-off of the writer;
            # the products themselves are of floats.
            refuse_fills(stored[~masked], fill, path, variable)
            values = stored.astype(np.float32) * np.float32(scale) + np.float32(offset)
    values[masked] = np.nan
    values = values[np.ix_(rows - rows.min(), columns - columns.min())]
    possible, attributes = mask_impossible_pixels(values, variable, path)
    cell = down[:, None] * grid.shape[1] + across
    return grid.mean(possible.ravel(), cell.ravel()), {**attributes, "origin": origin}


def _find_pixels(
    edge: float, size: float, count: int, step: float, centres: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the pixels along an axis that a grid uses, and the row or column of each.

    Parameters
    ----------
    edge, size, count
        Outer edge of the first pixel, signed size of each, degrees, and their number.
    step
        Signed size of the grid's cells in the order of ``centres``.
    centres
        Centres of the grid's cells.
    """
    rows = np.arange(centres.size)
    if abs(size) >= abs(step) * (1 - 1e-6):
        pixel = np.floor((centres - edge) / size + 1e-6).astype(np.int64)
        inside = (pixel >= 0) & (pixel < count)
        return pixel[inside], rows[inside]
    first = centres[0] - step / 2
    ends = (np.array([first, first + step * centres.size]) - edge) / size
    low, high = np.clip([np.floor(ends.min()), np.ceil(ends.max())], 0, count).astype(np.int64)
    pixel = np.arange(low, min(high, low + MOST_PIXELS + 1))
    row = np.floor((edge + size * (pixel + 0.5) - first) / step + 1e-9).astype(np.int64)
    inside = (row >= 0) & (row < centres.size)
    return pixel[inside], row[inside]
