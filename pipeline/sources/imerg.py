"""GPM IMERG rain: half-hourly HDF5 and daily netCDF-4, versions 06 and 07, whole or subset.

Files: `3B-HHR[-E|-L].MS.MRG.3IMERG.20240630-S233000-E235959.1410.V07B.HDF5` and
`3B-DAY[-E|-L].MS.MRG.3IMERG.20240630-S000000-E235959.V07B.nc4`, laid out as GES DISC does.

References
----------
Huffman et al. 2023, IMERG V07 Technical Documentation, NASA GSFC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipeline.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule
from pipeline.sources.hdf import masked, opened, positions, text, variable, window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

_NAME = re.compile(
    r"3B-(HHR|DAY)(?:-[EL])?\.MS\.MRG\.3IMERG\.(\d{8})-S(\d{6})-E\d{6}(?:\.\d{4})?\.(V0\d[A-Z]?)\."
)
_RUNS = {"imerg_late": "L", "imerg_early": "E"}
_HALF_HOUR = timedelta(minutes=30)
_PER_DAY = 48


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """Granules that begin in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``imerg_late``, ``imerg_early`` or ``imerg_daily`` (the Late run).
    start, end
        Half-open interval, UTC.
    asof
        Nothing that ends later is named.
    """
    if source == "imerg_daily":
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        day += timedelta(days=day < start)
        while day < end and day + timedelta(days=1) <= asof:
            yield Granule(
                source, f"GPM_L3/GPM_3IMERGDL.07/{day:%Y/%m}",
                f"3B-DAY-L.MS.MRG.3IMERG.{day:%Y%m%d}-S000000-E235959.V0*.nc4",
                day, day + timedelta(days=1),
            )  # fmt: skip
            day += timedelta(days=1)
        return
    run = _RUNS[source]
    since = (start - datetime(1980, 1, 6, tzinfo=UTC)) % _HALF_HOUR
    time = start + (_HALF_HOUR - since if since else timedelta())
    while time < end and time + _HALF_HOUR <= asof:
        last = time + _HALF_HOUR - timedelta(seconds=1)
        minute = time.hour * 60 + time.minute
        yield Granule(
            source, f"GPM_L3/GPM_3IMERGHH{run}.07/{time:%Y/%j}",
            f"3B-HHR-{run}.MS.MRG.3IMERG.{time:%Y%m%d-S%H%M%S}-E{last:%H%M%S}.{minute:04d}.V0*.HDF5",
            time, time + _HALF_HOUR,
        )  # fmt: skip
        time += _HALF_HOUR


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read the window of one granule.

    Parameters
    ----------
    path
        Half-hourly or daily file; its name is the provider's.
    grid
        Target grid of 0.1 degree whose cells are IMERG's.

    Returns
    -------
    xarray.Dataset
        One time step. Half-hourly: ``rain_rate`` (mm h-1). Daily: ``rain`` (mm, the mean rate of
        the day's valid half-hours over 24 h) and ``n_valid`` (half-hours that went in, NaN where
        the file does not say). Cells outside the file are NaN.

    Raises
    ------
    BadGranule
        Not IMERG, cut short, without the rain variable or its units, on another grid, or with a
        time that is not that of its name.
    """
    with opened(path) as file:
        group = file.get("Grid", file)
        rain = variable(group, ("precipitation", "precipitationCal"), path)
        name = _NAME.search(path.name)
        if name is None:
            raise BadGranule(path, expected="an IMERG file name", found=path.name)
        kind, day, clock, version = name.groups()
        time = _time(variable(group, ("time",), path), path)
        named = np.datetime64(datetime.strptime(day + clock + "Z", "%Y%m%d%H%M%S%z")
                              .replace(tzinfo=None), "ns")  # fmt: skip
        if time != named:
            raise BadGranule(path, expected=f"time {named} as in its name", found=str(time))
        rows, columns = _cells(group, grid, path)
        if rain.ndim != 3 or rain.shape != (1, group["lon"].size, group["lat"].size):
            raise BadGranule(
                path, expected=f"dims (time, lon, lat) of 1 x {group['lon'].size} x "
                f"{group['lat'].size}", found=str(rain.shape),
            )  # fmt: skip
        if kind == "HHR":
            _units(rain, ("mm/hr", "mm/h"), path)
            ds = grid.dataset(np.array([time]), rain_rate=_box(rain, rows, columns)[None])
        else:
            total, n_valid = _daily(group, rain, rows, columns, path)
            ds = grid.dataset(np.array([time]), rain=total[None], n_valid=n_valid[None])
        virtual = "ProcessingSystem=VIRTUAL" in text(file, "FileHeader")
    least = float(np.nanmin(ds[next(iter(ds))].values, initial=0.0))
    if least < 0:
        raise BadGranule(path, expected="rain of at least 0", found=f"{least}")
    return ds.assign_attrs(version=version, origin="virtual" if virtual else "measured")


def _daily(
    group: h5py.Group,
    rain: h5py.Dataset,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    path: Path,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Total of the day (mm) and the half-hours that went into it.

    V07 stores the mean rate of the valid half-hours in mm/day; V06 stored their sum, half of
    their rates in mm/h each, which is raised here to 48 half-hours where the count is in the file.
    """
    values = _box(rain, rows, columns)
    if rain.name.endswith("precipitation"):
        _units(rain, ("mm/day",), path)
        n_valid = _box(variable(group, ("precipitation_cnt",), path), rows, columns)
        values[~(n_valid > 0)] = np.nan
        return values, n_valid
    _units(rain, ("mm",), path)
    if "precipitationCal_cnt" not in group:
        return values, np.full_like(values, np.nan)
    n_valid = _box(group["precipitationCal_cnt"], rows, columns)
    values[~(n_valid > 0)] = np.nan
    values *= _PER_DAY / np.fmax(n_valid, 1)
    return values, n_valid


def _time(time: h5py.Dataset, path: Path) -> np.datetime64:
    """Start of the step.

    The files call the calendar julian; the count is of civil days all the same, without leap
    seconds, so it is added to the epoch as it stands.
    """
    found = re.fullmatch(r"(seconds|days) since (\d{4}-\d\d-\d\d) 00:00:00 ?(?:UTC|Z)?",
                         text(time, "units"))  # fmt: skip
    if found is None or time.size != 1:
        raise BadGranule(
            path, expected="one time in seconds or days since an epoch",
            found=f"{time.size} in {text(time, 'units')!r}",
        )  # fmt: skip
    scale = {"seconds": 1, "days": 86_400}[found[1]]
    seconds = round(float(time[:].ravel()[0]) * scale)
    return np.datetime64(found[2], "ns") + np.timedelta64(seconds, "s")


def _cells(
    group: h5py.Group, grid: Grid, path: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index of each grid row in the file's latitudes and of each column in its longitudes."""
    lat = variable(group, ("lat",), path)[:]
    lon = variable(group, ("lon",), path)[:]
    wanted = grid.lon % 360 if lon.max() > 180 else grid.lon
    rows, columns = positions(lat, grid.lat), positions(lon, wanted)
    if (rows < 0).all() or (columns < 0).all():
        raise BadGranule(
            path,
            expected=f"cells in {grid.lat_min}..{grid.lat_max} N, {grid.lon_min}..{grid.lon_max} E",
            found=f"{lat.min():.2f}..{lat.max():.2f} N, {lon.min():.2f}..{lon.max():.2f} E",
        )
    off = max(
        np.abs(lat[rows[rows >= 0]] - grid.lat[rows >= 0]).max(),
        np.abs(lon[columns[columns >= 0]] - wanted[columns >= 0]).max(),
    )
    if off > 0.001:
        raise BadGranule(path, expected="cell centres of the grid", found=f"centres {off:.3f} off")
    return rows, columns


def _box(
    data: h5py.Dataset, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cells of the grid, (lat, lon) north-up, NaN where fill or outside; one hyperslab is read."""
    across, down = window(columns), window(rows)
    fill = float(np.ravel(data.attrs.get("_FillValue", -9999.9))[0])
    slab = masked(data[0, across, down], fill).T
    found = np.full((len(rows), len(columns)), np.nan, np.float32)
    inside = np.ix_(rows >= 0, columns >= 0)
    found[inside] = slab[np.ix_(rows[rows >= 0] - down.start, columns[columns >= 0] - across.start)]
    return found


def _units(data: h5py.Dataset, allowed: tuple[str, ...], path: Path) -> None:
    """Raise unless the variable has one of the units."""
    if (units := text(data, "units")) not in allowed:
        raise BadGranule(path, expected=f"units {' or '.join(allowed)}", found=units or "none")
