"""Indices of a night as files for other programs: netCDF, Zarr, CSV and Excel workbooks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.choices import IndexFormat
from pipeline.exchange.netcdf import describe_dataset, save_netcdf
from pipeline.indices.suite import INDICES
from pipeline.issuance.bundle import VIRTUAL_SOURCE
from pipeline.issuance.products import AXES, bound_times, describe_axes
from pipeline.nights.night import Night
from pipeline.nights.spans import Day
from pipeline.nights.zone_arrays import By
from pipeline.storage.atomic import draft_file, draft_folder
from pipeline.times import format_utc

MOST_ROWS = 1_048_575
"""Rows of a sheet of Excel below its heading."""
EMPTY = "not known; it is never zero"
"""What an empty cell of a table says."""


@dataclass(frozen=True)
class ExportedIndex:
    """What was written.

    Parameters
    ----------
    path
        File, or folder of a Zarr store.
    steps, step
        Number of steps, and what they are: ``days``, ``months`` or ``years``.
    places, by
        Number of places, and what they are.
    first, last
        First and last day, month or year.
    unit
        Unit of the values.
    status
        CAP status of the night.
    missing
        Values that are not known.
    """

    path: Path
    steps: int
    step: str
    places: int
    by: By
    first: str
    last: str
    unit: str
    status: str
    missing: int


def export_index(
    night: Night,
    name: str,
    path: Path,
    *,
    file_format: IndexFormat,
    by: By = "city",
    start: Day | None = None,
    end: Day | None = None,
) -> ExportedIndex:
    """Write an index of a night into a file, with names, units and what it was made from.

    Parameters
    ----------
    night
        Night.
    name, by, start, end
        As of :meth:`pipeline.nights.night.Night.index`.
    path
        File, replaced at once; a Zarr store is a folder that is not there yet.
    file_format
        ``nc`` and ``zarr``: CF-1.11 with dims (zone, time) as ``risk.nc``, (station, time) as
        ``monthly_gauges.nc``, or (time, lat, lon) of cells. ``csv``: a row per time and place.
        ``xlsx``: a column per place and a sheet that says what they are; of cells a row per time
        and cell.

    Returns
    -------
    ExportedIndex
        A value that is not known is NaN in arrays and an empty cell in tables.

    Raises
    ------
    LookupError
        The index is not offered for such places, or has nothing of that span.
    ValueError
        The rows are more than a sheet holds.
    FileExistsError
        The folder of the Zarr store is there.
    """
    da = night.index(name, start, end, by=by)
    if not da.size:
        raise LookupError(f"{name}: expected values of the span, found no step of it")
    ds = _describe_cells(da) if by == "cell" else _describe_zones(da, by, night)
    missing = int(np.isnan(da).sum())
    path.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[file_format](ds, path, night, by)
    days = np.datetime_as_string(da["time"].values[[0, -1]], unit="D")
    return ExportedIndex(
        path=path,
        steps=da.sizes["time"],
        step={"D": "days", "M": "months", "Y": "years"}[_step_of(da)],
        by=by,
        places=da.size // da.sizes["time"],
        first=str(days[0]),
        last=str(days[1]),
        unit=str(da.attrs["units"]),
        status=night.status,
        missing=missing,
    )


def _describe_zones(da: xr.DataArray, by: str, night: Night) -> xr.Dataset:
    """Label places as in the published files, with where they lie and bounds of the times."""
    place, prefix = ("station", "") if by == "gauge" else ("zone", f"{by}:")
    ids = [f"{prefix}{key}" for key in da[by].values.tolist()]
    plain = da.drop_vars(["name", by]).rename({by: place}).assign_coords({place: ids})
    step = _step_of(da)
    ds = _bare(plain).to_dataset()
    file = "risk.nc" if step == "D" else "monthly.nc"
    ds = describe_axes(ds, file, region=night.settings.region, asof=night.issue_time)
    bounds = (("time", "bounds"), bound_times(ds["time"].values, step))
    long_name = AXES["year" if step == "Y" else "time"]["long_name"]
    return ds.assign_coords(time_bnds=bounds, time=ds["time"].assign_attrs(long_name=long_name))


def _describe_cells(da: xr.DataArray) -> xr.Dataset:
    """Describe the times and the CRS of an index of the grid."""
    bounds = (("time", "bounds"), bound_times(da["time"].values, _step_of(da)))
    ds = _bare(da).to_dataset().assign_coords(time_bnds=bounds)
    crs = ds["spatial_ref"].assign_attrs(long_name="Coordinate reference system")
    time = ds["time"].assign_attrs(AXES["time"], bounds="time_bnds")
    return ds.assign_coords(time=time, spatial_ref=crs)


def _bare(da: xr.DataArray) -> xr.DataArray:
    """Drop the attributes of the night, which the file has as a whole."""
    of_night = {"Conventions", "issue_time", "status", "origin"}
    attrs = {key: value for key, value in da.attrs.items() if key not in of_night}
    return da.drop_attrs(deep=False).assign_attrs(attrs)


def _step_of(da: xr.DataArray) -> str:
    """Step of an index as NumPy names it: a day, calendar month or year."""
    row = INDICES[str(da.name)]
    if "months" not in row.families:
        return "D"
    return "Y" if row.params == "wet_season" else "M"


def _global_attributes(ds: xr.Dataset, night: Night, by: By) -> dict[str, Any]:
    """Global attributes of a file of arrays."""
    (name,) = ds.data_vars
    long_name = str(ds[name].attrs["long_name"])
    places = {"basin": "sub-basin"}.get(by, by)
    institution = night.settings.alert_sender_name or "mekong-early-warning, an automatic forecast"
    mark = "" if night.status == "Actual" else f"{night.status}: "
    return {
        "title": f"{mark}{long_name} ({name}) of each {places}",
        "summary": f"{long_name} of each {places}, as the night of {night.issue_time:%Y-%m-%d} has "
        "it. Values that are not known are missing, never zero.",
        "source": VIRTUAL_SOURCE if night.published["origin"] == "virtual" else "measured",
        "issue_time": night.issue_time,
        "status": night.status,
        "origin": str(night.published["origin"]),
        "institution": institution,
        "time_coverage_resolution": f"P1{_step_of(ds[name])}",
    }


def _write_netcdf(ds: xr.Dataset, path: Path, night: Night, by: By) -> None:
    with draft_file(path) as draft:
        save_netcdf(ds, draft, **_global_attributes(ds, night, by))


def _write_zarr(ds: xr.Dataset, path: Path, night: Night, by: By) -> None:
    if path.exists():
        raise FileExistsError(f"expected a folder that is not there yet, found {path}")
    mapping = {
        name: array.encoding["grid_mapping"]
        for name, array in ds.data_vars.items()
        if "grid_mapping" in array.encoding
    }
    described = describe_dataset(ds, **_global_attributes(ds, night, by))
    for name, crs in mapping.items():
        described[name].attrs["grid_mapping"] = crs
    with draft_folder(path) as draft:
        described.to_zarr(draft, mode="w", zarr_format=2, consolidated=True)


def _list_blocks(ds: xr.Dataset, night: Night, by: By) -> Iterator[pd.DataFrame]:
    """Make the rows of a table, a step of time after the other."""
    (name,) = ds.data_vars
    da = ds[name].transpose("time", ...)
    places = _list_places(ds, by)
    flags = _read_flags(da)
    for step in da:
        values = pd.Series(step.values.ravel().astype("float64"))
        columns: dict[str, Any] = {
            "time": np.datetime_as_string(step["time"].values, unit="D"),
            **places,
            str(name): values.map(lambda value: f"{value:.6g}", na_action="ignore"),
            "unit": da.attrs["units"],
            **({"meaning": values.map(flags)} if flags else {}),
            "status": night.status,
            "origin": night.published["origin"],
        }
        yield pd.DataFrame(columns)


def _list_places(ds: xr.Dataset, by: By) -> dict[str, Any]:
    """Columns that say where the values of a step lie, in their order."""
    if by == "cell":
        lat, lon = (ds[name].values.round(4) for name in ("lat", "lon"))
        return {"lat_deg": np.repeat(lat, lon.size), "lon_deg": np.tile(lon, lat.size)}
    place = "station" if by == "gauge" else "zone"
    ids = [str(key).removeprefix(f"{by}:") for key in ds[place].values]
    names, lat, lon = (ds[name].values for name in (f"{place}_name", "lat", "lon"))
    return {by: ids, "name": names, "lat_deg": lat, "lon_deg": lon}


def _read_flags(da: xr.DataArray) -> dict[float, str]:
    """Meanings of the values of an index of classes; empty of others."""
    meanings = str(da.attrs.get("flag_meanings", "")).split()
    return dict(zip(np.ravel(da.attrs.get("flag_values", [])).tolist(), meanings, strict=True))


def _write_csv(ds: xr.Dataset, path: Path, night: Night, by: By) -> None:
    with draft_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        for number, block in enumerate(_list_blocks(ds, night, by)):
            block.to_csv(stream, index=False, header=not number, quoting=csv.QUOTE_MINIMAL)


def _write_workbook(ds: xr.Dataset, path: Path, night: Night, by: By) -> None:
    (name,) = ds.data_vars
    da = ds[name].transpose("time", ...)
    if by == "cell":
        if da.size > MOST_ROWS:
            raise ValueError(
                f"xlsx: expected at most {MOST_ROWS:,} rows, found {da.size:,} cells and times; "
                "take a shorter span, or nc, zarr or csv"
            )
        frame = pd.concat(_list_blocks(ds, night, by), ignore_index=True)
        frame[str(name)] = pd.to_numeric(frame[str(name)])
    else:
        values = da.to_numpy().astype("float64")
        rounded = [[float(f"{value:.6g}") for value in row] for row in values]
        frame = pd.DataFrame(rounded, columns=_list_places(ds, by)["name"].tolist())
        frame.insert(0, "time", pd.DatetimeIndex(da["time"].values).date)
    with draft_file(path) as draft, pd.ExcelWriter(draft, engine="openpyxl") as writer:
        title = f"{night.status} {name}"[:31]
        frame.to_excel(writer, sheet_name=title, index=False, freeze_panes=(1, 1))
        _describe_workbook(da, night).to_excel(writer, sheet_name="about", index=False)
        writer.sheets["about"].column_dimensions["A"].width = 20
        writer.sheets["about"].column_dimensions["B"].width = 70


def _describe_workbook(da: xr.DataArray, night: Night) -> pd.DataFrame:
    """Rows of the sheet that says what the values are."""
    rows = {
        "index": da.name,
        "long name": da.attrs["long_name"],
        "unit": da.attrs["units"],
        "empty cell": EMPTY,
        "time": "start of the day, month or year, UTC",
        "status": night.status,
        "origin": night.published["origin"],
        "night": format_utc(night.issue_time),
        "reference period": da.attrs.get("reference_period", ""),
        "definition": da.attrs.get("definition_sha256", ""),
        **{f"value {value:g}": meaning for value, meaning in _read_flags(da).items()},
    }
    return pd.DataFrame(rows.items(), columns=["what", "is"])


_WRITERS: dict[IndexFormat, Callable[[xr.Dataset, Path, Night, By], None]] = {
    "nc": _write_netcdf,
    "csv": _write_csv,
    "xlsx": _write_workbook,
    "zarr": _write_zarr,
}
