"""What gauge readings come in beside the MRC portal's exports, and what all formats share."""

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
from pipeline.sources.gauges.quantities import plain_words
from pipeline.sources.gauges.station_codes import UnknownStationError, resolve

UNITS = {
    "stage": {"m": 1.0, "cm": 0.01, "mm": 0.001},
    "discharge": {"m^3/s": 1.0, "m3/s": 1.0},
    "rain": {"mm": 1.0, "cm": 10.0},
}
"""Units that are read, and what turns them into the canonical one."""
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
"""What says that levels are above the gauge's zero, the sea, or else, of words in small letters."""
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
"""Words of a column of quality or a qualifier, and what they say of a reading; ``eqp`` (equipment
malfunction), ``mnt``, ``fld`` and ``dis`` are of USGS."""
_DOUBTFUL = (
    r"suspect|unreliabl|erroneous|fail|reject|malfunction|outlier|missing|quality-[ef]\b|"
    r"detectionrange|\bnot (?:of release|valid|good|usable|reliable|accepted)"
)
_ESTIMATE = r"estimat|interpolat|infill|synthetic|quality-[cd]\b"
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


def flag_of(text: str) -> str | None:
    """Flag of the words of an agency: good, estimated, suspect or missing; None where unknown.

    Examples
    --------
    >>> flag_of("Unverified data"), flag_of("Rejected - sensor fouled"), flag_of("B7")
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
    """A sound file without a single reading, and what it says instead."""

    def __init__(self, path: Path, *, said: str = "none") -> None:
        super().__init__(path, expected="at least one reading", found=said)


def unit_of(text: str) -> str:
    """Spell a unit as the table of units does, where it knows it.

    Examples
    --------
    >>> unit_of(" Metres "), unit_of("cumec"), unit_of("ft"), unit_of("m (gauge)")
    ('m', 'm3/s', 'ft', 'm')
    """
    key = unicodedata.normalize("NFKC", text).strip().casefold().replace("(", " (")
    unit, _, datum = key.partition(" ")
    key = unit if datum_of(datum) == "gauge" else key.rstrip(".")
    known = _SPELLINGS.get(key, key)
    return known if known in _READ else text.strip()


def units_in(text: str) -> set[str]:
    """Units that a text names: as a whole, in brackets, or as its last word; feet anywhere.

    Examples
    --------
    >>> units_in("Level (ft)"), units_in("WL_cm"), units_in("Level in the morning")
    ({'ft'}, {'cm'}, set())
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    inside = re.findall(r"[(\[]([^)\]]+)[)\]]", plain)
    last = re.split(r"[\s,_:]+", plain.strip())[-1]
    feet = re.findall(r"\b(?:ft|feet|foot|cfs)\b", plain)
    units = {_SPELLINGS.get(unit := unit_of(one), unit) for one in (plain, last, *inside, *feet)}
    return {unit for unit in units if unit in _OTHER_UNITS or unit_of(unit) in _READ}


def datum_of(text: str) -> str:
    """Return ``gauge`` or ``msl`` for the words of a datum, where they are known.

    Examples
    --------
    >>> datum_of("Local gauge zero"), datum_of("above mean sea level"), datum_of("Ha Tien 1960")
    ('gauge', 'msl', 'Ha Tien 1960')
    """
    words = plain_words(text)
    if _GAUGE_ZERO.fullmatch(words):
        return "gauge"
    return "msl" if _SEA_LEVEL.fullmatch(words) else text.strip()


def speaks_of_datum(text: str) -> bool:
    """Whether a text may say that levels are above something else than the gauge's zero.

    Examples
    --------
    >>> speaks_of_datum("m above sea level"), speaks_of_datum("zero of gauge: 86.5 m MSL")
    (True, False)
    >>> speaks_of_datum("MSL, not gauge zero"), speaks_of_datum("read at high water")
    (True, False)
    """
    words = plain_words(text)
    if not (_SEA_LEVEL.search(words) or _OTHER_DATUM.search(words)):
        return False
    return _GAUGE_ZERO.search(words) is None or re.search(r"\bnot?\b", words) is not None


def datum_in(text: str) -> str:
    """Datum of a property in words: ``gauge``, ``msl``, or empty where it is another.

    Examples
    --------
    >>> datum_in("Gage height"), datum_in("Water level above mean sea level")
    ('gauge', 'msl')
    >>> datum_in("Water level elevation above NAVD 1988")
    ''
    """
    words = plain_words(text)
    if re.search(r"\b(?:gau?ge (?:zero|datum)|zero (?:of )?(?:the )?gau?ge)\b", words):
        return "gauge"
    if _OTHER_DATUM.search(words):
        return ""
    if _SEA_LEVEL.search(words):
        return "msl"
    return "" if "elevation" in words else "gauge"


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
    ended: pd.Series[Any] | None = None,
    six_digits: bool = False,
) -> pd.DataFrame:
    """Make canonical readings of one series, in the canonical unit and above the gauge's zero.

    Parameters
    ----------
    path
        File that holds them.
    station, variable, unit, method
        As the file says; a station may be spelled as in
        :mod:`pipeline.sources.gauges.station_codes`.
    time
        Naive UTC; NaT where unreadable.
    value
        As given; NaN or a code where missing.
    datum
        ``gauge``, or ``msl`` for levels above mean sea level: they become stages where the
        gauge's zero is verified; elsewhere they are kept and flagged ``absolute``.
    qc, version
        Flag and version of each reading.
    ended
        Naive UTC from which each value can be known, where it is of an interval that ends after
        its time, as a daily mean's; by default ``time``.
    six_digits
        Whether stations can be such of the MRC alone.

    Returns
    -------
    pandas.DataFrame
        Columns station, variable, method, valid_time, value, unit, qc, version, raw (what the
        file said where it was restated, else empty) and ended. A row without a value has the qc
        ``missing``. ``attrs["said"]`` has what is to be said of the station.

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
    known = unit_of(unit)
    if known not in UNITS[variable]:
        expected = f"unit {' or '.join(UNITS[variable])}"
        raise BadGranule(path, expected=expected, found=f"{unit or 'none'} at {code}")
    if datum not in {"gauge", "msl"} or (datum == "msl" and variable != "stage"):
        raise BadGranule(path, expected="datum gauge, or msl of a stage", found=repr(datum))
    factor = UNITS[variable][known]
    zero = verified_zeros().get(code) if datum == "msl" else 0.0
    given = value.astype("float64")
    frame = pd.DataFrame(
        {
            "station": code,
            "variable": variable,
            "method": method,
            "valid_time": time.astype("datetime64[ns]"),
            "value": given * factor - (zero or 0.0),
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
        said = f"{{:g}} {known}{' amsl' if datum == 'msl' else ''}"
        frame["raw"] = given.map(said.format)
    missing = given.isna() | find_impossible_codes(given, frame["value"], variable)
    missing |= frame["qc"] == "missing"
    frame = frame.assign(
        value=frame["value"].mask(missing),
        qc=frame["qc"].mask(missing, "missing"),
        raw=frame["raw"].mask(missing, ""),
    )[time.notna()]
    frame.attrs["said"] = [remark] if remark else []
    doubtful = given[given.isin(MISSING) & ~missing & time.notna()]
    for number, count in doubtful.value_counts().items():
        frame.attrs["said"].append(
            f"{count} of {variable} {number:g} {known} at {station} may stand for missing: "
            "the other readings of the gauge decide"
        )
    return frame


def interval_ends(time: pd.Series[Any], *, of_day: pd.Series[Any] | None = None) -> pd.Series[Any]:
    """Naive UTC at which the intervals of means end, before which no mean is known.

    Parameters
    ----------
    time
        Naive UTC of one series of means.
    of_day
        Which are of a day that begins at their time, by default those of a series without two
        values on a day. Wherever the agency is, its day is over 24 h after 00:00 UTC.
    """
    day = pd.Timedelta(days=1)
    daily = not bool((time.sort_values().diff() < day).any())
    return time.mask(pd.Series(daily, index=time.index) if of_day is None else of_day, time + day)


def settle(
    path: Path, found: Iterable[pd.DataFrame], *, bad_rows: Sequence[str] = (),
    said: Sequence[str] = (),
) -> pd.DataFrame:  # fmt: skip
    """Put the series of a file in order.

    Values that differ for one time are each flagged ``conflict``, as far as they count beside each
    other: :func:`pipeline.quality.conflicts.keep_alternatives`.

    Parameters
    ----------
    path
        File that holds them.
    found
        Readings of each series.
    bad_rows, said
        What was left out, line by line, and what is to be said of the file; go to ``attrs``,
        with what is said of each series.

    Raises
    ------
    NoReadings
        None has a value.
    """
    parts = list(found)
    remarks = [*said, *(remark for part in parts for remark in part.attrs.get("said", ()))]
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
