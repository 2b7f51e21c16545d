"""Answers of the Korean flood control offices (HRFCO) and of WAMIS, in JSON.

Times are of Korea (UTC+09:00) and say so nowhere. The hour 24 is the next midnight. Missing values
are blanks. Codes have seven digits, rain gauges of WAMIS eight: none is of the table of stations,
so they are kept, but nothing is warned of by them.
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
    read_parts,
    shown,
    typed,
)
from pipeline.sources.gauges.series import NoReadings, series

KST = pd.Timedelta(hours=9)
_LIKE = "202608200700"
_YEARS = (1850, 2150)
_EMPTY = r"no data|not exist|데이터가? ?없|자료가? ?없|조회된"
"""How a refusal says that there is nothing, in English and in Korean."""
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
    """One reading of either office; which fields there are tells of which."""

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
        It has none; a message says why.
    Skipped
        Dams and weirs: their levels are no river's.
    BadGranule
        A refusal, or fields of another type.
    """
    if "content" not in answer:
        refusal = typed(path, _Refusal, answer)
        _refuse(path, f"code {refusal.code}: {refusal.message}")
    content = typed(path, _Hrfco, answer).content or []
    first = next((row for row in content if isinstance(row, dict)), {})
    if dam := {"dmobscd", "boobscd"} & set(first):
        raise Skipped(f"{path.name}: levels of {min(dam)}, dams and weirs, are not used")
    return _read(path, content, at="content", station="")


def read_wamis(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read an answer of WAMIS: levels, discharges or rain of hours or of days.

    The answer does not say of which station it is: the name of the file does.

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
    made = typed(path, _Wamis, answer)
    if made.result.code.lower() not in {"", "success"}:
        _refuse(path, f"code {made.result.code}: {made.result.msg}")
    named = re.search(r"(?<!\d)\d{7}(?!\d)", path.stem) or re.search(
        r"(?<!\d)(?!(?:19|20)\d{6})\d{8}(?!\d)", path.stem
    )
    return _read(path, made.rows or [], at="list", station=named[0] if named else "")


def _refuse(path: Path, said: str) -> None:
    """Raise what a refusal means: that there is nothing, or that something is wrong."""
    if re.search(_EMPTY, said, re.IGNORECASE):
        raise NoReadings(path, said=shown(said))
    raise BadGranule(path, expected="readings of a Korean office", found=shown(said))


def _read(path: Path, rows: list[Any], *, at: str, station: str) -> pd.DataFrame:
    """Return the readings of the rows of an answer."""
    tally = Tally(path)
    points = tally.points(_Row, rows, at=at)
    table = pd.DataFrame(
        [
            (
                one.wlobscd or one.rfobscd or one.obscd or station,
                one.ymdhm or one.ymdh or one.ymd,
                one.wl,
                one.fw,
                one.rf,
            )
            for one in points
        ],
        columns=["station", "time", "wl", "fw", "rf"],
    )
    nameless = table["station"] == ""
    if nameless.any() and nameless.all():
        raise BadGranule(
            path, expected="a station's code in its name, like wl_hrdata_1018683.json", found="none"
        )
    for _, row in table[nameless].iterrows():
        tally.bad.append((f"a station's code at {shown(row['time'])}", "none"))
    table = table[~nameless]
    time, daily = kst(table["time"])
    tally.note(table.loc[time.isna(), "time"], like=_LIKE)
    table = table.assign(time=time, daily=daily)[time.notna()]
    return read_parts(
        path,
        tally,
        [
            partial(
                series,
                path,
                station=str(code),
                variable=variable,
                unit=unit,
                method="calculated" if of_day is True and variable != "rain" else "telemetry",
                time=given["time"],
                value=given[column],
            )
            for (code, of_day), part in table.groupby(["station", "daily"])
            for variable, unit, column in _KINDS
            if len(given := part[part[column].notna()])
        ],
    )


def kst(stamps: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Naive UTC of Korean stamps, and which are of a day.

    Parameters
    ----------
    stamps
        ``YYYYMMDD``, ``YYYYMMDDHH`` or ``YYYYMMDDHHMM``, hours 00 to 24; dashes, colons and blanks
        between them do not matter.

    Returns
    -------
    tuple
        Times, NaT for what is no such stamp; a day alone stands for its end, when it is known.

    Examples
    --------
    >>> kst(pd.Series(["202608200700", "2026082024"]))[0].dt.strftime("%d %H:%M").tolist()
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
