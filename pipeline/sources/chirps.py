"""CHIRPS v3 daily rain (0.05 degree, 60 S to 60 N, land, from 1981): the long baseline.

Files: `chirps-v3.0.rnl.2016.08.20.tif`, one GeoTIFF a day of the whole globe, laid out as the
Climate Hazards Center does: final, blended with stations, its pentads split into days by a
reanalysis (rnl), out some weeks after the month. The preliminary files (`prelim`) and the final
ones whose pentads are split by satellites (`sat`) are other series: a reference period must not
change its kind of day within it, so they are passed over.

References
----------
Climate Hazards Center 2025, CHIRPS v3.0, UC Santa Barbara, doi 10.15780/G2JQ0P.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule, Skipped, time_steps
from pipeline.sources.formats.geotiff import read_on_grid
from pipeline.sources.formats.names import parse_stamp

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

_NAME = re.compile(r"^chirps-v3\.0\.(rnl|sat|prelim)\.(\d{4}\.\d\d\.\d\d)\.tif$", re.ASCII)
_KIND = "rnl"
MAGIC = (b"II*\0", b"MM\0*", b"II+\0")
"""What a GeoTIFF begins with: little-endian, big-endian, BigTIFF."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the days that start in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``chirps``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    for day, after in time_steps(start, end, asof, timedelta(days=1)):
        name = f"chirps-v3.0.{_KIND}.{day:%Y.%m.%d}.tif"
        yield Granule(source, f"CHIRPS/v3.0/daily/{day:%Y}", name, day, after)


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one day as means of the pixels in each cell.

    Parameters
    ----------
    path
        GeoTIFF; its name is the provider's.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``rain`` (mm of the UTC day), one time step; NaN over the sea and outside the file.

    Raises
    ------
    BadGranule
        Not such a file, cut short, on another grid, or with impossible rain.
    Skipped
        A preliminary file, or one whose days are those of satellites.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a CHIRPS v3.0 daily file name", found=path.name)
    if name[1] != _KIND:
        raise Skipped(
            f"{path.name}: {name[1]} is another series than the baseline's, chirps-v3.0.{_KIND}"
        )
    time = parse_stamp(name[2], "%Y.%m.%d", path)
    values, attributes = read_on_grid(path, grid, "rain")
    ds = grid.dataset(np.array([time]), rain=values[None])
    return ds.assign_attrs(attributes, version=f"v3.0 {name[1]}")


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Fetch one day of the final series.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client; its endpoint is ``chirps``.

    Raises
    ------
    NotPublished, HttpError
        As of the client.
    """
    base = f"{client.endpoint('chirps')}/products/CHIRPS/v3.0/daily/final/{_KIND}"
    return client.download(
        f"{base}/{granule.start:%Y}/{granule.pattern}",
        upstream / granule.folder / granule.pattern,
        magic=MAGIC,
    )
