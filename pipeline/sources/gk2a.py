"""GK2A AMI of KMA, level 2 at 2 km: rain rate every 10 minutes, surface temperature, NDVI.

Files: `gk2a_ami_le2_{rr|lst|vgt}_fd020ge_YYYYMMDDHHMM.nc` (full disk, geostationary view) and
`..._ea020lc_...` (East Asia, Lambert conformal). The East-Asia sector ends near 12 N: south of it
the result is NaN. The files carry no coordinates; they are built from the projection's attributes.

The layout is that of a real file of another level 2 product; names and flags of these three
products are those of public code that reads them. A rain rate may come without a quality flag.

References
----------
CGMS 03, LRIT/HRIT Global Specification 2.6, section 4.4.3 (normalised geostationary projection).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.base import (
    BadGranule,
    FileNames,
    Granule,
    HttpError,
    NotPublished,
    time_steps,
)
from pipeline.sources.formats.ami import check_time, finite, size
from pipeline.sources.formats.cf import unpacked
from pipeline.sources.formats.hdf import bits, number, opened, stamp, text, variable
from pipeline.sources.formats.limits import limited

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client


class _Product(NamedTuple):
    """A level 2 product.

    Of its flags the bits and what they are where a pixel is good; and how far from the time of its
    name it may have been observed.
    """

    variable: str
    field: str
    units: tuple[str, ...]
    flags: tuple[str, ...]
    bits: int
    good: int
    observed: timedelta


_SLOT = timedelta(minutes=10)
_PRODUCTS = {
    "rr": _Product("rain_rate", "RR", ("mm/h", "mm/hr", "mm h-1"), ("DQF_RR", "RR_DQF1", "DQF"),
                   0xFF, 0, _SLOT),
    "lst": _Product("lst", "LST", ("K", "Kelvin"), ("DQF_LST",), 0xFF, 0, _SLOT),
    # Bit 2 is set over water, bit 3 where the index is of low quality, bit 7 off the disk.
    "vgt": _Product("ndvi", "NDVI", ("", "1", "none", "NDVI"), ("DQF_NDVI", "DQF"),
                    0b1000_1100, 0, timedelta(days=1)),
}  # fmt: skip
_SERIES = {
    "gk2a": ("rr", timedelta(minutes=10), timedelta()),
    "gk2a_lst": ("lst", timedelta(days=1), timedelta(hours=6, minutes=30)),
    "gk2a_ndvi": ("vgt", timedelta(days=1), timedelta()),
}
"""Product of each source, time between its files, and when in it they are taken: temperature half
an hour after noon, as VIIRS does, and the day's NDVI at midnight UTC."""
_SECTORS = {"FD": "fd020ge", "EA": "ea020lc"}
_NOT_OFFERED = {400, 404}
"""What the hub says where it has a product not in a sector."""
_NAME = re.compile(
    r"^gk2a_ami_le2_(?P<product>rr|lst|vgt)(?:-ndvi)?_(?:fd020ge|ea020lc)_(?P<time>\d{12})\.nc$",
    re.ASCII,
)
FILE_NAMES = FileNames(
    _NAME,
    {product: source for source, (product, *_) in _SERIES.items()},
    "a file of {product}, {source} takes {wanted}",
)
MOST_PIXELS = 1 << 23
"""Most pixels of a window: 0.4 GB while they are placed."""
LATENCY = timedelta(minutes=12)
"""Time after a slot's end by which it usually is out."""
DENSE = timedelta(hours=15)
"""End of an interval in which every slot of rain is named, as long as Late takes; of what lies
before it one slot of three, on the half-hours, so that whole days have rain without IMERG."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """Granules that begin in an interval and have ended by a moment.

    Rain is named by half-hours up to :data:`DENSE` before the end.

    Parameters
    ----------
    source
        ``gk2a``, ``gk2a_lst`` or ``gk2a_ndvi``.
    start, end
        Half-open interval, UTC.
    asof
        Nothing that ends later is named.
    """
    product, step, offset = _SERIES[source]
    for time, after in time_steps(start, end, asof, step, offset=offset, length=_SLOT):
        if source != "gk2a" or time >= end - DENSE or time.minute % 30 == 0:
            yield Granule(
                source,
                f"GK2A/LE2/{product.upper()}/FD/{time:%Y%m/%d/%H}",
                f"gk2a_ami_le2_{product}_*_{time:%Y%m%d%H%M}.nc",
                time,
                after,
                product,
            )


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one granule as means of its good pixels in each cell.

    Parameters
    ----------
    path
        Level 2 file; its name is the provider's.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``rain_rate`` (mm h-1), ``lst`` (K) or ``ndvi`` (1), one time step; NaN where no good pixel
        lies in the cell.

    Raises
    ------
    BadGranule
        Not such a file, cut short, of another shape than its projection says, in other units,
        without its quality flag or its scale, observed at another time than its name says, with
        impossible values in more than 1 % of the pixels, or without a pixel in the grid.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(
            path,
            expected="a file name of GK2A rain rate, surface temperature or NDVI",
            found=path.name,
        )
    product, time = _PRODUCTS[name["product"]], stamp(name["time"], "%Y%m%d%H%M", path)
    with opened(path) as file:
        check_time(file, time, path, within=product.observed)
        data = variable(file, (product.field,), path)
        flagged = name["product"] != "rr" or any(flag in file for flag in product.flags)
        flag = variable(file, product.flags, path) if flagged else None
        view = projection(variable(file, ("gk2a_imager_projection",), path), path)
        for part in (data, data if flag is None else flag):
            if part.shape != (view.height, view.width):
                raise BadGranule(
                    path,
                    expected=f"{part.name} of {view.height} x {view.width} pixels as in its "
                    "projection",
                    found=str(part.shape),
                )
        if text(data, "units") not in product.units:
            raise BadGranule(
                path,
                expected=f"units {' or '.join(filter(None, product.units))}",
                found=text(data, "units") or "none",
            )
        rows, columns, cell = pixels(view, grid)
        if not (cell >= 0).any():
            raise BadGranule(path, expected="pixels in the grid", found="none")
        for needed in ("_FillValue", "scale_factor"):
            number(data, needed, path)
        values = unpacked(data, data[rows, columns], path)
        if flag is not None:
            good = _good(flag, product, path)
            found = bits(flag[rows, columns], str(flag.name), path)
            values[~np.isin(found & product.bits, good)] = np.nan
        virtual = text(file, "processing_environment") == "virtual"
        version = text(file, "algorithm_version")
        pixel = limited(xr.Dataset({product.variable: ("pixel", values.ravel())}), path)
    mean = grid.mean(pixel[product.variable].to_numpy(), cell)
    ds = grid.dataset(np.array([time]), **{product.variable: mean[None]})
    return ds.assign_attrs(
        pixel.attrs, version=version, origin="virtual" if virtual else "measured"
    )


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


def projection(mapping: h5py.Dataset, path: Path) -> Projection:
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
        An attribute is missing or makes no sense, or it is another kind of projection.
    """
    kind = text(mapping, "grid_mapping_name")

    def value(name: str) -> float:
        return finite(mapping, name, path)

    width, height = (size(mapping, name, path) for name in ("image_width", "image_height"))
    if kind == "lambert_conformal_conic":
        crs = (
            f"+proj=lcc +lat_1={value('standard_parallel1')} +lat_2={value('standard_parallel2')} "
            f"+lat_0={value('origin_latitude')} +lon_0={value('central_meridian')} "
            f"+x_0={value('false_easting')} +y_0={value('false_northing')} +ellps=WGS84 +units=m"
        )
        step = value("pixel_size")
        left, top = value("upper_left_easting"), value("upper_left_northing")
        return Projection(crs, left, step, top, -step, width, height)
    if kind == "geostationary":
        semi_major = value("semi_major_axis")
        altitude = value("perspective_point_height")
        if altitude > 40e6:  # some files give the distance from the Earth's centre
            altitude -= semi_major
        crs = (
            f"+proj=geos +h={altitude} +lon_0={value('longitude_of_projection_origin')} "
            f"+a={semi_major} +b={value('semi_minor_axis')} +sweep=y +units=m"
        )
        # Columns and lines count from 1; 2^16 / factor is the pixel's angle in degrees.
        dx = altitude * np.radians(65536 / value("column_scale_factor"))
        dy = -altitude * np.radians(65536 / abs(value("line_scale_factor")))
        x0, y0 = dx * (1 - value("column_offset")), dy * (1 - value("line_offset"))
        return Projection(crs, x0, dx, y0, dy, width, height)
    raise BadGranule(
        path, expected="projection lambert_conformal_conic or geostationary", found=kind or "none"
    )


@lru_cache(maxsize=4)
def pixels(view: Projection, grid: Grid) -> tuple[slice, slice, NDArray[np.int64]]:
    """Window of an image that covers a grid, and the flat grid cell of each of its pixels.

    Parameters
    ----------
    view
        The image's projection.
    grid
        Target grid.

    Returns
    -------
    tuple
        Rows and columns of the window, and the cell of each pixel in it, row by row, −1 outside
        the grid.

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
    seen = np.isfinite(x) & np.isfinite(y)
    column, row = (x[seen] - view.x0) / view.dx, (y[seen] - view.y0) / view.dy

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
    seen = np.isfinite(lon) & np.isfinite(lat)
    cell[seen] = grid.cell(lat[seen], lon[seen])
    return rows, columns, cell


def _good(flag: h5py.Dataset, product: _Product, path: Path) -> list[int]:
    """Values of a quality flag whose meaning begins with `good`; where it has none, the usual."""
    meanings = text(flag, "flag_meanings")
    found = [
        int(n) for n, word in re.findall(r"(\d+)\s*:\s*(\w+)", meanings) if word.lower() == "good"
    ]
    if meanings and not found and product.bits == 0xFF:
        raise BadGranule(path, expected="a flag that means good", found=repr(meanings))
    return found or [product.good]


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Bring one granule from KMA's API hub: the full disk; where it offers none, East Asia.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root folder of the upstream.
    client
        Asks ``kma``; the key is ``KMA_API_KEY``.

    Raises
    ------
    NotPublished
        The hub does not list the slot yet.
    NeedsCredentials, HttpError
        As of the client; also where the list is none.
    """
    slot = f"{granule.start:%Y%m%d%H%M}"
    key = {"authKey": client.secret("KMA_API_KEY")}
    base = f"{client.endpoint('kma')}/api/typ05/api/GK2A/LE2/{granule.product.upper()}"
    for area in _SECTORS:
        try:
            slots = _listed(f"{base}/{area}/dataList", granule.start, key, client)
        except HttpError as error:
            if area == "EA" or error.status not in _NOT_OFFERED:
                raise
            continue
        if slot in slots:
            break
        if slots:
            raise NotPublished(f"{granule.pattern} is not listed by KMA")
    else:
        raise NotPublished(f"{granule.pattern}: KMA lists nothing of that hour")
    name = f"gk2a_ami_le2_{granule.product}_{_SECTORS[area]}_{slot}.nc"
    path = client.download(
        f"{base}/{area}/data",
        upstream / granule.folder / name,
        magic=(b"\x89HDF\r\n\x1a\n",),
        params={"date": slot} | key,
    )
    # The hub tells no time of publication, and that of the answer is after the question's.
    usual = (granule.end + LATENCY).timestamp()
    os.utime(path, (min(path.stat().st_mtime, usual),) * 2)
    return path


def _listed(url: str, start: datetime, key: dict[str, str], client: Client) -> set[str]:
    """Slots of an hour that the hub has of a product and sector."""
    asked = {"sDate": f"{start:%Y%m%d%H}00", "eDate": f"{start:%Y%m%d%H}59", "format": "json"}
    try:
        answer = client.json(url, params=asked | key, keep=True)
    except NotPublished:
        return set()
    try:
        return {row["item"] for row in answer["list"]}
    except (KeyError, TypeError):
        result = answer.get("result") if isinstance(answer, dict) else None
        status = result.get("status") if isinstance(result, dict) else None
        raise HttpError(
            f"{url}: expected a list of items, found {type(answer).__name__} with status {status}",
            status=status if isinstance(status, int) else None,
        ) from None
