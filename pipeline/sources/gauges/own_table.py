"""A ministry's own table: the names of its columns, and the readings in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.geography.places import stations
from pipeline.sources.base import BadGranule, Skipped, WrongOption
from pipeline.sources.formats.tables import Rows, normalize_name
from pipeline.sources.gauges.columns import is_used
from pipeline.sources.gauges.quantities import explain_unused, is_mean, parse_quantity
from pipeline.sources.gauges.series import UNITS, find_units, normalize_datum, normalize_unit
from pipeline.sources.gauges.stamps import find_zone, parse_zone
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve
from pipeline.sources.gauges.table_rows import (
    make_readings,
    parse,
    resolve_stations,
    skip_rows,
    use_columns,
)


@dataclass(frozen=True)
class OwnLayout:
    """Columns of a ministry's own table.

    Parameters
    ----------
    station, time, value, unit
        Name of a column; for ``station`` and ``unit`` also a constant for every row. Date and time
        of day in two columns: their names joined by ``+``.
    zone
        IANA name or offset of stamps that have none.
    decimal
        ``.`` or ``,`` where the numbers do not show the decimal sign.
    """

    station: str
    time: str
    value: str
    unit: str
    zone: str = ""
    decimal: str | None = None

    def __post_init__(self) -> None:
        if self.zone:
            parse_zone(self.zone)
        if self.decimal not in {None, ".", ","}:
            raise ValueError(f"expected a decimal sign . or ',', found {self.decimal!r}")
        for option in (self.station, self.time, self.value, self.unit):
            if not option.strip():
                raise ValueError("expected --station, --time, --value and --unit, found one empty")
        if normalize_name(self.value) in {
            normalize_name(self.station),
            *map(normalize_name, self.time_columns),
        }:
            raise ValueError(
                "expected another column as --value than as --station and --time, found "
                f"{self.value!r} twice; of a table with a column for each station --station is its "
                "code"
            )

    @property
    def time_columns(self) -> list[str]:
        """Names of the columns of the stamps; the ``+`` of ``Time (UTC+7)`` joins none."""
        return re.split(r"\+(?![0-9])", self.time)

    @property
    def code(self) -> str:
        """Code of the station of all rows; empty where ``station`` is no code."""
        try:
            code, _ = resolve(self.station)
        except UnknownStationError:
            return ""
        return code if re.search(r"[0-9]", code) else ""

    def digest(self, sha256: str) -> str:
        """Return the checksum of a file and this layout: a file refused before is read again."""
        return hashlib.sha256(f"{sha256} {self}".encode()).hexdigest()

    def columns(self) -> set[str]:
        """Return the names of the columns, normalized; a constant for every row is among them."""
        return {
            normalize_name(name)
            for name in (self.station, *self.time_columns, self.value, self.unit)
        }

    def fits(self, names: Sequence[str]) -> bool:
        """Return whether a heading has the columns of times and values."""
        return all(normalize_name(part) in names for part in (*self.time_columns, self.value))


def check_zone(path: Path, layout: OwnLayout, text: str) -> None:
    """Refuse a heading or a title that names another time zone than the layout.

    Raises
    ------
    BadGranule
        The zones differ; times would be hours off.
    """
    file_offset = find_zone(text)
    if file_offset is None or not layout.zone:
        return
    layout_offset = parse_zone(layout.zone).utcoffset(datetime(2020, 1, 1))  # noqa: DTZ001 - local
    if file_offset != layout_offset:
        raise BadGranule(path, expected=f"times in --tz {layout.zone}", found=repr(text.strip()))


_STATION_COLUMN = re.compile(
    r"(?:station|gau?ge|site|location|stn|sta)(?: ?(?:code|id|no|number|name))?|code|รหัส(?:สถานี)?|"
    r"(?:ชื่อ)?สถานี|mã trạm|trạm|tên trạm"
)
_CODES = re.compile(r"(?<![0-9])(?<![0-9][.,])[0-9]{5,6}(?![0-9])(?![.,][0-9])")
_STAGES = {"m", "cm"}
_UNIT_COLUMN = re.compile(r"units?|uom|หน่วย|đơn vị")


def check_line(path: Path, layout: OwnLayout, text: str, where: str) -> None:
    """Refuse a text of the file that names another station or unit than the layout.

    Parameters
    ----------
    path
        File.
    layout
        Layout of the table.
    text
        A title, a heading, or the name of the file.
    where
        Place of the text, for the message.

    Raises
    ------
    BadGranule
        They differ: readings would be stored at the wrong gauge, or a hundred times too small.
    """
    station = layout.code if layout.code in stations() else ""
    for digits in _CODES.findall(text) if station else ():
        code = digits.zfill(6)
        if code in stations() and code != station:
            raise BadGranule(
                path, expected=f"station {station} as --station", found=f"{text.strip()!r} {where}"
            )
    match = re.search(r"\b(?:units?|uom)\b\W*(.+)|หน่วย\W*(.+)", text, re.IGNORECASE)
    if match:
        check_unit(path, layout, match[1] or match[2], where)


def check_unit(path: Path, layout: OwnLayout, text: str, where: str) -> None:
    """Refuse a unit in the file that differs from the one that the layout gives to all rows.

    Raises
    ------
    BadGranule
        The units differ.
    """
    layout_units, file_units = find_units(layout.unit), find_units(text)
    if layout_units and file_units and not file_units & layout_units:
        raise BadGranule(
            path, expected=f"unit {layout.unit} as --unit", found=f"{text.strip()!r} {where}"
        )


def _check_station(rows: Rows, layout: OwnLayout) -> None:
    """Refuse a file whose name or columns name another gauge than the layout."""
    cells, path, used = rows.cells, rows.path, layout.columns()
    check_line(path, layout, path.stem, "in the name of the file")
    check_line(path, layout, layout.value, "as the column of the values")
    for column in cells.columns:
        if column in used or not _STATION_COLUMN.fullmatch(column):
            continue
        for text in cells[column].unique():
            try:
                code, _ = resolve(text) if text else ("", "")
            except UnknownStationError:
                continue
            if code in stations() and code != layout.code:
                raise BadGranule(
                    path,
                    expected=f"station {layout.code} as --station",
                    found=f"{text!r} in the column {column!r}",
                )


def _check_unit_columns(rows: Rows, layout: OwnLayout) -> None:
    """Leave out rows in another unit of stages than the layout's, or refuse the file."""
    cells, layout_units = rows.cells, find_units(layout.unit)
    for text in cells[normalize_name(layout.value)].unique():
        if not re.search(r"[0-9]", text):
            check_unit(rows.path, layout, text, "below the heading of the values")
    for column in cells.columns:
        if column in layout.columns() or not _UNIT_COLUMN.fullmatch(column):
            continue
        units = {text: find_units(text) for text in cells[column].unique()}
        if not any(row_units & layout_units for row_units in units.values()):
            for text in units:
                check_unit(rows.path, layout, text, f"in the column {column!r}")
        differs = rows.cells[column].map(
            lambda text, units=units: bool(units[text] & _STAGES - layout_units)
        )
        rows.leave_out(differs, f"unit {layout.unit} as --unit", column)


def read_own(rows: Rows, layout: OwnLayout) -> pd.DataFrame:
    """Read a ministry's own table by the names of its columns.

    Raises
    ------
    WrongOption
        ``--station`` or ``--unit`` is neither a column nor a code or unit, or the column of the
        stations holds readings.
    Skipped, BadGranule
        As of :func:`pipeline.sources.gauges.tables.read_table`.
    """
    cells, value = rows.cells, normalize_name(layout.value)
    if reason := explain_unused(layout.value):
        raise Skipped(f"{rows.path.name}: {value!r} is not used: {reason}")
    _check_options(rows, layout)
    if normalize_name(layout.station) not in cells and layout.code in stations():
        _check_station(rows, layout)
    if normalize_name(layout.unit) not in cells:
        _check_unit_columns(rows, layout)
        cells = rows.cells
    station, unit = normalize_name(layout.station), normalize_name(layout.unit)
    time = [normalize_name(part) for part in layout.time_columns]
    units = cells[unit] if unit in cells else pd.Series(layout.unit, index=cells.index)
    stamps = cells[time[0]]
    for part in time[1:]:
        stamps = stamps + " " + cells[part]
    used = layout.columns()
    telling = {name: cells[name] for name in cells.columns if name not in used and is_used(name)}
    mean = is_mean(layout.value)
    rows.cells = pd.DataFrame(
        {
            "station": cells.get(station, layout.station),
            "time": stamps,
            "value": cells[value],
            "unit": units.map(normalize_unit),
            "_variable": parse_quantity(layout.value).variable,
            "method": "calculated" if mean else "manual",
            "datum": cells.get("datum", "gauge"),
            "version": "",
            "_mean": mean,
            "_qc": "good",
            **telling,
        },
        index=cells.index,
    )
    for part in time[1:]:
        # 06:00 is 0.25 in a sheet that does not say so, which would pass for 25 past midnight.
        unclear = cells[part].str.fullmatch(r"0?\.\d*[1-9]\d*")
        rows.leave_out(unclear, "a time of day like 07:00", "time")
    rows.cells["datum"] = (
        rows.cells["datum"].str.casefold().replace("", "gauge").map(normalize_datum)
    )
    use_columns(rows, telling)
    value_units = find_units(value)
    if value_units:
        differs = rows.cells["unit"].map(lambda unit_text: find_units(unit_text) != value_units)
        rows.leave_out(
            differs, f"unit {' and '.join(value_units)} as the column {value!r} says", "unit"
        )
    _check_units(rows, value, constant=unit not in cells)
    resolve_stations(rows, "station")
    parse(rows, "time", zone=layout.zone, decimal=layout.decimal)
    return make_readings(rows)


def _check_options(rows: Rows, layout: OwnLayout) -> None:
    """Refuse options that name neither a column nor a valid constant."""
    cells, name = rows.cells, rows.path.name
    columns = f"; its columns are {', '.join(map(repr, cells.columns))}"
    station = normalize_name(layout.station)
    if station in cells:
        texts = cells[station][cells[station] != ""]
        readings = texts.str.fullmatch(r"[+-]?[0-9]{1,4}[.,][0-9]+")
        if len(texts) and readings.mean() > 0.5:
            raise WrongOption(
                f"{name}: expected a column of station codes as --station, found the column "
                f"{layout.station!r} with {texts.iloc[0]!r}{columns}"
            )
    else:
        try:
            code, _ = resolve(layout.station)
        except UnknownStationError as error:
            hint = str(error).partition(";")[2]
            code = ""
        else:
            hint = ""
        if not re.search(r"[0-9]", code):
            raise WrongOption(
                f"{name}: expected a column of the file or a known code as --station, found "
                f"{layout.station!r}{f';{hint}' if hint else columns}"
            )
    if normalize_name(layout.unit) not in cells and not find_units(layout.unit):
        raise WrongOption(
            f"{name}: expected a column of the file or one of the units m, cm, mm and m3/s as "
            f"--unit, found {layout.unit!r}{columns}"
        )


def _check_units(rows: Rows, value: str, *, constant: bool) -> None:
    """Leave out rows in a unit not of their variable; infer an unknown variable from the unit.

    Millimetres are left out where neither the heading nor a column names the quantity: a stage of
    9000 mm would become rain, and rain of 9 mm a stage.
    """
    by_name = rows.cells["_variable"]
    is_unknown = by_name == ""
    by_unit = rows.cells["unit"].map(_find_variable).fillna("")
    rows.cells["_variable"] = by_name.mask(is_unknown, by_unit)
    clear = rows.cells["_variable"] != ""
    rows.leave_out(is_unknown & ~clear, _describe_expected_unit(rows, value), "unit")
    for variable, units in UNITS.items():
        rows_of = rows.cells[rows.cells["_variable"] == variable]
        wrong = ~rows_of["unit"].isin(list(units))
        if constant and wrong.all() and 0 < len(rows_of) < len(rows.cells):
            # The one unit of a table of several quantities is that of the others.
            skip_rows(rows, rows.cells["_variable"] == variable, "_variable")
        else:
            rows.leave_out(wrong, f"a unit of {variable} as in the column {value!r}", "unit")


def _describe_expected_unit(rows: Rows, value: str) -> pd.Series[Any]:
    """Describe the unit expected of each row without a known quantity."""
    of_either = "a heading or a column that says rain or level, for mm may be of either"
    expected = pd.Series("unit m, cm, mm or m3/s", index=rows.cells.index)
    return expected.mask(rows.cells["unit"] == "mm", f"{of_either} (the column is {value!r})")


def _find_variable(unit: str) -> str | None:
    """Find the variable of a unit, None where ambiguous; cm is a stage, since rain is in mm."""
    if unit == "mm":
        return None
    return next((variable for variable, units in UNITS.items() if unit in units), None)
