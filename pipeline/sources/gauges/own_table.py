"""A ministry's own table: what its columns are called, and the readings in them."""

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
from pipeline.sources.formats.tables import Rows, name_of
from pipeline.sources.gauges.columns import is_used
from pipeline.sources.gauges.quantities import is_mean, quantity_of, reason_unused
from pipeline.sources.gauges.series import UNITS, datum_of, unit_of, units_in
from pipeline.sources.gauges.stamps import zone_in, zone_of
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve
from pipeline.sources.gauges.table_rows import (
    by_series,
    parse,
    pass_over,
    resolve_stations,
    use_columns,
)


@dataclass(frozen=True)
class OwnLayout:
    """What a ministry's own table has where.

    Parameters
    ----------
    station, time, value, unit
        Name of a column, or what holds for every row; of ``time`` and ``value`` columns alone.
        Date and time of day in two columns: their names joined by ``+``.
    zone
        IANA name or offset of stamps that have none.
    decimal
        ``.`` or ``,`` where the numbers do not show it.
    """

    station: str
    time: str
    value: str
    unit: str
    zone: str = ""
    decimal: str | None = None

    def __post_init__(self) -> None:
        if self.zone:
            zone_of(self.zone)
        if self.decimal not in {None, ".", ","}:
            raise ValueError(f"expected a decimal sign . or ',', found {self.decimal!r}")
        for given in (self.station, self.time, self.value, self.unit):
            if not given.strip():
                raise ValueError("expected --station, --time, --value and --unit, found one empty")
        if name_of(self.value) in {name_of(self.station), *map(name_of, self.time_columns)}:
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

    def mark(self, sha256: str) -> str:
        """Checksum of a file as read with this layout: refused without it, it is read again."""
        return hashlib.sha256(f"{sha256} {self}".encode()).hexdigest()

    def columns(self) -> set[str]:
        """Names of the columns, as headings are compared; among them what holds for every row."""
        return {name_of(name) for name in (self.station, *self.time_columns, self.value, self.unit)}

    def fits(self, names: Sequence[str]) -> bool:
        """Whether a heading has the columns that must be columns."""
        return all(name_of(part) in names for part in (*self.time_columns, self.value))


def check_zone(path: Path, layout: OwnLayout, text: str) -> None:
    """Refuse a heading or a title that names another time zone than the layout does.

    Raises
    ------
    BadGranule
        It does; hours would be added or taken away.
    """
    named = zone_in(text)
    if named is None or not layout.zone:
        return
    given = zone_of(layout.zone).utcoffset(datetime(2020, 1, 1))  # noqa: DTZ001 - local
    if named != given:
        raise BadGranule(path, expected=f"times in --tz {layout.zone}", found=repr(text.strip()))


_STATION_COLUMN = re.compile(
    r"(?:station|gau?ge|site|location|stn|sta)(?: ?(?:code|id|no|number|name))?|code|รหัส(?:สถานี)?|"
    r"(?:ชื่อ)?สถานี|mã trạm|trạm|tên trạm"
)
_CODES = re.compile(r"(?<![0-9])(?<![0-9][.,])[0-9]{5,6}(?![0-9])(?![.,][0-9])")
_STAGES = {"m", "cm"}
_UNIT_COLUMN = re.compile(r"units?|uom|หน่วย|đơn vị")


def check_line(path: Path, layout: OwnLayout, text: str, where: str) -> None:
    """Refuse a text of the file that names another station or unit than the layout gives to all.

    Parameters
    ----------
    path
        File.
    layout
        Of the table.
    text
        A title, a heading, or the name of the file.
    where
        Where it stands, for the message.

    Raises
    ------
    BadGranule
        It does: readings would be stored at the wrong gauge, or a hundredth of them.
    """
    station = layout.code if layout.code in stations() else ""
    for digits in _CODES.findall(text) if station else ():
        code = digits.zfill(6)
        if code in stations() and code != station:
            raise BadGranule(
                path, expected=f"station {station} as --station", found=f"{text.strip()!r} {where}"
            )
    named = re.search(r"\b(?:units?|uom)\b\W*(.+)|หน่วย\W*(.+)", text, re.IGNORECASE)
    if named:
        check_unit(path, layout, named[1] or named[2], where)


def check_unit(path: Path, layout: OwnLayout, text: str, where: str) -> None:
    """Refuse a unit in the file that is another than the layout gives to all rows.

    Raises
    ------
    BadGranule
        It is.
    """
    given, found = units_in(layout.unit), units_in(text)
    if given and found and not found & given:
        raise BadGranule(
            path, expected=f"unit {layout.unit} as --unit", found=f"{text.strip()!r} {where}"
        )


def _check_station(rows: Rows, layout: OwnLayout) -> None:
    """Refuse a file whose name or columns name another gauge than the layout gives to all rows."""
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
    """Leave out rows in another unit of stages than the layout gives to all, or refuse the file."""
    cells, given = rows.cells, units_in(layout.unit)
    for text in cells[name_of(layout.value)].unique():
        if not re.search(r"[0-9]", text):
            check_unit(rows.path, layout, text, "below the heading of the values")
    for column in cells.columns:
        if column in layout.columns() or not _UNIT_COLUMN.fullmatch(column):
            continue
        units = {text: units_in(text) for text in cells[column].unique()}
        if not any(found & given for found in units.values()):
            for text in units:
                check_unit(rows.path, layout, text, f"in the column {column!r}")
        differs = rows.cells[column].map(
            lambda text, units=units: bool(units[text] & _STAGES - given)
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
    cells, value = rows.cells, name_of(layout.value)
    if reason := reason_unused(layout.value):
        raise Skipped(f"{rows.path.name}: {value!r} is not used: {reason}")
    _check_options(rows, layout)
    if name_of(layout.station) not in cells and layout.code in stations():
        _check_station(rows, layout)
    if name_of(layout.unit) not in cells:
        _check_unit_columns(rows, layout)
        cells = rows.cells
    station, unit = name_of(layout.station), name_of(layout.unit)
    time = [name_of(part) for part in layout.time_columns]
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
            "unit": units.map(unit_of),
            "_variable": quantity_of(layout.value).variable,
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
    rows.cells["datum"] = rows.cells["datum"].str.casefold().replace("", "gauge").map(datum_of)
    use_columns(rows, telling)
    named = units_in(value)
    if named:
        differs = rows.cells["unit"].map(lambda given: units_in(given) != named)
        rows.leave_out(differs, f"unit {' and '.join(named)} as the column {value!r} says", "unit")
    _check_units(rows, value, constant=unit not in cells)
    resolve_stations(rows, "station")
    parse(rows, "time", zone=layout.zone, decimal=layout.decimal)
    return by_series(rows)


def _check_options(rows: Rows, layout: OwnLayout) -> None:
    """Refuse options that name neither what the file has nor what holds for every row."""
    cells, name = rows.cells, rows.path.name
    columns = f"; its columns are {', '.join(map(repr, cells.columns))}"
    station = name_of(layout.station)
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
    if name_of(layout.unit) not in cells and not units_in(layout.unit):
        raise WrongOption(
            f"{name}: expected a column of the file or one of the units m, cm, mm and m3/s as "
            f"--unit, found {layout.unit!r}{columns}"
        )


def _check_units(rows: Rows, value: str, *, constant: bool) -> None:
    """Leave out rows in a unit that their variable cannot be in; take it from the unit if unsaid.

    Millimetres are left out where neither the heading nor a column says of what: a stage of
    9000 mm would be rain, and rain of 9 mm a stage.
    """
    said = rows.cells["_variable"]
    unsaid = said == ""
    by_unit = rows.cells["unit"].map(_variable_of).fillna("")
    rows.cells["_variable"] = said.mask(unsaid, by_unit)
    clear = rows.cells["_variable"] != ""
    rows.leave_out(unsaid & ~clear, _expected_unit(rows, value), "unit")
    for variable, units in UNITS.items():
        rows_of = rows.cells[rows.cells["_variable"] == variable]
        wrong = ~rows_of["unit"].isin(list(units))
        if constant and wrong.all() and 0 < len(rows_of) < len(rows.cells):
            # One unit is given for a table of several quantities: it is that of the others.
            pass_over(rows, rows.cells["_variable"] == variable, "_variable")
        else:
            rows.leave_out(wrong, f"a unit of {variable} as in the column {value!r}", "unit")


def _expected_unit(rows: Rows, value: str) -> pd.Series[Any]:
    """Return what was expected of the unit of each row that does not say of what it is."""
    of_either = "a heading or a column that says rain or level, for mm may be of either"
    expected = pd.Series("unit m, cm, mm or m3/s", index=rows.cells.index)
    return expected.mask(rows.cells["unit"] == "mm", f"{of_either} (the column is {value!r})")


def _variable_of(unit: str) -> str | None:
    """Variable of a unit that is of one alone; cm is a stage, since rain is told in mm."""
    if unit == "mm":
        return None
    return next((variable for variable, units in UNITS.items() if unit in units), None)
