"""Encoding of the grid's parameters and indices in the archive: chunks, packing, names.

Indices are whole numbers of a thousandth (standardised), a hundredth (percent, years) or a tenth
(mm), which :meth:`pipeline.storage.archive.Archive.read` unpacks; parameters are stored as fitted,
under ``index__parameter``. A sample is stored by day of the year, so that a night reads only its
season.
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

from pipeline.indices.common import SLOTS, copy_reference_attrs, slot_distance, slots
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
"""Stored type and step by units; ``class`` for variables with flags."""
_ROWS = 64
"""Steps packed at a time: the passes over them stay in cache."""


def pack(da: xr.DataArray) -> NDArray[np.integer]:
    """Pack an index into whole steps; missing values become a number that no index has.

    Examples
    --------
    >>> pack(xr.DataArray([0.1234, np.nan, -3.0], attrs={"units": "1"})).tolist()
    [123, -32768, -3000]
    """
    kind, step = _kind(da)
    info, fill = np.iinfo(kind), _fill(kind)
    packed: NDArray[np.integer] = np.empty(da.shape, kind)
    for begin in range(0, len(packed), _ROWS):
        block = slice(begin, begin + _ROWS)
        values = da.values[block] * np.float32(1 / step)
        missing = np.isnan(values)
        np.rint(values, out=values)
        np.clip(values, info.min, info.max - (fill == info.max), out=values)
        values[missing] = fill
        packed[block] = values
    return packed


def _kind(da: xr.DataArray) -> tuple[str, float]:
    return _PACKED["class" if "flag_values" in da.attrs else da.attrs["units"]]


def _fill(kind: str) -> int:
    info = np.iinfo(kind)
    return info.max if kind.startswith("u") else info.min


def flatten(params: Mapping[str, xr.Dataset]) -> dict[str, NDArray[np.floating]]:
    """Return all parameters by their names in the archive, the cells last."""
    arrays = {}
    for index, ds in params.items():
        for name, da in ds.items():
            ordered = da
            if name == "sample":
                ordered = da.isel(sample_time=_by_season(da["sample_time"].values))
            arrays[f"{index}__{name}"] = ordered.transpose(..., "cell").values
    return arrays


def _by_season(time: Days) -> NDArray[np.int64]:
    return np.lexsort((time, slots(time, "dayofyear")))


def unflatten(ds: xr.Dataset, *, days: Days) -> dict[str, xr.Dataset]:
    """Return the parameters of some cells, for the seasons of the given days.

    Parameters
    ----------
    ds
        From :meth:`pipeline.storage.archive.Archive.reference`, cut to the cells.
    days
        Days to which they are applied; parameters of months do not depend on them.
    """
    day_slots = np.unique(slots(days, "dayofyear"))
    params = {}
    for index, attrs in json.loads(ds.attrs["definitions"]).items():
        fields = {}
        for key in (key for key in ds.data_vars if str(key).startswith(f"{index}__")):
            da, name = ds[key], str(key).partition("__")[2]
            dims, coords, values = da.dims[:-2], {}, None
            if name == "sample":
                time = ds[f"{index}__time"].values
                near = np.arange(time.size)
                if attrs["season"] == "dayofyear":
                    near = _find_near(
                        slots(time, "dayofyear"), day_slots, days=attrs["half_window"]
                    )
                order = np.argsort(time[near])
                values = da[near].values[order]
                dims, coords = ("sample_time",), {"sample_time": time[near][order]}
            elif "dayofyear" in da.dims and day_slots.size < SLOTS["dayofyear"] // 2:
                values = np.full(da.shape, np.nan, da.dtype)
                for slot in day_slots - 1:
                    values[slot] = da[slot].values
            else:
                values = da.values
            fields[name] = xr.DataArray(
                values.reshape(*values.shape[:-2], -1), coords, (*dims, "cell"), attrs=da.attrs
            )
        params[index] = xr.Dataset(fields, attrs=attrs)
    return params


def _find_near(
    slot: NDArray[np.int64], day_slots: NDArray[np.int64], *, days: int
) -> NDArray[np.int64]:
    """Return the positions of slots within so many days of one of the others; the year wraps."""
    return np.flatnonzero((slot_distance(slot[:, None], day_slots) <= days).any(axis=1))


def build_step_template(
    like: Mapping[str, xr.DataArray],
    times: Days,
    space: Space,
    *,
    available: datetime,
    reference: str,
) -> xr.Dataset:
    """Build the empty template of steps of indices.

    Parameters
    ----------
    like
        Variables by name with their attributes, of any shape.
    times
        Steps.
    space
        Latitudes and longitudes.
    available
        Time from which the steps are available.
    reference
        Id of the fit; stored with each step as ``digest``.
    """
    dims = ("time", "lat", "lon")
    shape = (len(times), *(len(axis) for axis in space.values()))
    fields = {}
    for name, da in like.items():
        kind, step = _kind(da)
        encoding = {"dtype": kind, "scale_factor": np.float32(step), "_FillValue": _fill(kind)}
        fields[name] = _empty(dims, shape, "f4", da.attrs, encoding)
    step_values = {"available_time": utc64(available), "digest": to_marker(reference)}
    steps = {name: ("time", np.full(len(times), value)) for name, value in step_values.items()}
    return xr.Dataset(fields, {"time": times, **space, **steps})


def build_reference_template(
    params: Mapping[str, xr.Dataset], space: Space, *, available: datetime, snapshot: str
) -> xr.Dataset:
    """Build the empty template of parameters, with their definitions as attributes."""
    fields, coords = {}, dict[str, Any](space)
    for index, ds in params.items():
        for name, da in ds.items():
            dims = tuple(str(dim).replace("sample_time", f"{index}__step") for dim in da.dims[:-1])
            shape = (*da.shape[:-1], *(len(axis) for axis in space.values()))
            grid_dims = (*dims, "lat", "lon")
            fields[f"{index}__{name}"] = _empty(grid_dims, shape, da.dtype, da.attrs, {})
            if name == "sample":
                time = da["sample_time"].values
                coords[f"{index}__time"] = (dims, time[_by_season(time)])
    attrs = {
        "definitions": json.dumps({name: ds.attrs for name, ds in params.items()}),
        **copy_reference_attrs(params["spi_90d"]),
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
    """Return an array that takes no memory before it is written to."""
    chunks = tuple(_CHUNKS.get(dim, _CHUNKS["sample"]) for dim in dims)
    storage = {"chunks": chunks, "compressors": BloscCodec(cname="lz4", shuffle="bitshuffle")}
    values = np.broadcast_to(np.full((), np.nan, dtype), shape)
    return xr.Variable(dims, values, attrs, {"_FillValue": np.nan, **encoding, **storage})


def to_marker(reference: str) -> int:
    """Return the id of a fit as the number stored with each step computed with it."""
    return int.from_bytes(bytes.fromhex(reference), "big", signed=True)
