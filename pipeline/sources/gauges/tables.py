"""Gauge readings in tables: portal exports, HYMOS rows, the plain CSV and a ministry's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.quality.flags import METHODS
from pipeline.quality.missing_codes import to_numbers
from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats.tables import Rows, name_of
from pipeline.sources.gauges.layouts import CHECKED, ORIGIN, OwnLayout, is_used, open_table
from pipeline.sources.gauges.quantities import KINDS, MODELS
from pipeline.sources.gauges.series import (
    PARAMETERS,
    UNITS,
    datum_of,
    flag_of,
    method_of,
    series,
    settle,
    unit_of,
    units_in,
)
from pipeline.sources.gauges.stamps import put_right, to_utc, zone_of
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve

MOST_STATIONS = 2000
"""Stations of one file; each takes some milliseconds to resolve."""
VIRTUAL_GRADE = "Virtual basin, not a measurement"
METHODS_OF_HYMOS = {"M": "manual", "T": "telemetry", "A": "telemetry"}
"""Observers, telemetry, and automatic recorders, which are sensors as well."""
PARAMETERS_OF_HYMOS = {
    "HH": "stage",
    **dict.fromkeys(("P", "PC", "PH", "PM", "RF", "RR"), "rain"),
    **dict.fromkeys(("Q", "QC", "QD", "QH", "QQ"), "discharge"),
}
"""Those that are observed and used; not evaporation (EV) or forecasts (QF)."""
_TRUTH = dict.fromkeys(("yes", "y", "true", "1"), "good") | dict.fromkeys(
    ("no", "n", "false", "0"), "suspect"
)
_OF_PORTAL = {"approval level", "grade"}
HARMLESS = {
    "", "generated", "working", "in review", "undefined", "unspecified", "fair", "excellent",
    VIRTUAL_GRADE.casefold(),
}  # fmt: skip
"""Approval levels and grades of the portal that say nothing against a reading."""
UNCLEAR_POINT = (
    "a number beyond doubt (between semicolons or among integers 1.152 may be 1152; name the "
    "columns and --decimal)"
)


def read_table(path: Path, layout: OwnLayout | None = None) -> pd.DataFrame | None:
    """Read a table of readings in text or on a sheet of a workbook.

    Parameters
    ----------
    path
        File.
    layout
        Where a table is that has none of the known layouts.

    Returns
    -------
    pandas.DataFrame
        As of :func:`pipeline.sources.gauges.gauge_files.read`, or None where no layout fits.

    Raises
    ------
    Skipped
        What it holds is of a kind that the pipeline does not use.
    BadGranule
        Too many of its rows are bad, or what all rest on is.
    """
    opened = open_table(path, layout)
    if opened is None:
        return None
    kind, rows = opened
    if kind == "own" and layout is not None:
        return _own(rows, layout)
    return {"portal": _portal, "plain": _plain, "hymos": _hymos}[kind](rows)


def _resolve_stations(rows: Rows, column: str, *, six_digits: bool = False) -> None:
    """Put the codes of the stations for what the file calls them."""
    codes, wrong = dict[str, str](), dict[str, str]()
    texts = rows.cells[column].unique()
    if len(texts) > MOST_STATIONS:
        raise BadGranule(
            rows.path, expected=f"at most {MOST_STATIONS} stations", found=str(len(texts))
        )
    for text in texts:
        try:
            codes[text], remark = resolve(text, six_digits=six_digits)
        except UnknownStationError as error:
            wrong[text] = str(error).removeprefix("found ")
        else:
            if remark:
                rows.said.append(remark)
    bad = rows.cells[column].isin(list(wrong))
    for line in rows.cells.index[bad.to_numpy(dtype=bool)]:
        found = wrong[rows.cells.loc[line, column]]
        rows.bad[line] = f"expected a station code of six digits, found {found}"
    rows.cells = rows.cells[~bad]
    rows.cells[column] = rows.cells[column].map(codes)


def _parse(rows: Rows, time: str, *, zone: str = "", decimal: str | None = None) -> None:
    """Add the columns ``_time``, in naive UTC, and ``_value``; unreadable rows are left out."""
    stamps = to_utc(rows.cells[time], zone=zone_of(zone) if zone else None)
    rows.said.extend(stamps.said)
    rows.cells = rows.cells.assign(_time=stamps.time)
    rows.leave_out(stamps.time.isna(), stamps.expected, time)
    value, bad = to_numbers(
        rows.cells["value"],
        decimal=decimal,
        units=rows.cells["unit"],
        semicolons=rows.delimiter == ";",
    )
    rows.cells = rows.cells.assign(_value=value)
    expected = pd.Series("a number", index=bad.index)
    unclear = rows.cells["value"].str.fullmatch(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
    expected[unclear] = UNCLEAR_POINT
    rows.leave_out(bad, expected, "value")


def _qualify(rows: Rows, column: str) -> None:
    """Add the column ``_qc`` from what the agency says of each reading; drop what it misses."""
    words = {text: flag_of(text) for text in rows.cells[column].unique()}
    for text, flag in words.items():
        if CHECKED.fullmatch(column):
            words[text] = _TRUTH.get(text.casefold(), flag)
        elif ORIGIN.fullmatch(column) or (
            column in _OF_PORTAL and text.casefold().removesuffix(" data") in HARMLESS
        ):
            words[text] = flag or "good"
    unknown = [text for text, flag in words.items() if flag is None]
    if unknown:
        raise BadGranule(
            rows.path,
            expected=f"words like good, estimated or suspect in the column {column}",
            found=repr(unknown[0]),
        )
    qc = rows.cells[column].map(words)
    before = rows.cells.get("_qc", qc)
    missing = qc == "missing"
    qc = qc.where(before.isin(["good"]) | (qc == "suspect"), before)
    rows.cells = rows.cells.assign(_qc=qc)[~missing]


def _use(rows: Rows, columns: Iterable[str]) -> None:
    """Use the columns that tell which readings are to be believed."""
    for column in columns:
        if ORIGIN.fullmatch(column):
            made = rows.cells[column].str.contains(MODELS, case=False)
            _pass_over(rows, made, column)
        _qualify(rows, column)


def _pass_over(rows: Rows, unused: pd.Series[Any], column: str) -> None:
    """Leave out rows of what is not used, and say what a column calls it.

    Raises
    ------
    Skipped
        They are all.
    """
    if not unused.any():
        return
    kinds = ", ".join(map(repr, rows.cells.loc[unused, column].unique()[:5]))
    said = f"{unused.sum()} rows of {column} {kinds} are not used"
    if unused.all() and not rows.bad:
        raise Skipped(f"{rows.path.name}: {said}")
    rows.said.append(said)
    rows.cells = rows.cells[~unused]


def _portal(rows: Rows) -> pd.DataFrame:
    """Read one export of the portal, which is one series."""
    path, cells = rows.path, rows.cells
    if cells.empty:
        rows.settle()
        raise BadGranule(path, expected="at least one row", found="the header alone")
    for column in ("country code", "station code", "parameter", "label", "unit"):
        if column in cells:
            _hold_constant(rows, column)
    first = rows.cells.iloc[0]
    if first["parameter"] not in PARAMETERS:
        raise Skipped(f"{path.name}: {first['parameter']} is not used")
    named = re.search(r"@[A-Z]{2}_([^_]+)_", path.name)
    code = _portal_station(rows, named[1] if named else None)
    _parse(rows, "timestamp")
    rows.cells = rows.cells.assign(_qc="good", version=f"{first['label']}, ")
    if "observed or estimated" in rows.cells:
        said = rows.cells["observed or estimated"].str.upper()
        rows.cells.loc[said == "E", "_qc"] = "estimated"
        rows.leave_out(~said.isin(["O", "E", ""]), "O or E", "observed or estimated")
    _use(rows, filter(is_used, rows.cells.columns))
    if "approval level" in rows.cells:
        rows.cells["version"] += rows.cells["approval level"]
    method = method_of(str(first["label"]))
    if method == "manual":
        rows.cells["_time"], early, remarks = put_right(rows.cells["_time"])
        rows.cells.loc[early & (rows.cells["_qc"] == "good"), "_qc"] = "shifted"
        rows.said.extend(remarks)
    bad_rows, cells = rows.settle(), rows.cells
    made = series(
        path,
        station=code,
        variable=PARAMETERS[first["parameter"]],
        unit=str(first["unit"]),
        method=method,
        time=cells["_time"],
        value=cells["_value"],
        qc=cells["_qc"],
        version=cells["version"],
        six_digits=True,
    )
    frame = settle(path, [made], bad_rows=bad_rows, said=rows.said)
    if "grade" in cells and (cells["grade"] == VIRTUAL_GRADE).any():
        frame.attrs["origin"] = "virtual"
    return frame


def _portal_station(rows: Rows, named: str | None) -> str:
    """Code of an export's station, which its name may hold as well."""
    given = str(rows.cells.iloc[0]["station code"])
    expected = f"station {named} as in its name" if named else "a station code of six digits"
    try:
        code, remark = resolve(given, six_digits=True)
    except UnknownStationError as error:
        found = str(error).removeprefix("found ")
        raise BadGranule(rows.path, expected=expected, found=found) from error
    if named is not None and code != named:
        raise BadGranule(rows.path, expected=expected, found=repr(given))
    if remark:
        rows.said.append(remark)
    return code


def _hold_constant(rows: Rows, column: str) -> None:
    """Leave out the few rows of an export whose cell differs from that of all others."""
    counts = rows.cells[column].value_counts()
    usual = counts.index[0]
    differs = rows.cells[column] != usual
    if differs.mean() > 0.05:
        found = str(list(rows.cells[column].unique()[:5]))
        raise BadGranule(rows.path, expected=f"one {column}", found=found)
    rows.leave_out(differs, f"{column} {usual} as in the other rows", column)


def _hymos(rows: Rows) -> pd.DataFrame:
    """Read rows of HYMOS or FMMP: country, code, parameter, method, time, value, unit, flag.

    They have no header and no leading zero in the code; times are local, with their offset.
    """
    cells = rows.cells
    if "flag" not in cells:
        cells = cells.assign(flag="")
    cells = cells.assign(
        station=cells["station"].str.replace(r"\.0$", "", regex=True).str.zfill(6),
        unit=cells["unit"].map(unit_of),
        method=cells["method"].str.upper().map(METHODS_OF_HYMOS),
        given=cells["method"],
        parameter=cells["parameter"].str.upper(),
    )
    cells["variable"] = cells["parameter"].map(PARAMETERS_OF_HYMOS)
    cells["kind"] = cells["parameter"] + " in " + cells["unit"]
    rows.cells = cells
    _pass_over(rows, cells["variable"].isna(), "parameter")
    for variable, units in UNITS.items():
        of = rows.cells[rows.cells["variable"] == variable]
        rows.leave_out(~of["unit"].isin(list(units)), "HH in m, rain in mm or m3/s", "kind")
    rows.leave_out(rows.cells["method"].isna(), "method M, T or A", "given")
    _resolve_stations(rows, "station", six_digits=True)
    _parse(rows, "time")
    _qualify(rows, "flag")
    return _by_series(rows)


def _variable_of(unit: str) -> str | None:
    return next((name for name, units in UNITS.items() if unit in units), None)


def _plain(rows: Rows) -> pd.DataFrame:
    """Read the plain CSV of agencies, as the operator's guide describes it."""
    cells = rows.cells
    for column, usual in (("method", "manual"), ("datum", "gauge"), ("version", "")):
        if column not in cells:
            cells = cells.assign(**{column: usual})
        elif column != "version":
            cells[column] = cells[column].str.casefold().replace("", usual)
    cells["datum"] = cells["datum"].map(datum_of)
    cells = cells.assign(variable=cells["variable"].str.casefold(), _qc="good")
    cells["unit"] = cells["unit"].map(unit_of)
    rows.cells = cells
    rows.leave_out(
        ~cells["variable"].isin(list(UNITS)), f"variable {' or '.join(UNITS)}", "variable"
    )
    rows.leave_out(
        ~rows.cells["method"].isin(METHODS), "method manual, calculated or telemetry", "method"
    )
    for variable, units in UNITS.items():
        of = rows.cells[rows.cells["variable"] == variable]
        rows.leave_out(~of["unit"].isin(list(units)), f"unit {' or '.join(units)}", "unit")
    _resolve_stations(rows, "station")
    _parse(rows, "time")
    _use(rows, filter(is_used, rows.cells.columns))
    return _by_series(rows)


def _own(rows: Rows, layout: OwnLayout) -> pd.DataFrame:
    """Read a ministry's own table by the names of its columns."""
    cells, value = rows.cells, name_of(layout.value)
    if re.search(MODELS, value):
        raise Skipped(f"{rows.path.name}: {value!r} is not observed")
    station, unit = name_of(layout.station), name_of(layout.unit)
    time = [name_of(part) for part in layout.time.split("+")]
    units = cells[unit] if unit in cells else pd.Series(layout.unit, index=cells.index)
    stamps = cells[time[0]]
    for part in time[1:]:
        stamps = stamps + " " + cells[part]
    used = layout.columns()
    quality = {name: cells[name] for name in cells.columns if name not in used and is_used(name)}
    rows.cells = pd.DataFrame(
        {
            "station": cells.get(station, layout.station),
            "time": stamps,
            "value": cells[value],
            "unit": units.map(unit_of),
            "method": "manual",
            "datum": cells.get("datum", "gauge"),
            "version": "",
            "_qc": "good",
            **quality,
        },
        index=cells.index,
    )
    for part in time[1:]:
        # 06:00 is 0.25 in a sheet that does not say so, which would pass for 25 past midnight.
        unclear = cells[part].str.fullmatch(r"0?\.\d*[1-9]\d*")
        rows.leave_out(unclear, "a time of day like 07:00", "time")
    rows.cells["datum"] = rows.cells["datum"].str.casefold().replace("", "gauge").map(datum_of)
    named = units_in(value)
    if named:
        differs = rows.cells["unit"].map(lambda given: units_in(given) != named)
        rows.leave_out(differs, f"unit {' and '.join(named)} as the column {value!r} says", "unit")
    kind = next((kind for kind, words in KINDS if re.search(words, value)), None)
    if kind is not None:
        rows.cells["variable"] = kind
        wanted, known = f"a unit of {kind} as in the column {value!r}", list(UNITS[kind])
        rows.leave_out(~rows.cells["unit"].isin(known), wanted, "unit")
    else:
        rows.cells["variable"] = (
            rows.cells["unit"]
            .map(lambda given: "rain" if given == "mm" else _variable_of(given))
            .fillna("")
        )
        rows.leave_out(rows.cells["variable"] == "", "unit m, cm, mm or m3/s", "unit")
    _resolve_stations(rows, "station")
    _parse(rows, "time", zone=layout.zone, decimal=layout.decimal)
    _use(rows, quality)
    return _by_series(rows)


def _by_series(rows: Rows) -> pd.DataFrame:
    """Canonical readings of rows that may be of several series."""
    bad_rows, cells = rows.settle(), rows.cells
    if "datum" not in cells:
        cells = cells.assign(datum="gauge", version="")
    keys: list[Any] = ["station", "variable", "unit", "method", "datum"]
    found = [
        series(
            rows.path,
            station=str(station),
            variable=str(variable),
            unit=str(unit),
            method=str(method),
            datum=str(datum),
            time=part["_time"],
            value=part["_value"],
            qc=part["_qc"],
            version=part["version"],
        )
        for (station, variable, unit, method, datum), part in cells.groupby(keys)
    ]
    return settle(rows.path, found, bad_rows=bad_rows, said=rows.said)
