"""Spans of time as people write them: days, months or years, the last one included."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

Day = str | date | datetime | np.datetime64
"""A day, month or year as ISO text, a date, or a moment (naive ones are UTC)."""
FIRST_YEAR, LAST_YEAR = 1678, 2261
"""Years that nanoseconds of 64 bits reach as a whole: a later day would wrap to an earlier one."""
_ISO = re.compile(r"\d{4}(-?\d{2}){0,2}([T ].+)?")


def begin_of(day: Day) -> datetime:
    """Return the moment (UTC) at which a day, month or year begins.

    Examples
    --------
    >>> print(begin_of("2026-08"), begin_of(date(2026, 8, 20)), sep=", ")
    2026-08-01 00:00:00+00:00, 2026-08-20 00:00:00+00:00
    """
    return _to_moment(_to_period(day).start_time)


def end_of(day: Day) -> datetime:
    """Return the moment (UTC) at which a day, month or year is over.

    Examples
    --------
    >>> print(end_of("2020"), end_of("2026-08-20"), sep=", ")
    2021-01-01 00:00:00+00:00, 2026-08-21 00:00:00+00:00
    """
    return _to_moment((_to_period(day) + 1).start_time)


def interval_of(start: Day, end: Day) -> tuple[datetime, datetime]:
    """Return the half-open interval of two days, months or years.

    Raises
    ------
    ValueError
        The first day is after the last.

    Examples
    --------
    >>> first, after = interval_of("2026-08", "2026-08-20")
    >>> print(first, after, sep=", ")
    2026-08-01 00:00:00+00:00, 2026-08-21 00:00:00+00:00
    """
    first, after = begin_of(start), end_of(end)
    if first >= after:
        raise ValueError(f"expected a first day up to the last, found {start} and {end}")
    return first, after


def span_of(start: Day | None, end: Day | None) -> tuple[datetime | None, datetime | None]:
    """Return the half-open interval of two days, months or years; None is open.

    Raises
    ------
    ValueError
        The first day is after the last.

    Examples
    --------
    >>> first, after = span_of("2026-08", None)
    >>> print(first, after, sep=", ")
    2026-08-01 00:00:00+00:00, None
    """
    if start is not None and end is not None:
        return interval_of(start, end)
    return None if start is None else begin_of(start), None if end is None else end_of(end)


def _to_period(day: Day) -> pd.Period:
    period = _read_period(day)
    if period is None or not FIRST_YEAR <= period.year <= LAST_YEAR:
        raise ValueError(
            f"expected a day, month or year as 2026-08-20, from {FIRST_YEAR} to {LAST_YEAR}, "
            f"found {day!r}"
        )
    return period


def _read_period(day: Day) -> pd.Period | None:
    """Read a day, month or year; None where it is none."""
    if isinstance(day, datetime):
        return pd.Period(
            pd.Timestamp(day.astimezone(UTC) if day.tzinfo else day).tz_localize(None), "s"
        )
    if isinstance(day, date):
        return pd.Period(day, "D")
    if isinstance(day, np.datetime64):
        return pd.Period(pd.Timestamp(day), "D" if day.dtype == np.dtype("M8[D]") else "s")
    try:  # pandas takes "May" for one of the year 1, and leaves out what it does not understand
        return pd.Period(day) if _ISO.fullmatch(day) else None
    except (TypeError, ValueError):
        return None


def _to_moment(stamp: pd.Timestamp) -> datetime:
    return stamp.tz_localize(UTC).to_pydatetime()
