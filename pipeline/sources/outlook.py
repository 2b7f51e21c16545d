"""CHIRPS-GEFS v12: daily rain of the 16 days ahead, kept with the moment it was issued.

Files: `2026/08/20/data.2026.0825.tif`, the rain of 25 August as issued on the 20th, kept as
`data.2026.0825.issued.2026.0820.tif`; 0.05 degree, mm of the day. A model that uses it must be
trained on what was issued, never on what fell.

References
----------
Harrison et al. 2022, Scientific Data 9:304 (CHIRPS-GEFS).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipeline.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule
from pipeline.sources.chirps import MAGIC
from pipeline.sources.geotiff import on_grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    import xarray as xr

    from pipeline.sources.http import Client

DAYS = 16
_NAME = re.compile(r"data\.(\d{4})\.(\d\d)(\d\d)\.issued\.\d{4}\.\d{4}\.tif$")
_DAY = timedelta(days=1)
_ROOT = "products/EWX/data/forecasts/CHIRPS-GEFS_precip_v12/daily_16day"


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """Days ahead in the outlooks that were issued in an interval and by a moment.

    Parameters
    ----------
    source
        ``outlook``.
    start, end
        Half-open interval of issue days, UTC.
    asof
        Nothing that was issued later is named.
    """
    issued = start.replace(hour=0, minute=0, second=0, microsecond=0)
    issued += timedelta(days=issued < start)
    while issued < end and issued <= asof:
        for lead in range(DAYS):
            day = issued + lead * _DAY
            name = f"data.{day:%Y.%m%d}.issued.{issued:%Y.%m%d}.tif"
            yield Granule(source, f"CHIRPS-GEFS/{issued:%Y/%m/%d}", name, day, day + _DAY)
        issued += _DAY


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one day of an outlook as means of the pixels in each cell.

    Parameters
    ----------
    path
        GeoTIFF; its name tells the day that it speaks of and the day of its issue.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``rain`` (mm of the UTC day), one time step that may lie ahead; NaN where there is none.

    Raises
    ------
    BadGranule
        Not such a file, cut short, on another grid, or with negative rain.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a CHIRPS-GEFS daily file name", found=path.name)
    values, origin = on_grid(path, grid)
    if np.nanmin(values, initial=0.0) < 0:
        raise BadGranule(path, expected="rain of at least 0", found=f"{np.nanmin(values)}")
    time = np.array([f"{name[1]}-{name[2]}-{name[3]}"], "datetime64[ns]")
    return grid.dataset(time, rain=values[None]).assign_attrs(version="v12", origin=origin)


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Bring one day of an outlook.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root folder of the upstream.
    client
        Asks ``chirps``, whose host has the outlook too.

    Raises
    ------
    NotPublished, HttpError
        As of the client.
    """
    issued = granule.folder.removeprefix("CHIRPS-GEFS/")
    url = f"{client.endpoint('chirps')}/{_ROOT}/{issued}/data.{granule.start:%Y.%m%d}.tif"
    return client.download(url, upstream / granule.folder / granule.pattern, magic=MAGIC)
