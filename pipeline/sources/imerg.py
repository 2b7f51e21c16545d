"""GPM IMERG rain: half-hourly HDF5 and daily netCDF-4 of any version, whole or subset.

Files: `3B-HHR[-E|-L].MS.MRG.3IMERG.20240630-S233000-E235959.1410.V07B.HDF5` and
`3B-DAY[-E|-L].MS.MRG.3IMERG.20240630-S000000-E235959.V07B.nc4`, laid out as GES DISC does, with
`.dap.nc4` behind where OPeNDAP cut a window; `....V07B.RT-H5` from PPS, of V08 `.RT-NC`. The
version is each granule's own: Early went from V07B to V07C at 2026-03-04T00:00Z, Late at
2026-03-03T14:00Z.

The Final run, months late and corrected by rain gauges, is for comparison: no night asks for it,
and no blend takes it for what was known at the time.

References
----------
Huffman et al. 2023, IMERG V07 Technical Documentation, NASA GSFC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple, Self

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.geography.grid import MEKONG, Grid
from pipeline.geography.variables import LEAST_HALF_HOURS
from pipeline.sources.access import earthdata
from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    FileNames,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
    time_steps,
)
from pipeline.sources.formats.axes import (
    find_positions,
    find_window,
    is_north_first,
    read_lat_lon,
    read_window,
)
from pipeline.sources.formats.cf import read_moment, unpack
from pipeline.sources.formats.field import Field, read_text
from pipeline.sources.formats.hdf import get_member, get_variable, open_hdf5
from pipeline.sources.formats.limits import mask_impossible

_NAME = re.compile(
    r"(?P<product>3B-(?P<kind>HHR|DAY)(?:-[EL]|))\.MS\.MRG\.3IMERG\.(?P<day>\d{8})-S(?P<clock>\d{6})"
    r"-E\d{6}(?:\.\d{4})?\.(?P<version>V0\d[A-Z]?)(?:\.|$)"
)
_IDENTITY = "product", "day", "clock"
"""Parts of the file name that the file's header repeats."""
_HALF_HOURLY = {"imerg_late": "-L", "imerg_early": "-E", "imerg_final": ""}
_DAILY = {"imerg_daily": "-L", "imerg_daily_final": ""}
FILE_NAMES = FileNames(
    _NAME,
    {f"3B-HHR{run}": source for source, run in _HALF_HOURLY.items()}
    | {f"3B-DAY{run}": source for source, run in _DAILY.items()},
    "a {product} file, {source} takes {wanted}",
)
_FAILURES = (NeedsCredentials, NotPublished, HttpError)
"""Failures of a provider, in rising order of weight."""
_HALF_HOUR, _DAY = timedelta(minutes=30), timedelta(days=1)
_PER_DAY = 48


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the granules that start in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``imerg_late``, ``imerg_early`` or ``imerg_final``, half-hourly; ``imerg_daily``, of the
        Late run, or ``imerg_daily_final``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    daily = source in _DAILY
    run, step = _DAILY[source] if daily else _HALF_HOURLY[source], _DAY if daily else _HALF_HOUR
    product = f"GPM_3IMERGD{run[1:] or 'F'}" if daily else f"GPM_3IMERGHH{run[1:]}"
    for time, after in time_steps(start, end, asof, step):
        last = after - timedelta(seconds=1)
        name = f"MS.MRG.3IMERG.{time:%Y%m%d-S%H%M%S}-E{last:%H%M%S}"
        if daily:
            folder, pattern = f"{time:%Y/%m}", f"3B-DAY{run}.{name}.V0*"
        else:
            folder = f"{time:%Y/%j}"
            pattern = f"3B-HHR{run}.{name}.{time.hour * 60 + time.minute:04d}.V0*"
        yield Granule(source, f"GPM_L3/{product}.07/{folder}", pattern, time, after, product)


def fetch(granule: Granule, upstream: Path, *, client: Client, grid: Grid = MEKONG) -> Path:
    """Fetch one granule: a window from GES DISC, else the whole file.

    Half-hourly Early and Late files that GES DISC does not give come from PPS, which has the last
    days under a login of its own, else from a public store. A file that the catalogue of GES DISC
    does not know is not published yet, whatever PPS answers.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client.
    grid
        Window.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    NotPublished
        No provider that can be asked has it yet.
    NeedsCredentials
        No provider can be asked.
    HttpError
        A provider fails, and no other has it.
    """
    providers = [_fetch_from_ges_disc]
    if _HALF_HOURLY.get(granule.source):
        providers += [_fetch_from_pps, _fetch_from_store]
    failures: list[Exception] = []
    for provider in providers:
        if provider is _fetch_from_store and isinstance(failures[0], NotPublished):
            raise failures[0]  # the store is filled from GES DISC
        try:
            return provider(granule, upstream, client, grid)
        except _FAILURES as error:
            failures.append(error)
    raise max(failures, key=lambda error: _FAILURES.index(type(error)))


def _fetch_from_ges_disc(granule: Granule, upstream: Path, client: Client, grid: Grid) -> Path:
    """Fetch a window of a granule from GES DISC, or the whole file."""
    constraint = _constraint(grid, daily=granule.source in _DAILY)
    return earthdata.fetch(granule, upstream, client=client, window=constraint)


def _fetch_from_pps(granule: Granule, upstream: Path, client: Client, grid: Grid) -> Path:  # noqa: ARG001
    """Fetch one half-hour from the near-real-time server of PPS: ``.RT-H5``, V08 ``.RT-NC``."""
    client.secret("PPS_USERNAME")
    run = granule.source.removeprefix("imerg_")
    place = f"imerg/{run}/{granule.start:%Y%m}"
    base = client.endpoint("pps")
    listed = client.get(f"{base}/text/{place}/", keep=True).decode("ascii", "replace")
    names = {match[0] for match in re.finditer(r"3B-HHR[\w.-]+\.RT-(?:H5|NC)", listed)}
    fitting = sorted(name for name in names if fnmatchcase(name, granule.pattern))
    if not fitting:
        raise NotPublished(f"{place}/{granule.pattern} is not listed by PPS")
    path = upstream / granule.folder / fitting[-1]
    return client.download(f"{base}/{place}/{fitting[-1]}", path, magic=earthdata.HDF)


def _fetch_from_store(granule: Granule, upstream: Path, client: Client, grid: Grid) -> Path:
    """Fetch one half-hour from the public Icechunk store, which needs no login."""
    from pipeline.sources import imerg_store  # noqa: PLC0415  (heavy, and seldom needed)

    return imerg_store.fetch(granule, upstream, grid, client=client)


def _constraint(grid: Grid, *, daily: bool) -> str:
    """Build the DAP4 constraint for the rain of a window; ranges of indices include their ends."""
    across, down = (
        f"[{round((low + origin) * 10)}:{round((high + origin) * 10) - 1}]"
        for low, high, origin in (
            (grid.lon_min, grid.lon_max, 180),
            (grid.lat_min, grid.lat_max, 90),
        )
    )
    group = "/" if daily else "/Grid/"
    fields = [f"precipitation[0]{across}{down}", f"lon{across}", f"lat{down}", "time"]
    if daily:
        fields.append(f"precipitation_cnt[0]{across}{down}")
    return ";".join(group + field for field in fields)


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
        the file does not say); of less than ``LEAST_HALF_HOURS`` no rain is given. Cells outside
        the file are NaN, and those out of range, as :func:`mask_impossible` counts them.

    Raises
    ------
    BadGranule
        Not IMERG, cut short, without the rain variable or its units, on another grid, with a time
        that is not that of its name, renamed from another run, or impossible in many cells.
    """
    with open_hdf5(path) as file:
        group = get_member(file, "Grid", path) or file
        rain = get_variable(group, ("precipitation", "precipitationCal"), path)
        name = _NAME.search(path.name)
        if name is None:
            raise BadGranule(path, expected="an IMERG file name", found=path.name)
        day, clock = name["day"], name["clock"]
        header = read_text(file, "FileHeader")
        header_name = _NAME.search(header)
        if header_name is not None and any(header_name[part] != name[part] for part in _IDENTITY):
            raise BadGranule(
                path, expected="the file of its name", found=header_name[0].rstrip(".")
            )
        time = read_moment(get_variable(group, ("time",), path), path)
        named = f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"
        if not str(time).startswith(named):
            raise BadGranule(path, expected=f"time {named} as in its name", found=str(time))
        box = _Box.of(grid, *read_lat_lon(group, path), path)
        if name["kind"] == "HHR":
            _check_units(rain, ("mm/hr", "mm/h", "mm h-1", "mm hr-1"), path)
            fields = {"rain_rate": box.cut(rain, north_first=box.has_latitude_first(rain))}
        else:
            fields = _read_daily(group, rain, box, path)
        virtual = "ProcessingSystem=VIRTUAL" in header
    ds = grid.dataset(np.array([time]), **{key: values[None] for key, values in fields.items()})
    ds.attrs.update(version=name["version"], origin="virtual" if virtual else "measured")
    return mask_impossible(ds, path)


def _read_daily(
    group: h5py.Group, rain: Field, box: _Box, path: Path
) -> dict[str, NDArray[np.float32]]:
    """Read the day's total (mm) and its number of half-hours; NaN where they are too few.

    V07 stores the mean rate of the valid half-hours in mm/day; V06 stored their sum, half of
    their rates in mm/h each, which is raised here to 48 half-hours where the count is in the file.
    """
    order = box.has_latitude_first(rain)
    values = box.cut(rain, north_first=order)
    is_rate = rain.name.endswith("precipitation")
    _check_units(rain, ("mm/day", "mm d-1", "mm day-1") if is_rate else ("mm",), path)
    if is_rate:
        count = get_variable(group, ("precipitation_cnt",), path)
    elif (count := get_member(group, "precipitationCal_cnt", path)) is None:
        return {"rain": values, "n_valid": np.full_like(values, np.nan)}
    n_valid = box.cut(count, north_first=box.has_latitude_first(count, beside=order))
    values[~((n_valid >= LEAST_HALF_HOURS) & (n_valid <= _PER_DAY))] = np.nan
    if not is_rate:
        values *= _PER_DAY / np.fmax(n_valid, 1)
    return {"rain": values, "n_valid": n_valid}


class _AxisRange(NamedTuple):
    """Cells of a grid along an axis of a file: their range in the file and in the grid."""

    stored: slice
    target: slice
    same_direction: bool


@dataclass(frozen=True)
class _Box:
    """Cells of a grid in a file, rows and columns."""

    path: Path
    shape: tuple[int, int]
    pixels: tuple[int, int]
    rows: _AxisRange
    columns: _AxisRange

    @classmethod
    def of(
        cls, grid: Grid, lat: NDArray[np.floating], lon: NDArray[np.floating], path: Path
    ) -> Self:
        """Find the cells of a grid by the cell centres of a file."""
        wanted = grid.lon % 360 if lon.max() > 180 else grid.lon
        rows, columns = find_positions(lat, grid.lat), find_positions(lon, wanted)
        if (rows < 0).all() or (columns < 0).all():
            raise BadGranule(
                path,
                expected=f"cells in {grid.lat_min}..{grid.lat_max} N, "
                f"{grid.lon_min}..{grid.lon_max} E",
                found=f"{lat.min():.2f}..{lat.max():.2f} N, {lon.min():.2f}..{lon.max():.2f} E",
            )
        return cls(
            path,
            grid.shape,
            (lat.size, lon.size),
            _match_axis(lat, grid.lat, rows, path),
            _match_axis(lon, wanted, columns, path),
        )

    def has_latitude_first(self, data: Field, *, beside: bool | None = None) -> bool:
        """Return whether a variable has latitude before longitude."""
        usual = ("time", "lon", "lat")
        return is_north_first(data, *self.pixels, self.path, usual=usual, beside=beside)

    def cut(self, data: Field, *, north_first: bool) -> NDArray[np.float32]:
        """Read the cells of the grid, (lat, lon) north-up, NaN where fill or outside."""
        stored = read_window(data, self.rows.stored, self.columns.stored, north_first=north_first)
        values: NDArray[np.float32] = unpack(data, stored, self.path, fill=-9999.9)
        values = values[
            :: 1 if self.rows.same_direction else -1, :: 1 if self.columns.same_direction else -1
        ]
        if values.shape == self.shape:
            return values
        field = np.full(self.shape, np.nan, np.float32)
        field[self.rows.target, self.columns.target] = values
        return field


def _match_axis(
    axis: NDArray[np.floating], wanted: NDArray[np.floating], index: NDArray[np.int64], path: Path
) -> _AxisRange:
    """Match target centres with an axis of the same cells, in either direction."""
    inside = index >= 0
    off = np.abs(axis[index[inside]] - wanted[inside]).max()
    if off > 0.001:
        raise BadGranule(path, expected="cell centres of the grid", found=f"centres {off:.3f} off")
    stored, target = find_window(index), find_window(np.where(inside, np.arange(index.size), -1))
    if stored.stop - stored.start != target.stop - target.start:
        step = abs(float(axis[1] - axis[0]))
        raise BadGranule(path, expected="cells of 0.1 degree", found=f"cells of {step:.3f}")
    return _AxisRange(stored, target, bool(index[target.start] <= index[target.stop - 1]))


def _check_units(data: Field, allowed: tuple[str, ...], path: Path) -> None:
    """Raise unless the variable has one of the units."""
    if (units := read_text(data, "units").strip()) not in allowed:
        raise BadGranule(path, expected=f"units {' or '.join(allowed)}", found=units or "none")
