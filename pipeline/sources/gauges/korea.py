"""Answers of the Korean flood control offices (HRFCO) and of WAMIS, in JSON.

Times are Korean (UTC+09:00), without an offset. The hour 24 is the next midnight. Missing values
are blanks. Codes have seven digits, rain gauges of WAMIS eight: these stations are unknown, so
their readings are kept, to predict with but not to warn by.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges.decoding import (
    Answer,
    Code,
    Number,
    Stamp,
    Tally,
    Text,
    abbreviate,
    read_parts,
    validate,
)
from pipeline.sources.gauges.series import NoReadings, make_series

KST = pd.Timedelta(hours=9)
_LIKE = "202608200700"
_YEARS = (1850, 2150)
_EMPTY = r"no data|not exist|데이터가? ?없|자료가? ?없|조회된"
"""Words of a refusal that mean that there are no data, in English and in Korean."""
_KINDS = (("stage", "m", "wl"), ("discharge", "m3/s", "fw"), ("rain", "mm", "rf"))


class _Refusal(Answer):
    code: Code
    message: Text = ""


class _Result(Answer):
    code: Code = ""
    msg: Text = ""


class _Hrfco(Answer):
    content: list[Any] | None = None


class _Wamis(Answer):
    result: _Result = _Result()
    rows: list[Any] | None = Field(default=None, alias="list")


class _Row(Answer):
    """One reading of either office; the fields depend on the office."""

    wlobscd: Code | None = None
    rfobscd: Code | None = None
    obscd: Code | None = None
    ymdhm: Stamp = ""
    ymdh: Stamp = ""
    ymd: Stamp = ""
    wl: Number = float("nan")
    fw: Number = float("nan")
    rf: Number = float("nan")


def read_hrfco(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read an answer of HRFCO: levels and discharges, or rain, of 10 minutes, an hour or a day.

    Parameters
    ----------
    path
        File.
    answer
        Decoded JSON with ``content``, or with a ``code`` and a ``message``.

    Returns
    -------
    pandas.DataFrame
        As of :func:`pipeline.sources.gauges.gauge_files.read`.

    Raises
    ------
    NoReadings
        The answer has no readings; the message says why.
    Skipped
        The answer is of dams and weirs, whose levels are not those of a river.
    BadGranule
        The answer is a refusal, or has fields of another type.
    """
    if "content" not in answer:
        refusal = validate(path, _Refusal, answer)
        _refuse(path, f"code {refusal.code}: {refusal.message}")
    content = validate(path, _Hrfco, answer).content or []
    first = next((row for row in content if isinstance(row, dict)), {})
    if dam := {"dmobscd", "boobscd"} & set(first):
        raise Skipped(f"{path.name}: levels of {min(dam)}, dams and weirs, are not used")
    return _read(path, content, at="content", station="")


def read_wamis(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read an answer of WAMIS: levels, discharges or rain of hours or of days.

    The answer does not name its station; the name of the file does.

    Parameters
    ----------
    path
        File; a name like ``wl_hrdata_1018683.json``.
    answer
        Decoded JSON with ``list``.

    Returns
    -------
    pandas.DataFrame
        As of :func:`pipeline.sources.gauges.gauge_files.read`.

    Raises
    ------
    NoReadings, Skipped, BadGranule
        As of :func:`read_hrfco`; also where neither the name nor a row has a station's code.
    """
    wamis = validate(path, _Wamis, answer)
    if wamis.result.code.lower() not in {"", "success"}:
        _refuse(path, f"code {wamis.result.code}: {wamis.result.msg}")
    match = re.search(r"(?<!\d)\d{7}(?!\d)", path.stem) or re.search(
        r"(?<!\d)(?!(?:19|20)\d{6})\d{8}(?!\d)", path.stem
    )
    return _read(path, wamis.rows or [], at="list", station=match[0] if match else "")


def _refuse(path: Path, reason: str) -> None:
    """Raise NoReadings or BadGranule, by the reason of a refusal."""
    if re.search(_EMPTY, reason, re.IGNORECASE):
        raise NoReadings(path, found=abbreviate(reason))
    raise BadGranule(path, expected="readings of a Korean office", found=abbreviate(reason))


def _read(path: Path, rows: list[Any], *, at: str, station: str) -> pd.DataFrame:
    """Return the readings of the rows of an answer."""
    tally = Tally(path)
    points = tally.points(_Row, rows, at=at)
    table = pd.DataFrame(
        [
            (
                point.wlobscd or point.rfobscd or point.obscd or station,
                point.ymdhm or point.ymdh or point.ymd,
                point.wl,
                point.fw,
                point.rf,
            )
            for point in points
        ],
        columns=["station", "time", "wl", "fw", "rf"],
    )
    nameless = table["station"] == ""
    if nameless.any() and nameless.all():
        raise BadGranule(
            path, expected="a station's code in its name, like wl_hrdata_1018683.json", found="none"
        )
    for _, row in table[nameless].iterrows():
        tally.bad.append((f"a station's code at {abbreviate(row['time'])}", "none"))
    table = table[~nameless]
    time, daily = kst_to_utc(table["time"])
    tally.note(table.loc[time.isna(), "time"], like=_LIKE)
    table = table.assign(time=time, daily=daily)[time.notna()]
    return read_parts(
        path,
        tally,
        [
            partial(
                make_series,
                path,
                station=str(code),
                variable=variable,
                unit=unit,
                method="calculated" if of_day is True and variable != "rain" else "telemetry",
                time=rows_of_variable["time"],
                value=rows_of_variable[column],
            )
            for (code, of_day), part in table.groupby(["station", "daily"])
            for variable, unit, column in _KINDS
            if len(rows_of_variable := part[part[column].notna()])
        ],
    )


def kst_to_utc(stamps: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Convert Korean stamps to naive UTC, and return which are of a whole day.

    Parameters
    ----------
    stamps
        ``YYYYMMDD``, ``YYYYMMDDHH`` or ``YYYYMMDDHHMM``, hours 00 to 24; dashes, colons and blanks
        between them are ignored.

    Returns
    -------
    tuple
        Times, NaT where invalid; a day alone gives its end, when its value is known.

    Examples
    --------
    >>> kst_to_utc(pd.Series(["202608200700", "2026082024"]))[0].dt.strftime("%d %H:%M").tolist()
    ['19 22:00', '20 15:00']
    """
    digits = stamps.str.replace(r"[-/:. T]", "", regex=True)
    parts = digits.str.extract(r"^(\d{8})(?:(\d\d)(\d\d)?)?(?:00)?$")
    of_day = parts[0].notna() & parts[1].isna()
    hours = pd.to_numeric(parts[1]).fillna(24)
    minutes = pd.to_numeric(parts[2]).fillna(0)
    day = pd.to_datetime(parts[0], format="%Y%m%d", errors="coerce")
    possible = day.dt.year.between(*_YEARS) & (hours * 60 + minutes <= 24 * 60) & (minutes < 60)
    time = day + pd.to_timedelta(hours * 60 + minutes, unit="min") - KST
    return time.where(possible).astype("datetime64[ns]"), of_day
