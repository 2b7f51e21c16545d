"""IMERG without a login: the public Icechunk store of dynamical.org, cut to one granule.

Half-hourly Early and Late runs from 1998, `precipitation_surface` in kg m-2 s-1 on (time,
latitude, longitude). One step of it is written in the layout of a subset of the provider's file,
so that one reader serves both. The store holds no version letter: the name says V07.
Licence CC BY 4.0; credit dynamical.org and NASA.

A chunk of the store is 30 days of 100 x 100 cells, and reading a half-hour costs as much as reading
the chunk: the days around the first half-hour are read at once and kept in memory. A store of
Icechunk format 2 is read by the library's version 2, which Python 3.12 and later have.
"""

from __future__ import annotations

import platform
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import h5py
import icechunk
import numpy as np
import xarray as xr

from pipeline.sources import SOURCES
from pipeline.sources.base import Granule, HttpError, NotPublished
from pipeline.storage.atomic import draft_file, set_published
from pipeline.times import utc64

if TYPE_CHECKING:
    from pipeline.geography.grid import Grid
    from pipeline.sources.access.client import Client

PREFIXES = {
    "imerg_early": "nasa-imerg-analysis-early/v0.1.0.icechunk",
    "imerg_late": "nasa-imerg-analysis-late/v0.1.0.icechunk",
}
BUCKET, REGION = "dynamical-nasa-imerg", "us-west-2"
BEFORE, AFTER = np.timedelta64(5, "D"), np.timedelta64(1, "D")
"""Interval read before and after a half-hour, as long as a night asks for: 0.05 GB."""
_NEWER = ("upgrade the icechunk library", "more modern version")
"""Phrases in the library's error for a store of a newer format."""
_EPOCH = np.datetime64("1980-01-06", "ns")
_FILL = np.float32(-9999.9)


class _Run:
    """One run of the store for one client: opened once, with some days in memory."""

    def __init__(self, source: str, client: Client) -> None:
        self._source, self._endpoint = source, client.endpoint("imerg_store")
        self._lock = threading.Lock()
        self._rate: xr.DataArray | None = None
        self._days: tuple[Grid, xr.DataArray] | None = None

    def step(self, time: np.datetime64, grid: Grid, client: Client) -> xr.DataArray | None:
        """Return the rain rate of a half-hour, latitude descending; None where it is absent."""
        with self._lock:
            if self._rate is None:
                # The library retries for minutes where no server listens.
                client.reach(f"{self._endpoint}/{PREFIXES[self._source]}/config.yaml")
                self._rate = self._open_rate()
            known = self._rate.indexes["time"]
            if time not in known:
                return None
            days = self._days
            if days is None or days[0] != grid or time not in days[1].indexes["time"]:
                wanted = (known >= time - BEFORE) & (known < time + AFTER)
                days = self._days = grid, _cut_window(self._rate.isel(time=wanted), grid).load()
        return days[1].sel(time=time)

    def _open_rate(self) -> xr.DataArray:
        """Open the rain rate of all times, lazily."""
        parts = urlsplit(self._endpoint)
        storage = icechunk.s3_storage(
            bucket=BUCKET,
            prefix=PREFIXES[self._source],
            region=REGION,
            anonymous=True,
            endpoint_url=self._endpoint.replace(f"{BUCKET}.", "", 1),
            allow_http=parts.scheme == "http",
            force_path_style=True,
        )
        rate = open_store(storage, f"{self._endpoint}: the public store of {self._source}")[
            "precipitation_surface"
        ]
        units = rate.attrs.get("units")
        if units != "kg m-2 s-1":
            raise HttpError(
                f"{self._source}: expected the public store in kg m-2 s-1, found {units}"
            )
        times = rate.indexes["time"]
        if not (times.is_unique and times.is_monotonic_increasing):
            raise HttpError(f"{self._source}: expected times that rise in the public store")
        return rate


def open_store(storage: icechunk.Storage, name: str) -> xr.Dataset:
    """Open the newest state of a store, lazily.

    Parameters
    ----------
    storage
        Location of the store.
    name
        Its name in messages.

    Raises
    ------
    HttpError
        It does not open; for a format newer than the library the message names what reads it.
    """
    try:
        session = icechunk.Repository.open(storage).readonly_session("main")
        store: xr.Dataset = xr.open_zarr(session.store, consolidated=False, chunks=None)
    except icechunk.IcechunkError as error:
        text = " ".join(str(error).split())
        if any(phrase in text for phrase in _NEWER):
            raise HttpError(
                f"{name} is of a newer format than icechunk {icechunk.__version__} of Python "
                f"{platform.python_version()} reads; Python 3.12 and later bring icechunk 2, "
                "which reads it"
            ) from error
        raise HttpError(f"{name} did not open", passing=True) from error
    return store


def _cut_window(rate: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Cut out the cells of a grid, latitude descending whatever the order in the store."""
    lat, lon = rate["latitude"].values, rate["longitude"].values
    rows = np.flatnonzero((lat > grid.lat_min) & (lat < grid.lat_max))
    columns = np.flatnonzero((lon > grid.lon_min) & (lon < grid.lon_max))
    if not rows.size or not columns.size:
        raise HttpError("expected cells of the grid in the public store, found none")
    box = rate.isel(
        latitude=slice(rows[0], rows[-1] + 1), longitude=slice(columns[0], columns[-1] + 1)
    )
    return box.sortby("latitude", ascending=False).sortby("longitude")


_RUNS: WeakKeyDictionary[Client, dict[str, _Run]] = WeakKeyDictionary()
_RUNS_LOCK = threading.Lock()


def fetch(granule: Granule, upstream: Path, grid: Grid, *, client: Client) -> Path:
    """Write one half-hour of the public store as a granule that ``imerg.read`` reads.

    Parameters
    ----------
    granule
        Of ``imerg_early`` or ``imerg_late``.
    upstream
        Root of the upstream folder.
    grid
        Grid whose cells are written.
    client
        HTTP client; its endpoint is ``imerg_store``.

    Returns
    -------
    Path
        The file, its name with version V07.

    Raises
    ------
    NotPublished
        The store does not reach to that half-hour yet, or has nothing in it there.
    HttpError
        The store does not answer, is of a format that the library does not read, or holds something
        else.
    """
    time = utc64(granule.start)
    with _RUNS_LOCK:
        runs = _RUNS.setdefault(client, {})
        run = runs.setdefault(granule.source, _Run(granule.source, client))
    try:
        field = run.step(time, grid, client)
    except HttpError:
        raise
    except icechunk.IcechunkError as error:
        message = f"{granule.source}: the public store failed in {time}"
        raise HttpError(message, passing=True) from error
    except Exception as error:  # the libraries raise any exception for damaged content
        raise HttpError(
            f"{granule.source}: expected rain rates in the public store, found "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error
    if field is None:
        raise NotPublished(f"{granule.pattern} is not in the public store yet")
    values = field.transpose("longitude", "latitude").values[:, ::-1] * np.float32(3600.0)
    if not np.isfinite(values).any():
        raise NotPublished(f"{granule.pattern} is empty in the public store")
    path = upstream / granule.folder / granule.pattern.replace("V0*", "V07")
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_file(path) as draft:
        with h5py.File(draft, "w") as file:
            seconds = (time - _EPOCH) // np.timedelta64(1, "s")
            axis = file.create_dataset("time", data=np.array([seconds], np.int32))
            axis.attrs["units"] = "seconds since 1980-01-06 00:00:00 UTC"
            file["lat"] = field["latitude"].values[::-1].astype(np.float32)
            file["lon"] = field["longitude"].values.astype(np.float32)
            filled = np.where(np.isfinite(values), values, _FILL).astype(np.float32)
            rain = file.create_dataset("precipitation", data=filled[None], compression="gzip")
            rain.attrs["units"] = "mm/hr"
            rain.attrs["DimensionNames"] = "time,lon,lat"
            rain.attrs["_FillValue"] = _FILL
        # The store gives no time of publication: the usual one of the run is taken.
        set_published(draft, granule.end + SOURCES[granule.source].latency)
    return path
