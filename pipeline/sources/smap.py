"""SMAP soil moisture on the EASE-Grid 2.0: level 4 (9 km) and the level 3 radiometer grid (36 km).

* SPL4SMGP, 3-hourly `SMAP_L4_SM_gph_YYYYMMDDTHHMMSS_Vvxxxx_nnn.h5`: `sm_rootzone` (0-100 cm).
* SPL4SMAU, analysis update `SMAP_L4_SM_aup_...h5`, whole or subset: `sm_profile_analysis`, which
  is the whole profile down to bedrock, the nearest thing to the root zone in that product.
* SPL3SMP, daily `SMAP_L3_SM_P_YYYYMMDD_...h5`: `soil_moisture` of the morning pass, the top 5 cm;
  it comes out as ``soil_moisture_surface``.

References
----------
Brodzik et al. 2012, EASE-Grid 2.0 (EPSG:6933); Reichle et al. 2022, SPL4SMGP v7 product
specification.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from pyproj import Transformer

from pipeline.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule
from pipeline.sources.hdf import masked, opened, positions, text, variable, window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

_NAME = re.compile(r"SMAP_L(?:4_SM_(gph|aup)|3_SM_(P))_(\d{8})(?:T(\d{6}))?_(\w+?)_\d{3}\.h5")
_FIELDS = {
    "gph": ("Geophysical_Data", "sm_rootzone", "soil_moisture"),
    "aup": ("Analysis_Data", "sm_profile_analysis", "soil_moisture"),
    "P": ("Soil_Moisture_Retrieval_Data_AM", "soil_moisture", "soil_moisture_surface"),
}
_EASE = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True)
_HALF_SLOT = timedelta(minutes=90)
_SLOT = 12
"""Hour at which the one 3-hour slot of a day begins that a night takes; soil moves slowly."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """One level 4 granule a day, the slot 12-15 UTC, that begins in an interval and has ended.

    Parameters
    ----------
    source
        ``smap``.
    start, end
        Half-open interval, UTC.
    asof
        Nothing that ends later is named.
    """
    time = start.replace(hour=_SLOT, minute=0, second=0, microsecond=0)
    time += timedelta(days=time < start)
    while time < end and time + 2 * _HALF_SLOT <= asof:
        middle = time + _HALF_SLOT
        yield Granule(
            source, f"SMAP/SPL4SMGP/008/{middle:%Y/%m/%d}",
            f"SMAP_L4_SM_gph_{middle:%Y%m%dT%H%M%S}_Vv????_???.h5", time, time + 2 * _HALF_SLOT,
        )  # fmt: skip
        time += timedelta(days=1)


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one granule: each cell takes the pixel that holds its centre.

    Parameters
    ----------
    path
        File of one of the three products.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        ``soil_moisture`` or ``soil_moisture_surface`` (m3 m-3), one time step; NaN outside the
        file, over water and where nothing was retrieved.

    Raises
    ------
    BadGranule
        Not such a file, cut short, without its variable, of another shape than its axes, or with
        a time that is not that of its name.
    """
    with opened(path) as file:
        found = [k for k, (group, *_) in _FIELDS.items() if group in file]
        if not found:
            groups = " or ".join(group for group, *_ in _FIELDS.values())
            raise BadGranule(path, expected=f"group {groups}", found=", ".join(file))
        kind = found[0]
        group, field, name = _FIELDS[kind]
        data = variable(file[group], (field,), path)
        said = _NAME.search(path.name) or _NAME.search(text(file, "Filename"))
        if said is None or (said[1] or said[2]) != kind:
            raise BadGranule(path, expected=f"the name of a {kind} file", found=path.name)
        day, clock, version = said[3], said[4] or "000000", said[5]
        time = datetime.strptime(f"{day}{clock}Z", "%Y%m%d%H%M%S%z")
        _agree(file, time, path)
        lat, lon = _axes(file, path)
        if data.shape != (lat.size, lon.size):
            raise BadGranule(path, expected=f"{lat.size} x {lon.size}", found=str(data.shape))
        rows = positions(_northing(lat), _northing(grid.lat))  # rows are even in metres
        columns = positions(lon, grid.lon)
        if (rows < 0).all() or (columns < 0).all():
            raise BadGranule(
                path, expected=f"pixels in {grid.lat_min}..{grid.lat_max} N, "
                f"{grid.lon_min}..{grid.lon_max} E",
                found=f"{lat.min():.2f}..{lat.max():.2f} N, {lon.min():.2f}..{lon.max():.2f} E",
            )  # fmt: skip
        down, across = window(rows), window(columns)
        fill = float(np.ravel(data.attrs.get("_FillValue", -9999.0))[0])
        slab = masked(data[down, across], fill)
        virtual = "virtual" in text(file, "Source").lower()
    values = np.full(grid.shape, np.nan, np.float32)
    values[np.ix_(rows >= 0, columns >= 0)] = slab[
        np.ix_(rows[rows >= 0] - down.start, columns[columns >= 0] - across.start)
    ]
    begin = time - _HALF_SLOT if kind == "gph" else time
    ds = grid.dataset(np.array([np.datetime64(begin.replace(tzinfo=None))]), **{name: values[None]})
    return ds.assign_attrs(version=version, origin="virtual" if virtual else "measured")


def _agree(file: h5py.File, named: datetime, path: Path) -> None:
    """Raise where the file has a time and it is not that of its name, to the minute or two.

    SMAP counts from 2000-01-01 11:58:55.816 UTC without minding leap seconds since.
    """
    if "time" not in file:
        return
    epoch = re.fullmatch(r"seconds since (\S+ [\d:]+)(\.\d+)?", text(file["time"], "units"))
    if epoch is None:
        raise BadGranule(
            path, expected="time in seconds since an epoch", found=text(file["time"], "units")
        )
    since = datetime.strptime(f"{epoch[1]}Z", "%Y-%m-%d %H:%M:%S%z").astimezone(UTC)
    seconds = float(np.ravel(file["time"][...])[0]) + float(epoch[2] or 0)
    time = since + timedelta(seconds=seconds)
    if abs(time - named) > timedelta(seconds=120):
        raise BadGranule(path, expected=f"time {named} as in its name", found=str(time))


def _axes(file: h5py.File, path: Path) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Latitude of each row and longitude of each column, degrees."""
    morning = file.get("Soil_Moisture_Retrieval_Data_AM")
    if morning is not None:
        lat = masked(variable(morning, ("latitude",), path)[:], -9999.0)
        lon = masked(variable(morning, ("longitude",), path)[:], -9999.0)
        return _row_mean(lat, axis=1), _row_mean(lon, axis=0)
    if "cell_lat" in file and "cell_lon" in file:
        return np.asarray(file["cell_lat"][:, 0], "f8"), np.asarray(file["cell_lon"][0, :], "f8")
    x, y = (np.float64(variable(file, (name,), path)[:]) for name in ("x", "y"))
    lon, _ = _EASE.transform(x, np.zeros_like(x), direction="INVERSE")
    _, lat = _EASE.transform(np.zeros_like(y), y, direction="INVERSE")
    return np.asarray(lat), np.asarray(lon)


def _northing(lat: NDArray[np.floating]) -> NDArray[np.floating]:
    """Distance north on the EASE-Grid, metres."""
    _, north = _EASE.transform(np.zeros_like(lat), lat)
    return np.asarray(north)


def _row_mean(values: NDArray[np.float32], *, axis: int) -> NDArray[np.float64]:
    """Mean of what is there along an axis: level 3 leaves coordinates empty outside the swaths."""
    return np.asarray(np.nanmean(values, axis=axis), np.float64)
