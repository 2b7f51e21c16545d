"""NASA LIS / US Air Force 557th Weather Wing land analyses, netCDF-4, from a folder.

**No public endpoint exists.** A user who is given the files lays them into `lis/` of the upstream
folder, or names their folder (``mekong ingest lis --from DIR``). Names:
`PS.557WW_SC.U_DI.C_GP.LIS-NOAH_GR.C0P09DEG_AR.GLOBAL_PA.LIS_DD.YYYYMMDD_DT.HHMM_DF.NC` and
`LIS_HIST_YYYYMMDDHHMM.d01.nc`. The GRIB forms and the seasonal forecasts (`LIS-S2S`) are not read.

The layout is that of LIS's public source code, not of a file: dims (layers, north_south,
east_west), south-up, the grid in `SOUTH_WEST_CORNER_LAT`, `..._LON`, `DX` and `DY`, depths of the
soil layers (cm) in `SOIL_LAYER_THICKNESSES`. A file's stamp is the end of its step, whose length is
`time_increment` (s).

References
----------
Kumar et al. 2006, https://doi.org/10.1016/j.envsoft.2005.07.004; LIS History Output, Land
Information System Users' Guide 7.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipeline.grid import MEKONG, Grid
from pipeline.sources.base import BadGranule, Granule, NotPublished, Skipped
from pipeline.sources.hdf import cells, cut, moment, number, opened, text, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import h5py
    import xarray as xr
    from numpy.typing import NDArray

    from pipeline.sources.http import Client

    Cut = Callable[[h5py.Dataset], NDArray[np.float32]]

_NAME = re.compile(r"(?:PS\.557WW_.*_GP\.(LIS[\w-]*)_GR.*_DD\.(\d{8})_DT\.(\d{4})_DF\.(?i:NC)$"
                   r"|LIS_HIST_(\d{8})(\d{4})\.d\d\d\.nc$)")  # fmt: skip
_STEP = timedelta(hours=3)
_ROOT_ZONE_CM = 100.0


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """3-hourly analyses that begin in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``lis``.
    start, end
        Half-open interval, UTC.
    asof
        Nothing that ends later is named.
    """
    since = (start - datetime(2000, 1, 1, tzinfo=UTC)) % _STEP
    time = start + (_STEP - since if since else timedelta())
    while time < end and time + _STEP <= asof:
        stamp = time + _STEP
        yield Granule(source, "lis", f"*LIS*{stamp:%Y%m%d}*{stamp:%H%M}*", time, stamp)
        time += _STEP


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:  # noqa: ARG001
    """Return the file that a user has laid into the folder; there is no server to ask.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root folder of the upstream.
    client
        Not used.

    Raises
    ------
    NotPublished
        The folder has no such file.
    """
    found = sorted((upstream / granule.folder).glob(granule.pattern))
    if not found:
        raise NotPublished(
            f"{granule.folder}/{granule.pattern} is not there; LIS has no public endpoint, its "
            "files are laid into that folder by hand"
        )
    return found[-1]


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
        step, surface and subsurface); NaN where the file has its fill and outside it.

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
    stamp = np.datetime64(
        datetime.strptime(f"{day}{clock}Z", "%Y%m%d%H%M%z").replace(tzinfo=None), "ns"
    )
    with opened(path) as file:
        time = variable(file, ("time",), path)
        if (found := moment(time, path)) != stamp:
            raise BadGranule(path, expected=f"time {stamp} as in its name", found=str(found))
        step_s = number(time, "time_increment", path)
        soil = variable(file, ("SoilMoist_tavg", "SoilMoist_inst"), path)
        lat, lon = _axes(file, soil.shape[-2:], path)
        rows, columns = cells(grid, lat, lon, path)

        def fields(data: h5py.Dataset) -> NDArray[np.float32]:
            fill = number(data, "_FillValue" if "_FillValue" in data.attrs else "missing_value",
                          path)  # fmt: skip
            if data.ndim == 2:
                return cut(data, rows, columns, fill)
            return np.stack([cut(data[layer], rows, columns, fill) for layer in range(len(data))])

        moisture = _upper_metre(file, soil, fields, path)
        surface, base = (_runoff(file, one, fields, step_s, path) for one in ("Qs", "Qsb"))
        runoff = surface + base
        said = f"{text(file, 'institution')} {text(file, 'source')}".lower()
        version = text(file, "title") or "LIS"
    begin = np.array([stamp - np.timedelta64(round(step_s), "s")])
    ds = grid.dataset(
        begin, soil_moisture=moisture[None].astype("f4"), runoff=runoff[None].astype("f4")
    )
    return ds.assign_attrs(version=version, origin="virtual" if "virtual" in said else "measured")


def _axes(
    file: h5py.File, shape: tuple[int, int], path: Path
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Pixel centres from the global attributes; the file's lat and lon are fill over water."""
    if (mapping := text(file, "MAP_PROJECTION")) != "EQUIDISTANT CYLINDRICAL":
        raise BadGranule(
            path, expected="MAP_PROJECTION EQUIDISTANT CYLINDRICAL", found=mapping or "none"
        )
    south, west, dy, dx = (
        number(file, name, path)
        for name in ("SOUTH_WEST_CORNER_LAT", "SOUTH_WEST_CORNER_LON", "DY", "DX")
    )
    return south + dy * np.arange(shape[0]), west + dx * np.arange(shape[1])


def _upper_metre(
    file: h5py.File, soil: h5py.Dataset, fields: Cut, path: Path
) -> NDArray[np.floating]:
    """Mean volumetric moisture down to a metre, each layer by its share of it."""
    thickness = np.ravel(file.attrs.get("SOIL_LAYER_THICKNESSES", ())).astype(np.float64)
    if soil.ndim != 3 or len(soil) != thickness.size or thickness.sum() < _ROOT_ZONE_CM - 0.1:
        raise BadGranule(
            path, expected="soil moisture of (layer, y, x) and SOIL_LAYER_THICKNESSES (cm) of a "
            "metre or more", found=f"{soil.shape} and {thickness.tolist()}",
        )  # fmt: skip
    top = np.cumsum(thickness) - thickness
    share = np.clip(np.minimum(thickness, _ROOT_ZONE_CM - top), 0, None) / _ROOT_ZONE_CM
    used = share > 1e-6
    layers: NDArray[np.floating] = fields(soil)[used]
    units = text(soil, "units")
    if units == "kg m-2":  # a layer of d cm holds 10 d kg m-2 where it is water alone
        layers = layers / (10 * thickness[used][:, None, None])
    elif units not in {"m^3 m-3", "m3 m-3", "m^3/m^3", "m3/m3"}:
        raise BadGranule(path, expected="soil moisture in m^3 m-3 or kg m-2", found=units or "none")
    return np.asarray(np.tensordot(share[used], layers, axes=1))


def _runoff(
    file: h5py.File, name: str, fields: Cut, step_s: float, path: Path
) -> NDArray[np.floating]:
    """Runoff of the step, mm, from a sum or from a mean rate."""
    data = variable(file, (f"{name}_acc", f"{name}_tavg"), path)
    units = text(data, "units")
    if units not in {"kg m-2", "kg m-2 s-1"}:
        raise BadGranule(path, expected=f"{name} in kg m-2 or kg m-2 s-1", found=units or "none")
    return fields(data) * (step_s if units == "kg m-2 s-1" else 1.0)
