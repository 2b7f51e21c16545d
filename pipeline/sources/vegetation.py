"""VIIRS monthly vegetation index and land surface temperature, 0.05 degree, HDF5.

* VNP13C2 `VNP13C2.AYYYYDDD.002.<production>.h5`: `CMG 0.05 Deg monthly NDVI`.
* VNP21C3 `VNP21C3.AYYYYDDD.002.<production>.h5`: `LST_Day`.

Both are HDF-EOS grids of 3600 x 7200 pixels from 90 N, 180 W.

References
----------
Didan & Barreto 2018, VIIRS Vegetation Index Suite User Guide 2; Hulley et al. 2022, VNP21 User
Guide 2.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule
from pipeline.sources.hdf import number, opened, positions, text, variable, window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray


class _Product(NamedTuple):
    variable: str
    fields: tuple[str, ...]
    quality: tuple[str, ...]
    good: tuple[int, ...]
    quality_bits: int


_PRODUCTS = {
    # Reliability 0 excellent .. 6 poor is seen; 7 shadow, 8 snow, 9 cloud, 10 and 11 filled in.
    "VNP13C2": _Product(
        "ndvi", ("CMG 0.05 Deg monthly NDVI",), ("CMG 0.05 Deg monthly pixel reliability",),
        (0, 1, 2, 3, 4, 5, 6), 0xFF,
    ),
    # Bits 0-1: 0 good, 1 check other flags, 2 cloud, 3 not produced.
    "VNP21C3": _Product(
        "lst", ("LST_Day", "LST_Day_CMG"), ("QC_Day",), (0, 1), 0b11,
    ),
}  # fmt: skip
_IDS = {"ndvi": "VNP13C2", "lst": "VNP21C3"}
_NAME = re.compile(r"(VNP13C2|VNP21C3)\.A(\d{7})\.(\d{3})\.\d+\.h5$")


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """Monthly composites that begin in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``ndvi`` or ``lst``.
    start, end
        Half-open interval, UTC.
    asof
        Nothing that ends later is named.
    """
    product = _IDS[source]
    month = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month < end:
        after = (month + timedelta(days=32)).replace(day=1)
        if start <= month and after <= asof:
            yield Granule(
                source, f"allData/5200/{product}/{month:%Y/%j}",
                f"{product}.A{month:%Y%j}.00?.*.h5", month, after,
            )  # fmt: skip
        month = after


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one composite as the mean of the good pixels in each cell.

    Parameters
    ----------
    path
        VNP13C2 or VNP21C3 file; its name is the provider's.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``ndvi`` (1) or ``lst`` (K, by day), one time step, the month's first day.

    Raises
    ------
    BadGranule
        Not such a file, cut short, without its variables, or not 3600 x 7200.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a VNP13C2 or VNP21C3 file name", found=path.name)
    product = _PRODUCTS[name[1]]
    with opened(path) as file:
        fields = _fields(file, path)
        data = variable(fields, product.fields, path)
        quality = variable(fields, product.quality, path)
        for part in (data, quality):
            if part.shape != (3600, 7200):
                raise BadGranule(path, expected="3600 x 7200 pixels", found=str(part.shape))
        lat, lon = 89.975 - 0.05 * np.arange(3600), -179.975 + 0.05 * np.arange(7200)
        down = window(positions(lat, np.array([grid.lat_max - 0.01, grid.lat_min + 0.01])))
        across = window(positions(lon, np.array([grid.lon_min + 0.01, grid.lon_max - 0.01])))
        raw = data[down, across]
        flag = quality[down, across].astype(np.int64) & product.quality_bits
        values = _scaled(raw, data, path)
        values[~np.isin(flag, product.good)] = np.nan
        virtual = "virtual" in text(file, "ProcessingEnvironment").lower()
    north, east = np.meshgrid(lat[down], lon[across], indexing="ij")
    mean = grid.mean(values.ravel(), grid.cell(north.ravel(), east.ravel()))
    month = np.datetime64(datetime.strptime(f"{name[2]}Z", "%Y%j%z").replace(tzinfo=None))
    ds = grid.dataset(np.array([month]), **{product.variable: mean[None]})
    return ds.assign_attrs(version=name[3], origin="virtual" if virtual else "measured")


def _fields(file: h5py.File, path: Path) -> h5py.Group:
    """Return the data fields of the file's one grid, whose name differs between versions."""
    grids = variable(file, ("HDFEOS/GRIDS",), path)
    if len(grids) != 1:
        raise BadGranule(
            path, expected="one grid in HDFEOS/GRIDS", found=", ".join(grids) or "none"
        )
    return variable(grids[next(iter(grids))], ("Data Fields",), path)


def _scaled(raw: NDArray[np.integer], data: h5py.Dataset, path: Path) -> NDArray[np.float32]:
    """Physical values, NaN for fill and outside the valid range.

    A scale above 1 is a divisor, as in the vegetation products (10000), against the CF rule.
    """
    scale = number(data, "scale_factor", path)
    valid = np.ravel(data.attrs.get("valid_range", ()))
    if valid.size != 2:
        valid = np.array(re.findall(r"-?\d+", text(data, "valid_range")), np.float64)
    if valid.size != 2:
        raise BadGranule(path, expected="a valid_range", found=text(data, "valid_range") or "none")
    values = raw.astype(np.float32)
    values[(raw < valid[0]) | (raw > valid[1]) | (raw == number(data, "_FillValue", path))] = np.nan
    return values / np.float32(scale) if scale > 1 else values * np.float32(scale)
