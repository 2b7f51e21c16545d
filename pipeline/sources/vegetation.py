"""Vegetation index and land surface temperature of MODIS and VIIRS, 0.05 degree, HDF4 and HDF5.

* VNP13C2 (VIIRS, monthly, HDF5) `VNP13C2.AYYYYDDD.002.<production>.h5`; MOD13C2 and MYD13C2
  (MODIS, monthly, HDF4), MOD13C1 and MYD13C1 (16 days, HDF4): NDVI.
* VNP21C3 (VIIRS, monthly, HDF5), MOD11C3 and MYD11C3 (MODIS, monthly, HDF4): temperature by day.

All are HDF-EOS grids of 3600 x 7200 pixels from 90 N, 180 W. Scale, fill, valid range and units are
those of the file; one without them is refused. The layouts of VNP21C3 and of VNP13C2's attributes
are from their documents, not from a file.

References
----------
Didan & Barreto 2018, VIIRS Vegetation Index Suite User Guide 2; Didan & Munoz 2019, MODIS
Vegetation Index User's Guide 3.10; Hulley et al. 2022, VNP21 User Guide 2; Wan 2013, MOD11
Collection 6 Users' Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.access import earthdata
from pipeline.sources.access.client import Client
from pipeline.sources.base import BadGranule, FileNames, Granule, Skipped, time_steps
from pipeline.sources.formats.axes import find_positions, find_window
from pipeline.sources.formats.cf import unpack
from pipeline.sources.formats.field import has_bits, read_number, read_text, to_bits
from pipeline.sources.formats.hdf import get_variable, open_eos_grid
from pipeline.sources.formats.limits import mask_impossible_pixels
from pipeline.sources.formats.names import parse_stamp


class _Product(NamedTuple):
    variable: str
    units: frozenset[str]
    fields: tuple[str, ...]
    quality: tuple[str, ...]
    good: tuple[int, ...]
    quality_bits: int


_INDEX = frozenset({"NDVI", "1", "none", "unitless", "dimensionless"})
_KELVIN = frozenset({"K", "Kelvin", "kelvin"})
_MONTHLY = ("CMG 0.05 Deg Monthly NDVI",), ("CMG 0.05 Deg Monthly pixel reliability",)
_16_DAYS = ("CMG 0.05 Deg 16 days NDVI",), ("CMG 0.05 Deg 16 days pixel reliability",)
_PRODUCTS = {
    # Reliability 0 excellent .. 6 poor is seen; 7 shadow, 8 snow, 9 cloud, 10 and 11 filled in.
    "VNP13C2": _Product(
        "ndvi", _INDEX, ("CMG 0.05 Deg monthly NDVI",), ("CMG 0.05 Deg monthly pixel reliability",),
        (0, 1, 2, 3, 4, 5, 6), 0xFF,
    ),
    # Reliability 0 good, 1 marginal; 2 snow, 3 cloud, 4 estimated, -1 not processed.
    **dict.fromkeys(("MOD13C2", "MYD13C2"), _Product("ndvi", _INDEX, *_MONTHLY, (0, 1), 0xFF)),
    **dict.fromkeys(("MOD13C1", "MYD13C1"), _Product("ndvi", _INDEX, *_16_DAYS, (0, 1), 0xFF)),
    # Bits 0-1: 0 good, 1 check other flags, 2 cloud, 3 not produced.
    "VNP21C3": _Product("lst", _KELVIN, ("LST_Day", "LST_Day_CMG"), ("QC_Day",), (0, 1), 0b11),
    **dict.fromkeys(
        ("MOD11C3", "MYD11C3"),
        _Product("lst", _KELVIN, ("LST_Day_CMG",), ("QC_Day",), (0, 1), 0b11),
    ),
}  # fmt: skip
_IDS = {"ndvi": "VNP13C2", "lst": "VNP21C3"}
_NAME = re.compile(
    rf"^(?P<product>{'|'.join(_PRODUCTS)})\.A(?P<day>\d{{7}})\.(?P<version>\d{{3}})\.\d+\.(?:h5|hdf)$",
    re.ASCII,
)
FILE_NAMES = FileNames(
    _NAME,
    {name: product.variable for name, product in _PRODUCTS.items()},
    "a file of {taker}, not of {source}",
)
_IDENTITY = re.compile(r"(\w{7})\.A(\d{7})\.", re.ASCII)
_BEGIN = re.compile(
    r"RANGEBEGINNINGDATE\b.*?VALUE\s*=\s*\"([\d-]+)\".*?END_OBJECT", re.DOTALL | re.ASCII
)
_GRANULE = re.compile(r"LOCALGRANULEID\b.*?VALUE\s*=\s*\"([^\"]+)\".*?END_OBJECT", re.DOTALL)
_BLENDED = np.timedelta64(16, "D")
"""Longest time before its month at which the first composite of a monthly one may start."""
_TILE = re.compile(r"(\w{5,8})\.A\d{7}\.(h\d\dv\d\d)\.")


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the monthly VIIRS composites that start in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``ndvi`` or ``lst``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    product = _IDS[source]
    for month, after in time_steps(start, end, asof, "month"):
        folder = f"allData/5200/{product}/{month:%Y/%j}"
        name = f"{product}.A{month:%Y%j}.00?.*.h5"
        yield Granule(source, folder, name, month, after, product)


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one composite as the mean of the good pixels in each cell.

    Parameters
    ----------
    path
        File of one of the products above; its name is the provider's.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``ndvi`` (1) or ``lst`` (K, by day), one time step, the first day of the month or of the
        16 days.

    Raises
    ------
    BadGranule
        Not such a file, cut short, without its variables, their scale, fill, range or units, not
        3600 x 7200, of another month than its name says, or with impossible values in more than 1 %
        of the pixels.
    Skipped
        A tile of the sinusoidal grid, such as MOD13Q1: a cell of 0.1 degree needs no 250 m.
    """
    name = _NAME.search(path.name)
    if name is None:
        if tile := _TILE.match(path.name):
            raise Skipped(
                f"{path.name}: {tile[1]} is a tile of the sinusoidal grid ({tile[2]}); the global "
                "0.05 degree files VNP13C2, MOD13C2, MOD13C1, VNP21C3 and MOD11C3 are used instead"
            )
        raise BadGranule(
            path,
            expected="a VNP13C2 or VNP21C3 file name, or one of their MODIS kin",
            found=path.name,
        )
    product, begin = _PRODUCTS[name["product"]], parse_stamp(name["day"], "%Y%j", path)
    with open_eos_grid(path) as (fields, file):
        _check_time(file, name, begin, path)
        data = get_variable(fields, product.fields, path)
        quality = get_variable(fields, product.quality, path)
        for part in (data, quality):
            if part.shape != (3600, 7200):
                raise BadGranule(path, expected="3600 x 7200 pixels", found=str(part.shape))
        if read_text(data, "units") not in product.units:
            raise BadGranule(
                path,
                expected=f"units {' or '.join(sorted(product.units))}",
                found=read_text(data, "units") or "none",
            )
        lat, lon = 89.975 - 0.05 * np.arange(3600), -179.975 + 0.05 * np.arange(7200)
        down = find_window(
            find_positions(lat, np.array([grid.lat_max - 0.01, grid.lat_min + 0.01]))
        )
        across = find_window(
            find_positions(lon, np.array([grid.lon_min + 0.01, grid.lon_max - 0.01]))
        )
        flags = to_bits(quality[down, across], product.quality[0], path)
        values = _unpack(data, data[down, across], path)
        values[~has_bits(flags, product.quality_bits, product.good)] = np.nan
        virtual = "virtual" in read_text(file, "ProcessingEnvironment").lower()
        possible, attributes = mask_impossible_pixels(values, product.variable, path)
    north, east = np.meshgrid(lat[down], lon[across], indexing="ij")
    mean = grid.mean(possible.ravel(), grid.cell(north.ravel(), east.ravel()))
    ds = grid.dataset(np.array([begin]), **{product.variable: mean[None]})
    origin = "virtual" if virtual else "measured"
    ds.attrs.update(attributes, version=name["version"], origin=origin)
    return ds


def _check_time(file: Any, name: re.Match[str], begin: np.datetime64, path: Path) -> None:
    """Raise where a file's metadata name another file or time than its own name."""
    core = read_text(file, "CoreMetadata.0")
    identity = read_text(file, "LocalGranuleID")
    if in_core := _GRANULE.search(core):
        identity = in_core[1]
    inner_name = _IDENTITY.search(identity)
    if inner_name is not None and inner_name.groups() != (name["product"], name["day"]):
        expected = f"{name['product']}.A{name['day']} as in its name"
        raise BadGranule(path, expected=expected, found=identity)
    first_day = read_text(file, "RangeBeginningDate")
    if in_core := _BEGIN.search(core):
        first_day = in_core[1]
    if first_day:
        early = begin - parse_stamp(first_day[:10], "%Y-%m-%d", path)
        is_monthly = not name["product"].endswith("C1")
        if not np.timedelta64(0) <= early <= (_BLENDED if is_monthly else np.timedelta64(0)):
            expected = f"a beginning of {str(begin)[:10]} as in its name"
            raise BadGranule(path, expected=expected, found=first_day)


def _unpack(data: Any, stored: Any, path: Path) -> Any:
    """Unpack physical values, NaN for fill and outside the valid range; a file must have both.

    A scale above 1 is a divisor, as in the vegetation products (10000), against the CF rule.
    """
    read_number(data, "scale_factor", path)
    names = set(data.attrs)
    fill = next((name for name in names if name.lower() == "_fillvalue"), "_FillValue")
    read_number(data, fill, path)
    if "valid_range" not in names:
        raise BadGranule(path, expected="a valid_range", found="none")
    return unpack(data, stored, path, divides=True)


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Fetch one composite, whole, through Earthdata.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client.

    Raises
    ------
    NotPublished, NeedsCredentials, HttpError
        As of :func:`earthdata.fetch`.
    """
    return earthdata.fetch(granule, upstream, client=client)
