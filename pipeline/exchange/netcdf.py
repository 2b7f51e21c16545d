"""Write the published netCDF files."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS

from pipeline.times import format_utc

COMMON = {
    "Conventions": "CF-1.11, ACDD-1.3",
    "project": "mekong-early-warning",
    "naming_authority": "mekong-early-warning",
    "keywords_vocabulary": "none",
    "processing_level": "indices of areas and gauges, made of satellite products and readings",
    "license": "Apache-2.0 for what this project adds; the products and readings that went in keep "
    "the terms of their providers",
    "references": "McKee et al. 1993 and WMO-No. 1090 (SPI); Vicente-Serrano et al. 2010 (SPEI); "
    "of each index: docs/indices.md of the source code",
    "comment": "Decision support: public warnings are the task of the national services",
}
"""Global attributes of every file."""


def write_netcdf(
    ds: xr.Dataset, *, title: str, source: str, issue_time: datetime, **attributes: str
) -> bytes:
    """Write a dataset as :func:`save_netcdf` does; the same dataset gives the same bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "risk.nc"
        save_netcdf(ds, path, title=title, source=source, issue_time=issue_time, **attributes)
        return path.read_bytes()


def save_netcdf(
    ds: xr.Dataset,
    path: Path,
    *,
    title: str,
    source: str,
    issue_time: datetime,
    **attributes: str,
) -> None:
    """Save a dataset as CF-1.11 netCDF-4, block by block where it is lazy.

    Texts are stored as characters.

    Parameters
    ----------
    ds
        Variables with units.
    path
        File.
    title, source, issue_time, **attributes
        As of :func:`describe_dataset`.

    Raises
    ------
    ValueError
        A variable has no units.
    """
    # to_netcdf drops what it is not given again: without its grid mapping a variable has no CRS
    encoding = {str(name): _encoding(str(name), array) for name, array in ds.variables.items()}
    ds = describe_dataset(ds, title=title, source=source, issue_time=issue_time, **attributes)
    ds.to_netcdf(path, engine="netcdf4", encoding=encoding)


def describe_dataset(
    ds: xr.Dataset, *, title: str, source: str, issue_time: datetime, **attributes: str
) -> xr.Dataset:
    """Give a dataset the attributes of CF-1.11 and ACDD-1.3, and no encoding of its own.

    In a file of time series at places (``featureType``) each variable names its times and positions
    under ``coordinates``, and their CRS; its first dimension is the place.

    Parameters
    ----------
    ds
        Variables with units.
    title, source
        CF global attributes.
    issue_time
        Moment of the run.
    **attributes
        More global attributes, as ``summary``, ``keywords`` and ``institution``.

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
        **COMMON,
        "title": title,
        "source": source,
        "issue_time": stamp,
        "date_created": stamp,
        "history": f"{stamp} computed by the run of this issue time",
        **_describe_extent(ds),
        **attributes,
    }
    # The archive's encoding names coordinates that were left behind there.
    ds = ds.drop_encoding().assign_attrs(attrs)
    for name, array in ds.data_vars.items():
        array.attrs["coverage_content_type"] = _classify_content(str(name), array)
        if "flag_values" in array.attrs:
            array.attrs["flag_values"] = np.asarray(array.attrs["flag_values"], array.dtype)
    if "featureType" in ds.attrs:
        located = {str(name): " ".join(_locate(ds, str(name))) for name in ds.data_vars}
        # GDAL takes no field from what `coordinates` names: there, points would have no names.
        labels = [name for name, coord in ds.coords.items() if not _locates(coord)]
        ds = ds.reset_coords([name for name in labels if name not in ds.dims])
        ds = ds.assign(crs=((), np.int32(0), CRS.from_epsg(4326).to_cf()))
        ds = ds.transpose(*ds["lat"].dims, ...)
        for name, array in ds.data_vars.items():
            array.encoding["coordinates"] = located.get(str(name))
            if set(ds["lat"].dims) <= set(array.dims):
                array.attrs["grid_mapping"] = "crs"
    return ds


def _locate(ds: xr.Dataset, name: str) -> list[str]:
    """Names of the times and positions of a variable, times first."""
    return sorted(
        (
            str(key)
            for key, coord in ds.coords.items()
            if set(coord.dims) <= set(ds[name].dims) and _locates(coord)
        ),
        key=lambda key: (ds[key].dtype.kind != "M", key not in ds.dims),
    )


def _locates(coord: xr.DataArray) -> bool:
    """Return whether a coordinate is a time or a position: no label, no bounds."""
    return coord.ndim == 1 and coord.dtype.kind in "Mf"


def _describe_extent(ds: xr.Dataset) -> dict[str, Any]:
    """ACDD's attributes of where and when: degrees on WGS 84, times in UTC."""
    extent: dict[str, Any] = {}
    for name in ("lat", "lon"):
        if name in ds.coords and np.isfinite(ds[name]).any():
            extent[f"geospatial_{name}_min"] = float(ds[name].min())
            extent[f"geospatial_{name}_max"] = float(ds[name].max())
            extent[f"geospatial_{name}_units"] = str(ds[name].attrs.get("units", ""))
    if len(extent) == 6:
        south, north, west, east = (
            extent[f"geospatial_{name}_{end}"] for name in ("lat", "lon") for end in ("min", "max")
        )
        corners = [(south, west), (south, east), (north, east), (north, west), (south, west)]
        ring = ", ".join(f"{lat} {lon}" for lat, lon in corners)
        extent |= {"geospatial_bounds": f"POLYGON (({ring}))", "geospatial_bounds_crs": "EPSG:4326"}
    if "time_bnds" in ds.variables:
        begin, end = ds["time_bnds"].values[0, 0], ds["time_bnds"].values[-1, 1]
        for name, moment in (("start", begin), ("end", end)):
            extent[f"time_coverage_{name}"] = f"{moment.astype('datetime64[s]')}Z"
        days = (end - begin) // np.timedelta64(1, "D")
        extent["time_coverage_duration"] = f"P{days}D"
    return extent


def _classify_content(name: str, array: xr.DataArray) -> str:
    """ISO 19115-1 code of what a variable is."""
    if "flag_values" in array.attrs:
        return "thematicClassification"
    if "share" in name or name == "coverage":
        return "qualityInformation"
    return "physicalMeasurement" if "standard_name" in array.attrs else "modelResult"


def _encoding(name: str, array: xr.Variable) -> dict[str, Any]:
    """Return how a variable is stored.

    Numbers are compressed, with their grid mapping; times in seconds; texts as characters, which
    every reader takes.
    """
    if array.dtype.kind == "M":
        return {"units": "seconds since 1970-01-01", "dtype": "int64"}
    if array.dtype.kind in "UO":
        return {"dtype": "S1", "char_dim_name": f"{name}_strlen"}
    kept = {key: array.encoding[key] for key in ("grid_mapping",) if key in array.encoding}
    packed = array.dtype.kind in "fiu" and array.ndim
    # A coordinate of the grid has a value at every step: CF wants no fill value there.
    whole = {"_FillValue": None} if array.dims == (name,) else {}
    return kept | whole | ({"zlib": True, "complevel": 4} if packed else {})


def _attributes(array: xr.DataArray) -> set[str]:
    """Names of attributes and encoding; ``units`` too where the type needs none."""
    units_names = (
        {"units"} if array.dtype.kind in "MSUO" or "grid_mapping_name" in array.attrs else set()
    )
    return units_names | {str(key) for key in (*array.attrs, *array.encoding)}
