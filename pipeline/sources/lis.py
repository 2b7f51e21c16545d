"""NASA LIS / US Air Force 557th Weather Wing land analyses, netCDF-4, from a folder.

**No public endpoint exists.** A user who is given the files lays them into `lis/` of the upstream
folder, or names their folder (``mekong ingest lis --from DIR``). Names:
`PS.557WW_SC.U_DI.C_GP.LIS-NOAH_GR.C0P09DEG_AR.GLOBAL_PA.LIS_DD.YYYYMMDD_DT.HHMM_DF.NC` and
`LIS_HIST_YYYYMMDDHHMM.d01.nc`. The GRIB forms and the seasonal forecasts (`LIS-S2S`) are not read.

The layout is that of LIS's public source code and of NASA's history files: dims (layers,
north_south, east_west), south-up, the grid in `SOUTH_WEST_CORNER_LAT`, `..._LON`, `DX` and `DY`,
depths of the soil layers (cm) in `SOIL_LAYER_THICKNESSES`. A file's stamp is the end of its step,
whose length is `time_increment` (s). The 557th writes `SoilMoist_inst`, and `Qs_inst` and
`Qsb_inst` as rates, which stand here for the whole step; files may hold runoff or soil alone.

References
----------
Kumar et al. 2006, https://doi.org/10.1016/j.envsoft.2005.07.004; LIS History Output, Land
Information System Users' Guide 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule, NotPublished, Skipped, time_steps
from pipeline.sources.formats.axes import check_centres, find_cells, is_north_first, read_cells
from pipeline.sources.formats.cf import read_moment, unpack
from pipeline.sources.formats.chunks import read_slab
from pipeline.sources.formats.field import Field, read_attribute, read_number, read_text
from pipeline.sources.formats.hdf import get_member, get_variable, open_hdf5
from pipeline.sources.formats.limits import mask_impossible, mask_impossible_parts
from pipeline.sources.formats.names import parse_stamp

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

_NAME = re.compile(
    r"(?:PS\.557WW_.*_GP\.(LIS[\w-]*)_GR.*_DD\.(\d{8})_DT\.(\d{4})_DF\.(?i:NC)$"
    r"|LIS_HIST_(\d{8})(\d{4})\.d\d\d\.nc$)"
)
_STEP = timedelta(hours=3)
_ROOT_ZONE_CM = 100.0
_LONGEST_S = 86_400
_MEANS = ("_acc", "_tavg", "_inst")
"""Suffixes of a runoff by its statistic over the step, the most reliable first."""


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the 3-hourly analyses that start in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``lis``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    for time, after in time_steps(start, end, asof, _STEP):
        yield Granule(source, "lis", f"*LIS*{after:%Y%m%d}*{after:%H%M}*", time, after)


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:  # noqa: ARG001
    """Return the file that a user has put into the folder; there is no public server.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        Not used.

    Raises
    ------
    NotPublished
        The folder has no such file.
    """
    paths = sorted((upstream / granule.folder).glob(granule.pattern))
    if not paths:
        raise NotPublished(
            f"{granule.folder}/{granule.pattern} is not there; LIS has no public endpoint, its "
            "files are laid into that folder by hand"
        )
    return paths[-1]


def by_hand(source: str) -> str:
    """Explain why nothing is fetched and how the files come.

    Parameters
    ----------
    source
        ``lis``.
    """
    return f"it has no public server, its files come by hand: mekong ingest {source} --from DIR"


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one file: each cell takes the pixel that holds its centre.

    Parameters
    ----------
    path
        The file; its name is the provider's.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        One time step: ``soil_moisture`` (m3 m-3, mean of the upper metre) and ``runoff`` (mm in the
        step, surface and subsurface), or the one that the file has; NaN where the file has its fill
        and outside it.

    Raises
    ------
    BadGranule
        Not such a file, cut short, without its variables or attributes, in other units or another
        projection, or with a time that is not that of its name.
    Skipped
        A seasonal forecast.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a 557WW LIS or LIS_HIST file name", found=path.name)
    if "S2S" in (name[1] or ""):
        raise Skipped(f"{path.name}: a seasonal forecast of LIS is not used")
    day, clock = (name[2], name[3]) if name[2] else (name[4], name[5])
    with open_hdf5(path) as file:
        end = parse_stamp(f"{day}{clock}", "%Y%m%d%H%M", path)
        time = get_variable(file, ("time",), path)
        if (file_time := read_moment(time, path)) != end:
            raise BadGranule(path, expected=f"time {end} as in its name", found=str(file_time))
        step_s = read_number(time, "time_increment", path)
        if not 0 < step_s <= _LONGEST_S:
            raise BadGranule(
                path, expected=f"time_increment in 1..{_LONGEST_S} s", found=f"{step_s:g}"
            )
        soil = _find_first(file, ("SoilMoist_tavg", "SoilMoist_inst"), path)
        names = [tuple(f"{flow}{each}" for each in _MEANS) for flow in ("Qs", "Qsb")]
        has_flows = soil is None or any(_find_first(file, each, path) for each in names)
        flows = [get_variable(file, each, path) for each in names] if has_flows else []
        pixels = _Pixels(file, (soil or flows[0]).shape[-2:], grid, path)
        fields: dict[str, NDArray[np.floating]] = {}
        counted: dict[str, dict[str, float]] = {}
        if soil:
            share, by_layer = _read_upper_metre(file, soil, pixels)
            layers, counted = mask_impossible_parts(by_layer, "soil_moisture", path)
            fields["soil_moisture"] = np.tensordot(share, layers, axes=1)
        if flows:
            by_flow = {_short_name(flow): _read_runoff(flow, pixels, step_s) for flow in flows}
            parts, runoff_counted = mask_impossible_parts(by_flow, "runoff", path)
            fields["runoff"], counted = parts.sum(axis=0), counted | runoff_counted
        provenance = f"{read_text(file, 'institution')} {read_text(file, 'source')}".lower()
        version = read_text(file, "title") or "LIS"
    begin = np.array([end - np.timedelta64(round(step_s), "s")])
    ds = grid.dataset(begin, **{key: each[None].astype("f4") for key, each in fields.items()})
    ds.attrs.update(version=version, origin="virtual" if "virtual" in provenance else "measured")
    if counted:
        ds.attrs["out_of_range"] = counted
    return mask_impossible(ds, path)


def _find_first(file: h5py.File, names: tuple[str, ...], path: Path) -> Field | None:
    members = (get_member(file, name, path) for name in names)
    return next((data for data in members if data is not None), None)


def _short_name(data: Field) -> str:
    return str(data.name).rpartition("/")[2]


class _Pixels:
    """Pixels of a file that hold the centres of a grid's cells."""

    def __init__(self, file: h5py.File, shape: tuple[int, ...], grid: Grid, path: Path) -> None:
        if len(shape) != 2:
            raise BadGranule(path, expected="dims (north_south, east_west)", found=str(shape))
        self.path, self.shape = path, shape
        lat, lon = _read_axes(file, shape, path)
        self._rows, self._columns = find_cells(grid, lat, lon, path)

    def cut(self, data: Field, layers: tuple[int, ...] = ()) -> NDArray[np.float32]:
        """Read the field on the grid, of each layer if it has layers."""
        order = is_north_first(
            data,
            *self.shape,
            self.path,
            usual=(*("layer",) * len(layers), "lat", "lon"),
            before=layers,
        )
        parts = [
            read_cells(data, self._rows, self._columns, self.path, north_first=order, before=before)
            for before in np.ndindex(*layers)
        ]
        return np.stack(parts) if layers else parts[0]


def _read_axes(
    file: h5py.File, shape: tuple[int, ...], path: Path
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Compute pixel centres from global attributes; check the file's lat and lon against them."""
    if (mapping := read_text(file, "MAP_PROJECTION")) != "EQUIDISTANT CYLINDRICAL":
        raise BadGranule(
            path, expected="MAP_PROJECTION EQUIDISTANT CYLINDRICAL", found=mapping or "none"
        )
    south, west, dy, dx = (
        read_number(file, name, path)
        for name in ("SOUTH_WEST_CORNER_LAT", "SOUTH_WEST_CORNER_LON", "DY", "DX")
    )
    lat, lon = south + dy * np.arange(shape[0]), west + dx * np.arange(shape[1])
    for name, centres in (("lat", lat), ("lon", lon)):
        check_centres(centres, name, path)
    for name, centres, step in (("lat", lat[:, None], dy), ("lon", lon, dx)):
        plane = get_member(file, name, path)
        if plane is not None and plane.ndim == 2:
            _check_plane(plane, centres, step, path)
    return lat, lon


def _check_plane(plane: Field, centres: NDArray[np.floating], step: float, path: Path) -> None:
    """Raise where a plane of coordinates is of another shape or elsewhere than the attributes."""
    if plane.shape != np.broadcast_shapes(plane.shape, centres.shape):
        raise BadGranule(path, expected=f"{plane.name} of the grid", found=str(plane.shape))
    stored = read_slab(plane, *(slice(0, size) for size in plane.shape))
    off = np.abs(unpack(plane, stored, path, fill=-9999.0) - centres)
    if np.isfinite(off).any() and np.nanmax(off) > abs(step) / 4:
        raise BadGranule(
            path,
            expected=f"{plane.name} as SOUTH_WEST_CORNER, DX and DY say",
            found=f"one {np.nanmax(off):.3f} degrees off",
        )


def _read_upper_metre(
    file: h5py.File, soil: Field, pixels: _Pixels
) -> tuple[NDArray[np.floating], dict[str, NDArray[np.floating]]]:
    """Read each layer's share of the upper metre, and its volumetric moisture by its name."""
    stated = read_attribute(file, "SOIL_LAYER_THICKNESSES")
    thickness = np.ravel(() if stated is None else stated).astype(np.float64)
    sound = thickness.size and thickness.min() > 0 and thickness.sum() >= _ROOT_ZONE_CM - 0.1
    if soil.ndim != 3 or len(soil) != thickness.size or not sound:
        raise BadGranule(
            pixels.path,
            expected="soil moisture of (layer, y, x) and SOIL_LAYER_THICKNESSES (cm) "
            "of a metre or more",
            found=f"{soil.shape} and {thickness.tolist()}",
        )
    top = np.cumsum(thickness) - thickness
    share = np.clip(np.minimum(thickness, _ROOT_ZONE_CM - top), 0, None) / _ROOT_ZONE_CM
    used = share > 1e-6
    layers: NDArray[np.floating] = pixels.cut(soil, (len(soil),))[used]
    units = read_text(soil, "units").strip()
    if units == "kg m-2":  # a layer of d cm holds 10 d kg m-2 where it is water alone
        layers = layers / (10 * thickness[used][:, None, None])
    elif units not in {"m^3 m-3", "m3 m-3", "m^3/m^3", "m3/m3"}:
        raise BadGranule(
            pixels.path, expected="soil moisture in m^3 m-3 or kg m-2", found=units or "none"
        )
    names = (f"{_short_name(soil)} layer {layer + 1}" for layer in np.flatnonzero(used))
    return share[used], dict(zip(names, layers, strict=True))


def _read_runoff(data: Field, pixels: _Pixels, step_s: float) -> NDArray[np.floating]:
    """Read the runoff of the step, mm, from a sum, a mean rate, or the rate at its end."""
    units, name = read_text(data, "units").strip(), _short_name(data)
    # An instantaneous value in kg m-2 has no known interval.
    allowed = ("kg m-2 s-1",) if name.endswith("_inst") else ("kg m-2", "kg m-2 s-1")
    if units not in allowed:
        raise BadGranule(
            pixels.path, expected=f"{name} in {' or '.join(allowed)}", found=units or "none"
        )
    return pixels.cut(data) * (step_s if units == "kg m-2 s-1" else 1.0)
