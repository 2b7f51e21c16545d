"""A rival's archive of forecasts, from CSV or netCDF, with what was left out of it and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from models.verification.archives import (
    KEYS,
    PROBABILITIES,
    TIMES_OF_TABLE,
    ForecastArchive,
    Variable,
    add_issue_day,
)
from pipeline.geography.places import stations
from pipeline.geography.variables import VARIABLES
from pipeline.sources.base import BadGranule
from pipeline.sources.formats.tables import (
    SHOWN,
    Rows,
    decode,
    find_heading,
    read_body,
    split_lines,
)
from pipeline.sources.gauges.numbers import to_numbers
from pipeline.sources.gauges.series import normalize_unit
from pipeline.sources.gauges.stamps import to_utc
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve

LAYOUT = "a rival's forecasts"
MOST_BYTES = 2_000_000_000
"""Largest netCDF, unpacked."""
POINTS = ("value", "stage m")
"""Columns of a value; a second one is in metres by its name."""
UNITS: dict[str, tuple[Variable, float]] = {
    "m": ("stage", 1.0),
    "cm": ("stage", 0.01),
    "m3/s": ("discharge", 1.0),
}
"""Variable and factor of each unit."""
NETCDF_NAMES = ("value", "stage", "stage_m", "discharge")
AXES = ("station", "issue_time", "lead")
OFF_HOUR = pd.Timedelta(hours=1)
"""Greatest distance of a valid time from 00:00 UTC, when gauges are read (07:00 local time)."""
_QUANTILE = re.compile(r"q(\d{2,3})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_KEY = ["station", "issue", "valid"]


def read_rival(path: Path) -> ForecastArchive:
    """Read a rival's archive of forecasts of stage or discharge.

    Parameters
    ----------
    path
        CSV with a heading: ``station`` (code or name of a gauge), ``issue_time`` with its zone or
        ``issue_date``, ``valid_time`` or ``valid_date`` or ``lead_days``; ``value`` with ``unit``
        (m, cm, m3/s) or ``stage_m``, one row per ``member`` where there are members, or quantiles
        ``q05`` ... with ``unit``; ``p_alarm``, ``p_flood``. Or netCDF-4 (``.nc``) with the
        dimensions station, issue_time, lead and perhaps member or quantile.

    Returns
    -------
    ForecastArchive
        In m or m3/s. Of several issues on a day (UTC) the first is kept. Leads are the days from
        the date of issue to the date of the valid time, in UTC.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    BadGranule
        It is no such archive, or too much of it is bad; says what was expected and found.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a rival's forecasts in {path}, found none")
    if path.suffix.casefold() == ".nc":
        rows, columns, unit, virtual = _read_netcdf(path)
    elif path.suffix.casefold() in {".csv", ".txt"}:
        rows, columns, unit, virtual = *_read_csv(path), False
    else:
        raise BadGranule(path, expected="a file .csv or .nc", found=repr(path.name))
    variable, factor = _parse_unit(path, "m" if unit is None else unit)
    rows.cells[columns] *= factor
    _leave_out_unknown_gauges(rows)
    _leave_out_off_hours(rows)
    _leave_out_impossible(rows, columns, variable)
    archive = _to_archive(rows, columns, variable=variable, virtual=virtual)
    if archive.rows.empty:
        said = "; ".join(archive.remarks) or "no row"
        raise BadGranule(path, expected="forecasts at gauges of the table", found=said)
    return archive


def _parse_unit(path: Path, unit: str) -> tuple[Variable, float]:
    if unit not in UNITS:
        raise BadGranule(
            path, expected="the unit m or cm above gauge zero, or m3/s", found=repr(unit)
        )
    return UNITS[unit]


def _read_csv(path: Path) -> tuple[Rows, list[str], str | None]:
    """Read a table: its rows with parsed cells, the columns of values, and the unit."""
    text, remarks = decode(path)
    lines, _ = split_lines(path, text)
    heading = find_heading(lines, lambda names: "station" in names)
    if heading is None:
        raise BadGranule(path, expected="a heading with the column station", found="none")
    number, delimiter, names = heading
    cells, bad = read_body(path, lines, delimiter, names, first=number + 1)
    if cells.empty:
        raise BadGranule(path, expected="rows below the heading", found="none")
    if cells.columns.duplicated().any():
        raise BadGranule(path, expected="one column of each name", found=repr(names))
    rows = Rows(path, LAYOUT, cells, bad, remarks, delimiter)
    headings = [str(name) for name in cells]
    columns = [name for name in headings if name in POINTS or _QUANTILE.fullmatch(name)]
    shares = [name.replace("_", " ") for name in PROBABILITIES if name.replace("_", " ") in cells]
    if not columns and not shares:
        expected = "a column value, stage_m, q05 to q95, p_alarm or p_flood"
        raise BadGranule(path, expected=expected, found=f"the columns {', '.join(names)}")
    if set(POINTS) <= set(columns):
        raise BadGranule(path, expected="one of value and stage_m", found="both")
    unit = _find_unit(rows, columns)
    _parse_times(rows)
    used = {*columns, *shares, "station", "unit", "member", "issue", "valid", *_TIME_COLUMNS}
    if others := [name for name in headings if name not in used]:
        rows.remarks.append(f"columns that are not read: {', '.join(others)}")
    for name in [*columns, *shares, *(["member"] if "member" in cells else [])]:
        numbers, unreadable = to_numbers(rows.cells[name], semicolons=delimiter == ";")
        rows.leave_out(unreadable, "a number", name)
        rows.cells[name] = numbers[~unreadable]
    rows.cells = rows.cells.rename(columns={name: name.replace(" ", "_") for name in shares})
    rows.cells = rows.cells.rename(columns={"stage m": "value"})
    return rows, [name.replace("stage m", "value") for name in columns], unit


_TIME_COLUMNS = ("issue time", "issue date", "valid time", "valid date", "lead days")


def _find_unit(rows: Rows, columns: Sequence[str]) -> str | None:
    """Find the one unit of a table; None where it has only probabilities."""
    if not columns:
        return None
    if "unit" not in rows.cells:
        if list(columns) == ["stage m"]:
            return "m"
        raise BadGranule(rows.path, expected="a column unit (m, cm or m3/s)", found="none")
    units = sorted({normalize_unit(text) for text in rows.cells["unit"].unique()})
    if len(units) > 1:
        raise BadGranule(rows.path, expected="one unit", found=", ".join(map(repr, units)))
    if "stage m" in columns and units != ["m"]:
        raise BadGranule(rows.path, expected="the unit m of stage_m", found=repr(units[0]))
    return units[0]


def _parse_times(rows: Rows) -> None:
    """Parse the columns ``issue`` and ``valid``, naive UTC; unreadable rows are left out."""
    issues, valids = (
        [name for name in _TIME_COLUMNS if name in rows.cells and name.startswith(kind)]
        for kind in ("issue", "valid")
    )
    has_lead = "lead days" in rows.cells
    if len(issues) != 1:
        expected = "one column issue_time (with its zone) or issue_date"
        raise BadGranule(rows.path, expected=expected, found=", ".join(issues) or "none")
    if len(valids) + has_lead != 1:
        given = ", ".join([*valids, *(["lead days"] if has_lead else [])])
        expected = "one column valid_time (with its zone), valid_date or lead_days"
        raise BadGranule(rows.path, expected=expected, found=given or "none")
    _parse_moments(rows, issues[0], "issue")
    if issues == ["issue date"] or rows.cells["issue time"].str.fullmatch(_DATE).all():
        rows.remarks.append(
            "the rival states no time of issue, only dates: whether it knew later readings than "
            "ours is not known"
        )
    if valids:
        _parse_moments(rows, valids[0], "valid")
        return
    whole = rows.cells["lead days"].str.fullmatch(r"\d{1,3}")
    rows.leave_out(~whole, "whole days ahead", "lead days")
    ahead = pd.to_timedelta(rows.cells["lead days"].astype("int64"), unit="D")
    rows.cells["valid"] = rows.cells["issue"].dt.floor("D") + ahead


def _parse_moments(rows: Rows, column: str, name: str) -> None:
    text = rows.cells[column]
    is_date = text.str.fullmatch(_DATE)
    stamps = to_utc(text[~is_date])
    moments = pd.to_datetime(text.where(is_date), format="%Y-%m-%d", errors="coerce")
    moments = moments.astype("datetime64[ns]").where(is_date, stamps.time.reindex(text.index))
    rows.cells[name] = moments
    expected = "a date like 2026-08-20, or a time with its zone like 2026-08-20T07:00+07:00"
    rows.leave_out(moments.isna(), expected, column)


def _read_netcdf(path: Path) -> tuple[Rows, list[str], str | None, bool]:
    """Read a netCDF file as the rows that a table of the same forecasts has."""
    try:
        with xr.open_dataset(path, engine="h5netcdf", decode_timedelta=False) as stored:
            if stored.nbytes > MOST_BYTES:
                raise BadGranule(
                    path,
                    expected=f"at most {MOST_BYTES / 1e9:.0f} GB of values",
                    found=f"{stored.nbytes / 1e9:.1f} GB",
                )
            ds = stored.load()
    except (OSError, ValueError) as error:
        raise BadGranule(path, expected="a file netCDF-4 by CF", found=str(error)) from None
    names = [name for name in NETCDF_NAMES if name in ds]
    shares = [name for name in PROBABILITIES if name in ds]
    if len(names) > 1 or not names + shares:
        expected = f"one variable of {', '.join(NETCDF_NAMES)}, or p_alarm, p_flood"
        raise BadGranule(path, expected=expected, found=", ".join(map(str, ds.data_vars)) or "none")
    for name in names + shares:
        further = {str(axis) for axis in ds[name].dims} - set(AXES)
        allowed = ({"member"}, {"quantile"}, set()) if name in names else (set(),)
        if further not in allowed or not set(AXES) <= set(ds[name].dims):
            expected = f"{name} with the dimensions station, issue_time, lead (member or quantile)"
            raise BadGranule(path, expected=expected, found=", ".join(map(str, ds[name].dims)))
    lacking = [axis for axis in (*AXES, "member", "quantile") if axis in ds.dims and axis not in ds]
    if lacking:
        raise BadGranule(
            path, expected="a coordinate of each dimension", found=f"none of {lacking}"
        )
    if ds["issue_time"].dtype.kind != "M":
        expected = "issue_time with units like 'hours since 1970-01-01' (UTC)"
        raise BadGranule(path, expected=expected, found=repr(ds["issue_time"].attrs.get("units")))
    table, columns = _tabulate(path, ds, names, shares)
    unit = normalize_unit(str(ds[names[0]].attrs.get("units", ""))) if names else None
    unit = "m3/s" if unit in {"m3 s-1", "m^3/s", "m**3 s**-1"} else unit
    virtual = str(ds.attrs.get("origin", "")) == "virtual"
    return Rows(path, LAYOUT, table), columns, unit, virtual


def _tabulate(
    path: Path, ds: xr.Dataset, names: list[str], shares: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    lead_unit = str(ds["lead"].attrs.get("units", "")).casefold()
    hours = {"d": 24, "day": 24, "days": 24, "h": 1, "hour": 1, "hours": 1}.get(lead_unit)
    if hours is None:
        raise BadGranule(path, expected="lead with units days or hours", found=repr(lead_unit))
    columns = ["value"] if names else []
    parts = [ds[name].rename("value") for name in names] + [ds[name] for name in shares]
    if names and "quantile" in ds[names[0]].dims:
        levels = [f"{level:.3f}".removeprefix("0.").rstrip("0") for level in ds["quantile"].values]
        columns = [f"q{digits.ljust(2, '0')}" for digits in levels]
        parts = [
            ds[names[0]].isel(quantile=at, drop=True).rename(name)
            for at, name in enumerate(columns)
        ] + parts[1:]
    table = xr.merge(parts, compat="override").to_dataframe().reset_index()
    table["issue"] = table["issue_time"].astype("datetime64[ns]")
    ahead = pd.to_timedelta(table["lead"] * hours, unit="h")
    begin = table["issue"].dt.floor("D") if hours == 24 else table["issue"]
    table["valid"] = begin + ahead
    table["station"] = table["station"].map(
        lambda code: code.decode() if isinstance(code, bytes) else str(code)
    )
    given = table[[*columns, *shares]].notna().any(axis=1)
    return table[given].drop(columns=["issue_time", "lead"]), columns


def _leave_out_unknown_gauges(rows: Rows) -> None:
    """Replace names by codes; gauges that the table of stations does not have are named."""
    codes, unknown = dict[str, str](), dict[str, str]()
    for text in rows.cells["station"].unique():
        try:
            code, _ = resolve(str(text), six_digits=True)
        except UnknownStationError as error:
            unknown[text] = str(error).removeprefix("found ")
        else:
            codes[text] = code
            if code not in stations():
                unknown[text] = repr(text)
    count = int(rows.cells["station"].isin(list(unknown)).sum())
    if unknown:
        rows.remarks.append(
            f"gauges that the table of stations does not have: {', '.join(unknown.values())} "
            f"({count} rows are left out)"
        )
    rows.cells = rows.cells[~rows.cells["station"].isin(list(unknown))].copy()
    rows.cells["station"] = rows.cells["station"].map(codes).astype("str")


def _leave_out_off_hours(rows: Rows) -> None:
    """Leave out what is not valid at 00:00 UTC, when the gauges are read."""
    day = rows.cells["valid"].dt.round("D")
    off = (rows.cells["valid"] - day).abs() > OFF_HOUR
    if off.any():
        hours = sorted(set(rows.cells.loc[off, "valid"].dt.strftime("%H:%M")))
        rows.remarks.append(
            f"{int(off.sum())} rows are valid at {', '.join(hours[:SHOWN])} UTC, not at 00:00 UTC "
            "(07:00 local time) when gauges are read, and are left out"
        )
    rows.cells = rows.cells[~off].assign(valid=day[~off])


def _leave_out_impossible(rows: Rows, columns: list[str], variable: Variable) -> None:
    """Leave out rows without any value, impossible values, and quantiles that cross."""
    shares = [name for name in PROBABILITIES if name in rows.cells]
    empty = rows.cells[[*columns, *shares]].isna().all(axis=1)
    if empty.any():
        rows.remarks.append(f"{int(empty.sum())} rows without a value are left out")
        rows.cells = rows.cells[~empty]
    limits = VARIABLES[variable]
    for name, least, most in [
        *((name, limits.valid_min, limits.valid_max) for name in columns),
        *((name, 0.0, 1.0) for name in shares),
    ]:
        outside = (rows.cells[name] < least) | (rows.cells[name] > most)
        unit = {"stage": " m", "discharge": " m3/s"}[variable] if name in columns else ""
        _leave_out(rows, outside, f"{name} within {least:g} to {most:g}{unit}", name)
    names = _order_quantiles(columns)
    if len(names) > 1:
        crossing = (rows.cells[names].diff(axis=1).iloc[:, 1:] < 0).any(axis=1)
        _leave_out(rows, crossing, "quantiles that do not cross", names[-1])
    early = rows.cells["valid"] < rows.cells["issue"].dt.floor("D")
    _leave_out(rows, early, "a valid time after the issue", "valid")


def _leave_out(rows: Rows, bad: pd.Series[bool], expected: str, column: str) -> None:
    """Leave rows out, naming their parsed cell of a column."""
    for line in bad.index[bad.to_numpy(dtype=bool)]:
        rows.bad[line] = f"expected {expected}, found {rows.cells.loc[line, column]}"
    rows.cells = rows.cells[~bad]


def _order_quantiles(columns: list[str]) -> list[str]:
    return sorted((name for name in columns if name != "value"), key=_level)


def _level(name: str) -> float:
    return float(f"0.{name.removeprefix('q')}")


def _to_archive(
    rows: Rows, columns: list[str], *, variable: Variable, virtual: bool
) -> ForecastArchive:
    """Drop duplicates, gather members, and keep the first issue of each day."""
    by_member = "member" in rows.cells and "value" in columns
    key = [*_KEY, "member"] if by_member else _KEY
    contents = [*columns, *(name for name in PROBABILITIES if name in rows.cells)]
    again = rows.cells.duplicated([*key, *contents])
    if again.any():
        rows.remarks.append(f"{int(again.sum())} rows that repeat another are left out")
        rows.cells = rows.cells[~again]
    conflict = rows.cells.duplicated(key, keep=False)
    _leave_out(rows, conflict, "one forecast per gauge, issue, valid time and member", "station")
    bad = rows.describe_bad_rows()
    remarks = [*rows.remarks, *bad[:SHOWN]]
    if len(bad) > SHOWN:
        remarks.append(f"and {len(bad) - SHOWN} more rows that are left out")
    frame, values, levels = _gather_values(rows.cells, columns, by_member=by_member)
    if by_member and (short := int(np.isnan(values).any(axis=1).sum())):
        remarks.append(
            f"{short} forecasts lack a member: their CRPS and probabilities are not scored"
        )
    frame = frame.rename(columns={"issue": "issue_time", "valid": "valid_time"})
    frame["lead_days"] = (frame["valid_time"] - frame["issue_time"].dt.floor("D")).dt.days
    frame = add_issue_day(frame)
    later = frame.duplicated(list(KEYS))
    if later.any():
        remarks.append(
            f"{int(later.sum())} forecasts of a later issue on the same day are left out"
        )
    frame = frame[~later]
    for name in PROBABILITIES:
        frame[name] = frame[name].astype("float64") if name in frame else np.nan
    return ForecastArchive(
        name=rows.path.name,
        rows=frame[[*KEYS, *TIMES_OF_TABLE, "point", *PROBABILITIES]].reset_index(drop=True),
        values=values[frame.index.to_numpy()],
        levels=levels,
        members=by_member,
        variable=variable,
        virtual=virtual,
        remarks=tuple(f"rival: {remark}" for remark in remarks),
    )


def _gather_values(
    cells: pd.DataFrame, columns: list[str], *, by_member: bool
) -> tuple[pd.DataFrame, NDArray[np.float64], tuple[float, ...]]:
    """Return one row per forecast, numbered from 0, its values and their levels."""
    shares = [name for name in PROBABILITIES if name in cells]
    if by_member:
        table = cells.pivot_table(index=_KEY, columns="member", values="value", aggfunc="first")
        members = np.sort(table.to_numpy("float64"), axis=1)
        others: Any = cells.groupby(_KEY)[shares].first() if shares else table[[]]
        frame = others.reindex(table.index).reset_index().assign(point=members.mean(axis=1))
        count = members.shape[1]
        return frame, members, tuple(((np.arange(count) + 0.5) / count).tolist())
    frame = cells[[*_KEY, *shares]].reset_index(drop=True)
    quantiles = _order_quantiles(columns)
    frame["point"] = cells["value"].to_numpy("float64") if "value" in columns else np.nan
    levels = tuple(_level(name) for name in quantiles)
    return frame, cells[quantiles].to_numpy("float64"), levels
