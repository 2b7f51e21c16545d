"""CHIRPS-GEFS v3: daily rain of the 16 days ahead, kept with the moment it was issued.

Files: `2026/08/20/c3g_2026.08.25.tif`: the folder is the day of issue, the name the valid day; this
is the rain of 25 August as issued on the 20th, stored as `c3g_2026.08.25.issued.2026.08.20.tif`.
0.05 degree, mm of the UTC day; published about 08:30 UTC, so that a night soon after midnight has
the outlook of the day before. A model that uses it must be trained on the rain that was issued,
never on the rain that fell. The meaning of the folder is from public code that reads the archive.
Version 12, which ended in the middle of 2026, had other names and another calibration.

References
----------
Harrison et al. 2022, Scientific Data 9:304 (CHIRPS-GEFS).
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
from pipeline.sources.base import BadGranule, Granule, NotPublished, time_steps
from pipeline.sources.chirps import MAGIC
from pipeline.sources.formats.geotiff import read_on_grid
from pipeline.sources.formats.names import parse_stamp

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

DAYS = 16
_DATE = r"(\d{4}\.\d\d\.\d\d)"
_NAME = re.compile(rf"^c3g_{_DATE}(?:\.issued\.{_DATE})?\.tif$", re.ASCII)
_DAY = timedelta(days=1)
_ROOT = "products/CHIRPS-GEFS/v3/daily/global"


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the days ahead of the outlooks issued in an interval and by a moment.

    The interval of a granule is the day before its issue, the last day known to the outlook: an
    outlook is late where the end of that day lies further back than usual.

    Parameters
    ----------
    source
        ``outlook``.
    start, end
        Half-open interval of issue days, UTC.
    asof
        No outlook issued later is listed.
    """
    for issued, _ in time_steps(start, end, asof, _DAY, length=timedelta()):
        folder, before = f"CHIRPS-GEFS/{issued:%Y/%m/%d}", issued - _DAY
        for day in (issued + lead * _DAY for lead in range(DAYS)):
            name = f"c3g_{day:%Y.%m.%d}.issued.{issued:%Y.%m.%d}.tif"
            yield Granule(source, folder, name, before, issued, valid_day=day)


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one day of an outlook as means of the pixels in each cell.

    Parameters
    ----------
    path
        GeoTIFF; its name gives the valid day and the day of issue.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``rain`` (mm of the UTC day), one time step that may lie ahead; NaN where there is none.

    Raises
    ------
    BadGranule
        Not such a file, of a day that its issue does not reach, cut short, on another grid, or with
        impossible rain.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a CHIRPS-GEFS v3 daily file name", found=path.name)
    time = parse_stamp(name[1], "%Y.%m.%d", path)
    if name[2]:
        issued = parse_stamp(name[2], "%Y.%m.%d", path)
        if not issued <= time < issued + np.timedelta64(DAYS, "D"):
            raise BadGranule(
                path, expected=f"one of the {DAYS} days from its issue", found=f"{time}"[:10]
            )
    values, attributes = read_on_grid(path, grid, "rain")
    ds = grid.dataset(np.array([time]), rain=values[None])
    return ds.assign_attrs(attributes, version="v3")


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Fetch one day of an outlook.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client; its endpoint is ``chirps``, whose host has the outlook too.

    Raises
    ------
    NotPublished
        It is not published; the message gives the usual time of publication.
    HttpError
        As of the client.
    """
    folder = f"{client.endpoint('chirps')}/{_ROOT}/{granule.end:%Y/%m/%d}"
    url = f"{folder}/c3g_{granule.valid_day:%Y.%m.%d}.tif"
    try:
        return client.download(url, upstream / granule.folder / granule.pattern, magic=MAGIC)
    except NotPublished as absent:
        raise NotPublished(f"{absent}; an outlook is late after 08:30Z of its day") from None
