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

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources import SOURCES
from pipeline.sources.base import (
    HDF5_MAGIC,
    BadGranule,
    FileNames,
    Granule,
    HttpError,
    NotPublished,
    time_steps,
)
from pipeline.sources.formats.ami import check_time
from pipeline.sources.formats.cf import unpack
from pipeline.sources.formats.chunks import read_slab
from pipeline.sources.formats.field import Field, has_bits, read_number, read_text, to_bits
from pipeline.sources.formats.hdf import get_variable, open_hdf5
from pipeline.sources.formats.limits import mask_impossible_pixels
from pipeline.sources.formats.names import parse_stamp
from pipeline.sources.formats.projection import pixels_in, projection_of
from pipeline.storage.atomic import set_published

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client


class _Product(NamedTuple):
    """A level 2 product.

    ``bits`` and ``good`` are the bits of its quality flag and their value where a pixel is good,
    ``observed`` the longest time between its observation and the time of its name.
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
"""Product of each source, time between its files, and their offset in it: temperature half an hour
after noon, as VIIRS takes it, and the day's NDVI at midnight UTC."""
_SECTORS = {"FD": "fd020ge", "EA": "ea020lc"}
_NOT_OFFERED = {400, 404}
"""Status of the hub for a product that it does not offer in a sector."""
_NAME = re.compile(
    r"^gk2a_ami_le2_(?P<product>rr|lst|vgt)(?:-ndvi)?_(?:fd020ge|ea020lc)_(?P<time>\d{12})\.nc$",
    re.ASCII,
)
FILE_NAMES = FileNames(
    _NAME,
    {product: source for source, (product, *_) in _SERIES.items()},
    "a file of {product}, {source} takes {wanted}",
)
DENSE = timedelta(hours=15)
"""Length of the end of an interval in which every slot of rain is listed, as long as Late takes;
before it one slot of three, on the half-hours, so that whole days have rain without IMERG."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the granules that start in an interval and have ended by a moment.

    Rain is listed by half-hours up to :data:`DENSE` before the end.

    Parameters
    ----------
    source
        ``gk2a``, ``gk2a_lst`` or ``gk2a_ndvi``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
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
    product, time = _PRODUCTS[name["product"]], parse_stamp(name["time"], "%Y%m%d%H%M", path)
    with open_hdf5(path) as file:
        check_time(file, time, path, within=product.observed)
        data = get_variable(file, (product.field,), path)
        flagged = name["product"] != "rr" or any(flag in file for flag in product.flags)
        flag = get_variable(file, product.flags, path) if flagged else None
        view = projection_of(get_variable(file, ("gk2a_imager_projection",), path), path)
        for part in (data, data if flag is None else flag):
            if part.shape != (view.height, view.width):
                raise BadGranule(
                    path,
                    expected=f"{part.name} of {view.height} x {view.width} pixels as in its "
                    "projection",
                    found=str(part.shape),
                )
        if read_text(data, "units") not in product.units:
            raise BadGranule(
                path,
                expected=f"units {' or '.join(filter(None, product.units))}",
                found=read_text(data, "units") or "none",
            )
        pixels = pixels_in(view, grid)
        if not pixels.inside.any():
            raise BadGranule(path, expected="pixels in the grid", found="none")
        for needed in ("_FillValue", "scale_factor"):
            read_number(data, needed, path)
        window = pixels.rows, pixels.columns
        values = unpack(data, read_slab(data, *window), path)
        if flag is not None:
            good = _list_good_flags(flag, product, path)
            flags = to_bits(read_slab(flag, *window), flag.name, path)
            np.copyto(values, np.nan, where=~has_bits(flags, product.bits, good))
        virtual = read_text(file, "processing_environment") == "virtual"
        version = read_text(file, "algorithm_version")
        possible, attributes = mask_impossible_pixels(values, product.variable, path)
    ds = grid.dataset(np.array([time]), **{product.variable: pixels.mean(possible)[None]})
    origin = "virtual" if virtual else "measured"
    ds.attrs.update(attributes, version=version, origin=origin)
    return ds


def _list_good_flags(flag: Field, product: _Product, path: Path) -> list[int]:
    """List the values of a quality flag whose meaning is `good`; the default without meanings."""
    meanings = read_text(flag, "flag_meanings")
    pairs = re.findall(r"(\d+)\s*:\s*(\w+)", meanings)
    values = [int(value) for value, word in pairs if word.lower() == "good"]
    if meanings and not values and product.bits == 0xFF:
        raise BadGranule(path, expected="a flag that means good", found=repr(meanings))
    return values or [product.good]


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Fetch one granule from KMA's API hub: the full disk, or East Asia where it has no other.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client; its endpoint is ``kma``, the key ``KMA_API_KEY``.

    Raises
    ------
    NotPublished
        The hub does not list the slot yet.
    NeedsCredentials, HttpError
        As of the client; also where the answer is no list.
    """
    slot = f"{granule.start:%Y%m%d%H%M}"
    key = {"authKey": client.secret("KMA_API_KEY")}
    base = f"{client.endpoint('kma')}/api/typ05/api/GK2A/LE2/{granule.product.upper()}"
    for area in _SECTORS:
        try:
            slots = _list_slots(f"{base}/{area}/dataList", granule.start, key, client)
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
        magic=(HDF5_MAGIC,),
        params={"date": slot} | key,
    )
    # The hub gives no time of publication: the time of receipt would lie after the as-of time.
    usual = granule.end + SOURCES["gk2a"].latency
    if path.stat().st_mtime > usual.timestamp():
        set_published(path, usual)
    return path


def _list_slots(url: str, start: datetime, key: dict[str, str], client: Client) -> set[str]:
    """List the slots of an hour that the hub has of a product and sector."""
    interval = {"sDate": f"{start:%Y%m%d%H}00", "eDate": f"{start:%Y%m%d%H}59", "format": "json"}
    try:
        answer = client.json(url, params=interval | key, keep=True)
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
