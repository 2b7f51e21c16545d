"""Writers of soil moisture, vegetation, temperature and runoff in their products' true layouts.

As in :mod:`pipeline.virtual.products`: plain arrays in, a dated file out, marked as virtual inside.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pipeline.sources.base import next_month
from pipeline.virtual.writing import fill_in, make_template, publish, write_array, write_attributes

if TYPE_CHECKING:
    from pipeline.geography.grid import Grid


def _ease() -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Compute the latitudes of rows and longitudes of columns of the 9 km EASE-Grid 2.0."""
    size, rows, columns = 9008.055210146, 1624, 3856
    inverse = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True)
    x = (np.arange(columns) - columns / 2 + 0.5) * size
    y = (rows / 2 - 0.5 - np.arange(rows)) * size
    lon, lat = inverse.transform(x, 0 * x)[0], inverse.transform(0 * y, y)[1]
    return np.asarray(lat), np.asarray(lon)


@cache
def _smap_template() -> bytes:
    lat, lon = _ease()

    def build(file: h5py.File) -> None:
        for name, values in (("y", lat), ("x", lon)):
            write_array(file, name, (name,), data=values)
        since = "seconds since 2000-01-01 11:58:55.816"
        file.create_dataset("time", data=np.zeros(1), track_times=False)
        write_attributes(file["time"], units=since, long_name="Time")
        shape = lat.size, lon.size
        for name, values in (
            ("cell_lat", np.broadcast_to(lat[:, None], shape)),
            ("cell_lon", np.broadcast_to(lon[None], shape)),
        ):
            file.create_dataset(
                name,
                data=values.astype("f4"),
                chunks=(16, lon.size),
                compression="gzip",
                compression_opts=2,
                track_times=False,
            )
        group = file.create_group("Geophysical_Data")
        for name in ("sm_surface", "sm_rootzone", "sm_rootzone_pctl", "sm_profile_wetness"):
            dataset = group.create_dataset(
                name,
                shape,
                "f4",
                chunks=(16, lon.size),
                fillvalue=-9999.0,
                compression="gzip",
                compression_opts=2,
                track_times=False,
            )
            dataset.attrs["_FillValue"] = np.array([-9999], "f4")
            write_attributes(dataset, units="m3 m-3", coordinates="/cell_lat /cell_lon")
        write_attributes(
            file,
            Title="SMAP L4_SM Geophysical (GPH) Data Granule",
            Source="virtual basin",
            Institution="none: synthetic",
            Conventions="CF",
        )

    return make_template(build)


def write_smap_root_zone(
    upstream: Path,
    *,
    time: datetime,
    soil_moisture: NDArray[np.floating],
    grid: Grid,
    published: datetime,
) -> Path:
    """Write an SPL4SMGP file; each pixel takes the value of the cell its centre lies in.

    Parameters
    ----------
    upstream
        Root folder.
    time
        Start of the 3-hour slot.
    soil_moisture
        Root-zone soil moisture (m3 m-3) on ``grid``, NaN for missing.
    grid
        Any grid.
    published
        Moment of publication.
    """
    middle = time + timedelta(minutes=90)
    name = f"SMAP_L4_SM_gph_{middle:%Y%m%dT%H%M%S}_Vv8011_001.h5"
    epoch = datetime(2000, 1, 1, 11, 58, 55, 816000, tzinfo=UTC)

    def change(file: h5py.File) -> None:
        write_attributes(file, Filename=name)
        file["time"][0] = (middle - epoch).total_seconds()
        rows, columns, values = _sample_pixels(*_ease(), soil_moisture, grid)
        file["Geophysical_Data/sm_rootzone"][rows, columns] = np.where(
            np.isfinite(values), values, -9999
        )

    path = upstream / f"SMAP/SPL4SMGP/008/{middle:%Y/%m/%d}" / name
    return publish(path, fill_in(_smap_template(), change), published)


def _sample_pixels(
    lat: NDArray[np.floating], lon: NDArray[np.floating], values: NDArray[np.floating], grid: Grid
) -> tuple[slice, slice, NDArray[np.floating]]:
    """Find the window of a product's axes over a grid, and the cell's value at each pixel centre.

    One more pixel on each side takes the value of the adjacent cell.
    """
    down = np.flatnonzero((lat < grid.lat_max) & (lat > grid.lat_min))
    across = np.flatnonzero((lon < grid.lon_max) & (lon > grid.lon_min))
    rows, columns = slice(down[0] - 1, down[-1] + 2), slice(across[0] - 1, across[-1] + 2)
    edge = grid.step / 2
    north, east = np.meshgrid(
        np.clip(lat[rows], grid.lat_min + edge, grid.lat_max - edge),
        np.clip(lon[columns], grid.lon_min + edge, grid.lon_max - edge),
        indexing="ij",
    )
    return rows, columns, values.ravel()[grid.cell(north, east)]


_MONTHLY: dict[str, tuple[str, str, str, float, dict[str, Any], str, str, int]] = {
    "ndvi": (
        "VNP13C2", "VIIRS_Grid_monthly_VI_CMG", "CMG 0.05 Deg monthly NDVI", 1 / 10000,
        {"dtype": "i2", "fill": -15000, "scale_factor": 10000.0, "units": "NDVI",
         "valid_range": np.array([-10000, 10000], "i2")},
        "CMG 0.05 Deg monthly pixel reliability", "i1", -1,
    ),
    "lst": (
        "VNP21C3", "VIIRS_Grid_Monthly_CMG_LST", "LST_Day", 0.02,
        {"dtype": "u2", "fill": 0, "scale_factor": 0.02, "units": "K",
         "valid_range": np.array([7500, 65535], "u2")},
        "QC_Day", "u2", 3,
    ),
}  # fmt: skip


def write_viirs_month(
    upstream: Path,
    *,
    variable: Literal["ndvi", "lst"],
    month: datetime,
    values: NDArray[np.floating],
    grid: Grid,
    published: datetime,
) -> Path:
    """Write a monthly VNP13C2 or VNP21C3 file.

    Parameters
    ----------
    upstream
        Root folder.
    variable
        ``ndvi`` (1) or ``lst`` (K).
    month
        First day of the month.
    values
        Values on ``grid``, NaN under cloud.
    grid
        Any grid.
    published
        Moment of publication.
    """
    product, grid_name, field, scale, layout, quality, quality_type, bad = _MONTHLY[variable]
    lat, lon = 89.975 - 0.05 * np.arange(3600), -179.975 + 0.05 * np.arange(7200)
    rows, columns, window = _sample_pixels(lat, lon, values, grid)

    def build(file: h5py.File) -> None:
        fields = file.create_group(f"HDFEOS/GRIDS/{grid_name}/Data Fields")
        for name, size in (("YDim", 3600), ("XDim", 7200)):
            dataset = fields.parent.create_dataset(name, (size,), "f8", track_times=False)
            dataset[:] = lat if name == "YDim" else lon
        for name, dtype, fill in (
            (field, layout["dtype"], layout["fill"]),
            (quality, quality_type, bad),
        ):
            dataset = fields.create_dataset(
                name,
                (3600, 7200),
                dtype,
                chunks=(360, 720),
                fillvalue=fill,
                compression="gzip",
                compression_opts=1,
                track_times=False,
            )
            dataset.attrs["_FillValue"] = np.array([fill], dtype)
        write_attributes(
            fields[field], **{k: v for k, v in layout.items() if k not in {"dtype", "fill"}}
        )
        known = np.isfinite(window)
        raw = np.where(known, np.round(np.where(known, window, 0) / scale), layout["fill"])
        fields[field][rows, columns] = raw.astype(layout["dtype"])
        fields[quality][rows, columns] = np.where(known, 0, bad).astype(quality_type)
        write_attributes(file, ProcessingEnvironment="virtual basin", ShortName=product)

    after = next_month(month)
    name = f"{product}.A{month:%Y%j}.002.{after:%Y%j}000000.h5"
    return publish(
        upstream / f"allData/5200/{product}/{month:%Y/%j}" / name, make_template(build), published
    )


def write_gldas_month(
    upstream: Path,
    *,
    month: datetime,
    product: str,
    pet: NDArray[np.floating],
    runoff: NDArray[np.floating],
    grid: Grid,
    published: datetime,
) -> Path:
    """Write the window of a monthly GLDAS 2.1 file, as a subset service cuts it out.

    Parameters
    ----------
    upstream
        Root folder.
    month
        First day of the month.
    product
        ``GLDAS_NOAH025_M``, or ``GLDAS_NOAH025_M_EP`` for the early product.
    pet
        Potential evaporation (mm per day) on ``grid``; it is written in W m-2.
    runoff
        mm of the month; written as its mean over steps of three hours, one half of it subsurface.
    grid
        Any grid.
    published
        Moment of publication.
    """
    lat, lon = -59.875 + 0.25 * np.arange(600), -179.875 + 0.25 * np.arange(1440)
    days = monthrange(month.year, month.month)[1]
    half_runoff = runoff / (2 * 8 * days)
    fields = {
        "Qs_acc": (half_runoff, "kg m-2"),
        "Qsb_acc": (half_runoff, "kg m-2"),
        "PotEvap_tavg": (pet * 2.501e6 / 86_400, "W m-2"),
    }

    def build(file: h5py.File) -> None:
        rows, columns, _ = _sample_pixels(lat, lon, runoff, grid)
        epoch = datetime(2000, 1, 1, tzinfo=UTC)
        write_array(
            file,
            "time",
            ("time",),
            data=np.array([float((month - epoch).days)]),
            units="days since 2000-01-01 00:00:00",
        )
        write_array(file, "lat", ("lat",), data=lat[rows].astype("f4"), units="degrees_north")
        write_array(file, "lon", ("lon",), data=lon[columns].astype("f4"), units="degrees_east")
        for name, (values, units) in fields.items():
            window = _sample_pixels(lat, lon, np.asarray(values), grid)[2]
            write_array(
                file,
                name,
                ("time", "lat", "lon"),
                data=window[None].astype("f4"),
                fill=-9999.0,
                units=units,
            )
        write_attributes(file, institution="none: virtual basin", Conventions="CF-1.6")

    name = f"{product}.A{month:%Y%m}.021.nc4.dap.nc4"
    folder = upstream / f"GLDAS/{product}.2.1/{month:%Y}"
    return publish(folder / name, make_template(build), published)
