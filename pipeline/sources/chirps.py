"""CHIRPS v3 daily rain (0.05 degree, 60 S to 60 N, land, from 1981): the long baseline.

Files: `chirps-v3.0.rnl.2016.08.20.tif` (final, blended with stations; about two weeks after the
month) and `chirps-v3.0.prelim.2016.08.20.tif` (preliminary, a few days after the pentad), one
GeoTIFF a day of the whole globe, laid out as the Climate Hazards Center does.

References
----------
Climate Hazards Center 2025, CHIRPS v3.0, UC Santa Barbara, doi 10.15780/G2JQ0P.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipeline.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule, NotPublished
from pipeline.sources.geotiff import on_grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import xarray as xr

    from pipeline.sources.http import Client

_NAME = re.compile(r"chirps-v3\.0\.(rnl|prelim)\.(\d{4})\.(\d\d)\.(\d\d)\.tif$")
_KINDS = {"rnl": "final/rnl", "prelim": "prelim/sat"}
_DAY = timedelta(days=1)
MAGIC = (b"II*\0", b"MM\0*", b"II+\0")
"""What a GeoTIFF begins with: little-endian, big-endian, BigTIFF."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """Days that begin in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``chirps``.
    start, end
        Half-open interval, UTC.
    asof
        Nothing that ends later is named.
    """
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    day += timedelta(days=day < start)
    while day < end and day + _DAY <= asof:
        yield Granule(
            source, f"CHIRPS/v3.0/daily/{day:%Y}", f"chirps-v3.0.*.{day:%Y.%m.%d}.tif",
            day, day + _DAY,
        )  # fmt: skip
        day += _DAY


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
        Not such a file, cut short, on another grid, or with negative rain.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a CHIRPS v3.0 daily file name", found=path.name)
    values, origin = on_grid(path, grid)
    if np.nanmin(values, initial=0.0) < 0:
        raise BadGranule(path, expected="rain of at least 0", found=f"{np.nanmin(values)}")
    time = np.array([f"{name[2]}-{name[3]}-{name[4]}"], "datetime64[ns]")
    ds = grid.dataset(time, rain=values[None])
    return ds.assign_attrs(version=f"v3.0 {name[1]}", origin=origin)


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Bring one day, the final file where it is out, else the preliminary one.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root folder of the upstream.
    client
        Asks ``chirps``.

    Raises
    ------
    NotPublished, HttpError
        As of the client.
    """
    base = f"{client.endpoint('chirps')}/products/CHIRPS/v3.0/daily"
    for kind, folder in _KINDS.items():
        name = f"chirps-v3.0.{kind}.{granule.start:%Y.%m.%d}.tif"
        try:
            return client.download(
                f"{base}/{folder}/{granule.start:%Y}/{name}",
                upstream / granule.folder / name, magic=MAGIC,
            )  # fmt: skip
        except NotPublished:
            continue
    raise NotPublished(f"{granule.pattern} is not published, neither final nor preliminary")
