"""What gauge readings come in beside the MRC portal's exports, and what all formats share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.places import verified_zeros
from pipeline.sources.base import BadGranule
from pipeline.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

UNITS = {
    "stage": {"m": 1.0, "cm": 0.01, "mm": 0.001},
    "discharge": {"m^3/s": 1.0, "m3/s": 1.0},
    "rain": {"mm": 1.0, "cm": 10.0},
}
"""Units that are read, and what turns them into the canonical one."""
NO_VALUE = -9999.0
COLUMNS = ("station", "variable", "time", "value", "unit")
"""Columns of the plain CSV; ``method``, ``datum`` and ``version`` may follow in any order."""
HYMOS = re.compile(rb"[A-Z]{2},\d{5,6},[A-Z]+,[A-Z],\d{4}-\d\d-\d\dT")
"""How a row of HYMOS or FMMP begins."""
_CODE = re.compile(r"\d{6}|(?!\d{1,5}$)[A-Za-z0-9][A-Za-z0-9_.-]{2,31}")
PARAMETERS = {"Water Level": "stage", "Discharge": "discharge", "Rainfall": "rain"}
"""Parameters of the MRC's time series that are used."""


def method_of(label: str) -> str:
    """Return how the values of a series of the MRC were got, from its label.

    Examples
    --------
    >>> method_of("Telemetry"), method_of("Daily Calculated"), method_of("Manual")
    ('telemetry', 'calculated', 'manual')
    """
    words = label.lower()
    return next((word for word in ("telemetry", "calculated") if word in words), "manual")


class NoReadings(BadGranule):
    """A sound file without a single reading, and what it says instead."""

    def __init__(self, path: Path, *, said: str = "none") -> None:
        super().__init__(path, expected="at least one reading", found=said)


def series(
    path: Path,
    *,
    station: str,
    variable: str,
    unit: str,
    time: pd.Series[Any],
    value: pd.Series[Any],
    method: str = "manual",
    datum: str = "gauge",
    qc: pd.Series[Any] | str = "good",
    version: pd.Series[Any] | str = "",
) -> pd.DataFrame:
    """Make canonical readings of one series, in the canonical unit and above the gauge's zero.

    Parameters
    ----------
    path
        File that holds them.
    station, variable, unit, method
        As the file says.
    time
        Naive UTC.
    value
        As given; NaN or -9999 where missing.
    datum
        ``gauge``, or ``msl`` for levels above mean sea level: they become stages where the
        gauge's zero is verified; elsewhere they are kept and flagged ``absolute``.
    qc, version
        Flag and version of each reading.

    Returns
    -------
    pandas.DataFrame
        Columns station, variable, method, valid_time, value, unit, qc, version and raw (what the
        file said where it was restated, else empty), without missing values.

    Raises
    ------
    BadGranule
        Malformed code, unknown unit or datum.
    """
    if not _CODE.fullmatch(station):
        raise BadGranule(path, expected="a station code of six digits", found=repr(station))
    if unit not in UNITS[variable]:
        raise BadGranule(path, expected=f"unit {' or '.join(UNITS[variable])}", found=unit)
    if datum not in {"gauge", "msl"} or (datum == "msl" and variable != "stage"):
        raise BadGranule(path, expected="datum gauge, or msl of a stage", found=repr(datum))
    factor = UNITS[variable][unit]
    zero = verified_zeros().get(station) if datum == "msl" else 0.0
    frame = pd.DataFrame({
        "station": station,
        "variable": variable,
        "method": method,
        "valid_time": time.astype("datetime64[ns]"),
        "value": value.astype("float64") * factor - (zero or 0.0),
        "unit": VARIABLES[variable].units,
        "qc": qc if zero is not None else "absolute",
        "version": version,
        "raw": "",
    })  # fmt: skip
    if factor != 1.0 or datum == "msl":
        said = f"{{:g}} {unit}{' amsl' if datum == 'msl' else ''}"
        frame["raw"] = value.map(said.format)
    return frame[value.notna() & (value != NO_VALUE)]


def settle(path: Path, found: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put the series of a file in order, one reading per time; the last of a time stands.

    Of several values of one time the last is flagged ``conflict``.

    Raises
    ------
    NoReadings
        There is none.
    """
    parts = [part for part in found if not part.empty]
    if not parts:
        raise NoReadings(path)
    frame = pd.concat(parts, ignore_index=True)
    keys = ["station", "variable", "method", "valid_time"]
    frame = frame.drop_duplicates([*keys, "value"], keep="last")
    twice = frame.duplicated(keys, keep=False)
    if twice.any():
        frame.loc[twice, "qc"] = "conflict"
        frame = frame.drop_duplicates(keys, keep="last")
    frame = frame.sort_values(keys, ignore_index=True)
    frame.attrs["origin"] = "measured"
    return frame


def utc(path: Path, stamps: pd.Series[Any], *, like: str, offset: str = "") -> pd.Series[Any]:
    """Naive UTC of ISO 8601 stamps, each with a ``Z`` or an offset.

    Parameters
    ----------
    path
        File that holds them.
    stamps
        Text.
    like
        Example for the message.
    offset
        Put behind each stamp; for providers that write local time without one.
    """
    text = stamps.astype("str").str.strip() + offset
    bare = ~text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True)
    time = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    bad = time.isna() | bare
    if bad.any():
        raise BadGranule(path, expected=f"stamps like {like}", found=repr(stamps[bad].iloc[0]))
    return time.dt.tz_localize(None)


def numbers(path: Path, text: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers of a column; NaN where it is empty or says null."""
    value = pd.to_numeric(text, errors="coerce").astype("float64")
    empty = text.isna() | text.astype("str").str.strip().isin(["", "NaN", "nan", "None"])
    bad = (value.isna() & ~empty) | np.isinf(value)
    if bad.any():
        raise BadGranule(path, expected="numbers", found=repr(text[bad].iloc[0]))
    return value


def read_hymos(path: Path) -> pd.DataFrame:
    """Read rows of HYMOS or FMMP: country, code, parameter, method, time, value, unit, flag.

    They have no header and no leading zero in the code; times are local, with their offset.
    """
    rows = _rows(path, header=None, names=[*"ncpm", "time", "value", "unit", "flag"])
    rows = rows.apply(lambda column: column.str.strip())
    found = []
    for (code, kind, method, unit), part in rows.groupby(["c", "p", "m", "unit"]):
        variable = next((name for name, units in UNITS.items() if unit in units), None)
        if variable == "stage" and kind != "HH":
            variable = "rain" if unit == "mm" else None
        if variable is None:
            raise BadGranule(
                path, expected="HH in m, rain in mm or m3/s", found=f"{kind} in {unit}"
            )
        if method not in {"M", "T"}:
            raise BadGranule(path, expected="method M or T", found=repr(method))
        found.append(
            series(
                path, station=str(code).zfill(6), variable=variable, unit=str(unit),
                time=utc(path, part["time"], like="2000-01-01T07:00:00+07:00"),
                value=numbers(path, part["value"]),
                method="manual" if method == "M" else "telemetry",
                qc=part["flag"].map(lambda flag: "estimated" if flag == "E" else "good"),
            )
        )  # fmt: skip
    return settle(path, found)


def read_csv(path: Path) -> pd.DataFrame:
    """Read the plain CSV of agencies, as the operator's guide describes it."""
    rows = _rows(path, header=0)
    for column, usual in (("method", "manual"), ("datum", "gauge"), ("version", "")):
        if column not in rows:
            rows[column] = usual
    found = []
    for (station, variable, unit, method, datum), part in rows.groupby(
        ["station", "variable", "unit", "method", "datum"]
    ):
        if variable not in UNITS:
            raise BadGranule(path, expected=f"variable {' or '.join(UNITS)}", found=str(variable))
        if method not in {"manual", "calculated", "telemetry"}:
            raise BadGranule(
                path, expected="method manual, calculated or telemetry", found=repr(method)
            )
        found.append(
            series(
                path, station=str(station), variable=str(variable), unit=str(unit),
                method=str(method), datum=str(datum), version=part["version"],
                time=utc(path, part["time"], like="2026-08-20T07:00:00+07:00"),
                value=numbers(path, part["value"]),
            )
        )  # fmt: skip
    return settle(path, found)


def _rows(path: Path, **how: Any) -> pd.DataFrame:
    """Text of a CSV file's cells; raises where rows are of different length or cut short."""
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        raise BadGranule(path, expected="a last line that ends", found="a file cut short")
    try:
        rows: pd.DataFrame = pd.read_csv(
            path, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8-sig",
            on_bad_lines="error", **how,
        )  # fmt: skip
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise BadGranule(path, expected="as many cells in each row", found=str(error)) from error
    lengths = {line.count(b",") for line in content.splitlines() if line.strip()}
    if len(lengths) > 1:
        raise BadGranule(path, expected="as many cells in each row", found=f"{sorted(lengths)}")
    return rows
