"""Rain from GK2A's infrared window (AMI Level 1B, 10.5 um, full disk): the keyless substitute.

The public bucket has Level 1B only. The GOES precipitation index counts every pixel whose cloud
top is colder than 235 K as raining 3 mm/h. It was fitted to means over large areas and hours in
the tropics: over a sub-basin and a day it is fair, over a city and an hour it is of **low
quality**, and it sees no warm rain at all. Half-hourly images of 35 MB each.

Files: `gk2a_ami_le1b_ir105_fd020ge_YYYYMMDDHHMM.nc`.

References
----------
Arkin & Meisner 1987, Mon. Wea. Rev. 115, 51-74 (the index). KMA NMSC 2019, GK-2A AMI Level 1B
user manual (counts to radiance to brightness temperature).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.base import (
    HDF5_MAGIC,
    BadGranule,
    Granule,
    NeedsCredentials,
    Skipped,
    time_steps,
)
from pipeline.sources.formats.ami import check_time, read_finite
from pipeline.sources.formats.chunks import read_slab
from pipeline.sources.formats.field import read_text
from pipeline.sources.formats.hdf import get_variable, open_hdf5
from pipeline.sources.formats.limits import MOST_OUT_OF_RANGE
from pipeline.sources.formats.names import parse_stamp
from pipeline.sources.formats.projection import pixels_in, projection_of_level_1b

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

COLD_K = 235.0
RATE_MM_H = 3.0
_NAME = re.compile(r"^gk2a_ami_le1b_ir105_fd020ge_(\d{12})\.nc$", re.ASCII)
_SCAN = timedelta(minutes=10)
_SLOT = timedelta(minutes=30)
_PLANCK, _LIGHT, _BOLTZMANN = 6.62607015e-34, 299792458.0, 1.380649e-23
_COLDEST_K, _WARMEST_K = 160.0, 340.0
_MOST_BITS = 14
"""Bits of a pixel below those of its quality."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the images on the half-hours of an interval that have been taken by a moment.

    Parameters
    ----------
    source
        ``gk2a_ir``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    for time, after in time_steps(start, end, asof, _SLOT):
        folder = f"AMI/L1B/FD/{time:%Y%m/%d/%H}"
        name = f"gk2a_ami_le1b_ir105_fd020ge_{time:%Y%m%d%H%M}.nc"
        yield Granule(source, folder, name, time, after)


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one image and convert it to rain by the GOES precipitation index.

    Parameters
    ----------
    path
        Level 1B file of the band at 10.5 um; its name is the provider's.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``rain_rate`` (mm h-1), one time step: 3 mm/h times the share of the cell's good pixels
        below 235 K, NaN where the cell has no good pixel.

    Raises
    ------
    BadGranule
        Not such a file, cut short, of another shape than it says, observed at another time than
        its name says, or with temperatures that clouds and land do not have in more than 1 % of the
        pixels.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a GK2A Level 1B IR105 file name", found=path.name)
    time = parse_stamp(name[1], "%Y%m%d%H%M", path)
    with open_hdf5(path) as file:
        check_time(file, time, path, within=_SCAN)
        counts = get_variable(file, ("image_pixel_values",), path)
        view = projection_of_level_1b(file, path)
        if counts.shape != (view.height, view.width):
            raise BadGranule(
                path, expected=f"{view.height} x {view.width} pixels", found=str(counts.shape)
            )
        pixels = pixels_in(view, grid)
        if not pixels.inside.any():
            raise BadGranule(path, expected="pixels in the grid", found="none")
        temperature = brightness(read_slab(counts, pixels.rows, pixels.columns), file, path)
        virtual = read_text(file, "processing_environment") == "virtual"
    odd = (temperature < _COLDEST_K) | (temperature > _WARMEST_K)
    if odd.sum() > MOST_OUT_OF_RANGE * np.isfinite(temperature).sum():
        raise BadGranule(
            path,
            expected=f"brightness temperatures of {_COLDEST_K:.0f} to {_WARMEST_K:.0f} K",
            found=f"{np.nanmin(temperature):.1f} to {np.nanmax(temperature):.1f} K",
        )
    temperature[odd] = np.nan
    rate = np.where(np.isfinite(temperature), RATE_MM_H * (temperature < COLD_K), np.nan)
    ds = grid.dataset(np.array([time]), rain_rate=pixels.mean(rate)[None])
    return ds.assign_attrs(version="GPI", origin="virtual" if virtual else "measured")


def brightness(counts: NDArray[np.uint16], file: Any, path: Path) -> NDArray[np.float64]:
    """Convert counts, whose two highest bits are their quality, to brightness temperature.

    Parameters
    ----------
    counts
        As stored; quality 0 and 1 (conditionally usable) are used.
    file, path
        The open file, whose attributes have the calibration, and its path for messages.

    Returns
    -------
    ndarray
        K, NaN for pixels out of scan or in error.
    """
    holder = file["image_pixel_values"]
    bits = int(read_finite(holder, "number_of_valid_bits_per_pixel", path))
    if counts.dtype != np.uint16 or not 8 <= bits <= _MOST_BITS:
        raise BadGranule(
            path, expected=f"8 to {_MOST_BITS} bits of 16", found=f"{bits} of {counts.dtype}"
        )
    value = (counts & ((1 << bits) - 1)).astype(np.float64)
    radiance = value * read_finite(file, "DN_to_Radiance_Gain", path)
    radiance += read_finite(file, "DN_to_Radiance_Offset", path)  # mW m-2 sr-1 (cm-1)-1
    radiance[(counts >> 14 > 1) | (radiance <= 0)] = np.nan
    if "channel_center_wavelength" in file.attrs:
        holder = file
    wave_m = 1e6 / read_finite(holder, "channel_center_wavelength", path)  # wavenumber, m-1
    first = 2 * _PLANCK * _LIGHT**2 * wave_m**3
    effective = (_PLANCK * _LIGHT / _BOLTZMANN * wave_m) / np.log1p(first / (radiance * 1e-5))
    c0, c1, c2 = (read_finite(file, f"Teff_to_Tbb_c{n}", path) for n in range(3))
    temperature: NDArray[np.float64] = c0 + c1 * effective + c2 * effective**2
    return temperature


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Fetch one image from the public bucket.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client; its endpoint is ``gk2a_bucket``.

    Raises
    ------
    Skipped
        There is a key for KMA's API hub, whose own rain rate is better.
    NotPublished, HttpError
        As of the client.
    """
    try:
        client.secret("KMA_API_KEY")
    except NeedsCredentials:
        url = f"{client.endpoint('gk2a_bucket')}/{granule.folder}/{granule.pattern}"
        return client.download(
            url, upstream / granule.folder / granule.pattern, magic=(HDF5_MAGIC,)
        )
    raise Skipped("gk2a_ir: not fetched, KMA_API_KEY is set and gk2a has the rain rate itself")
