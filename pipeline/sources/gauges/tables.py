"""Gauge readings in tables: portal exports, HYMOS rows, the plain CSV and a ministry's own."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pandas as pd

from pipeline.quality.selection import METHODS
from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats.tables import Rows
from pipeline.sources.gauges.columns import is_used
from pipeline.sources.gauges.layouts import (
    COLUMNS,
    PORTAL,
    Kind,
    find_tables,
    open_sheet,
    open_text,
)
from pipeline.sources.gauges.own_table import OwnLayout, read_own
from pipeline.sources.gauges.parts import read_parts
from pipeline.sources.gauges.series import (
    PARAMETERS,
    UNITS,
    make_series,
    merge_series,
    normalize_datum,
    normalize_unit,
    parse_method,
)
from pipeline.sources.gauges.stamps import correct_stamps
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve
from pipeline.sources.gauges.table_rows import (
    VIRTUAL_GRADE,
    make_readings,
    parse,
    resolve_stations,
    set_flags,
    skip_rows,
    use_columns,
)

METHODS_OF_HYMOS = {"M": "manual", "T": "telemetry", "A": "telemetry"}
"""Methods of HYMOS: observers, telemetry, and automatic recorders, which are sensors as well."""
PARAMETERS_OF_HYMOS = {
    "HH": "stage",
    **dict.fromkeys(("P", "PC", "PH", "PM", "RF", "RR"), "rain"),
    **dict.fromkeys(("Q", "QC", "QD", "QH", "QQ"), "discharge"),
}
"""Parameters of HYMOS that are observed and used; not evaporation (EV) or forecasts (QF)."""


def read_table(path: Path, layout: OwnLayout | None = None) -> pd.DataFrame | None:
    """Read a table of readings in text or on a sheet of a workbook.

    Parameters
    ----------
    path
        File.
    layout
        Layout of a table that has none of the known ones.

    Returns
    -------
    pandas.DataFrame
        As of :func:`pipeline.sources.gauges.gauge_files.read`, or None where no layout fits.

    Raises
    ------
    Skipped
        The content is of a kind that the pipeline does not use.
    BadGranule
        Too many of its rows are bad, or a fact that all rows depend on is.
    """
    with path.open("rb") as stream:
        workbook = stream.read(4) == b"PK\x03\x04"
    if workbook:
        return _read_workbook(path, layout)
    opened = open_text(path, layout)
    return None if opened is None else _read_rows(*opened, layout)


def _read_workbook(path: Path, layout: OwnLayout | None) -> pd.DataFrame | None:
    """Read the tables on the sheets of a workbook."""
    tables, sheets, remarks = find_tables(path, layout)
    if not tables:
        return None
    if sheets[1:]:
        sheets_with_tables = " and ".join(repr(sheets[place]) for place in tables)
        verb = "have" if tables[1:] else "has"
        remarks = [f"of {len(sheets)} sheets {sheets_with_tables} {verb} a table", *remarks]
    if tables[1:]:
        readers = [(sheets[place], partial(_read_sheet, path, place, layout)) for place in tables]
        return read_parts(path, readers, expected="readings on its sheets", remarks=remarks)
    table = _read_sheet(path, tables[0], layout)
    table.attrs["said"] = [*remarks, *table.attrs["said"]]
    return table


def _read_sheet(path: Path, sheet: int, layout: OwnLayout | None) -> pd.DataFrame:
    """Read the table on a sheet that has one."""
    opened = open_sheet(path, sheet, layout)
    if opened is None:
        raise BadGranule(path, expected="a table on the sheet", found="none")
    return _read_rows(*opened, layout)


def _read_rows(kind: Kind, rows: Rows, layout: OwnLayout | None) -> pd.DataFrame:
    """Read the rows of a table by its layout."""
    if kind == "own" and layout is not None:
        return read_own(rows, layout)
    return {"portal": _read_portal, "plain": _read_plain, "hymos": _read_hymos}[kind](rows)


def _read_portal(rows: Rows) -> pd.DataFrame:
    """Read one export of the portal, which is one series."""
    path, cells = rows.path, rows.cells
    if cells.empty:
        rows.describe_bad_rows()
        raise BadGranule(path, expected="at least one row", found="the header alone")
    for column in ("country code", "station code", "parameter", "label", "unit"):
        if column in cells:
            _check_constant(rows, column)
    first = rows.cells.iloc[0]
    if first["parameter"] not in PARAMETERS:
        raise Skipped(f"{path.name}: {first['parameter']} is not used")
    match = re.search(r"@[A-Z]{2}_([^_]+)_", path.name)
    code = _portal_station(rows, match[1] if match else None)
    parse(rows, "timestamp")
    variable, method = PARAMETERS[first["parameter"]], parse_method(str(first["label"]))
    flag_columns = [name for name in rows.cells.columns if is_used(name) and name not in PORTAL]
    rows.cells = rows.cells.assign(
        _qc="good", version=f"{first['label']}, ", _variable=variable, method=method
    )
    if "observed or estimated" in rows.cells:
        marks = rows.cells["observed or estimated"].str.upper()
        rows.cells.loc[marks == "E", "_qc"] = "estimated"
        rows.leave_out(~marks.isin(["O", "E", ""]), "O or E", "observed or estimated")
    use_columns(rows, flag_columns)
    if "approval level" in rows.cells:
        rows.cells["version"] += rows.cells["approval level"]
    if method == "manual":
        rows.cells["_time"], early, remarks = correct_stamps(rows.cells["_time"])
        rows.cells.loc[early & (rows.cells["_qc"] == "good"), "_qc"] = "shifted"
        rows.remarks.extend(remarks)
    bad_rows, cells = rows.describe_bad_rows(), rows.cells
    made = make_series(
        path,
        station=code,
        variable=variable,
        unit=str(first["unit"]),
        method=method,
        time=cells["_time"],
        value=cells["_value"],
        qc=cells["_qc"],
        version=cells["version"],
        six_digits=True,
    )
    frame = merge_series(path, [made], bad_rows=bad_rows, remarks=rows.remarks)
    if "grade" in cells and (cells["grade"] == VIRTUAL_GRADE).any():
        frame.attrs["origin"] = "virtual"
    return frame


def _portal_station(rows: Rows, name_code: str | None) -> str:
    """Find the code of an export's station, and check it against the name of the file."""
    text = str(rows.cells.iloc[0]["station code"])
    expected = (
        f"station {name_code} as in its name" if name_code else "a station code of six digits"
    )
    try:
        code, remark = resolve(text, six_digits=True)
    except UnknownStationError as error:
        raise BadGranule(
            rows.path, expected=expected, found=str(error).removeprefix("found ")
        ) from error
    if name_code is not None and code != name_code:
        raise BadGranule(rows.path, expected=expected, found=repr(text))
    if remark:
        rows.remarks.append(remark)
    return code


def _check_constant(rows: Rows, column: str) -> None:
    """Leave out the few rows of an export whose cell differs from that of all others."""
    counts = rows.cells[column].value_counts()
    usual = counts.index[0]
    differs = rows.cells[column] != usual
    if differs.mean() > 0.05:
        values = list(rows.cells[column].unique()[:5])
        raise BadGranule(rows.path, expected=f"one {column}", found=str(values))
    rows.leave_out(differs, f"{column} {usual} as in the other rows", column)


def _read_hymos(rows: Rows) -> pd.DataFrame:
    """Read rows of HYMOS or FMMP: country, code, parameter, method, time, value, unit, flag.

    They have no header and no leading zero in the code; times are local, with their offset.
    """
    cells = rows.cells
    if "flag" not in cells:
        cells = cells.assign(flag="")
    cells = cells.assign(
        station=cells["station"].str.replace(r"\.0$", "", regex=True).str.zfill(6),
        unit=cells["unit"].map(normalize_unit),
        method=cells["method"].str.upper().map(METHODS_OF_HYMOS),
        given=cells["method"],
        parameter=cells["parameter"].str.upper(),
    )
    cells["_variable"] = cells["parameter"].map(PARAMETERS_OF_HYMOS)
    cells["kind"] = cells["parameter"] + " in " + cells["unit"]
    rows.cells = cells
    skip_rows(rows, cells["_variable"].isna(), "parameter")
    for variable, units in UNITS.items():
        rows_of_variable = rows.cells[rows.cells["_variable"] == variable]
        rows.leave_out(
            ~rows_of_variable["unit"].isin(list(units)), "HH in m, rain in mm or m3/s", "kind"
        )
    rows.leave_out(rows.cells["method"].isna(), "method M, T or A", "given")
    resolve_stations(rows, "station", six_digits=True)
    parse(rows, "time")
    set_flags(rows, "flag")
    return make_readings(rows)


def _read_plain(rows: Rows) -> pd.DataFrame:
    """Read the plain CSV of agencies that the operator's guide describes."""
    cells = rows.cells
    for column, usual in (("method", "manual"), ("datum", "gauge"), ("version", "")):
        if column not in cells:
            cells = cells.assign(**{column: usual})
        elif column != "version":
            cells[column] = cells[column].str.casefold().replace("", usual)
    cells["datum"] = cells["datum"].map(normalize_datum)
    cells = cells.assign(variable=cells["variable"].str.casefold(), _qc="good")
    cells["unit"], cells["_variable"] = cells["unit"].map(normalize_unit), cells["variable"]
    rows.cells = cells
    rows.leave_out(
        ~cells["variable"].isin(list(UNITS)), f"variable {' or '.join(UNITS)}", "variable"
    )
    rows.leave_out(
        ~rows.cells["method"].isin(METHODS), "method manual, calculated or telemetry", "method"
    )
    for variable, units in UNITS.items():
        rows_of_variable = rows.cells[rows.cells["variable"] == variable]
        rows.leave_out(
            ~rows_of_variable["unit"].isin(list(units)), f"unit {' or '.join(units)}", "unit"
        )
    resolve_stations(rows, "station")
    parse(rows, "time")
    flag_columns = [name for name in rows.cells.columns if is_used(name) and name not in COLUMNS]
    use_columns(rows, flag_columns)
    return make_readings(rows)
