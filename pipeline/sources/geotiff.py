"""What the readers of GeoTIFF share: a grid's window, its missing values, its cell means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import from_bounds

from pipeline.sources.base import BadGranule

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.grid import Grid
    from pipeline.sources.base import Origin

NODATA = -9999.0
"""What the Climate Hazards Center writes for no value, whether its tag says so or not."""


def on_grid(path: Path, grid: Grid) -> tuple[NDArray[np.float32], Origin]:
    """Means of a one-band image on longitude and latitude over the cells of a grid.

    Parameters
    ----------
    path
        GeoTIFF in EPSG:4326.
    grid
        Target grid.

    Returns
    -------
    tuple
        Values of shape (lat, lon), NaN where no pixel has one, and the file's origin: virtual
        where its tag ``ORIGIN`` says so.

    Raises
    ------
    BadGranule
        Not a GeoTIFF, cut short, of several bands, in another projection, or without a pixel in
        the grid.
    """
    try:
        with rasterio.open(path) as image:
            if image.count != 1 or image.crs is None or image.crs.to_epsg() != 4326:
                raise BadGranule(
                    path, expected="one band in EPSG:4326", found=f"{image.count} in {image.crs}"
                )
            window = from_bounds(
                grid.lon_min, grid.lat_min, grid.lon_max, grid.lat_max, image.transform
            ).round_offsets().round_lengths()  # fmt: skip
            whole = rasterio.windows.Window(0, 0, image.width, image.height)
            if not rasterio.windows.intersect(window, whole):
                raise BadGranule(path, expected="pixels in the grid", found=str(image.bounds))
            window = window.intersection(whole)
            values = image.read(1, window=window).astype(np.float32)
            missing = np.isclose(values, NODATA, rtol=0, atol=0.5)
            if image.nodata is not None:
                missing |= values == np.float32(image.nodata)
            values[missing] = np.nan
            rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
            place = image.window_transform(window)
            lon = place.c + place.a * (columns + 0.5)
            lat = place.f + place.e * (rows + 0.5)
            origin: Origin = "virtual" if image.tags().get("ORIGIN") == "virtual" else "measured"
    except RasterioError as error:
        raise BadGranule(path, expected="a whole GeoTIFF", found=str(error)) from error
    return grid.mean(values.ravel(), grid.cell(lat.ravel(), lon.ravel())), origin
