"""Write the published netCDF files."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.times import format_utc


def write_netcdf(ds: xr.Dataset, *, title: str, source: str, issue_time: datetime) -> bytes:
    """Write a dataset as CF-1.11 netCDF-4; the same dataset gives the same bytes.

    Parameters
    ----------
    ds
        Variables with units.
    title, source
        CF global attributes.
    issue_time
        Moment of the run.

    Raises
    ------
    ValueError
        A variable has no units.
    """
    bare = [str(name) for name, array in ds.data_vars.items() if "units" not in _attributes(array)]
    if bare:
        raise ValueError(f"expected units on every variable, found none on {bare}")
    stamp = format_utc(issue_time)
    attrs = {
        "Conventions": "CF-1.11",
        "title": title,
        "source": source,
        "issue_time": stamp,
        "history": f"{stamp} computed by the run of this issue time",
    }
    # to_netcdf drops what it is not given again: without its grid mapping a variable has no CRS
    encoding = {name: _encoding(array) for name, array in ds.variables.items()}
    # The archive's encoding names coordinates that were left behind there.
    ds = ds.drop_encoding().assign_attrs(attrs)
    for array in ds.data_vars.values():
        if "flag_values" in array.attrs:
            array.attrs["flag_values"] = np.asarray(array.attrs["flag_values"], array.dtype)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "risk.nc"
        ds.to_netcdf(path, engine="netcdf4", encoding=encoding)
        return path.read_bytes()


def _encoding(array: xr.Variable) -> dict[str, Any]:
    """Return how a variable is stored: compressed, with its grid mapping, times in seconds."""
    if array.dtype.kind == "M":
        return {"units": "seconds since 1970-01-01", "dtype": "int64"}
    kept = {key: array.encoding[key] for key in ("grid_mapping",) if key in array.encoding}
    packed = array.dtype.kind in "fiu" and array.ndim
    return kept | ({"zlib": True, "complevel": 4} if packed else {})


def _attributes(array: xr.DataArray) -> set[str]:
    """Names of attributes and encoding; ``units`` too where the type needs none."""
    units_names = (
        {"units"} if array.dtype.kind in "MSUO" or "grid_mapping_name" in array.attrs else set()
    )
    return units_names | {str(key) for key in (*array.attrs, *array.encoding)}
