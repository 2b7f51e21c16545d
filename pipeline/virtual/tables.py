"""Writers of gauge exports and of the areal record, as the readers expect them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import xarray as xr
from h5py import string_dtype
from numpy.typing import NDArray

from pipeline.geography.variables import VARIABLES
from pipeline.sources.gauges.gauge_files import HEADER
from pipeline.sources.gauges.table_rows import VIRTUAL_GRADE
from pipeline.virtual.writing import make_template, publish, write_array, write_attributes

_SERIES = {
    "stage": ("Water Level", "Manual", "m", 2),
    "discharge": ("Discharge", "Daily Discharge", "m^3/s", 1),
    "rain": ("Rainfall", "Manual", "mm", 1),
}


def write_mrc_export(
    folder: Path,
    *,
    country: str,
    code: str,
    station: str,
    lat: float,
    lon: float,
    variable: Literal["stage", "discharge", "rain"],
    valid_time: NDArray[np.datetime64],
    value: NDArray[np.floating],
    published: datetime,
) -> Path:
    """Write one series as the MRC portal exports it, with its metadata file.

    Parameters
    ----------
    folder
        Export folder.
    country, code, station, lat, lon
        ISO country, MRC code, name and position.
    variable
        ``stage`` (m), ``discharge`` (m3 s-1) or ``rain`` (mm).
    valid_time
        Stamps, UTC, naive.
    value
        Values, no NaN.
    published
        Moment of the export.
    """
    parameter, label, unit, digits = _SERIES[variable]
    series = f"{parameter}.{label}@{country}_{code}_[{station}]"
    front = f"{country},{code},{parameter},{label},"
    back = f',{unit},O,Generated,"{VIRTUAL_GRADE}"\n'
    stamps = np.datetime_as_string(valid_time.astype("datetime64[m]"))
    lines = [
        f"{front}{stamp}Z,{number:.{digits}f}{back}"
        for stamp, number in zip(stamps.tolist(), value.tolist(), strict=True)
    ]
    notes = (
        f"Time series identifier: {series}",
        "UTC offset: (UTC+07:00)",
        f"Value units: {unit}",
        f"Value parameter: {parameter}",
        f"Value label: {label}",
        f"Location name: {station}",
        f"Latitude: {lat}",
        f"Longitude: {lon}",
        VIRTUAL_GRADE,
    )
    metadata = "".join(f"# {note}\n" for note in notes).encode()
    publish(folder / f"{series}__metadata.txt", metadata, published)
    content = f"{HEADER}\n{''.join(lines)}".encode()
    return publish(folder / f"{series}.csv", content, published)


def write_areal_record(
    upstream: Path, *, year: xr.Dataset, published: datetime, origin: str
) -> Path:
    """Write one year of the areal record.

    Parameters
    ----------
    upstream
        Root folder.
    year
        Dims (time, zone) with one calendar year of days and the coordinate ``available_time``.
    published
        Moment of publication.
    origin
        ``virtual`` or ``measured``.
    """
    first = year["time"].to_numpy()[0].astype("datetime64[Y]")

    def build(file: h5py.File) -> None:
        epoch = np.datetime64("1970-01-01")
        days = (year["time"].to_numpy() - epoch) // np.timedelta64(1, "D")
        write_array(
            file,
            "time",
            ("time",),
            data=days,
            units="days since 1970-01-01",
            calendar="standard",
            standard_name="time",
        )
        zones = np.array([str(z) for z in year["zone"].to_numpy()], dtype=object)
        file.create_dataset("zone", data=zones, dtype=string_dtype(), track_times=False)
        file["zone"].make_scale("zone")
        known = (year["available_time"].to_numpy() - epoch) // np.timedelta64(1, "s")
        write_array(
            file,
            "available_time",
            ("time",),
            data=known,
            units="seconds since 1970-01-01",
            calendar="standard",
        )
        for name in ("rain", "coverage", "soil_moisture", "ndvi", "lst"):
            data = year[name].transpose("time", "zone").to_numpy().astype("f4")
            write_array(
                file, name, ("time", "zone"), data=data, fill=np.nan, units=VARIABLES[name].units
            )
        write_attributes(file, origin=origin, Conventions="CF-1.11", title="Areal record")

    return publish(upstream / f"zones/areal_record_{first}.nc", make_template(build), published)
