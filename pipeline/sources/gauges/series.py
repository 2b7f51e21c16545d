"""Canonical series of gauge readings, with units, datums and flags that all layouts share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.geography.variables import VARIABLES
from pipeline.quality import conflicts
from pipeline.quality.missing_codes import MISSING, find_impossible_codes
from pipeline.sources.base import BadGranule
from pipeline.sources.gauges.quantities import normalize_words
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve

UNITS = {
    "stage": {"m": 1.0, "cm": 0.01, "mm": 0.001},
    "discharge": {"m^3/s": 1.0, "m3/s": 1.0},
    "rain": {"mm": 1.0, "cm": 10.0},
}
"""Units that are read, and their factors to the canonical one."""
_READ = {unit for units in UNITS.values() for unit in units}
_SPELLINGS = {
    "metre": "m", "meter": "m", "metres": "m", "meters": "m", "mtr": "m", "ม": "m",
    "centimetre": "cm", "centimeter": "cm", "centimetres": "cm", "centimeters": "cm", "ซม": "cm",
    "millimetre": "mm", "millimeter": "mm", "millimetres": "mm", "millimeters": "mm", "มม": "mm",
    "m³/s": "m3/s", "m3 s-1": "m3/s", "m3/sec": "m3/s", "cumec": "m3/s", "cumecs": "m3/s",
    "cms": "m3/s", "m3.s-1": "m3/s", "m3s-1": "m3/s", "m**3/s": "m3/s", "m^3/s": "m3/s",
    "เมตร": "m", "เซนติเมตร": "cm", "มิลลิเมตร": "mm", "ลบ.ม./วินาที": "m3/s", "ลบ.ม./วิ": "m3/s",
    "mét": "m", "ແມັດ": "m", "ម៉ែត្រ": "m",
    "feet": "ft", "foot": "ft", "[ft_i]": "ft", "inch": "in", "inches": "in", "ft3/s": "cfs",
    "ft^3/s": "cfs",
}  # fmt: skip
_OTHER_UNITS = {"ft", "in", "cfs", "l/s", "dm", "km", "yd", "mgd", "kcfs"}
"""Units that are known and not read."""
_GAUGE_ZERO = re.compile(
    r"(?:(?:above|local|the|m|metres?|meters?) )*"
    r"(?:gauge(?:'s)? (?:zero|datum)|zero (?:of )?(?:the )?gauge)(?: level)?|gauge"
)
_SEA_LEVEL = re.compile(
    r"\b(?:(?:above|m|metres?|meters?) )*(?:(?:mean )?sea ?level|[am]?msl|masl)\b|"
    + unicodedata.normalize("NFKC", r"(?:ม ?)?รทก|ระดับน้ำทะเล[\w\u0e31-\u0e4e]*")
)
_OTHER_DATUM = re.compile(r"\bdatum\b|\b(?:na|ng)vd\b|\bahd\b|\begm\b")
"""Patterns of normalized words for levels above the gauge's zero, the sea, or another datum."""
GOOD = {
    "",
    "good",
    "ok",
    "o",
    "valid",
    "verified",
    "validated",
    "approved",
    "final",
    "provisional",
    "preliminary",
    "raw",
    "measured",
    "observed",
    "original",
    "normal",
    "passed",
    "pass",
    "unchecked",
    "unverified",
    "ดี",
    "ปกติ",
}
ESTIMATED = {"e", "est", "estimated", "estimate", "interpolated", "infilled", "filled", "ประมาณ"}
SUSPECT = {
    "suspect",
    "suspicious",
    "suspected",
    "doubtful",
    "questionable",
    "bad",
    "invalid",
    "error",
    "erroneous",
    "wrong",
    "rejected",
    "fail",
    "failed",
    "unreliable",
    "unusable",
    "poor",
    "void",
    "faulty",
    "s",
    "eqp",
    "mnt",
    "fld",
    "dis",
    "เสีย",
    "ผิดปกติ",
    "ไม่ดี",
}
ABSENT = {"missing", "no data", "nodata", "ไม่มีข้อมูล"}
"""Words of a column of quality or a qualifier, by the flag that they mean; ``eqp`` (equipment
malfunction), ``mnt``, ``fld`` and ``dis`` are of USGS."""
_DOUBTFUL = (
    r"suspect|unreliabl|erroneous|fail|reject|malfunction|outlier|missing|quality-[ef]\b|"
    r"detectionrange|\bnot (?:of release|valid|good|usable|reliable|accepted)"
)
_ESTIMATE = r"estimat|interpolat|infill|synthetic|quality-[cd]\b"
PARAMETERS = {"Water Level": "stage", "Discharge": "discharge", "Rainfall": "rain"}
"""Parameters of the MRC's time series that are used."""


def parse_method(label: str) -> str:
    """Parse the method of measurement from the label of a series of the MRC.

    Examples
    --------
    >>> parse_method("Telemetry"), parse_method("Daily Calculated"), parse_method("Manual")
    ('telemetry', 'calculated', 'manual')
    """
    words = label.lower()
    return next((word for word in ("telemetry", "calculated") if word in words), "manual")


def parse_flag(text: str) -> str | None:
    """Parse an agency's words as a flag: good, estimated, suspect or missing; None where unknown.

    Examples
    --------
    >>> parse_flag("Unverified data"), parse_flag("Rejected - sensor fouled"), parse_flag("B7")
    ('good', 'suspect', None)
    """
    phrase = " ".join(text.casefold().split())
    words = {phrase, *re.findall(r"[a-z]{2,}", phrase)}
    if phrase in ABSENT:
        return "missing"
    if words & SUSPECT or re.search(_DOUBTFUL, phrase):
        return "suspect"
    if words & ESTIMATED or re.search(_ESTIMATE, phrase):
        return "estimated"
    return "good" if words & GOOD else None


class NoReadings(BadGranule):
    """A valid file without a single reading; the message says what was found instead."""

    def __init__(self, path: Path, *, found: str = "none") -> None:
        super().__init__(path, expected="at least one reading", found=found)


def normalize_unit(text: str) -> str:
    """Spell a unit as the table of units does, where the unit is known.

    Examples
    --------
    >>> [normalize_unit(text) for text in (" Metres ", "cumec", "ft", "m (gauge)")]
    ['m', 'm3/s', 'ft', 'm']
    """
    key = unicodedata.normalize("NFKC", text).strip().casefold().replace("(", " (")
    unit, _, datum = key.partition(" ")
    key = unit if normalize_datum(datum) == "gauge" else key.rstrip(".")
    spelling = _SPELLINGS.get(key, key)
    return spelling if spelling in _READ else text.strip()


def find_units(text: str) -> set[str]:
    """Find the units in a text: as a whole, in brackets, or as its last word; feet anywhere.

    Examples
    --------
    >>> find_units("Level (ft)"), find_units("WL_cm"), find_units("Level in the morning")
    ({'ft'}, {'cm'}, set())
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    inside = re.findall(r"[(\[]([^)\]]+)[)\]]", plain)
    last_word = re.split(r"[\s,_:]+", plain.strip())[-1]
    feet = re.findall(r"\b(?:ft|feet|foot|cfs)\b", plain)
    units = {
        _SPELLINGS.get(unit := normalize_unit(candidate), unit)
        for candidate in (plain, last_word, *inside, *feet)
    }
    return {unit for unit in units if unit in _OTHER_UNITS or normalize_unit(unit) in _READ}


def normalize_datum(text: str) -> str:
    """Return ``gauge`` or ``msl`` for the words of a datum, where they are known.

    Examples
    --------
    >>> normalize_datum("Local gauge zero"), normalize_datum("above mean sea level")
    ('gauge', 'msl')
    >>> normalize_datum("Ha Tien 1960")
    'Ha Tien 1960'
    """
    words = normalize_words(text)
    if _GAUGE_ZERO.fullmatch(words):
        return "gauge"
    return "msl" if _SEA_LEVEL.fullmatch(words) else text.strip()


def mentions_datum(text: str) -> bool:
    """Return whether a text may mean that levels are above another datum than the gauge's zero.

    Examples
    --------
    >>> mentions_datum("m above sea level"), mentions_datum("zero of gauge: 86.5 m MSL")
    (True, False)
    >>> mentions_datum("MSL, not gauge zero"), mentions_datum("read at high water")
    (True, False)
    """
    words = normalize_words(text)
    if not (_SEA_LEVEL.search(words) or _OTHER_DATUM.search(words)):
        return False
    return _GAUGE_ZERO.search(words) is None or re.search(r"\bnot?\b", words) is not None


def find_datum(text: str) -> str:
    """Find the datum of a property in words: ``gauge``, ``msl``, or empty where it is another.

    Examples
    --------
    >>> find_datum("Gage height"), find_datum("Water level above mean sea level")
    ('gauge', 'msl')
    >>> find_datum("Water level elevation above NAVD 1988")
    ''
    """
    words = normalize_words(text)
    if re.search(r"\b(?:gau?ge (?:zero|datum)|zero (?:of )?(?:the )?gau?ge)\b", words):
        return "gauge"
    if _OTHER_DATUM.search(words):
        return ""
    if _SEA_LEVEL.search(words):
        return "msl"
    return "" if "elevation" in words else "gauge"


def make_series(
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
    ended: pd.Series[Any] | None = None,
    six_digits: bool = False,
) -> pd.DataFrame:
    """Make the canonical readings of one series, in the canonical unit and above the gauge's zero.

    Parameters
    ----------
    path
        File that holds them.
    station, variable, unit, method
        Texts of the file; a station may be spelled as in
        :mod:`pipeline.sources.gauges.station_codes`.
    time
        Naive UTC; NaT where unreadable.
    value
        Values of the file; NaN or a code where missing.
    datum
        ``gauge``, or ``msl`` for levels above mean sea level: they become stages where the
        gauge's zero is verified; elsewhere they are kept and flagged ``absolute``.
    qc, version
        Flag and version of each reading.
    ended
        Naive UTC from which each value can be known, where its interval ends after its time, as
        that of a daily mean; by default ``time``.
    six_digits
        Whether only codes of the MRC are possible.

    Returns
    -------
    pandas.DataFrame
        Columns station, variable, method, valid_time, value, unit, qc, version, raw (the value in
        the file where it was converted, else empty) and ended. A row without a value has the qc
        ``missing``. ``attrs["said"]`` has remarks on the station.

    Raises
    ------
    BadGranule
        Malformed code, unknown unit or datum.
    """
    try:
        code, remark = resolve(station, six_digits=six_digits)
    except UnknownStationError as error:
        raise BadGranule(
            path, expected="a station code of six digits", found=str(error).removeprefix("found ")
        ) from error
    file_unit = normalize_unit(unit)
    if file_unit not in UNITS[variable]:
        expected = f"unit {' or '.join(UNITS[variable])}"
        raise BadGranule(path, expected=expected, found=f"{unit or 'none'} at {code}")
    if datum not in {"gauge", "msl"} or (datum == "msl" and variable != "stage"):
        raise BadGranule(path, expected="datum gauge, or msl of a stage", found=repr(datum))
    factor = UNITS[variable][file_unit]
    zero = verified_zeros().get(code) if datum == "msl" else 0.0
    file_value = value.astype("float64")
    frame = pd.DataFrame(
        {
            "station": code,
            "variable": variable,
            "method": method,
            "valid_time": time.astype("datetime64[ns]"),
            "value": file_value * factor - (zero or 0.0),
            "unit": VARIABLES[variable].units,
            "qc": qc,
            "version": version,
            "raw": "",
            "ended": (time if ended is None else ended).astype("datetime64[ns]"),
        }
    )
    if zero is None:
        frame["qc"] = frame["qc"].where(frame["qc"] == "suspect", "absolute")
    if factor != 1.0 or datum == "msl":
        template = f"{{:g}} {file_unit}{' amsl' if datum == 'msl' else ''}"
        frame["raw"] = file_value.map(template.format)
    missing = file_value.isna() | find_impossible_codes(file_value, frame["value"], variable)
    missing |= frame["qc"] == "missing"
    frame = frame.assign(
        value=frame["value"].mask(missing),
        qc=frame["qc"].mask(missing, "missing"),
        raw=frame["raw"].mask(missing, ""),
    )[time.notna()]
    frame.attrs["said"] = [remark] if remark else []
    doubtful = file_value[file_value.isin(MISSING) & ~missing & time.notna()]
    for number, count in doubtful.value_counts().items():
        frame.attrs["said"].append(
            f"{count} of {variable} {number:g} {file_unit} at {station} may stand for missing: "
            "the other readings of the gauge decide"
        )
    return frame


def find_interval_ends(
    time: pd.Series[Any], *, of_day: pd.Series[Any] | None = None
) -> pd.Series[Any]:
    """Find the ends of the intervals of means, naive UTC, before which no mean is known.

    Parameters
    ----------
    time
        Naive UTC of one series of means.
    of_day
        Which means are of a day that begins at their time, by default those of a series without
        two values on a day. Whatever the zone of the agency, its day ends by 24 h after 00:00 UTC.
    """
    day = pd.Timedelta(days=1)
    daily = not bool((time.sort_values().diff() < day).any())
    return time.mask(pd.Series(daily, index=time.index) if of_day is None else of_day, time + day)


def merge_series(
    path: Path, tables: Iterable[pd.DataFrame], *, bad_rows: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> pd.DataFrame:  # fmt: skip
    """Merge the series of a file, in order of series and time.

    Values that differ for one time are each flagged ``conflict``, as far as they count beside each
    other: :func:`pipeline.quality.conflicts.keep_alternatives`.

    Parameters
    ----------
    path
        File that holds them.
    tables
        Readings of each series.
    bad_rows, remarks
        Omissions by line, and remarks on the file; they go to ``attrs["bad_rows"]`` and
        ``attrs["said"]``, with the remarks on each series.

    Raises
    ------
    NoReadings
        No reading has a value.
    """
    parts = list(tables)
    remarks = [*remarks, *(remark for part in parts for remark in part.attrs.get("said", ()))]
    parts = [part for part in parts if not part.empty]
    if not any(part["value"].notna().any() for part in parts):
        raise NoReadings(path)
    frame = pd.concat(parts, ignore_index=True)
    keys = ["station", "variable", "method", "valid_time"]
    frame = conflicts.keep_alternatives(frame)
    frame.loc[frame.duplicated(keys, keep=False), "qc"] = "conflict"
    frame = frame.sort_values(keys, ignore_index=True, kind="stable")
    frame.attrs = {
        "origin": "measured",
        "bad_rows": list(bad_rows),
        "said": list(dict.fromkeys(remarks)),
    }
    return frame
