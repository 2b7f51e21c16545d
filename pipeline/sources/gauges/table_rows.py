"""What the rows of every layout of a table go through: stations, times, numbers, quantities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats.tables import Rows
from pipeline.sources.gauges.columns import CHECKED, ORIGIN, QUANTITY
from pipeline.sources.gauges.numbers import to_numbers
from pipeline.sources.gauges.quantities import Quantity, row_quantity_of
from pipeline.sources.gauges.series import flag_of, interval_ends, series, settle
from pipeline.sources.gauges.stamps import to_utc, zone_of
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve

MOST_STATIONS = 2000
"""Stations of one file; each takes some milliseconds to resolve."""
VIRTUAL_GRADE = "Virtual basin, not a measurement"
_TRUTH = dict.fromkeys(("yes", "y", "true", "1"), "good") | dict.fromkeys(
    ("no", "n", "false", "0"), "suspect"
)
_OF_PORTAL = {"approval level", "grade"}
HARMLESS = {
    "", "generated", "working", "in review", "undefined", "unspecified", "fair", "excellent",
    VIRTUAL_GRADE.casefold(),
}  # fmt: skip
"""Approval levels and grades of the portal that say nothing against a reading."""
_UNCLEAR = {
    ".": "a number beyond doubt (between semicolons or among integers 1.152 may be 1152; name the "
    "columns and --decimal)",
    ",": "a number beyond doubt (12,000 may be 12 or 12000; name the columns and --decimal)",
}


def resolve_stations(rows: Rows, column: str, *, six_digits: bool = False) -> None:
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


def parse(rows: Rows, time: str, *, zone: str = "", decimal: str | None = None) -> None:
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
    for sign, wanted in _UNCLEAR.items():
        unclear = rows.cells["value"].str.fullmatch(rf"[+-]?[1-9]\d{{0,2}}(\{sign}\d{{3}})+")
        expected[unclear] = wanted
    rows.leave_out(bad, expected, "value")


def qualify(rows: Rows, column: str) -> None:
    """Add the column ``_qc`` from what the agency says of each reading."""
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
    missing = (qc == "missing") | (before == "missing")
    qc = qc.where(before.isin(["good"]) | (qc == "suspect"), before)
    rows.cells = rows.cells.assign(_qc=qc.mask(missing, "missing"))


def use_columns(rows: Rows, columns: Iterable[str]) -> None:
    """Use the columns that tell which readings are to be believed, and of what they are.

    Parameters
    ----------
    rows
        With the columns ``_variable`` and ``method``.
    columns
        Names, of :func:`~pipeline.sources.gauges.columns.is_used`.

    Raises
    ------
    Skipped
        No row is of a quantity that the pipeline uses.
    BadGranule
        A column says what is not understood.
    """
    for column in columns:
        if QUANTITY.fullmatch(column) or ORIGIN.fullmatch(column):
            _use_quantity(rows, column)
        if not QUANTITY.fullmatch(column):
            qualify(rows, column)


def _use_quantity(rows: Rows, column: str) -> None:
    """Leave out rows of other quantities, and take the variable and means from their names."""
    quantities = {text: row_quantity_of(text) for text in rows.cells[column].unique()}
    if QUANTITY.fullmatch(column):
        silent = {
            text
            for text, quantity in quantities.items()
            if not (quantity.variable or quantity.unused or flag_of(text) or quantity.mean)
        }
        if quantities and silent == set(quantities):
            raise BadGranule(
                rows.path,
                expected=f"words like water level, rain or discharge in the column {column}",
                found=repr(min(silent)),
            )
        for text in silent:
            quantities[text] = Quantity("", "not known", mean=False)
    variables = {quantity.variable for text, quantity in quantities.items() if text} - {""}
    if len(variables) > 1 or any(quantity.unused for quantity in quantities.values()):
        # Merged cells leave blanks below the name that they are of.
        rows.leave_out(rows.cells[column] == "", f"a quantity in the column {column}", column)
    unused = rows.cells[column].map(lambda text: bool(quantities[text].unused))
    pass_over(rows, unused, column)
    said = rows.cells[column].map(lambda text: quantities[text].variable)
    other = (said != "") & (rows.cells["_variable"] != "") & (said != rows.cells["_variable"])
    pass_over(rows, other, column)
    said = said[rows.cells.index]
    means = rows.cells[column].map(lambda text: quantities[text].mean)
    by_hand = rows.cells["method"] == "manual"
    rows.cells = rows.cells.assign(
        _variable=rows.cells["_variable"].where(said == "", said),
        method=rows.cells["method"].mask(means & by_hand, "calculated"),
        _mean=means | rows.cells.get("_mean", False),
    )


def pass_over(rows: Rows, unused: pd.Series[Any], column: str) -> None:
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


def by_series(rows: Rows) -> pd.DataFrame:
    """Canonical readings of rows that may be of several series."""
    bad_rows, cells = rows.settle(), rows.cells
    if "datum" not in cells:
        cells = cells.assign(datum="gauge", version="")
    if "_mean" not in cells:
        cells = cells.assign(_mean=False)
    keys: list[Any] = ["station", "_variable", "unit", "method", "datum", "_mean"]
    found = [
        series(
            rows.path,
            station=str(station),
            variable=str(variable),
            unit=str(unit),
            method=str(method),
            datum=str(datum),
            time=part["_time"],
            ended=interval_ends(part["_time"]) if part["_mean"].all() else None,
            value=part["_value"],
            qc=part["_qc"],
            version=part["version"],
        )
        for (station, variable, unit, method, datum, _), part in cells.groupby(keys)
    ]
    return settle(rows.path, found, bad_rows=bad_rows, said=rows.said)
