"""The areal record: daily means per zone as issued the next morning, one netCDF file per year.

Written by the virtual basin, and by the project from a gridded record. Dims (time, zone);
``available_time`` is the time at which each day became known.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.geography.variables import VARIABLES, attributes
from pipeline.sources.base import BadGranule, Granule, time_steps
from pipeline.sources.formats.chunks import AXIS
from pipeline.sources.formats.hdf import get_member, guard, open_hdf5

_TIMES = ("time", "available_time")
NAMES = ("rain", "coverage", "soil_moisture", "ndvi", "lst")


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the whole years that overlap an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``zones``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    new_year = datetime(start.year, 1, 1, tzinfo=UTC)
    for first, after in time_steps(new_year, end, asof, "year"):
        yield Granule(source, "zones", f"areal_record_{first:%Y}.nc", first, after)


def read(path: Path) -> xr.Dataset:
    """Read one year of the areal record.

    Parameters
    ----------
    path
        File as :func:`pipeline.virtual.tables.write_areal_record` writes it.

    Returns
    -------
    xarray.Dataset
        Dims (time, zone); ``rain`` (mm per day), ``coverage``, ``soil_moisture``, ``ndvi``,
        ``lst`` as float32, and the coordinate ``available_time`` (time), UTC.

    Raises
    ------
    BadGranule
        A variable, unit or coordinate is missing or another, a value is impossible, or days are
        not whole, in order and known only afterwards.
    """
    with open_hdf5(path) as file:
        for name in (*NAMES, *_TIMES):
            get_member(file, name, path)
        if "zone" in file and file["zone"].size > AXIS:
            raise BadGranule(path, expected=f"at most {AXIS} zones", found=str(file["zone"].size))
        unused = set(file) - {*NAMES, *_TIMES, "zone"}
    with (
        guard(path),
        xr.open_dataset(path, engine="h5netcdf", drop_variables=unused) as stored,
    ):
        return _check_record(stored.load(), path)


def _check_record(ds: xr.Dataset, path: Path) -> xr.Dataset:
    """Raise where the record lacks a part or has other units, impossible values or wrong order."""
    missing = {*NAMES, "time", "zone", "available_time", "origin"} - {*ds.variables, *ds.attrs}
    if missing:
        raise BadGranule(
            path, expected=", ".join(sorted(missing)), found=", ".join(map(str, ds.variables))
        )
    for name in NAMES:
        data, row = ds[name], VARIABLES[name]
        if data.dims != ("time", "zone") or data.attrs.get("units") != row.units:
            raise BadGranule(
                path,
                expected=f"{name} (time, zone) in {row.units}",
                found=f"{data.dims} in {data.attrs.get('units')}",
            )
        if bool(((data < row.valid_min - 1e-6) | (data > row.valid_max)).any()):
            raise BadGranule(
                path,
                expected=f"{name} in {row.valid_min}..{row.valid_max}",
                found=f"{float(data.min())}..{float(data.max())}",
            )
        ds[name].attrs = attributes(name)
    time, known = ds["time"].values, ds["available_time"].values
    if not time.size or (time != time.astype("datetime64[D]")).any() or (np.diff(time) <= 0).any():
        raise BadGranule(path, expected="days in order", found=f"{time[:3]}")
    if (known <= time).any():
        raise BadGranule(
            path, expected="days known afterwards", found="days known before they were"
        )
    ds = ds.assign_coords(available_time=("time", known.astype("datetime64[ns]")))
    return (
        ds[list(NAMES)]
        .astype(np.float32)
        .assign_attrs(origin=ds.attrs["origin"], version=str(ds.attrs.get("version", "")))
    )
