"""GLDAS 2.1 Noah land surface model, 0.25 degree, netCDF-4, by 3 hours or month: runoff, soil, PET.

Files: `GLDAS_NOAH025_3H[_EP].AYYYYMMDD.HHMM.021.nc4`, laid out as GES DISC does; `EP` is the early
product, about six weeks late, the other comes months later. South-up, 60 S to 90 N. A file's stamp
is the end of its step: means and sums are over the three hours before it, instants are at it.

Months are in `GLDAS_NOAH025_M[_EP].AYYYYMM.021.nc4`: an accumulation there is the mean of the
month's 3-hourly ones, so that the month's runoff is that times 8 times its days. Three hundred
files make a reference period.

The root zone of `RootMoist_inst` is as deep as the roots of the cell's vegetation, which the file
does not say, so it stays in kg m-2 (``root_water``); ``soil_moisture`` is made of the three layers
down to 1 m, the depth of SMAP's root zone.

References
----------
Rui & Beaudoing 2020, README for GLDAS Version 2 Data Products; Rodell et al. 2004,
https://doi.org/10.1175/BAMS-85-3-381; Chen & Dudhia 2001 (latent heat of Noah).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.access import earthdata
from pipeline.sources.access.client import Client
from pipeline.sources.base import BadGranule, FileNames, Granule, NotPublished, time_steps
from pipeline.sources.formats.axes import find_cells, is_north_first, read_cells, read_lat_lon
from pipeline.sources.formats.cf import read_moment
from pipeline.sources.formats.field import read_text
from pipeline.sources.formats.hdf import get_variable, open_hdf5
from pipeline.sources.formats.limits import mask_impossible, mask_impossible_parts
from pipeline.sources.formats.names import parse_stamp

_NAME = re.compile(
    r"(?P<product>GLDAS_NOAH025_3H(?:_EP)?(?=\.A\d{8}\.\d{4}\.)|GLDAS_NOAH025_M(?:_EP)?(?=\.A\d{6}\.))"
    r"\.A(?P<time>\d+(?:\.\d{4})?)\.(?P<version>\d{3})\.nc4"
)
FILE_NAMES = FileNames(
    _NAME,
    {
        "GLDAS_NOAH025_3H_EP": "gldas",
        "GLDAS_NOAH025_3H": "gldas",
        "GLDAS_NOAH025_M_EP": "gldas_monthly",
        "GLDAS_NOAH025_M": "gldas_monthly",
    },
    "a {product} file, not one of {source}",
)
_STEP = timedelta(hours=3)
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_SETTLED = timedelta(days=150)
"""Age from which a month is fetched from the main product, which replaces the early one."""
_LAYERS_M = {"SoilMoi0_10cm_inst": 0.1, "SoilMoi10_40cm_inst": 0.3, "SoilMoi40_100cm_inst": 0.6}
_WATER = ("Qs_acc", "Qsb_acc", "RootMoist_inst", *_LAYERS_M)
_POTENTIAL, _WARMTH = "PotEvap_tavg", "Tair_f_inst"
_PER_DAY = {"W m-2": 86_400 / 2.501e6, "kg m-2 s-1": 86_400.0}
"""To mm d-1; a watt evaporates 1/2.501e6 kg a second, Noah's latent heat of water."""
_MONTHLY = ("Qs_acc", "Qsb_acc", _POTENTIAL)


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the granules that start in an interval and have ended by a moment.

    Those of three hours, and of recent months, are the early product's.

    Parameters
    ----------
    source
        ``gldas`` or ``gldas_monthly``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    if source == "gldas_monthly":
        for month, after in time_steps(max(start, _FIRST), end, asof, "month"):
            product = "GLDAS_NOAH025_M" if after + _SETTLED <= asof else "GLDAS_NOAH025_M_EP"
            folder, name = f"GLDAS/{product}.2.1/{month:%Y}", f"{product}.A{month:%Y%m}.021.nc4*"
            yield Granule(source, folder, name, month, after, product)
        return
    product = "GLDAS_NOAH025_3H_EP"
    for time, after in time_steps(start, end, asof, _STEP):
        folder = f"GLDAS/{product}.2.1/{after:%Y/%j}"
        name = f"{product}.A{after:%Y%m%d.%H%M}.021.nc4*"
        yield Granule(source, folder, name, time, after, product)


def fetch(granule: Granule, upstream: Path, *, client: Client, grid: Grid = MEKONG) -> Path:
    """Fetch the window of one granule from GES DISC, or the whole file.

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
    NotPublished, NeedsCredentials, HttpError
        As of :func:`pipeline.sources.access.earthdata.fetch`.
    """
    down, across = (
        f"[{int((low + origin) * 4)}:{ceil((high + origin) * 4) - 1}]"
        for low, high, origin in (
            (grid.lat_min, grid.lat_max, 60),
            (grid.lon_min, grid.lon_max, 180),
        )
    )
    monthly = granule.source == "gldas_monthly"
    names = _MONTHLY if monthly else (*_WATER, _POTENTIAL, _WARMTH)
    fields = [f"/{name}[0]{down}{across}" for name in names]
    window = ";".join([*fields, f"/lat{down}", f"/lon{across}", "/time"])
    if monthly:
        return earthdata.fetch(granule, upstream, client=client, window=window)
    stamped = replace(granule, start=granule.end)
    try:
        return earthdata.fetch(stamped, upstream, client=client, window=window)
    except NotPublished:  # the catalogue may count midnight's file to the day before
        return earthdata.fetch(granule, upstream, client=client, window=window)


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read one granule: each cell takes the pixel that holds its centre.

    Parameters
    ----------
    path
        Whole file or subset; its name is the provider's.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        One time step. Of three hours: ``runoff`` (mm in the step, surface and subsurface),
        ``soil_moisture`` (m3 m-3, 0-1 m), ``root_water`` (kg m-2), ``air_temperature`` (K) and
        ``pet`` (mm d-1). Of a month: ``runoff`` (mm in the month) and ``pet`` (mm d-1). NaN over
        water and outside the file.

    Raises
    ------
    BadGranule
        Not such a file, cut short, without its variables, in other units, of another shape than
        its axes, with a time that is not that of its name, or impossible in many cells.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(
            path, expected="a GLDAS_NOAH025_3H or GLDAS_NOAH025_M file name", found=path.name
        )
    is_month = FILE_NAMES.sources[name["product"]] == "gldas_monthly"
    with open_hdf5(path) as file:
        digits = name["time"].replace(".", "")
        end = parse_stamp(digits, "%Y%m" if is_month else "%Y%m%d%H%M", path)
        lat, lon = read_lat_lon(file, path)
        time = read_moment(get_variable(file, ("time",), path), path)
        if (time.astype("M8[M]") if is_month else time) != end:
            month = f"a time in {str(end)[:7]} as in its name"
            expected = month if is_month else f"time {end} as in its name"
            raise BadGranule(path, expected=expected, found=str(time))
        rows, columns = find_cells(grid, lat, lon, path)

        def field(name: str, allowed: tuple[str, ...]) -> tuple[NDArray[np.float32], str]:
            data = get_variable(file, (name,), path)
            usual = ("time", "lat", "lon")
            north_first = is_north_first(data, lat.size, lon.size, path, usual=usual)
            if (units := read_text(data, "units").strip()) not in allowed:
                expected = f"units {' or '.join(allowed)} of {name}"
                raise BadGranule(path, expected=expected, found=units or "none")
            return read_cells(data, rows, columns, path, north_first=north_first), units

        names = _MONTHLY[:2] if is_month else (*_WATER, _WARMTH)
        stored = {key: field(key, ("K",) if key == _WARMTH else ("kg m-2",))[0] for key in names}
        potential, units = field(_POTENTIAL, tuple(_PER_DAY))
        virtual = "virtual" in read_text(file, "institution").lower()
    steps = _count_steps(end) if is_month else np.float32(1)
    flows, counted = mask_impossible_parts(
        {key: stored[key] * steps for key in _WATER[:2]}, "runoff", path
    )
    fields = {"runoff": flows.sum(axis=0)}
    begin = end
    if not is_month:
        begin = end - np.timedelta64(_STEP)
        moisture = {key: stored[key] / (1000 * thick) for key, thick in _LAYERS_M.items()}
        layers, of_layers = mask_impossible_parts(moisture, "soil_moisture", path)
        counted |= of_layers
        fields["soil_moisture"] = np.tensordot(list(_LAYERS_M.values()), layers, axes=1)
        fields["root_water"] = stored["RootMoist_inst"]
        fields["air_temperature"] = stored[_WARMTH]
    fields["pet"] = potential * np.float32(_PER_DAY[units])
    ds = grid.dataset(
        np.array([begin]), **{key: field[None].astype("f4") for key, field in fields.items()}
    )
    ds.attrs.update(version=name["version"], origin="virtual" if virtual else "measured")
    if counted:
        ds.attrs["out_of_range"] = counted
    return mask_impossible(ds, path)


def _count_steps(month: np.datetime64) -> np.float32:
    """Count the steps of three hours in a month."""
    first = month.astype("M8[M]")
    days = (first + 1).astype("M8[D]") - first.astype("M8[D]")
    return np.float32(8 * days.astype(int))
