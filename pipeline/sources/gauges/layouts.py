"""Layouts of tables of readings: identify the layout of a file, and open its rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from pipeline.quality.selection import METHODS
from pipeline.sources.base import BadGranule
from pipeline.sources.formats.spreadsheets import read_sheet
from pipeline.sources.formats.tables import (
    HEADING_WITHIN,
    LONGEST_LINE,
    Rows,
    decode,
    find_heading,
    normalize_name,
    read_body,
    split_cells,
    split_lines,
    tabulate_cells,
)
from pipeline.sources.gauges.columns import MEANING, is_used
from pipeline.sources.gauges.own_table import OwnLayout, check_line, check_zone
from pipeline.sources.gauges.quantities import MODELS
from pipeline.sources.gauges.series import mentions_datum, normalize_datum, normalize_unit

COLUMNS = ("station", "variable", "time", "value", "unit")
"""Columns of the plain CSV, in any order; ``method``, ``datum``, ``version`` and a column of the
agency's quality may be among them."""
PORTAL = ("station code", "parameter", "label", "timestamp", "value", "unit")
"""Columns that an export of the MRC's portal must have."""
_ABOVE_ZERO = "levels above the gauge's zero, or a column called datum that says msl"
_HYMOS = ("country", "station", "parameter", "method", "time", "value", "unit", "flag")

Kind = Literal["portal", "plain", "hymos", "own"]
_LAYOUTS = {
    "portal": "rows of a portal export",
    "plain": f"rows of the plain CSV ({','.join(COLUMNS)})",
    "hymos": "rows of HYMOS or FMMP",
    "own": "rows of the columns that were named",
}


def _find_kind(names: list[str], layout: OwnLayout | None) -> Kind | None:
    """Find the layout that a heading shows."""
    names = _portal_names(names)
    if layout is not None and layout.fits(names):
        return "own"
    if set(PORTAL) <= set(names):
        return "portal"
    return "plain" if set(COLUMNS) <= set(names) else None


def _portal_names(names: list[str]) -> list[str]:
    return ["timestamp" if name.startswith("timestamp") else name for name in names]


def _is_hymos(cells: list[str]) -> bool:
    """Return whether cells are a row of HYMOS or FMMP, which has no heading."""
    return (
        len(cells) in {7, 8}
        and re.fullmatch(r"[A-Za-z]{2}", cells[0]) is not None
        and re.fullmatch(r"\d{5,6}(?:\.0)?", cells[1]) is not None
        and re.fullmatch(r"[A-Za-z]{1,4}", cells[2]) is not None
        and re.fullmatch(r"[A-Za-z]", cells[3]) is not None
        and re.match(r"\d{4}-\d\d-\d\d[T ]", cells[4]) is not None
    )


def open_text(path: Path, layout: OwnLayout | None) -> tuple[Kind, Rows] | None:
    """Open a table in text.

    Parameters
    ----------
    path
        File.
    layout
        Layout of a table that has none of the known ones.

    Returns
    -------
    tuple
        Layout and rows; None where no layout fits.

    Raises
    ------
    BadGranule
        The file is incomplete, too large, lacks a column of its layout, or has an unknown column
        that changes the meaning of the others.
    """
    text, remarks = decode(path)
    lines, ended = split_lines(path, text)
    heading = find_heading(lines, lambda names: _find_kind(names, layout) is not None)
    if heading is not None:
        number, delimiter, names = heading
        kind = _find_kind([normalize_name(name) for name in names], layout)
        first = number + 1
    else:
        hymos = _find_hymos_delimiter(lines)
        if hymos is None:
            _explain_missing_column(path, lines)
            return None
        kind, (delimiter, width), first, number = "hymos", hymos, 0, 0
        names = list(_HYMOS[:width])
    if kind is None:
        return None
    cells, bad = read_body(path, lines, delimiter, names, first=first)
    _check_titles(path, lines[:number], layout if kind == "own" else None)
    if number:
        remarks.append(f"lines 1 to {number}, above the heading, are passed over")
    rows = _check_columns(path, kind, cells, bad=bad, remarks=remarks, layout=layout)
    rows.delimiter = delimiter
    if not ended:
        _check_last_line(rows, len(lines), normalize_name(names[-1]), layout)
    return kind, rows


def open_sheet(path: Path, sheet: int, layout: OwnLayout | None) -> tuple[Kind, Rows] | None:
    """Open the table on a sheet of a workbook.

    Parameters
    ----------
    path, layout
        As of :func:`open_text`.
    sheet
        Place of the sheet, from 0.

    Returns
    -------
    tuple
        As of :func:`open_text`.

    Raises
    ------
    BadGranule
        As of :func:`open_text`.
    """
    rows, _ = read_sheet(path, sheet)
    at = _find_heading_row(rows, layout)
    number, names = rows[at] if at is not None else (0, [])
    kind = _find_kind([normalize_name(name) for name in names], layout)
    if at is None or kind is None:
        return None
    width = len(names)
    padded = ((line, row + [""] * (width - len(row))) for line, row in rows[at + 1 :] if any(row))
    cells, bad = tabulate_cells(path, padded, names, {})
    titles = [" ".join(row) for _, row in rows[:at]]
    _check_titles(path, titles, layout if kind == "own" else None)
    remarks = [f"rows above the heading in row {number} are passed over"] if at else []
    return kind, _check_columns(path, kind, cells, bad=bad, remarks=remarks, layout=layout)


def _find_heading_row(rows: list[tuple[int, list[str]]], layout: OwnLayout | None) -> int | None:
    """Find the place of the heading among the rows of a sheet."""
    headings = enumerate(
        [normalize_name(name) for name in names] for _, names in rows[:HEADING_WITHIN]
    )
    return next((at for at, names in headings if _find_kind(names, layout) is not None), None)


def find_tables(path: Path, layout: OwnLayout | None) -> tuple[list[int], list[str], list[str]]:
    """Find the sheets of a workbook that have a table.

    Returns
    -------
    tuple
        Their places, the names of all sheets, and a remark on each other sheet that has rows of
        several cells.

    Raises
    ------
    BadGranule
        The workbook is incomplete; none of several sheets has a table; or several have one, and
        ``layout`` names the station of all rows by its code.
    """
    _, sheets = read_sheet(path, most=1)
    tables, remarks, has_stations = list[int](), list[str](), True
    for place in range(len(sheets)):
        try:
            rows, _ = read_sheet(path, place, most=HEADING_WITHIN)
        except BadGranule:  # a chart, or a sheet that is not there
            if len(sheets) == 1:
                raise
            continue
        at = _find_heading_row(rows, layout)
        if at is not None:
            tables.append(place)
            names = {normalize_name(name) for name in rows[at][1]}
            has_stations &= layout is None or normalize_name(layout.station) in names
            continue
        wide_rows = [cells for _, row in rows if len(cells := list(filter(None, row))) > 1]
        if wide_rows:
            begin = ", ".join(wide_rows[0])[:80]
            remarks.append(f"sheet {sheets[place]!r} is passed over: it begins with {begin}")
    table_names = ", ".join(repr(sheets[place]) for place in tables) or "none"
    content = f"{table_names} of the sheets {', '.join(map(repr, sheets))}"
    if sheets[1:] and not tables:
        content = "; ".join([content, *remarks])
        raise BadGranule(path, expected="a table on one of the sheets", found=content)
    if tables[1:] and not has_stations:
        expected = "a column of stations where several sheets have a table, or one such sheet"
        raise BadGranule(path, expected=expected, found=content)
    return tables, sheets, remarks


def _find_hymos_delimiter(lines: list[str]) -> tuple[str, int] | None:
    """Find the delimiter and the number of cells of rows without a heading."""
    first = next((line for line in lines if line.strip()), "")[:LONGEST_LINE]
    for delimiter in (",", ";", "\t", "|"):
        cells = split_cells(first, delimiter)
        if cells and _is_hymos(cells):
            return delimiter, len(cells)
    return None


def _explain_missing_column(path: Path, lines: list[str]) -> None:
    """Refuse a plain CSV that lacks a column, by the column's name."""
    heading = find_heading(lines, lambda names: len(set(COLUMNS) & set(names)) >= 3)
    if heading is not None:
        missing = [name for name in COLUMNS if name not in map(normalize_name, heading[2])]
        raise BadGranule(
            path, expected=_LAYOUTS["plain"], found=f"no column called {' or '.join(missing)}"
        )


def _check_columns(
    path: Path,
    kind: Kind,
    cells: pd.DataFrame,
    *,
    bad: dict[int, str],
    remarks: list[str],
    layout: OwnLayout | None,
) -> Rows:
    """Return the rows of a table; refuse unknown columns that change the meaning of others."""
    cells.columns = pd.Index(_portal_names(list(cells.columns)))
    understood: set[str] = set(_HYMOS)
    if kind == "portal":
        understood = {*PORTAL, "country code", "observed or estimated", "approval level", "grade"}
    elif kind == "plain":
        understood = {*COLUMNS, "method", "datum", "version"}
    elif kind == "own" and layout is not None:
        understood = {"datum", *layout.columns()}
        for part in layout.time_columns:
            check_zone(path, layout, part)
    names = list(cells.columns)
    for name in understood.union(filter(is_used, names)) & set(names):
        if names.count(name) > 1:
            raise BadGranule(path, expected=f"one column called {name}", found="several")
    unused = [name for name in names if name not in understood and not is_used(name)]
    _check_datum(path, cells, layout)
    for name in unused:
        if MEANING.search(name) and not _is_gauge_zero(cells[name]):
            first = repr(cells[name].iloc[0]) if len(cells) else "no cell"
            raise BadGranule(
                path,
                expected=f"{_LAYOUTS[kind]} without columns that change their meaning unknown",
                found=f"a column called {name!r} with {first}",
            )
    if unused:
        remarks.append(f"columns that are not used: {', '.join(map(repr, unused))}")
    return Rows(path, _LAYOUTS[kind], cells, bad, remarks)


def _check_datum(path: Path, cells: pd.DataFrame, layout: OwnLayout | None) -> None:
    """Refuse a table whose names or cells mention that levels are above the sea or another datum.

    A column called datum is left to the layout; where it says msl, other columns may say so too.
    """
    names = list(cells.columns)
    if "datum" in names and all(normalize_datum(text) == "msl" for text in cells["datum"].unique()):
        return
    ignored = {"datum", "country", "country code", "station", "station code", "time", "timestamp"}
    value = "value"
    if layout is not None:
        value = normalize_name(layout.value)
        ignored |= layout.columns() - {value, normalize_name(layout.unit)}
    for at, name in enumerate(names):
        if name not in ignored:
            texts = [] if name == value else cells.iloc[:, at].unique().tolist()
            for text in (name, *texts):
                _refuse_datum(path, text, f"the column {name!r}")
            if name == value and re.search(r"\belev(?:ation)?\b", name):
                raise BadGranule(path, expected=_ABOVE_ZERO, found=f"a column called {name!r}")


def _check_titles(path: Path, titles: list[str], layout: OwnLayout | None) -> None:
    """Refuse a table whose title mentions a model, extremes, or another datum or zone.

    The name of an office that also forecasts, and the model of an instrument, are ignored.
    """
    for text in titles:
        if layout is not None:
            check_line(path, layout, text, "above the heading")
        words = re.sub(_NO_MODEL, " ", text.casefold())
        if re.search(rf"{MODELS}|\bdaily (?:max|min|peak|highest|lowest)", words):
            raise BadGranule(
                path, expected="a table of readings", found=f"{text[:80]!r} above the heading"
            )
        if layout is not None and re.search(r"\b(?:times?|stamps?|hours?|dates?)\b|เวลา", words):
            check_zone(path, layout, text)
        # The height of a station above the sea is not the datum of its readings.
        if re.search(
            r"\b(?:datum|stages?|values?|readings?|units?|(?<!sea )levels?)\b", text.casefold()
        ):
            _refuse_datum(path, text, "a line above the heading")


_NO_MODEL = (
    r"\w*(?:forecast|predict|model|พยากรณ์)\w*(?: and (?:early )?warning)? (?:center|centre|"
    r"division|department|office|section|service|unit|bureau|institute|agency)\w*|"
    r"(?:ศูนย์|กอง|ฝ่าย|ส่วน|สถานี)\S*พยากรณ์\S*|"
    r"\b(?:sensor|instrument|logger|device|recorder|gauge|equipment) model\b|"
    r"\bmodel ?(?:no\b|number|name|type|:)"
)
"""Names of offices and instruments that contain such words but mean no forecast."""


def _refuse_datum(path: Path, text: str, where: str) -> None:
    if mentions_datum(text):
        raise BadGranule(
            path,
            expected=_ABOVE_ZERO,
            found=f"{text[:80]!r} in {where}",
        )


def _is_gauge_zero(column: pd.Series[Any]) -> bool:
    """Return whether all cells of a column say that levels are above the gauge's zero."""
    texts = set(column.unique()) - {""}
    return bool(texts) and all(normalize_datum(text) == "gauge" for text in texts)


def _check_last_line(rows: Rows, line: int, column: str, layout: OwnLayout | None) -> None:
    """Leave out a last line without line end whose last cell may be cut short.

    A value is complete if it has as many decimals as the longest of the others.
    """
    if line not in rows.cells.index:
        return
    column = _portal_names([column])[0]
    cell = str(rows.cells.loc[line, column])
    other_cells = set(rows.cells[column].drop(index=line))
    cut_columns = {"value", "time", "station", "timestamp", "version"}
    if layout is not None:
        cut_columns |= layout.columns() - {normalize_name(layout.unit)}
    is_whole = bool(cell) and column not in cut_columns and cell in other_cells
    if column in {"unit", "method", "datum"}:
        complete_words = {"mm", "cm", "m3/s", "m^3/s", *METHODS, "gauge", "msl"}
        is_whole = (
            cell in other_cells
            or normalize_unit(cell) in complete_words
            or (cell == "m" and not other_cells)
        )
    if column == ("value" if layout is None else normalize_name(layout.value)):
        decimals = [_count_decimals(text) for text in (cell, *other_cells)]
        is_whole = decimals[0] > 0 and decimals[0] == max(decimals) and len(decimals) > 1
    if not is_whole and column != "version":
        rows.leave_out(
            pd.Series(data=True, index=[line]), "a whole last line in a file cut short", column
        )


def _count_decimals(text: str) -> int:
    """Count the decimals of a number; 0 for a text that is no number."""
    match = re.fullmatch(r"[+-]?\d+[.,](\d+)", text)
    return len(match[1]) if match else 0
