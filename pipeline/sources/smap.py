"""SMAP soil moisture on the EASE-Grid 2.0: level 4 (9 km) and the level 3 radiometer grid (36 km).

* SPL4SMGP, 3-hourly `SMAP_L4_SM_gph_YYYYMMDDTHHMMSS_Vvxxxx_nnn.h5`: `sm_rootzone` (0-100 cm),
  which is ``soil_moisture``.
* SPL4SMAU, analysis update `SMAP_L4_SM_aup_...h5`: `sm_rootzone_analysis`, the same; a subset
  without it gives `sm_profile_analysis`, the whole soil down to bedrock, as
  ``soil_moisture_profile``.
* SPL3SMP, daily `SMAP_L3_SM_P_YYYYMMDD_Rnnnnn_nnn.h5`: the top 5 cm as the radiometer saw them, as
  ``soil_moisture_surface``; :mod:`pipeline.areal.substitutes` uses it when level 4 is late.

The three variables are soils of different depth and are never joined in one series unmatched. In
``OUTAGES`` SMAP retrieved nothing: level 3 has no files, and level 4 is the land model alone.

References
----------
Brodzik et al. 2012, EASE-Grid 2.0 (EPSG:6933); Reichle et al. 2022, SPL4SMGP v7 product
specification; O'Neill et al. 2023, SPL3SMP v9 user guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.access import earthdata
from pipeline.sources.access.client import Client
from pipeline.sources.base import BadGranule, FileNames, Granule, time_steps
from pipeline.sources.formats.axes import (
    check_even,
    find_cells,
    find_window,
    is_north_first,
    read_cells,
    read_window,
)
from pipeline.sources.formats.cf import read_moment, unpack
from pipeline.sources.formats.chunks import read_axis, read_slab
from pipeline.sources.formats.field import Field, has_bits, read_text, to_bits
from pipeline.sources.formats.hdf import get_member, get_variable, open_hdf5
from pipeline.sources.formats.limits import mask_impossible
from pipeline.sources.formats.names import parse_stamp

OUTAGES = (
    (date(2019, 6, 19), date(2019, 7, 23)),
    (date(2022, 8, 6), date(2022, 9, 20)),
)
"""First and last days without retrievals."""
_NAME = re.compile(
    r"SMAP_(?P<product>L4_SM_gph|L4_SM_aup|L3_SM_P)_(?P<day>\d{8})(?:T(?P<clock>\d{6}))?"
    r"_(?P<version>\w+?)_\d{3}\.h5"
)
FILE_NAMES = FileNames(
    _NAME,
    {"L4_SM_gph": "smap", "L4_SM_aup": "smap", "L3_SM_P": "smap_l3"},
    "a file of level {product[1]}, not one of {source}",
)
_GROUPS = {
    "gph": "Geophysical_Data",
    "aup": "Analysis_Data",
    "P": "Soil_Moisture_Retrieval_Data_AM",
}
_DEPTHS = {
    "sm_rootzone": "soil_moisture",
    "sm_rootzone_analysis": "soil_moisture",
    "sm_profile_analysis": "soil_moisture_profile",
}
"""Name of each level 4 field here."""
_UNITS = {"m3 m-3", "m^3 m^-3", "cm**3/cm**3", "cm3/cm3"}
_EASE = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True)
_SIZE_36_KM = 36032.220840584
_SIZE_9_KM = _SIZE_36_KM / 4
_HALF_SLOT = timedelta(minutes=90)
_SLOT = timedelta(hours=12)
"""Time of day at which the one 3-hour slot of a night starts; soil moisture changes slowly."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List one granule a day that starts in an interval and has ended by a moment.

    Parameters
    ----------
    source
        ``smap``: level 4, the slot 12-15 UTC. ``smap_l3``: level 3, the UTC day; none in
        ``OUTAGES``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    day = timedelta(days=1)
    if source == "smap":
        slots = time_steps(start, end, asof, day, offset=_SLOT, length=2 * _HALF_SLOT)
        for time, after in slots:
            middle = time + _HALF_SLOT
            folder = f"SMAP/SPL4SMGP/008/{middle:%Y/%m/%d}"
            name = f"SMAP_L4_SM_gph_{middle:%Y%m%dT%H%M%S}_Vv????_???.h5*"
            yield Granule(source, folder, name, time, after, "SPL4SMGP")
        return
    for time, after in time_steps(start, end, asof, day):
        if not any(first <= time.date() <= last for first, last in OUTAGES):
            folder = f"SMAP/SPL3SMP/009/{time:%Y/%m/%d}"
            name = f"SMAP_L3_SM_P_{time:%Y%m%d}_R?????_???.h5"
            yield Granule(source, folder, name, time, after, "SPL3SMP")


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
        ``soil_moisture``, ``soil_moisture_profile`` or ``soil_moisture_surface`` (m3 m-3), one time
        step; NaN outside the file, over water and where nothing was retrieved. Level 3 takes the
        morning pass, where that has no retrieval of recommended quality the evening's.

    Raises
    ------
    BadGranule
        Not such a file, cut short, without its variables, in other units, of another shape than
        its axes, or with a time that is not that of its name.
    """
    with open_hdf5(path) as file:
        kind = next(
            (kind for kind, group in _GROUPS.items() if get_member(file, group, path)), None
        )
        if kind is None:
            groups = " or ".join(_GROUPS.values())
            raise BadGranule(path, expected=f"group {groups}", found=", ".join(file))
        name = _NAME.search(path.name) or _NAME.search(read_text(file, "Filename"))
        if name is None or not name["product"].endswith(f"_{kind}"):
            raise BadGranule(path, expected=f"the name of a {kind} file", found=path.name)
        time = parse_stamp(f"{name['day']}{name['clock'] or '000000'}", "%Y%m%d%H%M%S", path)
        _check_time(file, time, path)
        lat, lon = _read_axes_36_km(file, path) if kind == "P" else _read_axes(file, path)
        rows, columns = find_cells(grid, lat, lon, path, north=_northing)  # even in metres
        if kind == "P":
            quantity, values = "soil_moisture_surface", _read_retrievals(file, rows, columns, path)
        else:
            data = get_variable(get_member(file, _GROUPS[kind], path), tuple(_DEPTHS), path)
            quantity = _DEPTHS[data.name.rpartition("/")[2]]
            order = is_north_first(data, lat.size, lon.size, path, usual=("lat", "lon"), before=())
            values = _read_moisture(data, rows, columns, path, north_first=order)
        virtual = "virtual" in read_text(file, "Source").lower()
    begin = time - np.timedelta64(_HALF_SLOT) if kind == "gph" else time
    ds = grid.dataset(np.array([begin]), **{quantity: values[None]})
    ds.attrs.update(version=name["version"], origin="virtual" if virtual else "measured")
    return mask_impossible(ds, path)


def _read_moisture(
    data: Field,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    path: Path,
    *,
    north_first: bool = True,
) -> NDArray[np.float32]:
    """Read a field on the grid, NaN for fill and outside."""
    if (units := read_text(data, "units").strip()) not in _UNITS:
        raise BadGranule(path, expected="units m3 m-3", found=units or "none")
    return read_cells(data, rows, columns, path, north_first=north_first)


def _read_retrievals(
    file: h5py.File, rows: NDArray[np.int64], columns: NDArray[np.int64], path: Path
) -> NDArray[np.float32]:
    """Read level 3 on the grid: recommended retrievals of the morning, else of the evening.

    A retrieval is of recommended quality where bits 0 to 2 of its flag are not set; in its fill
    they are.
    """
    down, across = find_window(rows), find_window(columns)
    inside = np.ix_(rows >= 0, columns >= 0)
    pixels = np.ix_(rows[rows >= 0] - down.start, columns[columns >= 0] - across.start)
    passes = []
    for passing, suffix in (("AM", ""), ("PM", "_pm")):
        group = get_variable(file, (f"Soil_Moisture_Retrieval_Data_{passing}",), path)
        data = get_variable(group, (f"soil_moisture{suffix}",), path)
        flag = get_variable(group, (f"retrieval_qual_flag{suffix}",), path)
        for part in (data, flag):
            _check_shape(part, (406, 964), path)
        values = _read_moisture(data, rows, columns, path)
        quality = to_bits(read_slab(flag, down, across), str(flag.name), path)
        recommended = np.zeros(values.shape, np.bool_)
        recommended[inside] = has_bits(quality[pixels], 0b111, (0,))
        passes.append(np.where(recommended, values, np.nan))
    morning, evening = passes
    return np.where(np.isfinite(morning), morning, evening)


def _check_shape(data: Field, shape: tuple[int, int], path: Path) -> None:
    """Raise unless a variable has a shape."""
    if data.shape != shape:
        raise BadGranule(path, expected=f"{shape[0]} x {shape[1]}", found=str(data.shape))


def _check_time(file: h5py.File, named: np.datetime64, path: Path) -> None:
    """Raise where the file's time is more than 120 s from that of its name.

    SMAP counts from 2000-01-01 11:58:55.816 UTC and ignores the leap seconds since.
    """
    data = get_member(file, "time", path)
    if data is None:
        return
    time = read_moment(data, path)
    if abs(time - named) > np.timedelta64(120, "s"):
        raise BadGranule(path, expected=f"time {named} as in its name", found=str(time))


def _read_axes(file: h5py.File, path: Path) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Read latitude of each row and longitude of each column of a level 4 file, degrees."""
    planes = [get_member(file, name, path) for name in ("cell_lat", "cell_lon")]
    if None not in planes:
        lat, lon = (_read_axis(plane, number, path) for number, plane in enumerate(planes))
        return lat, lon
    x, y = (
        unpack(data, read_axis(data), path, dtype=np.float64)
        for data in (get_variable(file, (name,), path) for name in ("x", "y"))
    )
    for name, values in (("x", x), ("y", y)):
        check_even(values, name, path)
    return _to_degrees(x, y)


def _read_axis(plane: Field, dim: int, path: Path) -> NDArray[np.float64]:
    """Read an axis from a plane that repeats it along its other dim."""
    if plane.ndim != 2 or min(plane.shape) < 2:
        raise BadGranule(path, expected=f"{plane.name} of two dims", found=str(plane.shape))
    ranges = [slice(0, size) for size in plane.shape]
    width = plane.shape[1 - dim]
    ends = []
    for position in (0, width - 1):
        part = [*ranges]
        part[1 - dim] = slice(position, position + 1)
        ends.append(unpack(plane, read_slab(plane, *part), path, dtype=np.float64).ravel())
    first, last = ends
    if not np.allclose(first, last, rtol=0, atol=1e-3):
        raise BadGranule(
            path,
            expected=f"{plane.name} that varies along dim {dim} alone",
            found=f"{first[0]:.3f} and {last[0]:.3f} at its ends",
        )
    return first


def _read_axes_36_km(
    file: h5py.File, path: Path
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Compute the axes of the global 36 km grid; check the file's, empty outside the swaths."""
    group = get_variable(file, (_GROUPS["P"],), path)
    parts = [get_variable(group, (name,), path) for name in ("latitude", "longitude")]
    for part in parts:
        _check_shape(part, (406, 964), path)
    lat, lon = _to_degrees(
        _SIZE_36_KM * (np.arange(964) - 481.5), _SIZE_36_KM * (202.5 - np.arange(406))
    )
    for part, wanted in zip(parts, (lat[:, None], lon), strict=True):
        stored = read_window(part, slice(0, 406), slice(0, 964))
        off = np.abs(unpack(part, stored, path, fill=-9999.0) - wanted)
        if np.isfinite(off).any() and np.nanmax(off) > 0.01:
            raise BadGranule(
                path,
                expected="pixels of the 36 km EASE-Grid 2.0",
                found=f"a {part.name.rpartition('/')[2]} {np.nanmax(off):.2f} degrees off",
            )
    return lat, lon


def _to_degrees(
    x: NDArray[np.floating], y: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Convert eastings and northings of the EASE-Grid to latitudes and longitudes."""
    lon, _ = _EASE.transform(x, np.zeros_like(x), direction="INVERSE")
    _, lat = _EASE.transform(np.zeros_like(y), y, direction="INVERSE")
    return np.asarray(lat), np.asarray(lon)


def _northing(lat: NDArray[np.floating]) -> NDArray[np.floating]:
    """Convert latitudes to distances north on the EASE-Grid, metres."""
    _, north = _EASE.transform(np.zeros_like(lat), lat)
    return np.asarray(north)


def fetch(granule: Granule, upstream: Path, *, client: Client, grid: Grid = MEKONG) -> Path:
    """Fetch one granule from NSIDC: the root zone of a window for level 4, else the whole file.

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

    Raises
    ------
    NotPublished, NeedsCredentials, HttpError
        As of :func:`earthdata.fetch`.
    """
    constraint = None
    if granule.product == "SPL4SMGP":
        x, _ = _EASE.transform(np.array([grid.lon_min, grid.lon_max]), np.zeros(2))
        y = _northing(np.array([grid.lat_max, grid.lat_min]))
        first, last = (int((edge + 17367530.445) // _SIZE_9_KM) for edge in x)
        top, bottom = (int((7314540.831 - edge) // _SIZE_9_KM) for edge in y)
        box = f"[{top}:{bottom}][{first}:{last}]"
        fields = ("/Geophysical_Data/sm_rootzone", "/cell_lat", "/cell_lon")
        constraint = ";".join((*(f"{field}{box}" for field in fields), "/time"))
    return earthdata.fetch(granule, upstream, client=client, window=constraint)
