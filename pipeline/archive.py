"""The only door to gridded storage: an Icechunk repository, one commit per ingest.

Each product is a group whose arrays grow along ``time`` and are never overwritten: a revised step
is appended beside the old one with the moment it became available, so that any product reads as it
was known at any moment, and any snapshot stays readable as it was.
"""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import icechunk
import numpy as np
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
import zarr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

CHUNKS = {"time": 64, "lat": 90, "lon": 85}
"""Chunk sizes of grids, for series as well as fields; an areal record is chunked by time alone."""
AREAL_DAYS = 1024


icechunk.set_logs_filter("error")


class NothingArchived(LookupError):  # noqa: N818
    """A product has no step that was known at the moment asked for."""


def utc64(moment: datetime) -> np.datetime64:
    """Moment as numpy's naive UTC.

    Raises
    ------
    ValueError
        The moment carries no time zone.

    Examples
    --------
    >>> utc64(datetime(2026, 8, 20, 0, 30, tzinfo=UTC))
    np.datetime64('2026-08-20T00:30:00.000000000')
    """
    if moment.tzinfo is None:
        raise ValueError(f"expected an aware moment, found {moment!r} without a time zone")
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ns")


class Archive:
    """Gridded storage as it is now, or as it was at a snapshot.

    Parameters
    ----------
    folder
        Folder of the Icechunk repository; made on first use.
    snapshot
        Id of the snapshot to read; default the newest. An archive opened at a snapshot cannot be
        appended to.
    """

    def __init__(self, folder: Path, *, snapshot: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._repository = icechunk.Repository.open_or_create(
            icechunk.local_filesystem_storage(str(folder))
        )
        self._folder = folder
        self._snapshot = snapshot

    @property
    def snapshot(self) -> str:
        """Id of the snapshot that reads see."""
        return self._snapshot or self._repository.lookup_branch("main")

    def products(self) -> list[str]:
        """Names of the products that have been archived."""
        return (
            sorted(zarr.open_group(self._session().store, mode="r").group_keys())
            if (self._has_root())
            else []
        )

    def origin(self, product: str) -> str:
        """Say whether a product was measured or is virtual, as its first file said."""
        group = zarr.open_group(self._session().store, path=product, mode="r")
        return str(group.attrs.get("origin", "measured"))

    def append(self, product: str, ds: xr.Dataset, *, message: str) -> int:
        """Append steps to a product in one commit.

        A step is left out where the version known at its ``available_time`` already holds the same
        values, so that repeating an append changes nothing and makes no commit.

        Parameters
        ----------
        product
            Group to append to.
        ds
            Canonical dataset with dims (time, lat, lon) or (time, zone) and a coordinate
            ``available_time`` (time).
        message
            Words for the commit.

        Returns
        -------
        int
            Number of steps appended.

        Raises
        ------
        ValueError
            The dataset's grid, zones or variables differ from what the product holds.
        """
        if self._snapshot is not None:
            raise ValueError(f"expected the newest archive, found one opened at {self._snapshot}")
        ds = ds.drop_vars("spatial_ref", errors="ignore").transpose("time", ...).compute()
        ds = ds.assign_coords(digest=("time", _digests(ds)))
        for name in [name for name in ds.coords if ds[name].dtype.kind == "U"]:
            ds[name] = ds[name].astype(object)
        with self._only_writer():
            return self._append(product, ds, message=message)

    def _append(self, product: str, ds: xr.Dataset, *, message: str) -> int:
        session = self._repository.writable_session("main")
        exists = product in self.products()
        if exists:
            stored = xr.open_zarr(session.store, group=product, consolidated=False)
            _check_same(product, ds, stored)
            ds = ds.isel(time=_news(ds, stored))
        if ds.sizes["time"] == 0:
            return 0
        ds = ds.sortby("time")
        if exists:
            ds = ds[list(ds.data_vars)].drop_vars(
                [n for n in ds.coords if "time" not in ds[n].dims]
            )
            ds.to_zarr(
                session.store, group=product, append_dim="time", zarr_format=3, consolidated=False
            )
        else:
            ds.to_zarr(
                session.store,
                group=product,
                mode="w",
                zarr_format=3,
                consolidated=False,
                encoding=_encoding(ds),
            )
        session.commit(
            message,
            metadata={"product": product, "steps": ds.sizes["time"]},
        )
        return int(ds.sizes["time"])

    def read(
        self,
        product: str,
        *,
        asof: datetime,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> xr.Dataset:
        """Read a product as it was known at a moment, lazily.

        Parameters
        ----------
        product
            Group to read.
        asof
            Only steps available at or before this moment are seen; of several versions of a step
            the one that became available last.
        start, end
            Half-open interval of step starts.

        Returns
        -------
        xarray.Dataset
            Dask-backed, ascending in time, each time once.

        Raises
        ------
        NothingArchived
            No step of the product was known by then in that interval.
        """
        if product not in self.products():
            raise NothingArchived(f"nothing has been archived for {product}")
        ds: xr.Dataset = xr.open_zarr(
            self._session().store,
            group=product,
            chunks={},
            consolidated=False,
        )
        time, available = ds["time"].values, ds["available_time"].values
        seen = available <= utc64(asof)
        if start is not None:
            seen &= time >= utc64(start)
        if end is not None:
            seen &= time < utc64(end)
        rows = _latest(time, available, np.flatnonzero(seen))
        if rows.size == 0:
            raise NothingArchived(
                f"no step of {product} was known as of {asof:%Y-%m-%d %H:%MZ}"
                + (f" from {start:%Y-%m-%d %H:%MZ}" if start else "")
                + (f" to {end:%Y-%m-%d %H:%MZ}" if end else "")
            )
        ds = ds.drop_vars("digest").chunk({dim: -1 for dim in ds.dims if dim != "time"})
        if rows.size != len(time) or (np.diff(rows) != 1).any():
            ds = ds.isel(time=rows)
        if "zone" in ds.dims:
            ds = ds.assign_coords(zone=ds["zone"].values.tolist())
        if "lat" in ds.dims:
            located: xr.Dataset = ds.rio.write_crs("EPSG:4326")
            return located
        return ds

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        # A local file system gives Icechunk no compare-and-swap: two commits at once lose one.
        with (self._folder / "writer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _session(self) -> icechunk.Session:
        return self._repository.readonly_session(snapshot_id=self.snapshot)

    def _has_root(self) -> bool:
        return len(list(self._repository.ancestry(snapshot_id=self.snapshot))) > 1


def _digests(ds: xr.Dataset) -> NDArray[np.int64]:
    """Content hash of each step over all variables."""
    found = np.empty(ds.sizes["time"], np.int64)
    names = sorted(map(str, ds.data_vars))
    for step in range(ds.sizes["time"]):
        digest = hashlib.sha256()
        for name in names:
            digest.update(np.ascontiguousarray(ds[name].values[step]).tobytes())
        found[step] = np.frombuffer(digest.digest()[:8], np.int64)[0]
    return found


def _latest(
    time: NDArray[np.datetime64], available: NDArray[np.datetime64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Row of the last available version of each time, in order of time."""
    order = rows[np.lexsort((rows, available[rows], time[rows]))]
    if order.size == 0:
        return order
    last = np.append(time[order][1:] != time[order][:-1], True)
    latest: NDArray[np.int64] = order[last]
    return latest


def _news(ds: xr.Dataset, stored: xr.Dataset) -> NDArray[np.int64]:
    """Positions of the steps that say something not yet known when they became available."""
    time, available = stored["time"].values, stored["available_time"].values
    digest = stored["digest"].values
    news = []
    for position, (at, known, mark) in enumerate(
        zip(ds["time"].values, ds["available_time"].values, ds["digest"].values, strict=True)
    ):
        rows = np.flatnonzero((time == at) & (available <= known))
        latest = _latest(time, available, rows)
        if latest.size == 0 or digest[latest[0]] != mark:
            news.append(position)
    return np.array(news, np.int64)


def _check_same(product: str, ds: xr.Dataset, stored: xr.Dataset) -> None:
    """Raise unless new steps fit what the product holds."""
    wanted, found = sorted(map(str, stored.data_vars)), sorted(map(str, ds.data_vars))
    if wanted != found:
        raise ValueError(f"{product}: expected the variables {wanted}, found {found}")
    for dim in set(stored.dims) - {"time"}:
        if not np.array_equal(stored[dim].values, ds[dim].values):
            raise ValueError(
                f"{product}: expected the archived {dim} ({stored.sizes[dim]} values from "
                f"{stored[dim].values[0]} to {stored[dim].values[-1]}), found {ds.sizes[dim]} from "
                f"{ds[dim].values[0]} to {ds[dim].values[-1]}"
            )


def _encoding(ds: xr.Dataset) -> dict[str, dict[str, object]]:
    """Chunks for time series; times as whole seconds, so that appended ones need no recoding."""
    sizes = CHUNKS if "lat" in ds.dims else {"time": AREAL_DAYS}
    encoding: dict[str, dict[str, object]] = {
        str(name): {"chunks": tuple(sizes.get(str(d), ds.sizes[d]) for d in ds[name].dims)}
        for name in ds.data_vars
    }
    seconds = {"units": "seconds since 1970-01-01", "dtype": "int64", "chunks": (65536,)}
    return encoding | {
        "time": dict(seconds),
        "available_time": dict(seconds),
        "digest": {"chunks": (65536,)},
    }
