"""IMERG without a login: the public Icechunk store of dynamical.org, cut to one granule.

Half-hourly Early and Late runs from 1998, `precipitation_surface` in kg m-2 s-1 on (time,
latitude, longitude). One step of it is written in the layout of a subset of the provider's file,
so that one reader serves both. The store holds no version letter: the name says V07.
Licence CC BY 4.0; credit dynamical.org and NASA.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h5py
import icechunk
import numpy as np
import xarray as xr

from pipeline.archive import utc64
from pipeline.sources.base import HttpError, NotPublished

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.grid import Grid
    from pipeline.sources.base import Granule
    from pipeline.sources.http import Client

PREFIXES = {
    "imerg_early": "nasa-imerg-analysis-early/v0.1.0.icechunk",
    "imerg_late": "nasa-imerg-analysis-late/v0.1.0.icechunk",
}
BUCKET, REGION = "dynamical-nasa-imerg", "us-west-2"
LATENCY = {"imerg_early": timedelta(hours=4), "imerg_late": timedelta(hours=14)}
_EPOCH = np.datetime64("1980-01-06", "ns")
_FILL = np.float32(-9999.9)


@lru_cache(maxsize=4)
def _store(source: str, client: Client) -> xr.DataArray:
    """Rain rate of one run, lazy; opened once for the life of a client."""
    endpoint = client.endpoint("imerg_store")
    parts = urlsplit(endpoint)
    storage = icechunk.s3_storage(
        bucket=BUCKET, prefix=PREFIXES[source], region=REGION, anonymous=True,
        endpoint_url=endpoint.replace(f"{BUCKET}.", "", 1),
        allow_http=parts.scheme == "http", force_path_style=True,
    )  # fmt: skip
    try:
        session = icechunk.Repository.open(storage).readonly_session("main")
        ds = xr.open_zarr(session.store, consolidated=False, chunks=None)
    except icechunk.IcechunkError as error:
        raise HttpError(f"{endpoint}: the public store of {source} did not open") from error
    rate: xr.DataArray = ds["precipitation_surface"]
    return rate


def fetch(granule: Granule, upstream: Path, grid: Grid, *, client: Client) -> Path:
    """Write one half-hour of the public store as a granule that ``imerg.read`` reads.

    Parameters
    ----------
    granule
        Of ``imerg_early`` or ``imerg_late``.
    upstream
        Root folder of the upstream.
    grid
        Cells that are wanted.
    client
        Knows ``imerg_store``.

    Returns
    -------
    Path
        The file, its name with version V07.

    Raises
    ------
    NotPublished
        The store does not reach to that half-hour yet, or has nothing in it there.
    HttpError
        The store does not answer or is in other units.
    """
    rate = _store(granule.source, client)
    units = rate.attrs.get("units")
    if units != "kg m-2 s-1":
        raise HttpError(f"{granule.source}: expected the public store in kg m-2 s-1, found {units}")
    time = utc64(granule.start)
    try:
        field = rate.sel(
            time=time,
            latitude=slice(grid.lat_max, grid.lat_min),
            longitude=slice(grid.lon_min, grid.lon_max),
        ).load()
    except KeyError:
        raise NotPublished(f"{granule.pattern} is not in the public store yet") from None
    except icechunk.IcechunkError as error:
        raise HttpError(f"{granule.source}: the public store failed in {time}") from error
    values = field.transpose("longitude", "latitude").values[:, ::-1] * np.float32(3600.0)
    if not np.isfinite(values).any():
        raise NotPublished(f"{granule.pattern} is empty in the public store")
    path = upstream / granule.folder / granule.pattern.replace("V0*", "V07")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with h5py.File(part, "w") as file:
        seconds = (time - _EPOCH) // np.timedelta64(1, "s")
        axis = file.create_dataset("time", data=np.array([seconds], np.int32))
        axis.attrs["units"] = "seconds since 1980-01-06 00:00:00 UTC"
        file["lat"] = field["latitude"].values[::-1].astype(np.float32)
        file["lon"] = field["longitude"].values.astype(np.float32)
        filled = np.where(np.isfinite(values), values, _FILL).astype(np.float32)
        rain = file.create_dataset("precipitation", data=filled[None], compression="gzip")
        rain.attrs["units"] = "mm/hr"
        rain.attrs["_FillValue"] = _FILL
    # The store tells no time of publication: a step counts as out when its run usually is.
    os.utime(part, ((granule.end + LATENCY[granule.source]).timestamp(),) * 2)
    part.replace(path)
    return path
