"""Time stamps of gauge files: zones, calendars, orders of day and month, and the portal's shift."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pipeline.sources.formats.tables import BAD_FEW, BAD_SHARE
from pipeline.sources.gauges.numbers import to_ascii

LIKE = "2026-08-20T07:00:00+07:00"
"""Example of a stamp for messages."""
BUDDHIST_YEARS = range(2400, 2701)
BUDDHIST_OFFSET = 543
"""Years by which the Buddhist calendar of Thailand is ahead."""
SHIFT = timedelta(hours=7)
"""Shift from local midnight and noon, as a portal export stamps manual readings before March 2021,
to the observer's 07:00 and 19:00: values at t + 7 h equal an older download in 14,610 of 14,610
pairs (Pakse, 1960-1999)."""
_RIGHT_FROM = pd.Timestamp("2021-03-01")
"""Local day from which the portal's own stamps are right."""
_CLOCK = pd.Timedelta(minutes=15)
"""Largest error of an observer's clock."""
_MOST_THREE_HOURLY = 8
"""Most readings of a day at three-hour steps; more are hourly."""
_CHANGE, _FIRST = 3.0, 1.5
"""Costs of a change of stamps, and of a shift from the first day, in readings."""
_STEPS = 4
"""Fewest daily steps that show an order of day and month."""
_YEARS = range(1800, 2262)
_ISO = (
    r"(?:1[89]|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
)
_ZONED = _ISO + r"(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])"
_ZONE = re.compile(r"(?:Z|UTC|GMT)|(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_NAMED = re.compile(r"([0-9]{1,2})[ -]([^0-9 -]{3,5})[ -]([0-9]{4})")
_TIME = re.compile(
    r"(?:T|,? +)([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?)?"
    r"(?: ?([ap])m)?(?: ?น\.)?",
    re.IGNORECASE,
)
_COMPACT_TIME = re.compile(r"[T ]?([0-9]{2})([0-9]{2})([0-9]{2})?()()")
_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_THAI = (
    "ม.ค.",
    "ก.พ.",
    "มี.ค.",
    "เม.ย.",
    "พ.ค.",
    "มิ.ย.",
    "ก.ค.",
    "ส.ค.",
    "ก.ย.",
    "ต.ค.",
    "พ.ย.",
    "ธ.ค.",
)
_MONTHS = {name: at % 12 + 1 for at, name in enumerate((*_ENGLISH, *_THAI))}


@dataclass(frozen=True)
class Stamps:
    """Times of a file's rows.

    Parameters
    ----------
    time
        Naive UTC; NaT where a stamp is unreadable.
    expected
        Expected form where a stamp is unreadable, else empty.
    remarks
        Findings from the file as a whole.
    """

    time: pd.Series[Any]
    expected: pd.Series[Any]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Parts:
    """Parts of one stamp; where ``ordered`` is false, month and day may be swapped."""

    year: int
    month: int
    day: int
    clock: timedelta
    zone: tzinfo | None
    ordered: bool


def parse_zone(text: str) -> tzinfo:
    """Parse a time zone from an IANA name or an offset.

    Raises
    ------
    ValueError
        The text is neither.

    Examples
    --------
    >>> parse_zone("+07:00").utcoffset(None), parse_zone("Asia/Yangon").key
    (datetime.timedelta(seconds=25200), 'Asia/Yangon')
    """
    match = _ZONE.fullmatch(text.strip())
    if match:
        sign, hours, minutes = match.groups()
        if sign is None:
            return UTC
        span = timedelta(hours=int(hours), minutes=int(minutes or 0))
        if span <= timedelta(hours=14):
            return timezone(span if sign == "+" else -span)
    else:
        try:
            return ZoneInfo(text.strip())
        except (LookupError, ValueError, OSError):
            pass
    raise ValueError(f"expected a time zone like Asia/Bangkok or +07:00, found {text!r}")


_OFFSETS_H = {
    **dict.fromkeys(("ict", "bangkok", "vientiane", "phnom penh", "hanoi", "ho chi minh", "thai",
                     "thailand", "lao", "vietnam", "cambodia", "indochina"), 7.0),
    **dict.fromkeys(("mmt", "yangon", "rangoon", "myanmar"), 6.5),
    **dict.fromkeys(("beijing", "shanghai", "china", "yunnan"), 8.0),
    **dict.fromkeys(("kst", "seoul", "korea"), 9.0),
}  # fmt: skip
"""Hours from UTC of names of zones, and of places before "time", in headings."""


def find_zone(text: str) -> timedelta | None:
    """Find the offset from UTC that a heading names; None where it names none.

    Examples
    --------
    >>> find_zone("Time (UTC)"), find_zone("Time (UTC+07:00)"), find_zone("Time")
    (datetime.timedelta(0), datetime.timedelta(seconds=25200), None)
    """
    words = text.casefold().replace("_", " ").replace("\u2212", "-")
    match = re.search(
        r"(?:\b(?:utc|gmt)|[(\[])\s*([+-])\s*([0-9]{1,2})(?::?([0-9]{2}))?\b|\b(?:utc|gmt)\b|[(\[]z[)\]]",
        words,
    )
    if match:
        sign, hours, minutes = match.groups()
        span = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return -span if sign == "-" else span
    names = "|".join(_OFFSETS_H)
    name_match = re.search(
        rf"\b(?:asia/)({names})\b|\b({names}) (?:standard )?time\b|\b(ict|mmt|kst)\b", words
    )
    return (
        timedelta(hours=_OFFSETS_H[next(filter(None, name_match.groups()))]) if name_match else None
    )


def to_utc(text: pd.Series[Any], *, zone: tzinfo | None = None) -> Stamps:
    """Parse stamps: ISO 8601, or day, month and year in the order that the whole file shows.

    Years of the Buddhist calendar are converted where all stamps of the file use it; in a file of
    both calendars they are unreadable. Hour 24 is the next midnight. A date without a time of day
    is unreadable, as is a stamp without a zone where ``zone`` is not given.

    Parameters
    ----------
    text
        Stamps.
    zone
        Zone of stamps that have none.
    """
    cells = to_ascii(text)
    is_iso = cells.str.fullmatch(_ZONED).to_numpy(dtype=bool)
    time = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[ns]")
    parsed = pd.to_datetime(cells[is_iso], format="ISO8601", utc=True, errors="coerce")
    time[is_iso] = parsed.dt.tz_localize(None).astype("datetime64[ns]")
    unparsed = cells[time.isna()]
    parts = {cell: _split_stamp(cell) for cell in unparsed.unique()}
    stamps = [stamp for stamp in parts.values() if stamp is not None]
    buddhist = (
        bool(stamps) and all(stamp.year in BUDDHIST_YEARS for stamp in stamps) and not is_iso.any()
    )
    day_first = _find_day_first([stamp for stamp in map(parts.get, unparsed) if stamp is not None])
    moments, expected = {}, {}
    for cell, stamp in parts.items():
        moments[cell], expected[cell] = _to_moment(
            stamp, zone, buddhist=buddhist, day_first=day_first
        )
    time[time.isna()] = pd.to_datetime(unparsed.map(moments)).astype("datetime64[ns]")
    remarks = []
    if buddhist:
        year = stamps[0].year
        remarks.append(f"Buddhist years are taken back by 543: {year} is {year - BUDDHIST_OFFSET}")
    if day_first is not None:
        order = "day before month" if day_first else "month before day"
        remarks.append(f"dates are read with the {order}, as the whole file shows")
    reason = unparsed.map(expected).reindex(cells.index).fillna("").astype("str")
    return Stamps(time, reason, tuple(remarks))


def _split_stamp(cell: str) -> _Parts | None:
    """Split a stamp into date, clock and zone; order and calendar depend on the whole file."""
    ordered = True
    if match := _YEAR_FIRST.match(cell):
        year, month, day = int(match[1]), int(match[3]), int(match[4])
    elif match := _YEAR_LAST.match(cell):
        year, month, day, ordered = int(match[4]), int(match[3]), int(match[1]), False
    elif match := _NAMED.match(cell):
        year, month, day = int(match[3]), _MONTHS.get(match[2].casefold(), 0), int(match[1])
    elif match := _COMPACT.match(cell):
        year, month, day = int(match[1]), int(match[2]), int(match[3])
    else:
        return None
    remainder = cell[match.end() :]
    time = _TIME.match(remainder) or _COMPACT_TIME.match(remainder)
    if time is None or (clock := _parse_clock(*time.groups())) is None:
        return None
    zone = remainder[time.end() :].strip()
    if zone and not _ZONE.fullmatch(zone):
        return None
    try:
        return _Parts(year, month, day, clock, parse_zone(zone) if zone else None, ordered)
    except ValueError:
        return None


def _parse_clock(hour: str, minute: str, second: str, fraction: str, half: str) -> timedelta | None:
    """Parse a time of day; 24:00 is the next midnight."""
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half in "pP" else 0)
    micro = int((fraction or "0").ljust(6, "0"))
    clock = timedelta(
        hours=hours, minutes=int(minute), seconds=int(second or 0), microseconds=micro
    )
    within = hours < 24 and int(minute) < 60 and int(second or 0) < 60
    return clock if within or clock == timedelta(hours=24) else None


def _find_day_first(rows: list[_Parts]) -> bool | None:
    """Find whether days precede months; None where no date needs it or the file does not show it.

    The rows that can mean one date only decide, despite a few that contradict the others, or a
    single one that contradicts dates that follow each other daily in one order alone. Where the
    other order puts the file in order of time, its rows may be monthly.
    """
    unordered = [stamp for stamp in rows if not stamp.ordered]
    days = sum(stamp.day > 12 >= stamp.month for stamp in unordered)
    months = sum(stamp.month > 12 >= stamp.day for stamp in unordered)
    most_against = max(BAD_FEW, BAD_SHARE * len(unordered))
    open_dates = {
        (stamp.year, stamp.month, stamp.day)
        for stamp in unordered
        if max(stamp.month, stamp.day) <= 12
    }
    daily = _is_daily({date(*stamp) for stamp in open_dates})
    daily_swapped = _is_daily({date(year, day, month) for year, month, day in open_dates})
    against = months if daily else days
    is_swapped_in_order = against and _is_in_time_order(unordered, day_first=not daily)
    if daily != daily_swapped and days + months and against <= BAD_FEW and not is_swapped_in_order:
        return daily
    if days == months or min(days, months) > most_against:
        return None
    return days > months


def _is_daily(dates: set[date]) -> bool:
    """Return whether five or more dates follow each other daily, with few exceptions."""
    steps = [later - earlier for earlier, later in pairwise(sorted(dates))]
    return len(steps) >= _STEPS and steps.count(timedelta(days=1)) >= 0.8 * len(steps)


def _is_in_time_order(rows: list[_Parts], *, day_first: bool) -> bool:
    """Return whether rows follow each other in time."""
    dates = [
        (stamp.year, *((stamp.month, stamp.day) if day_first else (stamp.day, stamp.month)))
        for stamp in rows
    ]
    return dates == sorted(dates)


def _to_moment(
    stamp: _Parts | None, zone: tzinfo | None, *, buddhist: bool, day_first: bool | None
) -> tuple[datetime | None, str]:
    """Convert a stamp to naive UTC, or describe the expected form."""
    if stamp is None or (stamp.zone or zone) is None:
        return None, f"stamps like {LIKE}"
    if stamp.year in BUDDHIST_YEARS and not buddhist:
        return None, "years of one calendar in the whole file"
    if not stamp.ordered and day_first is None:
        return None, "dates whose order of day and month the whole file shows"
    year = stamp.year - (BUDDHIST_OFFSET if buddhist else 0)
    if year not in _YEARS:
        return None, f"stamps like {LIKE}"
    month, day = (
        (stamp.day, stamp.month)
        if day_first is False and not stamp.ordered
        else (stamp.month, stamp.day)
    )
    try:
        local = datetime(year, month, day) + stamp.clock  # noqa: DTZ001 - its zone follows
        offset = (stamp.zone or zone or UTC).utcoffset(local)
    except ValueError:
        offset = None
    if offset is None:
        return None, f"stamps like {LIKE}"
    return local - offset, ""


def find_midnight_stamps(time: pd.Series[Any]) -> pd.Series[Any]:
    """Find the stretches of a series of manual readings that are stamped 7 h too early.

    Observers read at 07:00 and 19:00 local time (UTC+7), in the delta every three hours from
    01:00, in a flood every hour. A reading at 00:00 or 12:00 indicates a shifted day, one at 07:00
    or 19:00 contradicts it. Stretches minimize the cost over all days: a change of stamps costs
    ``_CHANGE`` contradicting readings, none at ``_RIGHT_FROM``, where the portal changed its own;
    so an odd reading ends no stretch, and a single one begins none.

    Parameters
    ----------
    time
        Naive UTC of one series, in any order.

    Returns
    -------
    pandas.Series
        True where 7 h must be added.
    """
    local = time + SHIFT
    hours = local.dt.round("h")
    day = hours.dt.floor("D")
    hour = hours.dt.hour.where((local - hours).abs() <= _CLOCK)
    days = pd.DataFrame({at: (hour == at).groupby(day).any() for at in (0, 7, 12, 19)})
    # Readings of every hour include noon; later than 2021 an extra one at noon is no shift.
    noon = days[12] & (day.groupby(day).size() <= _MOST_THREE_HOURLY) & (days.index < _RIGHT_FROM)
    against = days[7].astype("int64") + days[19]
    score = days[0].astype("int64") + noon - against
    if score[days.index < _RIGHT_FROM].sum() <= 0:  # a series stamped right: its noons are extra
        score = days[0].astype("int64") - against
    return day.map(_find_stretches(score)).astype("bool")


def _find_stretches(score: pd.Series[Any]) -> pd.Series[Any]:
    """Find the days of shifted stretches from the score of each day."""
    right, early = 0.0, _FIRST
    came_from: list[tuple[bool, bool]] = []
    changed = (score.index >= _RIGHT_FROM) & (np.roll(score.index, 1) < _RIGHT_FROM)
    for at, (for_shift, change) in enumerate(zip(score.tolist(), changed.tolist(), strict=True)):
        to_right = early + (0.0 if change else _CHANGE)
        to_early = right + _CHANGE
        came_from.append((at > 0 and to_right <= right, at == 0 or early <= to_early))
        if at:
            right, early = min(right, to_right), min(early, to_early)
        right, early = right + max(for_shift, 0), early + max(-for_shift, 0)
    state = early < right
    shifted = []
    for from_early_to_right, stays_early in reversed(came_from):
        shifted.append(state)
        state = stays_early if state else from_early_to_right
    return pd.Series(shifted[::-1], index=score.index, dtype="bool")


def correct_stamps(time: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any], list[str]]:
    """Move the stretches that are stamped at local midnight and noon to the observer's time.

    Their ``available_time`` follows from the moved time, so that a hindcast does not look ahead.

    Parameters
    ----------
    time
        Naive UTC of one series of manual readings.

    Returns
    -------
    tuple
        Times; which of them are moved; and remarks, at most one.
    """
    early = find_midnight_stamps(time)
    if not early.any():
        return time, early, []
    days = (time[early] + SHIFT).dt.strftime("%Y-%m-%d")
    remark = (
        f"{early.sum()} manual readings of {days.min()} to {days.max()} that are stamped at local "
        "midnight and noon are moved by 7 h to the observer's 07:00 and 19:00"
    )
    return time.mask(early, time + SHIFT), early, [remark]
