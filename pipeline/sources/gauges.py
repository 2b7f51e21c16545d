"""River and rain gauges: CSV exports of the MRC data portal, one file per series.

Files: `Water Level.Manual@LA_013901_[Pakse].csv`, with `..__metadata.txt` beside. The header says
UTC+07:00 but the stamps end in `Z`, and the `Z` is right: 00:00Z is the reading of 07:00 in Laos.
The data is under the MRC's Non-commercial Data Use Licence: a user brings their own copy.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.places import stations
from pipeline.sources.base import BadGranule, Granule, Skipped
from pipeline.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

HEADER = (
    "Country Code,Station Code,Parameter,Label,Timestamp (UTC+07:00),Value,Unit,"
    "Observed or Estimated,Approval Level,Grade"
)
VIRTUAL_GRADE = "Virtual basin, not a measurement"
_COLUMNS = ["country", "station", "parameter", "label", "time", "value", "unit", "oe", "approval",
            "grade"]  # fmt: skip
_CONSTANT = [c for c in _COLUMNS if c not in {"time", "value", "oe"}]
_PARAMETERS = {
    "Water Level": ("stage", {"m": 1.0, "cm": 0.01, "mm": 0.001}),
    "Discharge": ("discharge", {"m^3/s": 1.0, "m3/s": 1.0}),
    "Rainfall": ("rain", {"mm": 1.0, "cm": 10.0}),
}
_NO_VALUE = -9999.0


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the newest stage export of each gauge, and the history where the interval reaches back.

    Parameters
    ----------
    source
        ``gauges``.
    start, end
        Half-open interval, UTC. ``mrc/<night>/`` holds the export of a night, which covers its
        year; ``mrc/history/<1 January>/`` holds the years before.
    asof
        Moment of the question.
    """
    for code in stations():
        name = f"Water Level.Manual@??_{code}_*.csv"
        new_year = asof.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
        if start < new_year:
            yield Granule(source, "mrc/history", f"*/{name}", start, min(end, new_year))
        if end > new_year:
            yield Granule(source, "mrc", f"2*/{name}", max(start, new_year), min(end, asof))


def exports(folder: Path) -> list[Path]:
    """List the series that lie in an export folder, in order of their names.

    Parameters
    ----------
    folder
        Folder with the CSV files as downloaded.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    found = sorted(path for path in folder.glob("*.csv") if "@" in path.name)
    if not found:
        raise FileNotFoundError(f"expected exports named like Water Level.Manual@LA_013901_[Pakse]"
                                f".csv in {folder}, found none")  # fmt: skip
    return found


def read(path: Path) -> pd.DataFrame:
    """Read one export as canonical readings.

    Parameters
    ----------
    path
        CSV file of one series.

    Returns
    -------
    pandas.DataFrame
        Columns station, variable (``stage`` in m above gauge zero or as reported, ``discharge``
        in m3 s-1, ``rain`` in mm, ending at the stamp), valid_time (UTC), value, unit, qc and
        version, in order of time, one row per time. qc is ``good``, ``estimated`` (so marked by
        the agency), ``range`` (outside the variable's valid range, as an absolute level is) or
        ``conflict`` (another value stood earlier in the file). Rows without a value are left out.

    Raises
    ------
    Skipped
        The series is of a parameter that the pipeline does not use.
    BadGranule
        Not such a file, cut short, of several series, in an unknown unit, with a malformed
        station code, stamp or value, or another station than its name says.
    """
    raw = _table(path)
    if raw.empty:
        raise BadGranule(path, expected="at least one row", found="the header alone")
    first = raw.iloc[0]
    for column in _CONSTANT[:5]:
        if (raw[column] != first[column]).any():
            raise BadGranule(path, expected=f"one {column}", found=str(list(raw[column].unique())))
    if first["parameter"] not in _PARAMETERS:
        raise Skipped(f"{path.name}: {first['parameter']} is not used")
    variable, units = _PARAMETERS[first["parameter"]]
    if first["unit"] not in units:
        raise BadGranule(path, expected=f"unit {' or '.join(units)}", found=str(first["unit"]))
    code = str(first["station"])
    named = re.search(r"@[A-Z]{2}_([^_]+)_", path.name)
    if not re.fullmatch(r"\d{6}", code) or (named and named[1] != code):
        expected = f"station {named[1]} as in its name" if named else "a station code of six digits"
        raise BadGranule(path, expected=expected, found=repr(code))
    row = VARIABLES[variable]
    value = raw["value"] * units[first["unit"]]
    frame = pd.DataFrame({
        "station": code,
        "variable": variable,
        "valid_time": raw["time"],
        "value": value,
        "unit": row.units,
        "qc": np.select(
            [(value < row.valid_min) | (value > row.valid_max), raw["oe"] == "E"],
            ["range", "estimated"], "good",
        ),
        "version": f"{first['label']}, " + raw["approval"].astype(str),
    })[raw["value"].notna() & (raw["value"] != _NO_VALUE)]  # fmt: skip
    frame = frame.drop_duplicates(["valid_time", "value"], keep="last")
    frame.loc[frame["valid_time"].duplicated(keep=False), "qc"] = "conflict"
    frame = frame.drop_duplicates("valid_time", keep="last")
    frame = frame.sort_values("valid_time", ignore_index=True)
    virtual = (raw["grade"] == VIRTUAL_GRADE).any()
    frame.attrs["origin"] = "virtual" if virtual else "measured"
    return frame


def _table(path: Path) -> pd.DataFrame:
    """Rows of an export with parsed time and value; raises on anything that is not one."""
    with path.open("rb") as stream:
        head = stream.readline(400).removeprefix(b"\xef\xbb\xbf").strip()
        if head != HEADER.encode():
            found = f"a file that begins with {head[:60]!r}" if head else "an empty file"
            raise BadGranule(path, expected=f"the header {HEADER[:34]}..", found=found)
        stream.seek(-1, 2)
        if stream.read() != b"\n":
            raise BadGranule(path, expected="a last line that ends", found="a file cut short")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            raw = pd.read_csv(
                path, header=0, names=_COLUMNS, keep_default_na=False, encoding="utf-8-sig",
                dtype=str, index_col=False,
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as error:
        raise BadGranule(path, expected="ten columns in each row", found=str(error)) from error
    if (raw["grade"].fillna("") == "").any():
        raise BadGranule(path, expected="ten columns in each row", found="fewer")
    time = pd.to_datetime(raw["time"], format="%Y-%m-%dT%H:%MZ", errors="coerce")
    value = pd.to_numeric(raw["value"], errors="coerce")
    bad_value = value.isna() & ~raw["value"].str.strip().isin(["", "NaN"])
    for bad, expected, column in (
        (time.isna(), "stamps like 2024-08-01T00:00Z", "time"),
        (bad_value, "numbers", "value"),
    ):
        if bad.any():
            raise BadGranule(path, expected=expected, found=repr(raw.loc[bad, column].iloc[0]))
    return raw.assign(time=time.astype("datetime64[ns]"), value=value)
