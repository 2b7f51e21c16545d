"""Writers of rain products in their true layouts, for the readers of the providers' files.

Each writer takes plain arrays on a :class:`~pipeline.geography.grid.Grid`, lays its file below
``upstream`` as the provider does, marks its origin inside the file as virtual, and sets the
modification time to the moment of publication. The same arguments give the same bytes. Only the
window of the grid is written; the rest of a global image is unallocated fill and costs nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.geography.grid import Grid
from pipeline.sources.formats.projection import pixels_in, projection_of
from pipeline.virtual.writing import fill_in, make_template, publish, write_array, write_attributes

_FILL = -9999.9
_GPS = datetime(1980, 1, 6, tzinfo=UTC)
_RUN = {"early": "E", "late": "L"}


def _write_axes(group: h5py.Group) -> None:
    """Write the axes of IMERG: 3600 longitudes and 1800 latitudes from the south-west."""
    for name, size, first, units, word in (
        ("lon", 3600, -179.95, "degrees_east", "longitude"),
        ("lat", 1800, -89.95, "degrees_north", "latitude"),
    ):
        centres = (first + 0.1 * np.arange(size)).astype("f4")
        write_array(group, name, (name,), data=centres, units=units, standard_name=word)


@cache
def _half_hour_template() -> bytes:
    def build(file: h5py.File) -> None:
        grid = file.create_group("Grid")
        write_attributes(
            grid,
            GridHeader="BinMethod=ARITHMETIC_MEAN;\nRegistration=CENTER;\n"
            "LatitudeResolution=0.1;\nLongitudeResolution=0.1;\nNorthBoundingCoordinate=90;\n"
            "SouthBoundingCoordinate=-90;\nEastBoundingCoordinate=180;\n"
            "WestBoundingCoordinate=-180;\nOrigin=SOUTHWEST;\n",
        )
        since = "seconds since 1980-01-06 00:00:00 UTC"
        write_array(
            grid,
            "time",
            ("time",),
            data=np.zeros(1, "i4"),
            DimensionNames="time",
            Units=since,
            units=since,
            standard_name="time",
            axis="T",
            calendar="julian",
        )
        _write_axes(grid)
        grid.create_group("Intermediate")
        for name, dtype, fill, units in (
            ("precipitation", "f4", _FILL, "mm/hr"),
            ("randomError", "f4", _FILL, "mm/hr"),
            ("precipitationQualityIndex", "f4", _FILL, ""),
            ("probabilityLiquidPrecipitation", "i2", -9999, "percent"),
            ("Intermediate/precipitationUncal", "f4", _FILL, "mm/hr"),
            ("Intermediate/MWprecipitation", "f4", _FILL, "mm/hr"),
            ("Intermediate/MWprecipSource", "i2", -9999, ""),
            ("Intermediate/MWobservationTime", "i2", -9999, "minutes"),
            ("Intermediate/IRprecipitation", "f4", _FILL, "mm/hr"),
            ("Intermediate/IRinfluence", "i2", -9999, ""),
        ):
            dataset = write_array(
                grid,
                name,
                ("time", "lon", "lat"),
                dtype=dtype,
                chunks=(1, 145, 1800),
                fill=fill,
                DimensionNames="time,lon,lat",
                coordinates="time lon lat",
                CodeMissingValue="-9999.9" if dtype == "f4" else "-9999",
            )
            if units:
                write_attributes(dataset, Units=units, units=units)

    return make_template(build)


def write_imerg_half_hour(
    upstream: Path,
    *,
    run: Literal["early", "late"],
    time: datetime,
    rain_rate: NDArray[np.floating],
    grid: Grid,
    published: datetime,
    version: str = "V07B",
) -> Path:
    """Write a half-hourly IMERG file.

    Parameters
    ----------
    upstream
        Root folder.
    run
        Early or Late.
    time
        Start of the half-hour.
    rain_rate
        Rain rate (mm h-1) on ``grid``, north-up, NaN for missing.
    grid
        Grid of 0.1 degree.
    published
        Moment of publication.
    version
        Version letter and all.
    """
    last = time + timedelta(minutes=30, seconds=-1)
    name = (
        f"3B-HHR-{_RUN[run]}.MS.MRG.3IMERG.{time:%Y%m%d-S%H%M%S}-E{last:%H%M%S}."
        f"{time.hour * 60 + time.minute:04d}.{version}.HDF5"
    )

    def change(file: h5py.File) -> None:
        write_attributes(
            file,
            FileHeader=_format_header(f"3IMERGHH{_RUN[run]}", name, time, last, version),
            FileInfo="DataFormatVersion=7e;\nFormatPackage=HDF5-1.10.9;\nMetadataStyle=PVL;\n",
        )
        file["Grid/time"][0] = round((time - _GPS).total_seconds())
        _write_window(file["Grid/precipitation"], rain_rate, grid)

    folder = upstream / f"GPM_L3/GPM_3IMERGHH{_RUN[run]}.07/{time:%Y/%j}"
    return publish(folder / name, fill_in(_half_hour_template(), change), published)


def _format_header(short: str, name: str, start: datetime, last: datetime, version: str) -> str:
    """Format IMERG's FileHeader; its ProcessingSystem gives the origin of the values."""
    return (
        f"DOIshortName={short};\nAlgorithmID={short};\nFileName={name};\nSatelliteName=MULTI;\n"
        f"InstrumentName=MERGED;\nStartGranuleDateTime={start:%Y-%m-%dT%H:%M:%S}.000Z;\n"
        f"StopGranuleDateTime={last:%Y-%m-%dT%H:%M:%S}.999Z;\nProcessingSystem=VIRTUAL;\n"
        f"ProductVersion={version};\nEmptyGranule=NOT_EMPTY;\nMissingData=;\n"
    )


def _write_window(data: h5py.Dataset, values: NDArray[np.number], grid: Grid) -> None:
    """Write a window, north-up, into IMERG's (time, lon, lat)."""
    west, south = round((grid.lon[0] + 179.95) / 0.1), round((grid.lat[-1] + 89.95) / 0.1)
    rows, columns = grid.shape
    fill = data.fillvalue
    block = np.where(np.isfinite(values), values, fill).astype(data.dtype)[::-1].T
    data[0, west : west + columns, south : south + rows] = block


@cache
def _daily_template() -> bytes:
    def build(file: h5py.File) -> None:
        write_array(
            file,
            "time",
            ("time",),
            data=np.zeros(1),
            units="days since 1970-01-01 00:00:00Z",
            standard_name="time",
            calendar="julian",
        )
        _write_axes(file)
        for name, dtype, fill, units in (
            ("precipitation", "f4", _FILL, "mm/day"),
            ("precipitation_cnt", "i4", -9999, "count"),
            ("precipitation_cnt_cond", "i4", -9999, "count"),
            ("MWprecipitation", "f4", _FILL, "mm/day"),
            ("MWprecipitation_cnt", "i4", -9999, "count"),
            ("randomError", "f4", _FILL, "mm/day"),
            ("probabilityLiquidPrecipitation", "i2", -9999, "percent"),
        ):
            write_array(
                file,
                name,
                ("time", "lon", "lat"),
                dtype=dtype,
                chunks=(1, 145, 1800),
                fill=fill,
                units=units,
                coordinates="time lon lat",
            )

    return make_template(build)


def write_imerg_day(
    upstream: Path,
    *,
    time: datetime,
    rain: NDArray[np.floating],
    n_valid: NDArray[np.number],
    grid: Grid,
    published: datetime,
    version: str = "V07B",
) -> Path:
    """Write a daily Late IMERG file.

    Parameters
    ----------
    upstream
        Root folder.
    time
        Start of the day.
    rain
        Mean rate of the day's valid half-hours (mm day-1) on ``grid``, NaN for missing.
    n_valid
        Half-hours that went in, 0 to 48.
    grid
        Grid of 0.1 degree.
    published
        Moment of publication.
    version
        Version letter and all.
    """
    name = f"3B-DAY-L.MS.MRG.3IMERG.{time:%Y%m%d}-S000000-E235959.{version}.nc4"
    last = time + timedelta(days=1, seconds=-1)

    def change(file: h5py.File) -> None:
        write_attributes(
            file,
            FileHeader=_format_header("3IMERGDL", name, time, last, version),
            BeginDate=f"{time:%Y-%m-%d}",
            EndDate=f"{time:%Y-%m-%d}",
            BeginTime="00:00:00.000Z",
            EndTime="23:59:59.999Z",
            DOI="10.5067/GPM/IMERGDL/DAY/07",
            title="GPM IMERG Late Precipitation L3 1 day 0.1 degree x 0.1 degree (GPM_3IMERGDL)",
        )
        file["time"][0] = (time - datetime(1970, 1, 1, tzinfo=UTC)).days
        _write_window(file["precipitation"], rain, grid)
        _write_window(file["precipitation_cnt"], n_valid, grid)

    path = upstream / f"GPM_L3/GPM_3IMERGDL.07/{time:%Y/%m}" / name
    return publish(path, fill_in(_daily_template(), change), published)


_SECTORS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "fd020ge": (5500, 5500, {
        "grid_mapping_name": "geostationary", "longitude_of_projection_origin": 128.2,
        "perspective_point_height": 42164000.0, "semi_major_axis": 6378137.0,
        "semi_minor_axis": 6356752.3, "column_offset": 2750.5, "line_offset": 2750.5,
        "column_scale_factor": 20425338.9, "line_scale_factor": 20425338.9,
        "image_width": 5500, "image_height": 5500,
    }),
    "ea020lc": (2600, 3000, {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel1": 30.0,
        "standard_parallel2": 60.0, "origin_latitude": 38.0, "central_meridian": 126.0,
        "false_easting": 0.0, "false_northing": 0.0, "image_width": 3000, "image_height": 2600,
        "pixel_size": 2000.0, "upper_left_easting": -2999000.0, "upper_left_northing": 2599000.0,
    }),
}  # fmt: skip


@cache
def _gk2a_template(sector: str) -> bytes:
    height, width, mapping = _SECTORS[sector]

    def build(file: h5py.File) -> None:
        for name, size in (("dim_y", height), ("dim_x", width)):
            dataset = file.create_dataset(name, (size,), ">f4", track_times=False)
            dataset.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:10d}")
        write_array(
            file,
            "RR",
            ("dim_y", "dim_x"),
            dtype="u2",
            chunks=(height // 10, width // 10),
            fill=65535,
            long_name="AMI rainfall rate",
            units="mm/h",
            scale_factor=np.float32(0.01),
            add_offset=np.float32(0),
            valid_min=np.uint16(0),
            valid_max=np.uint16(20000),
            grid_mapping="gk2a_imager_projection",
            ancillary_variables="DQF_RR",
        )
        write_array(
            file,
            "DQF_RR",
            ("dim_y", "dim_x"),
            dtype="u1",
            chunks=(height // 10, width // 10),
            fill=255,
            long_name="AMI rainfall rate data quality flag",
            units="",
            flag_meanings="0: Good 1: Bad",
        )
        dataset = file.create_dataset("gk2a_imager_projection", (), "i4", track_times=False)
        write_attributes(dataset, **mapping)
        area = sector[:2].upper()
        write_attributes(
            file,
            title="AMI L2 RR",
            conventions="CF-1.7",
            processing_environment="virtual",
            instrument="GK-2A Advanced Meteorological Imager",
            algorithm_version="virtual",
            observation_mode="FD",
            processing_area=area,
            number_of_product="2",
            names_of_product="RR, DQF_RR",
        )

    return make_template(build)


def write_gk2a_rain(
    upstream: Path,
    *,
    sector: Literal["fd020ge", "ea020lc"] = "fd020ge",
    time: datetime,
    rain_rate: NDArray[np.floating],
    grid: Grid,
    published: datetime,
) -> Path:
    """Write a GK2A rain-rate file; each pixel takes the value of the cell it lies in.

    Parameters
    ----------
    upstream
        Root folder.
    sector
        Full disk or East Asia.
    time
        Start of the slot.
    rain_rate
        Rain rate (mm h-1) on ``grid``, NaN for missing.
    grid
        Any grid.
    published
        Moment of publication.
    """
    name = f"gk2a_ami_le2_rr_{sector}_{time:%Y%m%d%H%M}.nc"
    path = upstream / f"GK2A/LE2/RR/{sector[:2].upper()}/{time:%Y%m/%d/%H}" / name

    def change(file: h5py.File) -> None:
        pixels = pixels_in(projection_of(file["gk2a_imager_projection"], path), grid)
        rate = np.append(rain_rate.ravel(), np.nan)
        raw = np.where(np.isfinite(rate), np.round(np.minimum(rate, 200) / 0.01), 65535)
        rows, columns = pixels.rows, pixels.columns
        shape = rows.stop - rows.start, columns.stop - columns.start
        values = raw.astype("u2").take(pixels.cell).reshape(shape)
        file["RR"][rows, columns] = values
        file["DQF_RR"][rows, columns] = np.where(values < 65535, 0, 255).astype("u1")

    return publish(path, fill_in(_gk2a_template(sector), change), published)
