"""Steps shared by the rows of all layouts of tables: stations, times, numbers, quantities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats.tables import Rows
from pipeline.sources.gauges.columns import CHECKED, ORIGIN, QUANTITY
from pipeline.sources.gauges.numbers import to_numbers
from pipeline.sources.gauges.quantities import Quantity, parse_row_quantity
from pipeline.sources.gauges.series import find_interval_ends, make_series, merge_series, parse_flag
from pipeline.sources.gauges.stamps import parse_zone, to_utc
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve

MOST_STATIONS = 2000
"""Most stations of one file; each takes some milliseconds to resolve."""
VIRTUAL_GRADE = "Virtual basin, not a measurement"
_TRUTH = dict.fromkeys(("yes", "y", "true", "1"), "good") | dict.fromkeys(
    ("no", "n", "false", "0"), "suspect"
)
_OF_PORTAL = {"approval level", "grade"}
HARMLESS = {
    "", "generated", "working", "in review", "undefined", "unspecified", "fair", "excellent",
    VIRTUAL_GRADE.casefold(),
}  # fmt: skip
"""Approval levels and grades of the portal that do not make a reading suspect."""
_UNCLEAR = {
    ".": "a number beyond doubt (between semicolons or among integers 1.152 may be 1152; name the "
    "columns and --decimal)",
    ",": "a number beyond doubt (12,000 may be 12 or 12000; name the columns and --decimal)",
}


def resolve_stations(rows: Rows, column: str, *, six_digits: bool = False) -> None:
    """Replace the names of stations in the file by their codes."""
    codes, problems = dict[str, str](), dict[str, str]()
    texts = rows.cells[column].unique()
    if len(texts) > MOST_STATIONS:
        raise BadGranule(
            rows.path, expected=f"at most {MOST_STATIONS} stations", found=str(len(texts))
        )
    for text in texts:
        try:
            codes[text], remark = resolve(text, six_digits=six_digits)
        except UnknownStationError as error:
            problems[text] = str(error).removeprefix("found ")
        else:
            if remark:
                rows.remarks.append(remark)
    bad = rows.cells[column].isin(list(problems))
    for line in rows.cells.index[bad.to_numpy(dtype=bool)]:
        problem = problems[rows.cells.loc[line, column]]
        rows.bad[line] = f"expected a station code of six digits, found {problem}"
    rows.cells = rows.cells[~bad]
    rows.cells[column] = rows.cells[column].map(codes)


def parse(rows: Rows, time: str, *, zone: str = "", decimal: str | None = None) -> None:
    """Parse the columns ``_time``, in naive UTC, and ``_value``; unreadable rows are left out."""
    stamps = to_utc(rows.cells[time], zone=parse_zone(zone) if zone else None)
    rows.remarks.extend(stamps.remarks)
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
    for sign, sign_expected in _UNCLEAR.items():
        unclear = rows.cells["value"].str.fullmatch(rf"[+-]?[1-9]\d{{0,2}}(\{sign}\d{{3}})+")
        expected[unclear] = sign_expected
    rows.leave_out(bad, expected, "value")


def set_flags(rows: Rows, column: str) -> None:
    """Set the column ``_qc`` from the agency's words on each reading."""
    words = {text: parse_flag(text) for text in rows.cells[column].unique()}
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
    missing = (qc == "missing") | (before == "missing")
    qc = qc.where(before.isin(["good"]) | (qc == "suspect"), before)
    rows.cells = rows.cells.assign(_qc=qc.mask(missing, "missing"))


def use_columns(rows: Rows, columns: Iterable[str]) -> None:
    """Use the columns of quality, origin and quantity.

    Parameters
    ----------
    rows
        Rows with the columns ``_variable`` and ``method``.
    columns
        Names for which :func:`~pipeline.sources.gauges.columns.is_used` is true.

    Raises
    ------
    Skipped
        No row is of a quantity that the pipeline uses.
    BadGranule
        A column has unknown words.
    """
    for column in columns:
        if QUANTITY.fullmatch(column) or ORIGIN.fullmatch(column):
            _use_quantity(rows, column)
        if not QUANTITY.fullmatch(column):
            set_flags(rows, column)


def _use_quantity(rows: Rows, column: str) -> None:
    """Leave out rows of other quantities, and take the variable and means from their names."""
    quantities = {text: parse_row_quantity(text) for text in rows.cells[column].unique()}
    if QUANTITY.fullmatch(column):
        unknown = {
            text
            for text, quantity in quantities.items()
            if not (quantity.variable or quantity.unused or parse_flag(text) or quantity.mean)
        }
        if quantities and unknown == set(quantities):
            raise BadGranule(
                rows.path,
                expected=f"words like water level, rain or discharge in the column {column}",
                found=repr(min(unknown)),
            )
        for text in unknown:
            quantities[text] = Quantity("", "not known", mean=False)
    variables = {quantity.variable for text, quantity in quantities.items() if text} - {""}
    if len(variables) > 1 or any(quantity.unused for quantity in quantities.values()):
        # Merged cells leave blanks below the name that they belong to.
        rows.leave_out(rows.cells[column] == "", f"a quantity in the column {column}", column)
    unused = rows.cells[column].map(lambda text: bool(quantities[text].unused))
    skip_rows(rows, unused, column)
    variable = rows.cells[column].map(lambda text: quantities[text].variable)
    is_other = (
        (variable != "") & (rows.cells["_variable"] != "") & (variable != rows.cells["_variable"])
    )
    skip_rows(rows, is_other, column)
    variable = variable[rows.cells.index]
    means = rows.cells[column].map(lambda text: quantities[text].mean)
    by_hand = rows.cells["method"] == "manual"
    rows.cells = rows.cells.assign(
        _variable=rows.cells["_variable"].where(variable == "", variable),
        method=rows.cells["method"].mask(means & by_hand, "calculated"),
        _mean=means | rows.cells.get("_mean", False),
    )


def skip_rows(rows: Rows, unused: pd.Series[Any], column: str) -> None:
    """Leave out rows that are not used, with a remark on their names in a column.

    Raises
    ------
    Skipped
        No row is left.
    """
    if not unused.any():
        return
    kinds = ", ".join(map(repr, rows.cells.loc[unused, column].unique()[:5]))
    remark = f"{unused.sum()} rows of {column} {kinds} are not used"
    if unused.all() and not rows.bad:
        raise Skipped(f"{rows.path.name}: {remark}")
    rows.remarks.append(remark)
    rows.cells = rows.cells[~unused]


def make_readings(rows: Rows) -> pd.DataFrame:
    """Make the canonical readings of rows of one or more series."""
    bad_rows, cells = rows.describe_bad_rows(), rows.cells
    if "datum" not in cells:
        cells = cells.assign(datum="gauge", version="")
    if "_mean" not in cells:
        cells = cells.assign(_mean=False)
    keys: list[Any] = ["station", "_variable", "unit", "method", "datum", "_mean"]
    tables = [
        make_series(
            rows.path,
            station=str(station),
            variable=str(variable),
            unit=str(unit),
            method=str(method),
            datum=str(datum),
            time=part["_time"],
            ended=find_interval_ends(part["_time"]) if part["_mean"].all() else None,
            value=part["_value"],
            qc=part["_qc"],
            version=part["version"],
        )
        for (station, variable, unit, method, datum, _), part in cells.groupby(keys)
    ]
    return merge_series(rows.path, tables, bad_rows=bad_rows, remarks=rows.remarks)
