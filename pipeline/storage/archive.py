"""Gridded storage: an Icechunk repository, one commit per ingest.

Each product is a group whose arrays grow along ``time`` and are never overwritten: a revised step
is appended beside the old one with the moment it became available, so that any product reads as it
was known at any moment, and any snapshot stays readable as it was.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import dask.array
import icechunk
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.core import sync as zarr_sync

from pipeline.geography.grid import with_crs
from pipeline.storage.atomic import BrokenState, locked, make_private_folder
from pipeline.times import utc64

CHUNKS = {"time": 128, "lat": 10, "lon": 85}
"""Chunk sizes of grids, for series as well as fields; an areal record is chunked by time alone."""
AREAL_DAYS = 1024
REFERENCE = "reference"
"""Group of the parameters of the indices, one group in it per fit; not a product along time."""
DROPPED = "dropped"
"""Group whose attributes name the rows of a product whose grids are no longer kept."""
DRAFT = "draft"
"""Branch on which a commit of several writers grows until it is whole."""
FORMAT: dict[str, Any] = {} if icechunk.__version__.startswith("1.") else {"create_version": 1}
"""A repository is made in format 1, which icechunk 1, the last for Python 3.11, reads."""

icechunk.set_logs_filter("off")  # every logged error is also raised

Cut = Mapping[str, Sequence[int | None]]
"""Number of rows, and of zones where it has them, of each product."""


class NothingArchived(LookupError):  # noqa: N818
    """A product has no step that was known at the moment asked for."""


class NotKept(LookupError):  # noqa: N818
    """What a run saw is no longer kept."""


def describe_broken_archive(folder: Path, error: Exception) -> str:
    """Describe why an archive could not be read or written, and what to do."""
    words = str(error).strip().removeprefix("x ").splitlines()[0].strip()
    return (
        f"{folder}: the archive could not be read or written: {words}; where the disk is full or "
        "read-only mend that, else put back a backup of archive, records.db and models "
        "(docs/operator.md, Backup), or move them away and ingest again"
    )


def end_reads(timeout_s: float = 5.0) -> None:
    """Wait for the pending reads after one of many failed.

    Pending reads that end with the process make zarr and Icechunk print dozens of lines.
    """
    if (reading := zarr_sync.loop[0]) is None or reading.is_closed():
        return

    async def rest() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(tasks, timeout=timeout_s) if tasks else None

    with suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(rest(), reading).result(2 * timeout_s)


class Archive:
    """Gridded storage as it is now, or as it was at a snapshot.

    Parameters
    ----------
    folder
        Folder of the Icechunk repository; made on first use.
    snapshot
        Id of the snapshot to read; default the newest. An archive opened at a snapshot cannot be
        appended to.
    cut
        Rows and zones of each product in that snapshot. With it the snapshot is read from the
        newest one, which only grew since, and need not be kept.

    Raises
    ------
    NotKept
        The archive does not hold the snapshot.
    """

    def __init__(
        self, folder: Path, *, snapshot: str | None = None, cut: Cut | None = None
    ) -> None:
        make_private_folder(folder)
        self.folder, self.cut = folder, cut
        self._snapshot = snapshot
        storage = icechunk.local_filesystem_storage(str(folder))
        try:
            with locked(folder):  # two processes that create a repository at once: one fails
                self._repository = icechunk.Repository.open_or_create(storage, **FORMAT)
            newest = self._repository.lookup_branch("main")
        except icechunk.IcechunkError as error:
            raise BrokenState(describe_broken_archive(folder, error)) from error
        self._read_at = snapshot if cut is None else newest
        self._dropped: tuple[str, dict[str, Any]] = ("", {})
        if snapshot is not None and cut is None:
            self._check_held(snapshot)

    @property
    def snapshot(self) -> str:
        """Id of the snapshot that reads see."""
        return self._snapshot or self._repository.lookup_branch("main")

    def products(self) -> list[str]:
        """Names of the products that have been archived."""
        if not self._has_root():
            return []
        groups = set(zarr.open_group(self._session().store, mode="r").group_keys())
        return sorted((groups if self.cut is None else groups & {*self.cut}) - {REFERENCE, DROPPED})

    def origin(self, product: str) -> str:
        """Return whether a product is measured or virtual, by its first file."""
        group = zarr.open_group(self._session().store, path=product, mode="r")
        return str(group.attrs.get("origin", "measured"))

    def append(self, product: str, ds: xr.Dataset, *, message: str) -> int:
        """Append steps to a product in one commit.

        A step is left out where the version known at its ``available_time`` already holds the same
        values, so that repeating an append changes nothing and makes no commit. A zone that the
        product does not hold yet is added to its axis, unknown in every earlier step; one that the
        dataset lacks keeps the values that were known of each step.

        Parameters
        ----------
        product
            Group to append to.
        ds
            Canonical dataset with dims (time, lat, lon) or (time, zone) and a coordinate
            ``available_time`` (time); of several versions of a step at the same ``available_time``
            the one that is appended last is read.
        message
            Message of the commit.

        Returns
        -------
        int
            Number of steps appended.

        Raises
        ------
        ValueError
            The dataset's grid or variables differ from what the product holds.
        """
        if self._snapshot is not None:
            raise ValueError(f"expected the newest archive, found one opened at {self._snapshot}")
        ds = ds.drop_vars("spatial_ref", errors="ignore").transpose("time", ...).compute()
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
            if "zone" in ds.dims:
                ds = _align_zones(ds, stored)
        ds = ds.assign_coords(digest=("time", _compute_digests(ds)))
        if exists:
            ds = ds.isel(time=_find_changed(ds, stored))
        if ds.sizes["time"] == 0:
            return 0
        ds = ds.sortby("time")
        if exists:
            if "zone" in ds.dims:
                _widen(zarr.open_group(session.store, path=product, mode="r+"), ds)
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
        ds = self._open(product)
        rows, _ = _select_known(ds, asof=asof, start=start, end=end)
        if rows.size == 0:
            raise NothingArchived(
                f"no step of {product} was known as of {asof:%Y-%m-%d %H:%MZ}"
                + (f" from {start:%Y-%m-%d %H:%MZ}" if start else "")
                + (f" to {end:%Y-%m-%d %H:%MZ}" if end else "")
            )
        # Rows before chunks: a graph of the whole record would cost more than the days wanted.
        ds = _select_rows(ds.drop_vars("digest"), rows)
        for name, da in ds.items():
            if "scale_factor" in da.encoding:
                ds[name] = da.astype(np.float32, keep_attrs=True)
        if "zone" in ds.dims:
            ds = ds.assign_coords(zone=ds["zone"].values.tolist())
        if "lat" in ds.dims:
            return with_crs(ds)
        return ds

    def rows(
        self,
        product: str,
        *,
        asof: datetime,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
        """Find the rows that :meth:`read` returns, and their times; empty where there are none.

        With :meth:`block` a worker reads the series of some cells without a graph of all chunks.
        """
        if product not in self.products():
            return np.empty(0, np.int64), np.empty(0, "M8[ns]")
        return _select_known(self._open(product), asof=asof, start=start, end=end)

    def block(
        self,
        product: str,
        variable: str,
        *,
        rows: NDArray[np.int64],
        lat: slice,
        lon: slice,
    ) -> NDArray[np.float32]:
        """Read stored values of some rows and cells, of shape (row, lat, lon)."""
        array = zarr.open_array(self._session().store, path=f"{product}/{variable}", mode="r")
        rows = rows + self.first_row(product)
        if rows.size and (np.diff(rows) == 1).all():
            values = array[rows[0] : rows[-1] + 1, lat, lon]
        else:
            values = array.oindex[rows, lat, lon]
        return np.asarray(values, np.float32)

    def digest(self, product: str, rows: NDArray[np.int64]) -> str:
        """Hash the data of some rows, by the digests stored beside them."""
        marks = np.ascontiguousarray(self._open(product)["digest"].values[rows])
        return hashlib.sha256(marks.tobytes()).hexdigest()

    def since(
        self, product: str, *, asof: datetime, digest: int
    ) -> dict[np.datetime64, np.datetime64]:
        """Return by step with a digest the time at which its last version became available."""
        if product not in self.products():
            return {}
        ds = self._open(product)
        time, available = ds["time"].values, ds["available_time"].values
        matching = np.flatnonzero((available <= utc64(asof)) & (ds["digest"].values == digest))
        rows = _select_latest(time, available, matching)
        return dict(zip(time[rows], available[rows], strict=True))

    def stored(self, product: str) -> xr.Dataset:
        """Open all versions of all steps of a product, lazily."""
        return self._open(product)

    def axes(self, product: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Latitudes and longitudes of a product's cells."""
        ds = self._open(product)
        return ds["lat"].values, ds["lon"].values

    def references(self) -> list[dict[str, Any]]:
        """Attributes of every fit of the indices, each with its ``id``."""
        if not self._has_root():
            return []
        root = zarr.open_group(self._session().store, mode="r")
        if REFERENCE not in root:
            return []
        fits = zarr.open_group(self._session().store, path=REFERENCE, mode="r").groups()
        return [{**fit.attrs.asdict(), "id": name} for name, fit in sorted(fits)]

    def reference(self, name: str) -> xr.Dataset:
        """Parameters of one fit of the indices, not yet read."""
        group = f"{REFERENCE}/{name}"
        ds: xr.Dataset = xr.open_zarr(
            self._session().store, group=group, chunks=None, consolidated=False
        )
        return ds

    @contextmanager
    def drafting(
        self, frames: Mapping[str, xr.Dataset], *, message: str
    ) -> Iterator[icechunk.Session]:
        """Lay out groups for several writers to fill; all of it is committed, or nothing.

        Within the context each writer takes a ``fork()`` of the session, in this or another
        process, writes whole chunks that no other one writes, and the caller merges the forks. The
        draft grows on a branch of its own; a writer or caller that is killed leaves the archive as
        it was. No other writer gets in before the context ends.

        Parameters
        ----------
        frames
            By group its coordinates, which are written, and variables of the right shape and
            encoding, which the writers fill: a new group, or steps to append where it exists.
        message
            Message of the commit.
        """
        if self._snapshot is not None:
            raise ValueError(f"expected the newest archive, found one opened at {self._snapshot}")
        with self._only_writer():
            main = self._repository.lookup_branch("main")
            if DRAFT in self._repository.list_branches():
                self._repository.reset_branch(DRAFT, main)
            else:
                self._repository.create_branch(DRAFT, main)
            session = self._repository.writable_session(DRAFT)
            for group, frame in frames.items():
                if self._has(group):
                    _lengthen(zarr.open_group(session.store, path=group, mode="r+"), frame)
                else:
                    steps = {k: v for k, v in _encoding(frame).items() if k in frame.coords}
                    frame.map(_without_data, keep_attrs=True).to_zarr(
                        session.store,
                        group=group,
                        mode="w",
                        encoding=steps,
                        consolidated=False,
                        compute=False,
                        zarr_format=3,
                    )
            session.commit(message, metadata={"laid out": sorted(frames)})
            session = self._repository.writable_session(DRAFT)
            yield session
            snapshot = session.commit(message, metadata={"filled": sorted(frames)})
            self._repository.reset_branch("main", snapshot, from_snapshot_id=main)

    def _has(self, group: str) -> bool:
        return self._has_root() and group in zarr.open_group(self._session().store, mode="r")

    def _open(self, product: str) -> xr.Dataset:
        ds: xr.Dataset = xr.open_zarr(
            self._session().store, group=product, chunks=None, consolidated=False
        )
        rows, zones = self.cut[product] if self.cut else (None, None)
        within = {"time": slice(self.first_row(product), rows), "zone": slice(zones)}
        return ds.isel(within, missing_dims="ignore")

    def first_row(self, product: str) -> int:
        """Return the first row of a product whose grid is kept."""
        return int(self.dropped().get(product, {"rows": 0})["rows"])

    def dropped(self) -> dict[str, Any]:
        """Return by product how many first ``rows`` have no grid, and ``until`` which step."""
        if self._dropped[0] != (at := self._find_read()):
            root: Any = zarr.open_group(self._session().store, mode="r") if self._has_root() else {}
            self._dropped = (at, dict(root[DROPPED].attrs) if DROPPED in root else {})
        return self._dropped[1]

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        # A local file system gives Icechunk no compare-and-swap: two commits at once lose one.
        (self.folder / "writer.lock").touch()
        with locked(self.folder / "writer.lock"):
            yield

    def _session(self) -> icechunk.Session:
        return self._repository.readonly_session(snapshot_id=self._find_read())

    def _has_root(self) -> bool:
        return len(list(islice(self._repository.ancestry(snapshot_id=self._find_read()), 2))) > 1

    def _check_held(self, snapshot: str) -> None:
        try:
            self._repository.lookup_snapshot(snapshot)
        except icechunk.IcechunkError as error:
            if "not found" not in str(error):
                raise
            raise NotKept(
                f"{self.folder}: expected the snapshot {snapshot}, found none: the archive was made"
                " anew since; put back a backup of archive, records.db and models to read it"
            ) from None

    def _find_read(self) -> str:
        return self._read_at or self._repository.lookup_branch("main")


def _without_data(da: xr.DataArray) -> xr.DataArray:
    """Replace the values of an array by lazy NaN, for a layout without data."""
    values = dask.array.full(da.shape, np.nan, dtype=da.dtype, chunks=-1)  # type: ignore[no-untyped-call]
    return da.copy(data=values)


def _lengthen(group: zarr.Group, frame: xr.Dataset) -> None:
    """Extend all arrays of a group by the steps of a frame, and write their coordinates.

    As xarray's append, without its dask graph for the data.
    """
    for name, da in frame.variables.items():
        if "time" not in da.dims:
            continue
        array = group[str(name)]
        if not isinstance(array, zarr.Array):
            raise TypeError(f"{name}: expected an array, found {array}")
        length = array.shape[0]
        array.resize((length + da.shape[0], *array.shape[1:]))
        if name in frame.coords:
            seconds = da.values.astype("M8[s]") if da.dtype.kind == "M" else da.values
            array[length:] = seconds.astype(np.int64)


def _align_zones(ds: xr.Dataset, stored: xr.Dataset) -> xr.Dataset:
    """Put new steps on the stored zones, followed by their new ones.

    Of a stored zone that they lack, the values that were known of each step are kept.
    """
    held, given = stored["zone"].values.tolist(), ds["zone"].values.tolist()
    if held == given:
        return ds
    names = [*held, *(name for name in given if name not in held)]
    ds = ds.reindex(zone=np.array(names, object))
    lacking = np.flatnonzero(~np.isin(held, given))
    known = _find_known(ds, stored)
    known_steps = np.flatnonzero(known >= 0)
    if lacking.size and known_steps.size:
        kept = stored[list(ds.data_vars)].isel(time=known[known_steps], zone=lacking).compute()
        for name, da in kept.items():
            values = ds[name].transpose("time", "zone").values.copy()
            values[np.ix_(known_steps, lacking)] = da.transpose("time", "zone").values
            ds[name] = ds[name].copy(data=values)
    return ds


def _widen(group: zarr.Group, ds: xr.Dataset) -> None:
    """Add the zones of a dataset that a group does not hold yet to all of its arrays."""
    for name in ("zone", *ds.data_vars):
        array = group[str(name)]
        if not isinstance(array, zarr.Array):
            raise TypeError(f"{name}: expected an array, found {array}")
        held, size = array.shape[-1], ds.sizes["zone"]
        if held < size:
            array.resize((*array.shape[:-1], size))
            if name == "zone":
                array[held:] = ds["zone"].values[held:]


def _compute_digests(ds: xr.Dataset) -> NDArray[np.int64]:
    """Hash the content of each step over all variables."""
    digests = np.empty(ds.sizes["time"], np.int64)
    names = sorted(map(str, ds.data_vars))
    for step in range(ds.sizes["time"]):
        digest = hashlib.sha256()
        for name in names:
            digest.update(np.ascontiguousarray(ds[name].values[step]).tobytes())
        digests[step] = np.frombuffer(digest.digest()[:8], np.int64)[0]
    return digests


def _select_known(
    ds: xr.Dataset, *, asof: datetime, start: datetime | None, end: datetime | None
) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
    """Select the rows known at a moment in an interval, the last version of each time."""
    time, available = ds["time"].values, ds["available_time"].values
    known = available <= utc64(asof)
    if start is not None:
        known &= time >= utc64(start)
    if end is not None:
        known &= time < utc64(end)
    rows = _select_latest(time, available, np.flatnonzero(known))
    return rows, time[rows]


def _select_latest(
    time: NDArray[np.datetime64], available: NDArray[np.datetime64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Select the row of the last available version of each time, in order of time."""
    order = rows[np.lexsort((rows, available[rows], time[rows]))]
    if order.size == 0:
        return order
    last = np.append(time[order][1:] != time[order][:-1], True)
    latest: NDArray[np.int64] = order[last]
    return latest


def _select_rows(ds: xr.Dataset, rows: NDArray[np.int64]) -> xr.Dataset:
    """Select rows of a dataset lazily, in chunks that end where the stored ones end."""
    length = max((ds[name].encoding["chunks"][0] for name in ds.data_vars), default=rows.size)
    if (np.diff(rows) == 1).all():
        ds = ds.isel(time=slice(rows[0], rows[-1] + 1))
        first = min(int(length - rows[0] % length), rows.size)
    else:
        ds, first = ds.isel(time=rows), min(length, rows.size)
    full_chunks, last = divmod(rows.size - first, length)
    cuts = (first, *(length,) * full_chunks, *((last,) if last else ()))
    return ds.chunk({dim: cuts if dim == "time" else -1 for dim in ds.dims})


def _find_changed(ds: xr.Dataset, stored: xr.Dataset) -> NDArray[np.int64]:
    """Find the steps that differ from what was known when they became available."""
    known, digest = _find_known(ds, stored), stored["digest"].values
    same = (known >= 0) & (digest[known] == ds["digest"].values)
    return np.flatnonzero(~same)


def _find_known(ds: xr.Dataset, stored: xr.Dataset) -> NDArray[np.int64]:
    """Find the stored row of each step that was known when the step became available, or -1."""
    time, available = stored["time"].values, stored["available_time"].values
    known = np.full(ds.sizes["time"], -1)
    for position, (step_time, step_available) in enumerate(
        zip(ds["time"].values, ds["available_time"].values, strict=True)
    ):
        rows = np.flatnonzero((time == step_time) & (available <= step_available))
        if (latest := _select_latest(time, available, rows)).size:
            known[position] = latest[0]
    return known


def _check_same(product: str, ds: xr.Dataset, stored: xr.Dataset) -> None:
    """Raise unless new steps have the variables and grid of the product."""
    stored_names, names = sorted(map(str, stored.data_vars)), sorted(map(str, ds.data_vars))
    if stored_names != names:
        raise ValueError(f"{product}: expected the variables {stored_names}, found {names}")
    for dim in set(stored.dims) - {"time", "zone"}:
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
    if "time" not in ds.dims:
        return encoding
    return encoding | {
        "time": dict(seconds),
        "available_time": dict(seconds),
        "digest": {"chunks": (65536,)},
    }
