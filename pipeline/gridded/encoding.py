"""How the laws and the indices of the grid lie in the archive: chunks, packing, names.

Indices are whole numbers of a thousandth (standardised), a hundredth (percent, years) or a tenth
(mm), which :meth:`pipeline.storage.archive.Archive.read` unpacks; laws are kept as they were
fitted, under
``law__parameter``. A sample is kept by day of the year, so that a night reads its season alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import DTypeLike, NDArray
from zarr.codecs import BloscCodec

from pipeline.indices.common import SLOTS, slots, slots_apart, stated
from pipeline.times import utc64

Days = NDArray[np.datetime64]
Space = dict[str, NDArray[np.float64]]

ROWS, COLUMNS = 10, 85
"""Cells of one chunk: the least block that can be written by itself."""
_CHUNKS = {"time": 366, "dayofyear": 73, "month": 12, "sample": 256, "lat": ROWS, "lon": COLUMNS}
_PACKED = {
    "mm": ("u2", 0.1), "%": ("u2", 0.01), "years": ("u2", 0.01), "days": ("u2", 1.0),
    "1": ("i2", 0.001), "class": ("i1", 1.0),
}  # fmt: skip
"""Type and step of what is written, by units; ``class`` for what has flags."""
_ROWS = 64
"""Steps packed at a time: the passes over them stay in cache."""


def pack(da: xr.DataArray) -> NDArray[np.integer]:
    """Turn an index into whole steps; what is missing becomes the number that no index has.

    Examples
    --------
    >>> pack(xr.DataArray([0.1234, np.nan, -3.0], attrs={"units": "1"})).tolist()
    [123, -32768, -3000]
    """
    kind, step = _kind(da)
    info, fill = np.iinfo(kind), _fill(kind)
    packed: NDArray[np.integer] = np.empty(da.shape, kind)
    for begin in range(0, len(packed), _ROWS):
        some = slice(begin, begin + _ROWS)
        values = da.values[some] * np.float32(1 / step)
        missing = np.isnan(values)
        np.rint(values, out=values)
        np.clip(values, info.min, info.max - (fill == info.max), out=values)
        values[missing] = fill
        packed[some] = values
    return packed


def _kind(da: xr.DataArray) -> tuple[str, float]:
    return _PACKED["class" if "flag_values" in da.attrs else da.attrs["units"]]


def _fill(kind: str) -> int:
    info = np.iinfo(kind)
    return info.max if kind.startswith("u") else info.min


def flat(laws: Mapping[str, xr.Dataset]) -> dict[str, NDArray[np.floating]]:
    """Parameters of all laws by their names in the archive, the cells last."""
    found = {}
    for law, ds in laws.items():
        for name, da in ds.items():
            ordered = da
            if name == "sample":
                ordered = da.isel(sample_time=_by_season(da["sample_time"].values))
            found[f"{law}__{name}"] = ordered.transpose(..., "cell").values
    return found


def _by_season(time: Days) -> NDArray[np.int64]:
    return np.lexsort((time, slots(time, "dayofyear")))


def parameters(ds: xr.Dataset, *, days: Days) -> dict[str, xr.Dataset]:
    """Laws of some cells again, as far as the seasons of the days wanted go.

    Parameters
    ----------
    ds
        From :meth:`pipeline.storage.archive.Archive.reference`, cut to the cells.
    days
        Days to which they will be applied; months need nothing of them.
    """
    wanted = np.unique(slots(days, "dayofyear"))
    found = {}
    for law, attrs in json.loads(ds.attrs["definitions"]).items():
        fields = {}
        for key in (key for key in ds.data_vars if str(key).startswith(f"{law}__")):
            da, name = ds[key], str(key).partition("__")[2]
            dims, coords, values = da.dims[:-2], {}, None
            if name == "sample":
                time = ds[f"{law}__time"].values
                near = np.arange(time.size)
                if attrs["season"] == "dayofyear":
                    near = _within(slots(time, "dayofyear"), wanted, days=attrs["half_window"])
                order = np.argsort(time[near])
                values = da[near].values[order]
                dims, coords = ("sample_time",), {"sample_time": time[near][order]}
            elif "dayofyear" in da.dims and wanted.size < SLOTS["dayofyear"] // 2:
                values = np.full(da.shape, np.nan, da.dtype)
                for slot in wanted - 1:
                    values[slot] = da[slot].values
            else:
                values = da.values
            fields[name] = xr.DataArray(
                values.reshape(*values.shape[:-2], -1), coords, (*dims, "cell"), attrs=da.attrs
            )
        found[law] = xr.Dataset(fields, attrs=attrs)
    return found


def _within(slot: NDArray[np.int64], wanted: NDArray[np.int64], *, days: int) -> NDArray[np.int64]:
    """Places of the days of the year that lie so near to one wanted, the year's end wrapped."""
    return np.flatnonzero((slots_apart(slot[:, None], wanted) <= days).any(axis=1))


def frame(
    like: Mapping[str, xr.DataArray],
    times: Days,
    space: Space,
    *,
    available: datetime,
    reference: str,
) -> xr.Dataset:
    """Lay out steps of indices with nothing in them yet.

    Parameters
    ----------
    like
        By name variables with their attributes, of any shape.
    times
        Steps.
    space
        Latitudes and longitudes.
    available
        Moment that the steps count as available from.
    reference
        Id of the fit; it stands beside each step as ``digest``.
    """
    dims = ("time", "lat", "lon")
    shape = (len(times), *(len(axis) for axis in space.values()))
    fields = {}
    for name, da in like.items():
        kind, step = _kind(da)
        encoding = {"dtype": kind, "scale_factor": np.float32(step), "_FillValue": _fill(kind)}
        fields[name] = _empty(dims, shape, "f4", da.attrs, encoding)
    beside = {"available_time": utc64(available), "digest": mark(reference)}
    steps = {name: ("time", np.full(len(times), value)) for name, value in beside.items()}
    return xr.Dataset(fields, {"time": times, **space, **steps})


def shelf(
    laws: Mapping[str, xr.Dataset], space: Space, *, available: datetime, snapshot: str
) -> xr.Dataset:
    """Lay out the parameters of laws with nothing in them yet, and say what they rest on."""
    fields, coords = {}, dict[str, Any](space)
    for law, ds in laws.items():
        for name, da in ds.items():
            dims = tuple(str(dim).replace("sample_time", f"{law}__step") for dim in da.dims[:-1])
            shape = (*da.shape[:-1], *(len(axis) for axis in space.values()))
            where = (*dims, "lat", "lon")
            fields[f"{law}__{name}"] = _empty(where, shape, da.dtype, da.attrs, {})
            if name == "sample":
                time = da["sample_time"].values
                coords[f"{law}__time"] = (dims, time[_by_season(time)])
    attrs = {
        "definitions": json.dumps({name: law.attrs for name, law in laws.items()}),
        **stated(laws["spi_90d"]),
        "available_time": available.isoformat(),
        "snapshot": snapshot,
    }
    return xr.Dataset(fields, coords, attrs)


def _empty(
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: DTypeLike,
    attrs: dict[str, Any],
    encoding: dict[str, Any],
) -> xr.Variable:
    """Array that takes no room before something is written to it."""
    chunks = tuple(_CHUNKS.get(dim, _CHUNKS["sample"]) for dim in dims)
    how = {"chunks": chunks, "compressors": BloscCodec(cname="lz4", shuffle="bitshuffle")}
    values = np.broadcast_to(np.full((), np.nan, dtype), shape)
    return xr.Variable(dims, values, attrs, {"_FillValue": np.nan, **encoding, **how})


def mark(reference: str) -> int:
    """Id of a fit as the number that stands beside each step made with it."""
    return int.from_bytes(bytes.fromhex(reference), "big", signed=True)
