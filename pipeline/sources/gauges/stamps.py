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
"""Years that the Buddhist calendar of Thailand is ahead."""
SHIFT = timedelta(hours=7)
"""From local midnight and noon, as a portal export stamps manual readings of before March 2021,
to the observer's 07:00 and 19:00: values at t + 7 h equal an older download in 14,610 of 14,610
pairs (Pakse, 1960-1999)."""
_RIGHT_FROM = pd.Timestamp("2021-03-01")
"""Day, local, from which the portal's own stamps are right."""
_CLOCK = pd.Timedelta(minutes=15)
"""An observer's clock is right within this."""
_MANY = 8
"""Readings of a day, from one every three hours on; more are hourly."""
_CHANGE, _FIRST = 3.0, 1.5
"""Readings that a change of stamps, and a shift from the first day on, must explain."""
_STEPS = 4
"""Steps from day to day that show an order of day and month."""
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
        What was expected where a stamp is unreadable, else empty.
    said
        What was told from the file as a whole.
    """

    time: pd.Series[Any]
    expected: pd.Series[Any]
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Parts:
    """One stamp taken apart; where ``ordered`` is false, month and day may be the other way."""

    year: int
    month: int
    day: int
    clock: timedelta
    zone: tzinfo | None
    ordered: bool


def zone_of(text: str) -> tzinfo:
    """Time zone of an IANA name or an offset.

    Raises
    ------
    ValueError
        Neither.

    Examples
    --------
    >>> zone_of("+07:00").utcoffset(None), zone_of("Asia/Yangon").key
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


def zone_in(text: str) -> timedelta | None:
    """Offset from UTC that a heading names; None where it names none.

    Examples
    --------
    >>> zone_in("Time (UTC)"), zone_in("Time (UTC+07:00)"), zone_in("Time")
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
    named = re.search(
        rf"\b(?:asia/)({names})\b|\b({names}) (?:standard )?time\b|\b(ict|mmt|kst)\b", words
    )
    return timedelta(hours=_OFFSETS_H[next(filter(None, named.groups()))]) if named else None


def to_utc(text: pd.Series[Any], *, zone: tzinfo | None = None) -> Stamps:
    """Read stamps: ISO 8601, or day, month and year in the order that the whole file shows.

    Years of the Buddhist calendar are taken back where all of the file are so; in a file of both
    calendars they are unreadable. Hour 24 is the next midnight. A date without a time of day is
    unreadable, as is a stamp without a zone where ``zone`` does not say it.

    Parameters
    ----------
    text
        Stamps.
    zone
        Zone of stamps that have none.
    """
    cells = to_ascii(text)
    plain = cells.str.fullmatch(_ZONED).to_numpy(dtype=bool)
    time = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[ns]")
    read = pd.to_datetime(cells[plain], format="ISO8601", utc=True, errors="coerce")
    time[plain] = read.dt.tz_localize(None).astype("datetime64[ns]")
    rest = cells[time.isna()]
    parts = {cell: _take_apart(cell) for cell in rest.unique()}
    known = [one for one in parts.values() if one is not None]
    buddhist = bool(known) and all(one.year in BUDDHIST_YEARS for one in known) and not plain.any()
    day_first = _day_first([one for one in map(parts.get, rest) if one is not None])
    moments, expected = {}, {}
    for cell, one in parts.items():
        moments[cell], expected[cell] = _moment(one, zone, buddhist=buddhist, day_first=day_first)
    time[time.isna()] = pd.to_datetime(rest.map(moments)).astype("datetime64[ns]")
    said = []
    if buddhist:
        year = known[0].year
        said.append(f"Buddhist years are taken back by 543: {year} is {year - BUDDHIST_OFFSET}")
    if day_first is not None:
        order = "day before month" if day_first else "month before day"
        said.append(f"dates are read with the {order}, as the whole file shows")
    why = rest.map(expected).reindex(cells.index).fillna("").astype("str")
    return Stamps(time, why, tuple(said))


def _take_apart(cell: str) -> _Parts | None:
    """Date, clock and zone of a stamp, before what only the whole file can tell."""
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
    rest = cell[match.end() :]
    time = _TIME.match(rest) or _COMPACT_TIME.match(rest)
    if time is None or (clock := _clock(*time.groups())) is None:
        return None
    zone = rest[time.end() :].strip()
    if zone and not _ZONE.fullmatch(zone):
        return None
    try:
        return _Parts(year, month, day, clock, zone_of(zone) if zone else None, ordered)
    except ValueError:
        return None


def _clock(hour: str, minute: str, second: str, part: str, half: str) -> timedelta | None:
    """Time of day; 24:00 is the next midnight."""
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half in "pP" else 0)
    micro = int((part or "0").ljust(6, "0"))
    clock = timedelta(
        hours=hours, minutes=int(minute), seconds=int(second or 0), microseconds=micro
    )
    within = hours < 24 and int(minute) < 60 and int(second or 0) < 60
    return clock if within or clock == timedelta(hours=24) else None


def _day_first(rows: list[_Parts]) -> bool | None:
    """Whether days stand before months; None where no date needs it or the file does not tell.

    The rows that can mean one date only decide, but for a few that contradict the others, or a
    single one that contradicts dates that follow each other day by day in one order alone. Where
    the other order puts the file in order of time, its rows may be of months.
    """
    loose = [one for one in rows if not one.ordered]
    days = sum(one.day > 12 >= one.month for one in loose)
    months = sum(one.month > 12 >= one.day for one in loose)
    few = max(BAD_FEW, BAD_SHARE * len(loose))
    open_dates = {(one.year, one.month, one.day) for one in loose if max(one.month, one.day) <= 12}
    daily = _daily({date(*one) for one in open_dates})
    daily_swapped = _daily({date(year, day, month) for year, month, day in open_dates})
    against = months if daily else days
    other = against and _in_time_order(loose, day_first=not daily)
    if daily != daily_swapped and days + months and against <= BAD_FEW and not other:
        return daily
    if days == months or min(days, months) > few:
        return None
    return days > months


def _daily(dates: set[date]) -> bool:
    """Whether dates, five or more, follow each other day by day but for a few."""
    steps = [later - earlier for earlier, later in pairwise(sorted(dates))]
    return len(steps) >= _STEPS and steps.count(timedelta(days=1)) >= 0.8 * len(steps)


def _in_time_order(rows: list[_Parts], *, day_first: bool) -> bool:
    """Whether rows follow each other in time."""
    dates = [
        (one.year, *((one.month, one.day) if day_first else (one.day, one.month))) for one in rows
    ]
    return dates == sorted(dates)


def _moment(
    one: _Parts | None, zone: tzinfo | None, *, buddhist: bool, day_first: bool | None
) -> tuple[datetime | None, str]:
    """Naive UTC of a stamp, or what was expected of it."""
    if one is None or (one.zone or zone) is None:
        return None, f"stamps like {LIKE}"
    if one.year in BUDDHIST_YEARS and not buddhist:
        return None, "years of one calendar in the whole file"
    if not one.ordered and day_first is None:
        return None, "dates whose order of day and month the whole file shows"
    year = one.year - (BUDDHIST_OFFSET if buddhist else 0)
    if year not in _YEARS:
        return None, f"stamps like {LIKE}"
    month, day = (
        (one.day, one.month) if day_first is False and not one.ordered else (one.month, one.day)
    )
    try:
        local = datetime(year, month, day) + one.clock  # noqa: DTZ001 - its zone follows
        offset = (one.zone or zone or UTC).utcoffset(local)
    except ValueError:
        offset = None
    if offset is None:
        return None, f"stamps like {LIKE}"
    return local - offset, ""


def stamped_at_midnight(time: pd.Series[Any]) -> pd.Series[Any]:
    """Tell the stretches of a series of manual readings that stand 7 h too early.

    Observers read at 07:00 and 19:00 local time (UTC+7), in the delta every three hours from
    01:00, in a flood every hour. A reading at 00:00 or 12:00 speaks for a shifted day, one at 07:00
    or 19:00 against it. Stretches are the cheapest explanation of all days: a change of stamps
    costs ``_CHANGE`` readings that say otherwise, none at ``_RIGHT_FROM``, where the portal changed
    its own; so an odd reading ends no stretch, and a single one begins none.

    Parameters
    ----------
    time
        Naive UTC of one series, in any order.

    Returns
    -------
    pandas.Series
        True where 7 h are to be added.
    """
    local = time + SHIFT
    hours = local.dt.round("h")
    day = hours.dt.floor("D")
    hour = hours.dt.hour.where((local - hours).abs() <= _CLOCK)
    days = pd.DataFrame({at: (hour == at).groupby(day).any() for at in (0, 7, 12, 19)})
    # Readings of every hour include noon; later than 2021 an extra one at noon is no shift.
    noon = days[12] & (day.groupby(day).size() <= _MANY) & (days.index < _RIGHT_FROM)
    against = days[7].astype("int64") + days[19]
    score = days[0].astype("int64") + noon - against
    if score[days.index < _RIGHT_FROM].sum() <= 0:  # a series stamped right: its noons are extra
        score = days[0].astype("int64") - against
    return day.map(_stretches(score)).astype("bool")


def _stretches(score: pd.Series[Any]) -> pd.Series[Any]:
    """Days of shifted stretches, from what speaks for and against each day."""
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


def put_right(time: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any], list[str]]:
    """Move the stretches that are stamped at local midnight and noon to the observer's time.

    Their ``available_time`` is made from the moved time, so that a hindcast gains nothing.

    Parameters
    ----------
    time
        Naive UTC of one series of manual readings.

    Returns
    -------
    tuple
        Times; which of them are moved; and what is to be said of it, once.
    """
    early = stamped_at_midnight(time)
    if not early.any():
        return time, early, []
    days = (time[early] + SHIFT).dt.strftime("%Y-%m-%d")
    said = (
        f"{early.sum()} manual readings of {days.min()} to {days.max()} that are stamped at local "
        "midnight and noon are moved by 7 h to the observer's 07:00 and 19:00"
    )
    return time.mask(early, time + SHIFT), early, [said]
